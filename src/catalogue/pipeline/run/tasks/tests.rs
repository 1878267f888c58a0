use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use lamcat_release::{
    parquet_file::Written,
    unsure::{Fate, Unsure},
};
use serde::Deserialize;

use super::*;
use crate::pipeline::run::holder::leases_ended;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Rows {
    path: String,
}

impl Claim for Rows {
    fn files(&self) -> Vec<&Written> {
        Vec::new()
    }

    fn own_files(&self) -> Vec<&str> {
        vec![&self.path]
    }
}

/// Work that takes a second, writes a file of its own, and counts how many calls run at the same time.
#[derive(Clone)]
struct Work {
    storage: Storage,
    failures: Arc<AtomicUsize>,
    done: Arc<AtomicUsize>,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Work {
    fn new(storage: &Storage, failures: usize) -> Self {
        let storage = storage.clone();
        let failures = Arc::new(AtomicUsize::new(failures));
        Self { storage, failures, done: Arc::default(), now: Arc::default(), most: Arc::default() }
    }

    async fn task(self, number: usize) -> Result<Rows> {
        self.most.fetch_max(self.now.fetch_add(1, Relaxed) + 1, Relaxed);
        sleep(Duration::from_secs(1)).await;
        self.now.fetch_sub(1, Relaxed);
        if self.failures.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            return Err(Error::new(ErrorKind::Io, "the store is away"));
        }
        let path = format!("rows/{number}-{}", self.done.fetch_add(1, Relaxed));
        self.storage.put(&path, "rows").await?;
        Ok(Rows { path })
    }
}

fn tasks(count: usize) -> Vec<Task> {
    let task = |number| Task { number, claim: format!("claims/{number}.json"), lease: format!("leases/{number}.json") };
    (0..count).map(task).collect()
}

/// Does `count` tasks, three at a time; returns the claims and the seconds that this took.
async fn shared(storage: &Storage, count: usize, work: &Work) -> Result<(Vec<Rows>, u64)> {
    let (begun, work) = (Instant::now(), work.clone());
    let valid = ValidClaims::new(storage, &[], |_, _| true).await?;
    let work = move |number| work.clone().task(number);
    let claims = do_tasks(storage, tasks(count), 3, valid, work, |_: &mut Rows, _| {}).await?;
    Ok((claims, begun.elapsed().as_secs()))
}

async fn files(storage: &Storage, folder: &str) -> Vec<String> {
    storage.list(folder).await.unwrap().into_iter().map(|file| file.path).collect()
}

#[tokio::test(start_paused = true)]
async fn rows_that_count_are_never_deleted_whatever_the_store_answers() {
    for fate in [Fate::Done, Fate::DoneSaysNo, Fate::DoneTwice] {
        for of in ["claims/", "leases/"] {
            let store = Unsure::default();
            let storage = store.storage();
            for _ in 0..6 {
                store.next(of, fate);
            }
            let (claims, _) = shared(&storage, 6, &Work::new(&storage, 0)).await.unwrap();
            let mut named: Vec<String> = claims.into_iter().map(|claim| claim.path).collect();
            named.sort();
            assert_eq!(files(&storage, "rows").await, named, "{fate:?} {of}");
            assert!(files(&storage, "leases").await.is_empty(), "{fate:?} {of}");
        }
    }
}

/// A claim that names a file of ten bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Table {
    task: usize,
    file: Written,
}

impl Claim for Table {
    fn files(&self) -> Vec<&Written> {
        vec![&self.file]
    }

    fn own_files(&self) -> Vec<&str> {
        vec![&self.file.path]
    }
}

#[tokio::test]
async fn a_claim_that_no_longer_stands_is_withdrawn_and_its_task_done_again() {
    let storage = Unsure::default().storage();
    let attempts = Arc::new(AtomicUsize::new(0));
    let shared = || async {
        let (writing, counter) = (storage.clone(), attempts.clone());
        let work = move |task: usize| {
            let (storage, path) = (writing.clone(), format!("rows/{}", counter.fetch_add(1, Relaxed)));
            async move {
                storage.put(&path, vec![b'x'; 10]).await?;
                Ok(Table { task, file: Written { path, rows: 1, bytes: 10, sha256: String::new() } })
            }
        };
        let folders = ["rows".to_owned()];
        let valid = ValidClaims::new(&storage, &folders, |task, claim: &Table| claim.task == task).await.unwrap();
        do_tasks(&storage, tasks(4), 2, valid, work, |_: &mut Table, _| {}).await.unwrap()
    };
    let first = shared().await;
    assert_eq!((shared().await, attempts.load(Relaxed)), (first.clone(), 4), "all stand");
    storage.delete(&first[0].file.path).await.unwrap();
    storage.put(&first[1].file.path, vec![b'x'; 9]).await.unwrap();
    let other: Table = commit::read(&storage, "claims/3.json").await.unwrap().unwrap();
    storage.put("claims/2.json", serde_json::to_vec(&other).unwrap()).await.unwrap();
    let again = shared().await;
    assert_eq!(attempts.load(Relaxed), 7, "one is gone, one is shorter, one is of another task");
    assert_eq!(again.iter().map(|claim| claim.task).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!((again[3] == first[3], again[0] == first[0]), (true, false));
    assert_eq!(shared().await, again);
}

#[tokio::test(start_paused = true)]
async fn who_loses_a_claim_deletes_only_what_is_his() {
    let storage = Unsure::default().storage();
    // Somebody else does the same task at the same time, without a lease.
    let elsewhere = async {
        sleep(Duration::from_millis(500)).await;
        storage.put("rows/theirs", "rows").await.unwrap();
        commit::create(&storage, "claims/0.json", &Rows { path: "rows/theirs".to_owned() }).await.unwrap();
    };
    let work = Work::new(&storage, 0);
    let (shared, ()) = tokio::join!(shared(&storage, 1, &work), elsewhere);
    assert_eq!(shared.unwrap().0, [Rows { path: "rows/theirs".to_owned() }]);
    assert_eq!(files(&storage, "rows").await, ["rows/theirs"]);
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_nobody_waits_for_himself() {
    let storage = Unsure::default().storage();
    let work = Work::new(&storage, 1);
    assert!(shared(&storage, 9, &work).await.is_err());
    let (claims, seconds) = shared(&storage, 9, &work).await.unwrap();
    assert_eq!((claims.len(), work.most.load(Relaxed)), (9, 3));
    assert!(seconds <= 3, "{seconds} s");
    // The store may even fail to delete the leases.
    let storage = Unsure::default().storage();
    for task in tasks(9) {
        commit::create(&storage, &task.lease, &Holder::begin().0).await.unwrap();
    }
    let (_, seconds) = shared(&storage, 9, &Work::new(&storage, 0)).await.unwrap();
    assert!(seconds <= 3, "{seconds} s");
}

#[tokio::test(start_paused = true)]
async fn leases_end_with_an_error_and_with_being_dropped() {
    let storage = Unsure::default().storage();
    assert!(shared(&storage, 9, &Work::new(&storage, 1)).await.is_err());
    leases_ended(Duration::from_secs(1)).await;
    assert!(files(&storage, "leases").await.is_empty());
    let work = Work::new(&storage, 0);
    tokio::select! {
        _ = shared(&storage, 9, &work) => unreachable!("it takes three seconds"),
        () = sleep(Duration::from_millis(1500)) => assert_eq!(files(&storage, "leases").await.len(), 3),
    }
    leases_ended(Duration::from_secs(1)).await;
    assert!(files(&storage, "leases").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_others_left_undone_is_done_by_several_at_once() {
    for dead in [false, true] {
        let storage = Unsure::default().storage();
        let (holder, _at_work) = Holder::begin();
        let mut elsewhere = serde_json::to_value(holder).unwrap();
        if dead {
            elsewhere["process"] = u32::MAX.into();
        } else {
            elsewhere["machine"] = "elsewhere".into();
        }
        for task in tasks(30) {
            storage.put(&task.lease, elsewhere.to_string()).await.unwrap();
        }
        let work = Work::new(&storage, 0);
        let (claims, seconds) = shared(&storage, 30, &work).await.unwrap();
        assert_eq!((claims.len(), work.done.load(Relaxed), work.most.load(Relaxed)), (30, 30, 3));
        let patience = if dead { 0 } else { PATIENCE.as_secs() + LONGEST_POLL.as_secs() };
        assert!(seconds <= patience + 11, "{seconds} s");
    }
}

#[tokio::test(start_paused = true)]
async fn empty_claims_and_leases_hold_up_nobody() {
    let storage = Unsure::default().storage();
    for task in tasks(6) {
        storage.put(&task.lease, "").await.unwrap();
        storage.put(&task.claim, r#"{"path": "#).await.unwrap();
    }
    let work = Work::new(&storage, 0);
    let (claims, seconds) = shared(&storage, 6, &work).await.unwrap();
    assert_eq!((claims.len(), work.done.load(Relaxed)), (6, 6));
    assert!(seconds <= 3, "{seconds} s");
    assert_eq!(shared(&storage, 6, &work).await.unwrap().0, claims);
}

#[tokio::test(start_paused = true)]
async fn two_who_share_do_each_task_once() {
    let storage = Unsure::default().storage();
    let work = Work::new(&storage, 0);
    let (one, two) = tokio::join!(shared(&storage, 20, &work), shared(&storage, 20, &work));
    assert_eq!(one.unwrap().0, two.unwrap().0);
    assert_eq!(work.done.load(Relaxed), 20);
}
