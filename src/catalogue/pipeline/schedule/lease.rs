//! The lease that decides which scheduler may run what is due for a catalogue.
//!
//! Leases have numbers, and the highest number counts. A lease is created, so only one of two candidates gets it. Only
//! its holder writes it again: at every heartbeat, and when it releases the lease. A lease is free if its holder
//! released it, is a process of this machine that has ended, or has not written a heartbeat for a while. This time is
//! measured by the clock of the candidate, so the clocks of different machines are never compared. Only lower numbers
//! are ever deleted, so a candidate that creates a lease based on an outdated listing finds a higher number and yields.

use std::time::Duration;

use datafusion::common::runtime::SpawnedTask;
use lamcat_core::error::{Result, without_secrets};
use lamcat_release::{
    Storage,
    commit::{self, Commit},
    json, paths,
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::pipeline::run::{AtWork, Holder};

/// Time between heartbeats.
const BEAT: Duration = Duration::from_secs(10);
/// A holder without a heartbeat for this long is considered dead.
pub(super) const EXPIRY: Duration = Duration::from_mins(1);
/// A holder that could not write a heartbeat for this long stops, before others consider it dead.
const LIMIT: Duration = Duration::from_secs(40);

/// The record of a lease, as it is stored in its file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    holder: Holder,
    beat: u64,
    released: bool,
}

/// A candidate for the lease of one catalogue. It remembers which heartbeat of the holder it saw, and when.
#[derive(Debug, Default)]
pub(super) struct Candidate {
    seen: Option<((u64, u64), Instant)>,
}

impl Candidate {
    /// Acquires the lease, if it is free.
    pub(super) async fn acquire(&mut self, storage: &Storage) -> Result<Option<Lease>> {
        let newest = newest(storage).await?;
        if let Some(number) = newest
            && !self.is_free(storage, number).await?
        {
            return Ok(None);
        }
        let number = newest.map_or(1, |number| number + 1);
        let (holder, at_work) = Holder::begin();
        let record = Record { holder, beat: 0, released: false };
        if commit::create(storage, &paths::schedule_lease(number), &record).await? != Commit::Won {
            return Ok(None);
        }
        let mut higher = false;
        for other in numbers(storage).await? {
            higher |= other > number;
            if other < number {
                storage.delete(&paths::schedule_lease(other)).await?;
            }
        }
        if higher {
            storage.delete(&paths::schedule_lease(number)).await?;
            return Ok(None);
        }
        Ok(Some(Lease::hold(storage.clone(), number, record, at_work)))
    }

    async fn is_free(&mut self, storage: &Storage, number: u64) -> Result<bool> {
        let record: Option<Record> = commit::read(storage, &paths::schedule_lease(number)).await?;
        if record.as_ref().is_some_and(|record| record.released || record.holder.is_over()) {
            return Ok(true);
        }
        // A damaged record is written again by its holder, if that is alive; a record that is gone has been replaced by
        // a newer one.
        let now = (number, record.map_or(u64::MAX, |record| record.beat));
        match self.seen {
            Some((seen, since)) if seen == now => Ok(since.elapsed() >= EXPIRY),
            _ => {
                self.seen = Some((now, Instant::now()));
                Ok(false)
            }
        }
    }
}

async fn numbers(storage: &Storage) -> Result<Vec<u64>> {
    let files = storage.list(paths::SCHEDULE_LEASES).await?;
    Ok(files.iter().filter_map(|file| paths::log_number(&file.path)).collect())
}

async fn newest(storage: &Storage) -> Result<Option<u64>> {
    Ok(numbers(storage).await?.into_iter().max())
}

/// A lease that is held. It must be [released](Lease::release), otherwise others wait until it expires.
#[derive(Debug)]
pub(super) struct Lease {
    storage: Storage,
    number: u64,
    record: Record,
    let_go: CancellationToken,
    lost: CancellationToken,
    beats: SpawnedTask<()>,
    _at_work: AtWork,
}

impl Lease {
    fn hold(storage: Storage, number: u64, record: Record, at_work: AtWork) -> Self {
        let (let_go, lost) = (CancellationToken::new(), CancellationToken::new());
        let beating = beat(storage.clone(), number, record.clone(), let_go.clone(), lost.clone());
        Self { storage, number, record, let_go, lost, beats: SpawnedTask::spawn(beating), _at_work: at_work }
    }

    /// Waits until somebody else has the lease, or may have it.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Releases the lease; if the store fails, it expires.
    pub(super) async fn release(self) {
        self.let_go.cancel();
        // A heartbeat that is still being written would take the lease back. It ends soon, and its result does not
        // matter.
        let _ = self.beats.join().await;
        if !self.lost.is_cancelled() {
            let record = Record { released: true, ..self.record };
            if let Err(e) = self.storage.put(&paths::schedule_lease(self.number), json(&record)).await {
                tracing::warn!("the lease of the schedule could not be released and will expire: {e}");
            }
        }
    }
}

/// Writes heartbeats until the lease is released or lost.
async fn beat(storage: Storage, number: u64, mut record: Record, let_go: CancellationToken, lost: CancellationToken) {
    let mut heard = Instant::now();
    loop {
        tokio::select! {
            () = let_go.cancelled() => return,
            () = sleep(BEAT) => {}
        }
        let now = Instant::now();
        record.beat += 1;
        let beat = async {
            if newest(&storage).await? != Some(number) {
                return Ok(false);
            }
            storage.put(&paths::schedule_lease(number), json(&record)).await.map(|()| true)
        };
        match timeout(LIMIT.saturating_sub(heard.elapsed()), beat).await {
            Ok(Ok(true)) => heard = now,
            Ok(Err(e)) if heard.elapsed() < LIMIT => {
                tracing::warn!("a heartbeat of the schedule could not be written: {}", without_secrets(&e.to_string()));
            }
            _ => return lost.cancel(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use object_store::{local::LocalFileSystem, memory::InMemory, path::Path};

    use super::*;

    fn storage() -> Storage {
        Storage::new(Arc::new(InMemory::new()), Path::from("demo"), "memory:///".parse().unwrap())
    }

    /// Writes the lease of a process on another machine.
    async fn foreign(storage: &Storage, number: u64, beat: u64) {
        let text = format!(
            r#"{{"holder":{{"machine":"elsewhere","process":1,"since":"2026-12-01T03:00:00Z"}},"beat":{beat},"released":false}}"#
        );
        storage.put(&paths::schedule_lease(number), text).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_many_candidates_holds_the_lease_until_it_lets_go() {
        let storage = storage();
        let mut candidates: Vec<Candidate> = (0..8).map(|_| Candidate::default()).collect();
        for _ in 0..5 {
            let taken =
                futures::future::join_all(candidates.iter_mut().map(|candidate| candidate.acquire(&storage))).await;
            let mut held: Vec<Lease> = taken.into_iter().filter_map(|lease| lease.unwrap()).collect();
            assert_eq!(held.len(), 1);
            // It still holds long after any expiry, since heartbeats are written.
            for _ in 0..100 {
                sleep(EXPIRY / 6).await;
                assert!(candidates[0].acquire(&storage).await.unwrap().is_none());
            }
            held.pop().unwrap().release().await;
        }
        assert_eq!(numbers(&storage).await.unwrap(), [5]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_from_elsewhere_is_taken_over_when_its_heart_stops() {
        let storage = storage();
        let (mut one, mut two) = (Candidate::default(), Candidate::default());
        for beat in 0..20 {
            foreign(&storage, 3, beat).await;
            assert!(one.acquire(&storage).await.unwrap().is_none());
            sleep(EXPIRY / 2).await;
        }
        assert!(one.acquire(&storage).await.unwrap().is_none() && two.acquire(&storage).await.unwrap().is_none());
        sleep(EXPIRY).await;
        let taken = [one.acquire(&storage).await.unwrap(), two.acquire(&storage).await.unwrap()];
        assert_eq!(taken.iter().flatten().map(|lease| lease.number).collect::<Vec<_>>(), [4]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_lease_of_a_dead_process_of_this_machine_is_free_at_once() {
        let storage = storage();
        let mut dead = serde_json::to_value(Holder::begin().0).unwrap();
        // No process has this number: it is above the most that Linux gives.
        dead["process"] = serde_json::json!(u32::MAX);
        let record = serde_json::json!({"holder": dead, "beat": 4, "released": false});
        storage.put(&paths::schedule_lease(1), json(&record)).await.unwrap();
        assert!(Candidate::default().acquire(&storage).await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_taken_for_dead_learns_of_it_and_who_is_late_yields() {
        let storage = storage();
        let lease = Candidate::default().acquire(&storage).await.unwrap().unwrap();
        foreign(&storage, 2, 0).await;
        timeout(BEAT * 2, lease.lost()).await.unwrap();
        lease.release().await;
        // The lease of the other machine is unchanged, and still holds.
        assert!(Candidate::default().acquire(&storage).await.unwrap().is_none());
        assert_eq!(newest(&storage).await.unwrap(), Some(2));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_two_hold_the_lease_of_a_folder_at_the_same_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalFileSystem::new_with_prefix(folder.path()).unwrap();
        let storage = Storage::new(Arc::new(store), Path::from("demo"), "file:///".parse().unwrap());
        let [holders, held] = [0, 0].map(|_| Arc::new(AtomicUsize::new(0)));
        let candidates = (0..8).map(|_| {
            let (storage, holders, held) = (storage.clone(), holders.clone(), held.clone());
            SpawnedTask::spawn(async move {
                let mut candidate = Candidate::default();
                // On a busy machine it takes more attempts until the lease was held often enough.
                for attempt in 0..20_000 {
                    if attempt >= 200 && held.load(Ordering::SeqCst) > 50 {
                        break;
                    }
                    let Some(lease) = candidate.acquire(&storage).await.unwrap() else { continue };
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0);
                    tokio::task::yield_now().await;
                    holders.fetch_sub(1, Ordering::SeqCst);
                    lease.release().await;
                    held.fetch_add(1, Ordering::SeqCst);
                }
            })
            .join()
        });
        futures::future::try_join_all(candidates).await.unwrap();
        assert!(held.load(Ordering::SeqCst) > 50, "{held:?}");
    }
}
