//! The scheduler with a real pipeline, where the process dies, or the store fails, at each single step.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use lamcat::{
    pipeline::{
        Overrides,
        schedule::{Clock, Ending, Entry, ScheduledPipeline, Scheduler},
    },
    release::Storage,
    session::{Retrying, Session, SessionOptions},
};
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory, path::Path};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    every_step::{Workplace, at_once, faulty, never, published, undisturbed},
    faults_tried::{Asked, tried},
    faulty_store::{Fault, Faulty, Seen},
};

/// Number of faults that are tried, unless all are.
const SAMPLE: usize = 40;
/// Number of processes that die early, and of steps after which they do, unless all are tried.
const LIVES: usize = 3;
const ENDS: usize = 16;

fn due() -> DateTime<Utc> {
    "2026-12-01T03:00:00Z".parse().unwrap()
}

/// A scheduler of the pipeline.
fn scheduler(workplace: &Workplace, store: Arc<dyn ObjectStore>, now: Clock) -> Scheduler<ScheduledPipeline> {
    let options =
        SessionOptions { partitions: Some(1), stores: Some(workplace.stores(store)), ..SessionOptions::default() };
    let session = Session::new(&options).unwrap();
    let pipeline = ScheduledPipeline::open(session, workplace.file(), Overrides::default()).unwrap();
    Scheduler::new(vec![pipeline], now, TimeDelta::minutes(10), Arc::new(|_, _| {}))
}

/// A clock that shows `time` now and advances with tokio's clock.
fn clock(time: DateTime<Utc>) -> Clock {
    let since = Instant::now();
    Arc::new(move || time + TimeDelta::from_std(since.elapsed()).unwrap())
}

/// Runs what is due, as `lamcat schedule run --once` does; `None` if the process dies.
async fn life(workplace: &Workplace, store: Arc<dyn ObjectStore>, faulty: &Faulty) -> Option<bool> {
    let scheduler = scheduler(workplace, store, clock(due() + TimeDelta::seconds(30)));
    let stop = CancellationToken::new();
    tokio::select! {
        done = scheduler.once(&stop) => match done {
            Ok(ended) => Some(ended),
            Err(e) => {
                assert!(e.is_retryable(), "{e}");
                Some(false)
            }
        },
        () = faulty.dead() => None,
    }
}

/// The outcome of the due time, according to the history.
async fn ending(store: &Arc<dyn ObjectStore>) -> Ending {
    let storage = Storage::new(store.clone(), Path::from("out/labels"), "memory:///".parse().unwrap());
    let mut entries = Entry::last(&storage, 10).await.unwrap();
    assert_eq!(entries.len(), 1);
    let Some(Entry::Ended(ended)) = entries.pop() else { panic!("the due time is open") };
    assert_eq!(ended.due, due());
    ended.ending
}

/// The steps of an undisturbed scheduler.
async fn steps(workplace: &Workplace, memory: &InMemory) -> Vec<String> {
    let (store, seen) = faulty(memory, None, never());
    assert_eq!(life(workplace, store.clone(), &seen).await, Some(true));
    let steps = seen.journal();
    assert!(matches!(ending(&store).await, Ending::Published { .. }));
    steps
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_at_any_step_the_next_scheduler_ends_what_is_due() {
    let (workplace, memory, wanted, _) = undisturbed().await;
    let steps = steps(&workplace, &memory).await;
    let faults = tried(&steps, Fault::at, SAMPLE);
    let (mut died, mut unfinished) = (0, 0);
    for (step, fault) in &faults {
        let context = format!("{fault:?} at step {step}");
        let (store, seen) = faulty(&memory, Some((*step, *fault)), never());
        match life(&workplace, store, &seen).await {
            None => died += 1,
            Some(false) => unfinished += 1,
            Some(true) => {}
        }
        let next = Faulty::new(seen.memory(), None);
        let store: Arc<dyn ObjectStore> = Arc::new(Retrying::new(Seen(next.clone()), at_once()));
        assert_eq!(life(&workplace, store.clone(), &next).await, Some(true), "{context}\n{:#?}", next.journal());
        let ending = ending(&store).await;
        assert!(matches!(ending, Ending::Published { rows: 100, number: 1, .. }), "{context}: {ending:?}");
        assert_eq!(published(&store, "out").await, wanted, "{context}");
    }
    assert!(died > 0);
    eprintln!("{} faults at {} steps: {died} schedulers died, {unfinished} gave up", faults.len(), steps.len());
}

/// Schedulers from 02:59 to 05:05, the first of which end after `steps` steps each; the input changes at 03:30. Returns
/// the store afterwards, and how many schedulers ended early.
async fn lives(workplace: &Workplace, memory: &InMemory, steps: usize) -> (Arc<dyn ObjectStore>, usize) {
    let now = clock(due() - TimeDelta::minutes(1));
    let until = |time: DateTime<Utc>| {
        let left = (time - now()).to_std().unwrap_or_default();
        tokio::time::sleep(left)
    };
    let memory = Arc::new(memory.fork());
    let mut change = Box::pin(async {
        until(due() + TimeDelta::minutes(30)).await;
        memory.put(&Path::from("in/stars.parquet"), workplace.input().into()).await.unwrap();
        std::future::pending::<()>().await;
    });
    let mut ended = 0;
    loop {
        let seen = Faulty::new(memory.clone(), (ended < LIVES).then_some((steps, Fault::DiesBefore)));
        let store: Arc<dyn ObjectStore> = Arc::new(Retrying::new(Seen(seen.clone()), never()));
        let (scheduler, stop) = (scheduler(workplace, store, now.clone()), CancellationToken::new());
        tokio::select! {
            () = scheduler.serve(&stop) => {}
            () = seen.dead() => ended += 1,
            () = &mut change => {}
            () = until(due() + TimeDelta::minutes(125)) => break,
        }
    }
    drop(change);
    (memory, ended)
}

#[tokio::test(start_paused = true)]
async fn however_often_schedulers_die_no_run_is_lost_or_doubled() {
    let (workplace, memory, ..) = undisturbed().await;
    let steps = steps(&workplace, &memory).await;
    let writes = |asked| if asked == Asked::Write { vec![()] } else { Vec::new() };
    let ends = tried(&[steps.clone(), steps.clone()].concat(), writes, ENDS);
    let mut deaths = 0;
    for (step, ()) in &ends {
        let (store, ended) = lives(&workplace, &memory, *step).await;
        deaths += ended;
        let storage = Storage::new(store, Path::from("out/labels"), "memory:///".parse().unwrap());
        let outcomes: Vec<(TimeDelta, bool)> =
            Entry::last(&storage, 10).await.unwrap().into_iter().map(outcome).collect();
        let wanted = [(0, true), (1, true), (2, false)].map(|(hour, published)| (TimeDelta::hours(hour), published));
        assert_eq!(outcomes, wanted, "after {step} steps");
        let log = lamcat::release::publish::log(&storage).await.unwrap();
        assert!(log.len() == 2 && log[0].folder != log[1].folder, "after {step} steps: {log:?}");
    }
    assert!(deaths > ends.len(), "only {deaths} schedulers died");
    eprintln!("{deaths} schedulers died, after {} numbers of steps of {}", ends.len(), 2 * steps.len());
}

/// The time between the first due time and this one, and whether it published.
fn outcome(entry: Entry) -> (TimeDelta, bool) {
    let Entry::Ended(ended) = entry else { panic!("{entry:?}") };
    match ended.ending {
        Ending::Published { .. } => (ended.due - due(), true),
        Ending::Skipped { .. } => (ended.due - due(), false),
        other => panic!("{} came to {other:?}", ended.due),
    }
}
