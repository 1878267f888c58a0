//! Schedulers that die at every single step.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use futures::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result as StoreResult, memory::InMemory, path::Path,
};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    pipeline::{State, state},
    *,
};
use crate::{
    error::Result,
    pipeline::{Misfire, Schedule, Watch},
    release::{
        Storage,
        commit::{self, Commit},
        paths,
        publish::{self, Action, Current},
    },
};

/// Lives that end early; the one after them does not.
const LIVES: usize = 4;

/// A store as one process sees it, which dies after so many steps: before what a call does, or after it.
#[derive(Debug)]
struct Mortal {
    store: Arc<InMemory>,
    steps: AtomicUsize,
    dead: CancellationToken,
}

impl Mortal {
    async fn step(&self) {
        let left = self.steps.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_err() {
            self.dead.cancel();
            std::future::pending::<()>().await;
        }
        tokio::task::yield_now().await;
    }
}

impl fmt::Display for Mortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mortal")
    }
}

#[async_trait]
impl ObjectStore for Mortal {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> StoreResult<PutResult> {
        self.step().await;
        let put = self.store.put_opts(path, payload, options).await;
        self.step().await;
        put
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> StoreResult<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> StoreResult<GetResult> {
        self.step().await;
        self.store.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, StoreResult<Path>>) -> BoxStream<'static, StoreResult<Path>> {
        self.store.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, StoreResult<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> StoreResult<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> StoreResult<()> {
        self.store.copy_opts(from, to, options).await
    }
}

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-12-01T{text}Z").parse().unwrap()
}

/// Publishes a release of the input as it is at the time, which takes a minute.
struct Publisher {
    storage: Storage,
    now: Now,
}

impl Publisher {
    /// The input changes twice.
    fn folder(&self) -> &'static str {
        match (self.now)() {
            now if now < at("03:25:00") => "releases/a",
            now if now < at("03:45:00") => "releases/b",
            _ => "releases/c",
        }
    }
}

#[async_trait(?Send)]
impl Scheduled for Publisher {
    fn name(&self) -> &'static str {
        "mortal"
    }

    fn plan(&self) -> Result<Plan> {
        let schedule = Schedule::new("*/10 * * * *", Tz::UTC, Misfire::Once).unwrap();
        Ok(Plan { storage: self.storage.clone(), schedule })
    }

    async fn run(&self, begun: u64, _watch: &dyn Watch) -> Result<Ending> {
        let folder = self.folder();
        let (job, release) = (folder.to_owned(), folder.to_owned());
        let log = publish::log(&self.storage).await?;
        match state(&log, begun, folder) {
            State::Published(entry) => return Ok(Ending::Published { job, release, number: entry.number, rows: 1 }),
            State::Skip(why) => return Ok(Ending::Skipped { job, why }),
            State::Run => {}
        }
        sleep(Duration::from_mins(1)).await;
        let number = log.len() as u64 + 1;
        let entry = Current {
            number,
            action: Action::Publish,
            name: "mortal".to_owned(),
            version: "1.0.0".to_owned(),
            folder: folder.to_owned(),
            manifest_sha256: String::new(),
            time: String::new(),
            decided: None,
        };
        let created = commit::create(&self.storage, &paths::log_entry(number), &entry).await?;
        assert_eq!(created, Commit::Won, "two run at the same time");
        Ok(Ending::Published { job, release, number, rows: 1 })
    }
}

/// A scheduler from 02:59 on, each of whose first lives ends after so many steps, and which is stopped at 04:05.
async fn lives(steps: usize) -> Storage {
    let since = Instant::now();
    let now: Now = Arc::new(move || at("02:59:00") + TimeDelta::from_std(since.elapsed()).unwrap());
    let store = Arc::new(InMemory::new());
    let seen = |store: Arc<dyn ObjectStore>| Storage::new(store, Path::from("m"), "memory:///".parse().unwrap());
    for life in 0..=LIVES {
        let (dead, stop) = (CancellationToken::new(), CancellationToken::new());
        let steps = AtomicUsize::new(if life < LIVES { steps } else { usize::MAX });
        let storage = seen(Arc::new(Mortal { store: store.clone(), steps, dead: dead.clone() }));
        let pipeline = Publisher { storage, now: now.clone() };
        let scheduler = Scheduler::new(vec![pipeline], now.clone(), TimeDelta::minutes(10), Arc::new(|_, _| {}));
        let rest = (at("04:05:00") - now()).to_std().unwrap();
        tokio::select! {
            () = scheduler.serve(&stop) => {}
            () = dead.cancelled() => {}
            () = sleep(rest) => break,
        }
    }
    seen(store)
}

#[tokio::test(start_paused = true)]
async fn whenever_a_scheduler_dies_no_run_is_lost_or_doubled() {
    let due: Vec<_> = (0..7).map(|i| at("03:00:00") + TimeDelta::minutes(10 * i)).collect();
    let mut taken_up = 0;
    for steps in 0..200 {
        let storage = lives(steps).await;
        let history = History::read(&storage).await.unwrap();
        assert_eq!(history.ended.iter().copied().collect::<Vec<_>>(), due, "after {steps} steps");
        assert!(history.open().is_empty(), "after {steps} steps: {:?}", history.open());
        let log: Vec<_> = publish::log(&storage).await.unwrap().into_iter().map(|entry| entry.folder).collect();
        assert_eq!(log, ["releases/a", "releases/b", "releases/c"], "after {steps} steps");
        let mut published = Vec::new();
        for entry in Entry::last(&storage, 100).await.unwrap() {
            let Entry::Ended(ended) = entry else { unreachable!() };
            taken_up += usize::from(ended.begun.is_some_and(|begun| ended.ended - begun > TimeDelta::seconds(70)));
            if let Ending::Published { release, .. } = ended.ending {
                published.push(release);
            }
        }
        assert_eq!(published, log, "after {steps} steps");
    }
    assert!(taken_up > 50, "only {taken_up} runs were cut off");
}
