use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_release::{Storage, commit, paths};
use object_store::{memory::InMemory, path::Path};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::pipeline::{Misfire, Schedule, Watch};

/// A catalogue in memory. Its runs take a minute and end as `script` says; when the script is used up, they end as
/// published. `Err` says whether the store is at fault, so that retrying may help.
#[derive(Clone)]
struct Fake {
    storage: Storage,
    schedule: Schedule,
    script: Arc<Mutex<Vec<Result<(), Store>>>>,
    runs: Arc<Mutex<Vec<DateTime<Utc>>>>,
    now: Clock,
}

/// Whether a run fails because of the store.
#[derive(Debug, Clone, Copy)]
struct Store {
    away: bool,
}

#[async_trait(?Send)]
impl Scheduled for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn schedule(&self) -> Result<CatalogueSchedule> {
        Ok(CatalogueSchedule { storage: self.storage.clone(), schedule: self.schedule.clone() })
    }

    async fn run(&self, log: u64, _watch: &dyn Watch) -> Result<Ending> {
        self.runs.lock().unwrap().push((self.now)());
        sleep(Duration::from_mins(1)).await;
        let mut script = self.script.lock().unwrap();
        match if script.is_empty() { Ok(()) } else { script.remove(0) } {
            Ok(()) => Ok(Ending::Published { job: "j".to_owned(), release: "r".to_owned(), number: log + 1, rows: 1 }),
            Err(Store { away }) => {
                Err(Error::new(ErrorKind::Input, "cannot read s3://me:secret@bucket/x?sig=1 today").retryable(away))
            }
        }
    }
}

fn at(text: &str) -> DateTime<Utc> {
    format!("2026-12-01T{text}Z").parse().unwrap()
}

/// A clock that shows `time` now and advances with tokio's clock.
fn clock(time: &str) -> Clock {
    let (start, since) = (at(time), Instant::now());
    Arc::new(move || start + TimeDelta::from_std(since.elapsed()).unwrap())
}

fn fake(pattern: &str, misfire: Misfire, time: &str) -> Fake {
    Fake {
        storage: Storage::new(Arc::new(InMemory::new()), Path::from("fake"), "memory:///".parse().unwrap()),
        schedule: Schedule::new(pattern, Tz::UTC, misfire).unwrap(),
        script: Arc::default(),
        runs: Arc::default(),
        now: clock(time),
    }
}

fn scheduler(fake: &Fake) -> Scheduler<Fake> {
    let nobody: EventListener = Arc::new(|_, _| {});
    Scheduler::new(vec![fake.clone()], fake.now.clone(), TimeDelta::minutes(10), nobody)
}

/// Serves for some minutes, then stops as on Ctrl-C.
async fn serve(fake: &Fake, minutes: u64) {
    let stop = CancellationToken::new();
    let scheduler = scheduler(fake);
    let alarm = async {
        sleep(Duration::from_mins(minutes)).await;
        stop.cancel();
    };
    tokio::join!(scheduler.serve(&stop), alarm);
}

/// The outcome of each due time.
async fn outcomes(fake: &Fake) -> Vec<(DateTime<Utc>, String)> {
    let entries = Entry::last(&fake.storage, 10_000).await.unwrap();
    let outcome = |entry: &Entry| match entry {
        Entry::Open(begun) => (begun.due, "open".to_owned()),
        Entry::Ended(ended) => {
            (ended.due, serde_json::to_value(ended).unwrap()["outcome"].as_str().unwrap().to_owned())
        }
    };
    entries.iter().map(outcome).collect()
}

fn expected(outcomes: &[(&str, &str)]) -> Vec<(DateTime<Utc>, String)> {
    outcomes.iter().map(|(time, outcome)| (at(time), (*outcome).to_owned())).collect()
}

#[tokio::test(start_paused = true)]
async fn every_due_time_is_run_when_it_is_due() {
    let fake = fake("*/10 * * * *", Misfire::Skip, "02:55:00");
    serve(&fake, 30).await;
    assert_eq!(
        outcomes(&fake).await,
        expected(&[("03:00:00", "published"), ("03:10:00", "published"), ("03:20:00", "published")])
    );
    let runs = fake.runs.lock().unwrap().clone();
    let late: Vec<_> = runs.iter().zip(["03:00:00", "03:10:00", "03:20:00"]).map(|(run, due)| *run - at(due)).collect();
    assert!(late.iter().all(|late| *late >= TimeDelta::zero() && *late < TimeDelta::seconds(1)), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_is_recorded_and_the_next_one_is_due_as_ever() {
    let fake = fake("*/10 * * * *", Misfire::Once, "02:55:00");
    *fake.script.lock().unwrap() = vec![Err(Store { away: false }), Ok(()), Err(Store { away: true }), Ok(())];
    serve(&fake, 31).await;
    assert_eq!(
        outcomes(&fake).await,
        expected(&[("03:00:00", "failed"), ("03:10:00", "published"), ("03:20:00", "published")])
    );
    // Only failures that may pass, as those of the store, are retried.
    assert_eq!(fake.runs.lock().unwrap().len(), 4);
    let Entry::Ended(Ended { ending: Ending::Failed { error, attempts }, .. }) =
        Entry::last(&fake.storage, 3).await.unwrap().remove(0)
    else {
        panic!()
    };
    assert_eq!((error.as_str(), attempts), ("cannot read s3://bucket/x today", 1));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_stays_away_is_given_up_for_the_time() {
    let fake = fake("0 * * * *", Misfire::Once, "02:55:00");
    *fake.script.lock().unwrap() = vec![Err(Store { away: true }); 6];
    serve(&fake, 70).await;
    assert_eq!(outcomes(&fake).await, expected(&[("03:00:00", "failed"), ("04:00:00", "published")]));
    let runs = fake.runs.lock().unwrap().clone();
    assert_eq!(runs.len(), 7);
    // This is long enough for somebody to repair a store.
    assert!(runs[5] - at("03:00:00") > TimeDelta::minutes(20), "{runs:?}");
    let Entry::Ended(Ended { ending: Ending::Failed { attempts, .. }, .. }) =
        Entry::last(&fake.storage, 2).await.unwrap().remove(0)
    else {
        panic!()
    };
    assert_eq!(attempts, 6);
}

#[tokio::test(start_paused = true)]
async fn one_run_makes_up_for_all_that_were_missed_while_nobody_ran() {
    let fake = fake("*/10 * * * *", Misfire::Once, "03:00:00");
    serve(&fake, 2).await;
    // The scheduler is down until 03:34.
    sleep(Duration::from_mins(32)).await;
    serve(&fake, 2).await;
    let made_up =
        [("03:00:00", "published"), ("03:10:00", "missed"), ("03:20:00", "missed"), ("03:30:00", "published")];
    assert_eq!(outcomes(&fake).await, expected(&made_up));
}

#[tokio::test(start_paused = true)]
async fn missed_runs_are_left_out_where_the_policy_says_so() {
    let fake = fake("*/30 * * * *", Misfire::Skip, "03:00:00");
    serve(&fake, 2).await;
    sleep(Duration::from_mins(72)).await;
    // It is 04:14 now, too late for 04:00.
    serve(&fake, 20).await;
    let wanted = [("03:00:00", "published"), ("03:30:00", "missed"), ("04:00:00", "missed"), ("04:30:00", "published")];
    assert_eq!(outcomes(&fake).await, expected(&wanted));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_run_is_open_its_lease_is_free_and_the_next_scheduler_ends_it() {
    let fake = fake("0 * * * *", Misfire::Skip, "02:59:30");
    serve(&fake, 1).await;
    assert_eq!(outcomes(&fake).await, expected(&[("03:00:00", "open")]));
    let lease: serde_json::Value = fake.storage.get_json(&paths::schedule_lease(1)).await.unwrap().unwrap();
    assert_eq!(lease["released"], true);
    // The delay does not matter, since the run was begun in time.
    sleep(Duration::from_mins(40)).await;
    serve(&fake, 2).await;
    assert_eq!(outcomes(&fake).await, expected(&[("03:00:00", "published")]));
    assert_eq!(fake.runs.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_dies_before_the_first_due_time_does_not_lose_it() {
    let fake = fake("0 * * * *", Misfire::Once, "02:58:00");
    serve(&fake, 1).await;
    assert!(outcomes(&fake).await.is_empty());
    sleep(Duration::from_mins(3)).await;
    serve(&fake, 2).await;
    assert_eq!(outcomes(&fake).await, expected(&[("03:00:00", "published")]));
}

#[tokio::test(start_paused = true)]
async fn of_many_schedulers_one_runs_what_is_due() {
    let fake = fake("*/10 * * * *", Misfire::Once, "02:55:00");
    futures::future::join_all((0..5).map(|_| serve(&fake, 60))).await;
    let outcomes: BTreeMap<_, _> = outcomes(&fake).await.into_iter().collect();
    assert_eq!(outcomes.len(), 6);
    assert!(outcomes.values().all(|outcome| outcome == "published"));
    assert_eq!(fake.runs.lock().unwrap().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn who_lost_the_lease_stops_and_ends_the_run_when_it_is_free_again() {
    let fake = fake("0 * * * *", Misfire::Once, "02:59:30");
    let thief = async {
        sleep(Duration::from_secs(35)).await;
        let elsewhere = r#"{"holder":{"machine":"x","process":1,"since":""},"beat":7,"released":false}"#;
        fake.storage.put(&paths::schedule_lease(2), elsewhere).await.unwrap();
        sleep(Duration::from_mins(1)).await;
        // The run would have ended half a minute earlier.
        assert_eq!(outcomes(&fake).await, expected(&[("03:00:00", "open")]));
    };
    tokio::join!(serve(&fake, 5), thief);
    assert_eq!(outcomes(&fake).await, expected(&[("03:00:00", "published")]));
    assert_eq!(fake.runs.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn once_does_what_is_due_and_ends() {
    let fake = fake("0 * * * *", Misfire::Once, "03:05:00");
    let stop = CancellationToken::new();
    for _ in 0..2 {
        assert!(scheduler(&fake).once(&stop).await.unwrap());
        assert_eq!(outcomes(&fake).await, expected(&[("03:00:00", "published")]));
    }
    assert_eq!(fake.runs.lock().unwrap().len(), 1);
    // Another scheduler began 04:00 and died on another machine; its lease expires.
    let elsewhere = r#"{"holder":{"machine":"x","process":1,"since":""},"beat":7,"released":false}"#;
    fake.storage.put(&paths::schedule_lease(9), elsewhere).await.unwrap();
    let begun = Begun { due: at("04:00:00"), begun: at("04:00:00"), log: 0 };
    commit::create(&fake.storage, &paths::due_entry(paths::SCHEDULE_BEGUN, begun.due), &begun).await.unwrap();
    assert!(scheduler(&fake).once(&stop).await.unwrap());
    assert_eq!(outcomes(&fake).await, expected(&[("03:00:00", "published"), ("04:00:00", "published")]));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_was_ahead_loses_no_due_time() {
    let stop = CancellationToken::new();
    for first in [true, false] {
        let mut fake = fake("0 * * * *", Misfire::Once, "03:05:00");
        if !first {
            assert!(scheduler(&fake).once(&stop).await.unwrap());
        }
        // The clock of one scheduler is three days ahead, and that of another, which dies, is two days ahead.
        let right = fake.now.clone();
        fake.now = clock("03:05:00");
        let ahead = fake.now.clone();
        fake.now = Arc::new(move || ahead() + TimeDelta::days(2));
        assert!(scheduler(&fake).once(&stop).await.unwrap());
        let died =
            Begun { due: at("03:00:00") + TimeDelta::days(3), begun: at("03:00:00") + TimeDelta::days(3), log: 0 };
        let entry = paths::due_entry(paths::SCHEDULE_BEGUN, died.due);
        commit::create(&fake.storage, &entry, &died).await.unwrap();
        fake.now = right;
        serve(&fake, 120).await;
        let wanted = expected(&[("03:00:00", "published"), ("04:00:00", "published"), ("05:00:00", "published")]);
        let known = outcomes(&fake).await;
        // What was left unfinished is done at once, and again when it is due.
        let (ahead, known): (Vec<_>, Vec<_>) = known.into_iter().partition(|(due, _)| *due > at("12:00:00"));
        assert_eq!((known, ahead.len()), (wanted[usize::from(first)..].to_vec(), 1));
        sleep(Duration::from_hours(72)).await;
        let runs = fake.runs.lock().unwrap().len();
        serve(&fake, 10).await;
        assert_eq!(fake.runs.lock().unwrap().len(), runs + 1);
        assert_eq!(outcomes(&fake).await.last().unwrap().1, "published");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_a_little_ahead_does_nothing_twice() {
    let fake = fake("0 * * * *", Misfire::Once, "02:58:00");
    let ahead = Fake { now: clock("02:59:30"), ..fake.clone() };
    tokio::join!(serve(&fake, 63), serve(&ahead, 63));
    assert_eq!(outcomes(&fake).await, expected(&[("03:00:00", "published"), ("04:00:00", "published")]));
    assert_eq!(fake.runs.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn files_that_a_power_failure_left_empty_hold_up_no_due_time() {
    let fake = fake("0 * * * *", Misfire::Once, "02:58:00");
    let file = |folder: &str, time: &str| paths::due_entry(folder, at(time));
    for name in [
        paths::SCHEDULE_SINCE.to_owned(),
        paths::schedule_lease(3),
        file(paths::SCHEDULE_BEGUN, "02:00:00"),
        file(paths::SCHEDULE_BEGUN, "03:00:00"),
        file(paths::SCHEDULE_ENDED, "03:00:00"),
    ] {
        fake.storage.put(&name, "").await.unwrap();
    }
    serve(&fake, 10).await;
    assert_eq!(outcomes(&fake).await, expected(&[("03:00:00", "published")]));
}
