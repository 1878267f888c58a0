//! Distributes tasks among all runners, so that each is done once. A *lease* says that somebody works on a task; a
//! *claim* says that the task is done and by which attempt. Leases only avoid duplicate work; claims decide.

use std::{future::Future, sync::Arc, time::Duration};

use datafusion::common::runtime::SpawnedTask;
use futures::{StreamExt, stream::FuturesUnordered};
use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_release::{
    Storage,
    commit::{self, Commit},
};
use rand::seq::SliceRandom;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{
    claims::Claim,
    holder::{Holder, TaskLease},
    valid_claims::ValidClaims,
};

/// A lease is respected for at least this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Another runner's work on a task is considered lost when it takes more than this many times as long as the longest
/// task so far.
const LATE: u32 = 2;
/// Time between two checks of the tasks that others work on; it grows up to the longest time as long as nothing
/// changes.
const POLL: Duration = Duration::from_millis(500);
const LONGEST_POLL: Duration = Duration::from_secs(4);

/// A task: its number, and the files of its claim and lease.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) number: usize,
    pub(super) claim: String,
    pub(super) lease: String,
}

/// A task that is not done; if somebody else works on it, who that is and since when it is known.
struct Open {
    task: Task,
    leased: Option<(Holder, Instant)>,
}

/// The state of a task after it was checked.
enum Turn<C> {
    Done { claim: C, own: bool, took: Duration },
    Leased(Open),
}

/// Does `tasks`, up to `at_once` at a time, and returns their claims in order. `work` does a task. `seen` is called
/// with each claim, and with whether it was made here; it may drop parts of the claim that nobody else needs. Claims
/// that are not `valid` are withdrawn, and their tasks are done again.
///
/// Tasks on which others work are checked again and again; they are done here if the others have ended or take too
/// long. When this future ends, even by an error or by being dropped, its leases end too.
pub(super) async fn do_tasks<C, F, W>(
    storage: &Storage,
    tasks: Vec<Task>,
    at_once: usize,
    valid: ValidClaims<C>,
    work: F,
    mut seen: impl FnMut(&mut C, bool),
) -> Result<Vec<C>>
where
    C: Claim,
    F: Fn(usize) -> W + Clone + Send + 'static,
    W: Future<Output = Result<C>> + Send + 'static,
{
    let mut claims: Vec<Option<C>> = tasks.iter().map(|_| None).collect();
    let mut open: Vec<Open> = tasks.into_iter().map(|task| Open { task, leased: None }).collect();
    // Two runners begin at different ends.
    open.shuffle(&mut rand::rng());
    let valid = Arc::new(valid);
    let (mut leased, mut turns) = (Vec::new(), FuturesUnordered::new());
    let (mut longest, mut poll) = (PATIENCE / LATE, POLL);
    loop {
        while turns.len() < at_once.max(1)
            && let Some(next) = open.pop()
        {
            turns.push(spawned(turn(storage.clone(), next, longest * LATE, valid.clone(), work.clone())));
        }
        tokio::select! {
            Some(turn) = turns.next() => match turn? {
                (number, Turn::Done { mut claim, own, took }) => {
                    (longest, poll) = (longest.max(took), POLL);
                    seen(&mut claim, own);
                    claims[number] = Some(claim);
                }
                (_, Turn::Leased(other)) => leased.push(other),
            },
            () = sleep(poll), if turns.len() < at_once.max(1) && !leased.is_empty() => {
                open.append(&mut leased);
                poll = (poll * 2).min(LONGEST_POLL);
            }
            else => return Ok(claims.into_iter().flatten().collect()),
        }
    }
}

async fn spawned<C: Send + 'static>(
    turn: impl Future<Output = Result<(usize, Turn<C>)>> + Send + 'static,
) -> Result<(usize, Turn<C>)> {
    let ended = SpawnedTask::spawn(turn).join().await;
    ended.map_err(|e| Error::new(ErrorKind::Internal, "a task ended before its time").source(e))?
}

/// Looks for the claim of a task. Without one it works on the task, unless somebody else has done so for less than
/// `patience`.
async fn turn<C, F, W>(
    storage: Storage,
    mut open: Open,
    patience: Duration,
    valid: Arc<ValidClaims<C>>,
    work: F,
) -> Result<(usize, Turn<C>)>
where
    C: Claim,
    F: Fn(usize) -> W,
    W: Future<Output = Result<C>>,
{
    let number = open.task.number;
    let mut withdrawn = None;
    if let Some(claim) = commit::read(&storage, &open.task.claim).await? {
        if valid.contains(&storage, number, &claim).await? {
            return Ok((number, Turn::Done { claim, own: false, took: Duration::ZERO }));
        }
        tracing::warn!("{} names what is not there any more: it is done again", storage.shown(&open.task.claim));
        withdrawn = Some(as_json(&claim)?);
    }
    let Some(lease) = take(&storage, &mut open, patience).await? else { return Ok((number, Turn::Leased(open))) };
    let start = Instant::now();
    let claim = work(number).await?;
    let took = start.elapsed();
    // An invalid claim stays until it is replaced: deleting it could delete a good one that another runner has made
    // meanwhile.
    let is_withdrawn = |there: &C| withdrawn.is_some() && as_json(there).ok() == withdrawn;
    let done = match commit::create_over(&storage, &open.task.claim, &claim, is_withdrawn).await? {
        Commit::Won => Turn::Done { claim, own: true, took },
        Commit::Lost(theirs) => {
            for file in claim.own_files().into_iter().filter(|file| !theirs.own_files().contains(file)) {
                if let Err(e) = storage.delete(file).await {
                    tracing::debug!("rows that do not count are left behind: {e}");
                }
            }
            Turn::Done { claim: theirs, own: false, took }
        }
    };
    lease.end().await;
    Ok((number, done))
}

/// A claim in the form in which claims are compared.
fn as_json(claim: &impl Serialize) -> Result<serde_json::Value> {
    serde_json::to_value(claim).map_err(|e| Error::new(ErrorKind::Internal, "a claim cannot be written").source(e))
}

/// Takes the lease of a task, unless somebody else holds it, is not known to have ended, and has held it for less than
/// `patience`.
async fn take(storage: &Storage, open: &mut Open, patience: Duration) -> Result<Option<TaskLease>> {
    let (own, at_work) = Holder::begin();
    let late = |other: &Holder| {
        open.leased.as_ref().is_some_and(|(holder, since)| holder == other && since.elapsed() >= patience)
    };
    // While waiting for somebody else, it reads the lease before it tries to write one.
    if let Some((holder, _)) = &open.leased
        && let Some(other) = commit::read::<Holder>(storage, &open.task.lease).await?
        && *holder == other
        && !(other.is_over() || late(&other))
    {
        return Ok(None);
    }
    match commit::create_over(storage, &open.task.lease, &own, |other| other.is_over() || late(other)).await? {
        Commit::Won => Ok(Some(TaskLease::new(storage.clone(), open.task.lease.clone(), at_work))),
        Commit::Lost(other) => {
            if open.leased.as_ref().is_none_or(|(holder, _)| *holder != other) {
                open.leased = Some((other, Instant::now()));
            }
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests;
