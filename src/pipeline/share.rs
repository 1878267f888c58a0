//! Doing every task once among all runners: a *lease* says that somebody works on a task, a *claim* that it is done and by
//! which attempt. Leases only save work; claims decide.

use std::{
    future::Future,
    path::Path,
    time::{Duration, Instant},
};

use datafusion::common::runtime::SpawnedTask;
use futures::{StreamExt, TryStreamExt};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    error::{Error, ErrorKind, Result},
    release::{Storage, arrange::TileClaim, clock, units::UnitClaim},
};

/// Shortest time that a lease is respected.
const PATIENCE: Duration = Duration::from_secs(10);
/// A task that takes so many times the longest one seen is given up for lost.
const LATE: u32 = 2;
/// Time between looks at what others work on.
const POLL: Duration = Duration::from_millis(500);

/// What an attempt at a task made.
pub(super) trait Claim: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Files that are this attempt's alone, to be deleted if another one counts.
    fn own_files(&self) -> Vec<&str>;
}

impl Claim for UnitClaim {
    fn own_files(&self) -> Vec<&str> {
        self.rows.iter().map(|file| file.path.as_str()).collect()
    }
}

impl Claim for TileClaim {
    fn own_files(&self) -> Vec<&str> {
        self.border.iter().map(|file| file.path.as_str()).collect()
    }
}

/// A task: its number, and the files of its claim and lease.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) number: usize,
    pub(super) claim: String,
    pub(super) lease: String,
}

/// Who works on a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    machine: String,
    process: u32,
    since: String,
}

impl Lease {
    /// Of this process.
    pub(super) fn own() -> Self {
        Self { machine: machine(), process: std::process::id(), since: clock::now_seconds() }
    }

    /// Whether it is of a process of this machine that is no more. Where that cannot be known it is not.
    pub(super) fn is_of_the_dead(&self) -> bool {
        let processes = Path::new("/proc");
        let known = !self.machine.is_empty() && self.machine == machine() && processes.join("self").exists();
        known && !processes.join(self.process.to_string()).exists()
    }
}

/// Tells this machine, since it was started, from others, and a container from others on it, whose processes have numbers
/// of their own; empty where there is no such thing.
fn machine() -> String {
    let read = |name: &str| std::fs::read_to_string(Path::new("/proc/sys/kernel").join(name)).unwrap_or_default();
    let processes = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{}{}{}", read("hostname").trim(), read("random/boot_id").trim(), processes.display())
}

/// What became of a task for now.
enum Turn<C> {
    Done { claim: C, own: bool, took: Duration },
    Leased(Task, Instant),
}

/// Does `tasks`, `at_once` of them at a time, and gives their claims in order. `work` does a task; `seen` is shown each
/// claim, told whether it was made here, and may drop from it what nobody else needs.
pub(super) async fn share<C, F, W>(
    storage: &Storage,
    tasks: Vec<Task>,
    at_once: usize,
    work: F,
    mut seen: impl FnMut(&mut C, bool),
) -> Result<Vec<C>>
where
    C: Claim,
    F: Fn(usize) -> W + Clone + Send + 'static,
    W: Future<Output = Result<C>> + Send + 'static,
{
    let mut claims: Vec<Option<C>> = tasks.iter().map(|_| None).collect();
    let mut waiting: Vec<(Task, Instant)> = Vec::new();
    let mut longest = PATIENCE / LATE;
    let mut order = tasks;
    // Two runners begin at different ends.
    order.shuffle(&mut rand::rng());
    let turns = order.into_iter().map(|task| {
        let number = task.number;
        spawned(number, turn(storage.clone(), task, None, work.clone()))
    });
    let mut turns = futures::stream::iter(turns).buffer_unordered(at_once);
    while let Some((number, turn)) = turns.try_next().await? {
        match turn {
            Turn::Done { mut claim, own, took } => {
                longest = longest.max(took);
                seen(&mut claim, own);
                claims[number] = Some(claim);
            }
            Turn::Leased(task, since) => waiting.push((task, since)),
        }
    }
    while !waiting.is_empty() {
        for (task, since) in std::mem::take(&mut waiting) {
            let late = since.elapsed() > longest * LATE;
            let number = task.number;
            let again = turn(storage.clone(), task, Some((since, late)), work.clone());
            match spawned(number, again).await?.1 {
                Turn::Done { mut claim, own, .. } => {
                    seen(&mut claim, own);
                    claims[number] = Some(claim);
                }
                Turn::Leased(task, since) => waiting.push((task, since)),
            }
        }
        if !waiting.is_empty() {
            tokio::time::sleep(POLL).await;
        }
    }
    Ok(claims.into_iter().flatten().collect())
}

async fn spawned<C: Send + 'static>(
    number: usize,
    turn: impl Future<Output = Result<Turn<C>>> + Send + 'static,
) -> Result<(usize, Turn<C>)> {
    let ended = SpawnedTask::spawn(turn).join().await;
    let lost = |e| Error::new(ErrorKind::Io, "a task ended before its time").source(e);
    Ok((number, ended.map_err(lost)??))
}

/// Looks for the claim of a task, else works on it, unless somebody else does. `waited` says since when the task is known
/// to be leased, and whether that is too long ago.
async fn turn<C, F, W>(storage: Storage, task: Task, waited: Option<(Instant, bool)>, work: F) -> Result<Turn<C>>
where
    C: Claim,
    F: Fn(usize) -> W,
    W: Future<Output = Result<C>>,
{
    let start = Instant::now();
    if let Some(claim) = storage.get_json(&task.claim).await? {
        return Ok(Turn::Done { claim, own: false, took: Duration::ZERO });
    }
    match waited {
        Some((_, true)) => {}
        Some((since, false)) => return Ok(Turn::Leased(task, since)),
        None => {
            if !storage.create_json(&task.lease, &Lease::own()).await? {
                let other: Option<Lease> = storage.get_json(&task.lease).await?;
                if other.is_some_and(|lease| !lease.is_of_the_dead()) {
                    return Ok(Turn::Leased(task, start));
                }
            }
        }
    }
    let claim = work(task.number).await?;
    let took = start.elapsed();
    if storage.create_json(&task.claim, &claim).await? {
        storage.delete(&task.lease).await?;
        return Ok(Turn::Done { claim, own: true, took });
    }
    for file in claim.own_files() {
        storage.delete(file).await?;
    }
    let gone = || Error::new(ErrorKind::Io, "a claim has vanished").at("file", storage.shown(&task.claim));
    let claim = storage.get_json(&task.claim).await?.ok_or_else(gone)?;
    Ok(Turn::Done { claim, own: false, took })
}
