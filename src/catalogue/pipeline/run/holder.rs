//! Who works on something: a process, and what in it still does.
//!
//! Whether a process of a number is the one that is meant depends on the start of the machine and on the container, which only
//! Linux tells, in `/proc`; crates that give a machine an identity know neither. Elsewhere nobody is taken for dead: his leases
//! end by waiting.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lamcat_release::{Storage, clock, storage::attempt_name};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;

/// Names of the holders of this process that are at work.
static AT_WORK: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
/// Has a clone for each lease of this process that is held or on its way out of the store.
static LEASES: LazyLock<Arc<()>> = LazyLock::new(Arc::default);
/// Time between looks whether leases have ended.
const POLL: Duration = Duration::from_millis(10);

/// Who works on something, as it is written into leases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    machine: String,
    process: u32,
    since: String,
    /// Tells it from others of the process; empty in leases of old.
    #[serde(default)]
    name: String,
}

/// As long as this is there, its holder is at work.
#[derive(Debug)]
pub(crate) struct AtWork(String);

impl Holder {
    /// Begins a holder of this process.
    pub(crate) fn begin() -> (Self, AtWork) {
        let name = attempt_name();
        at_work().insert(name.clone());
        let holder = Self { machine: machine(), process: std::process::id(), since: clock::now_seconds(), name };
        let at_work = AtWork(holder.name.clone());
        (holder, at_work)
    }

    /// Whether it is known to work no more: it is of a process of this machine that has ended, or of this process, in
    /// which it has ended. Where that cannot be known it is not.
    pub(crate) fn is_over(&self) -> bool {
        let processes = Path::new("/proc");
        if self.machine.is_empty() || self.machine != machine() || !processes.join("self").exists() {
            return false;
        }
        if self.process == std::process::id() {
            return !at_work().contains(&self.name);
        }
        !processes.join(self.process.to_string()).exists()
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        at_work().remove(&self.0);
    }
}

fn at_work() -> MutexGuard<'static, BTreeSet<String>> {
    AT_WORK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells this machine, since it was started, from others, and a container from others on it, whose processes have numbers
/// of their own; empty where there is no such thing.
fn machine() -> String {
    let read = |name: &str| std::fs::read_to_string(Path::new("/proc/sys/kernel").join(name)).unwrap_or_default();
    let processes = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{}{}{}", read("hostname").trim(), read("random/boot_id").trim(), processes.display())
}

/// The lease of a task, which ends with this: however the work on the task ends, its file is deleted. At the end of the
/// process that is waited for by [`leases_ended`].
pub(super) struct TaskLease {
    file: Option<(Storage, String)>,
    _at_work: AtWork,
    counted: Arc<()>,
}

impl TaskLease {
    /// Takes charge of a lease that was written to a file for a holder.
    pub(super) fn new(storage: Storage, file: String, at_work: AtWork) -> Self {
        Self { file: Some((storage, file)), _at_work: at_work, counted: LEASES.clone() }
    }

    /// Ends it, and waits until it has.
    pub(super) async fn end(mut self) {
        if let Some((storage, file)) = self.file.take() {
            delete(&storage, &file).await;
        }
    }
}

impl Drop for TaskLease {
    fn drop(&mut self) {
        let Some((storage, file)) = self.file.take() else { return };
        if let Ok(runtime) = Handle::try_current() {
            let counted = self.counted.clone();
            drop(runtime.spawn(async move {
                delete(&storage, &file).await;
                drop(counted);
            }));
        }
    }
}

/// A lease that stays says that somebody is at work who is not: others wait for him for a while.
async fn delete(storage: &Storage, file: &str) {
    if let Err(e) = storage.delete(file).await {
        tracing::debug!("a lease is left behind: {e}");
    }
}

/// Waits until no lease is held in this process and those that were are out of their stores, but for `limit` at most.
pub async fn leases_ended(limit: Duration) {
    let ended = async {
        while Arc::strong_count(&LEASES) > 1 {
            tokio::time::sleep(POLL).await;
        }
    };
    // What is not done by then others find out by waiting.
    let _ = tokio::time::timeout(limit, ended).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_over_when_it_or_its_process_is() {
        let (holder, at_work) = Holder::begin();
        assert!(!holder.is_over());
        // No process has this number: it is above the most that Linux gives.
        assert!(Holder { process: u32::MAX, ..holder.clone() }.is_over());
        assert!(!Holder { process: u32::MAX, machine: "elsewhere".to_owned(), ..holder.clone() }.is_over());
        // One of an earlier process that had the number of this one, as the first of every container has.
        assert!(Holder { name: attempt_name(), ..holder.clone() }.is_over());
        drop(at_work);
        assert!(holder.is_over());
    }
}
