//! The scheduler with a real pipeline, which dies, or whose store fails, at every single step.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use lamcat::{
    pipeline::{
        Overrides,
        scheduler::{Ending, Entry, Now, ScheduledPipeline, Scheduler},
    },
    release::Storage,
    session::{Session, SessionOptions},
};
use object_store::{ObjectStore, memory::InMemory, path::Path};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    every_step::{Workplace, at_once, faulty, never, published, tried, undisturbed},
    faulty_store::{Fault, Faulty, Seen},
};

/// Faults tried unless all are.
const SAMPLE: usize = 60;

fn due() -> DateTime<Utc> {
    "2026-12-01T03:00:00Z".parse().unwrap()
}

/// Does what is due, as `lamcat schedule run --once` does; `None` if it dies.
async fn life(workplace: &Workplace, store: Arc<dyn ObjectStore>, faulty: &Faulty) -> Option<bool> {
    let options =
        SessionOptions { partitions: Some(1), stores: Some(workplace.stores(store)), ..SessionOptions::default() };
    let session = Session::new(&options).unwrap();
    let pipeline = ScheduledPipeline::open(session, workplace.file(), Overrides::default()).unwrap();
    let since = Instant::now();
    let now: Now = Arc::new(move || due() + TimeDelta::seconds(30) + TimeDelta::from_std(since.elapsed()).unwrap());
    let scheduler = Scheduler::new(vec![pipeline], now, TimeDelta::minutes(10), Arc::new(|_, _| {}));
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

/// What the history says of the due time.
async fn ending(store: &Arc<dyn ObjectStore>) -> Ending {
    let storage = Storage::new(store.clone(), Path::from("out/labels"), "memory:///".parse().unwrap());
    let mut entries = Entry::last(&storage, 10).await.unwrap();
    assert_eq!(entries.len(), 1);
    let Some(Entry::Ended(ended)) = entries.pop() else { panic!("the due time is open") };
    assert_eq!(ended.due, due());
    ended.ending
}

/// Steps of a scheduler that nothing disturbs.
async fn steps(workplace: &Workplace, memory: &InMemory) -> usize {
    let (store, seen) = faulty(memory, None, never());
    assert_eq!(life(workplace, store.clone(), &seen).await, Some(true));
    let steps = seen.steps();
    assert!(matches!(ending(&store).await, Ending::Published { .. }));
    steps
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_at_any_step_the_next_scheduler_ends_what_is_due() {
    let (workplace, memory, wanted, _) = undisturbed().await;
    let steps = steps(&workplace, &memory).await;
    let faults = tried(steps, &Fault::ALL, SAMPLE);
    let (mut died, mut again) = (0, 0);
    for (step, fault) in &faults {
        let context = format!("{fault:?} at step {step}");
        eprintln!("{context}");
        let (store, seen) = faulty(&memory, Some((*step, *fault)), never());
        match life(&workplace, store, &seen).await {
            None => died += 1,
            Some(false) => again += 1,
            Some(true) => {}
        }
        let next = Faulty::new(seen.memory(), None);
        let store: Arc<dyn ObjectStore> = Arc::new(lamcat::session::Retrying::new(Seen(next.clone()), at_once()));
        assert_eq!(life(&workplace, store.clone(), &next).await, Some(true), "{context}\n{:#?}", next.journal());
        let ending = ending(&store).await;
        assert!(matches!(ending, Ending::Published { rows: 100, number: 1, .. }), "{context}: {ending:?}");
        assert_eq!(published(&store, "out").await, wanted, "{context}");
    }
    assert!(died > 0 && again > 0);
    eprintln!("{} faults at {steps} steps: {died} schedulers died, {again} could not go on", faults.len());
}
