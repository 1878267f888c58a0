//! Identifies who works on something: a process, and a part of that process.
//!
//! Whether the process with a given number is still the same process depends on when the machine was started and on the
//! container. Only Linux tells these, in `/proc`; crates that identify machines provide neither. On other systems no
//! process is considered dead, so its leases end only by waiting.

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
/// Cloned once for each lease of this process that is held or being deleted.
static LEASES: LazyLock<Arc<()>> = LazyLock::new(Arc::default);
/// Time between checks whether leases have ended.
const POLL: Duration = Duration::from_millis(10);

/// Who works on something, as recorded in leases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    machine: String,
    process: u32,
    since: String,
    /// Distinguishes it from other holders of the same process; empty in leases of older versions.
    #[serde(default)]
    name: String,
}

/// As long as this value exists, its holder is at work.
#[derive(Debug)]
pub(crate) struct AtWork(String);

impl Holder {
    /// Creates a holder for this process.
    pub(crate) fn begin() -> (Self, AtWork) {
        let name = attempt_name();
        at_work().insert(name.clone());
        let holder = Self { machine: machine(), process: std::process::id(), since: clock::now_seconds(), name };
        let at_work = AtWork(holder.name.clone());
        (holder, at_work)
    }

    /// Whether it is known to have stopped working: it belongs to a process of this machine that has ended, or it has
    /// ended in this process. False if this cannot be known.
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

/// Identifies this machine since its last start, and a container on it, which has process numbers of its own; empty if
/// the system does not tell.
fn machine() -> String {
    let read = |name: &str| std::fs::read_to_string(Path::new("/proc/sys/kernel").join(name)).unwrap_or_default();
    let processes = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    format!("{}{}{}", read("hostname").trim(), read("random/boot_id").trim(), processes.display())
}

/// The lease of a task. When this value is dropped, the lease file is deleted, however the work on the task ended. At
/// the end of the process, [`leases_ended`] waits for that.
pub(super) struct TaskLease {
    file: Option<(Storage, String)>,
    _at_work: AtWork,
    counted: Arc<()>,
}

impl TaskLease {
    /// Takes over a lease that was written to `file`.
    pub(super) fn new(storage: Storage, file: String, at_work: AtWork) -> Self {
        Self { file: Some((storage, file)), _at_work: at_work, counted: LEASES.clone() }
    }

    /// Ends the lease, and waits until its file is deleted.
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

/// Deletes a lease. If that fails, others wait in vain for a while, since the lease says that somebody is at work.
async fn delete(storage: &Storage, file: &str) {
    if let Err(e) = storage.delete(file).await {
        tracing::debug!("a lease is left behind: {e}");
    }
}

/// Waits, but no longer than `limit`, until this process holds no lease and the files of its leases are deleted.
pub async fn leases_ended(limit: Duration) {
    let ended = async {
        while Arc::strong_count(&LEASES) > 1 {
            tokio::time::sleep(POLL).await;
        }
    };
    // If some are not deleted by then, others find out by waiting.
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
        // It belongs to an earlier process with the number of this one, which is common in containers, whose first
        // process always has the same number.
        assert!(Holder { name: attempt_name(), ..holder.clone() }.is_over());
        drop(at_work);
        assert!(holder.is_over());
    }
}
