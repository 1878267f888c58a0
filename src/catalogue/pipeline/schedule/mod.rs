//! Pipelines that run on a schedule.
//!
//! ```text
//! which times are due? ──> lease ──> begun/<due>.json ──> run ──> ended/<due>.json ──> release the lease ──> wait
//! ```
//!
//! A due time leaves two files in the catalogue's store, each of which is created and never overwritten: one says that
//! it was *begun*, the other what its outcome was when it had *ended*. So a due time has one outcome, however many
//! schedulers there are and whenever they die. A due time that was begun and has not ended is continued by the next
//! scheduler, whose run reuses the claims of the first. One that has ended is never begun again. The log of the
//! catalogue decides what is published: a release counts for a due time if its log entry is newer than the one that was
//! last when the due time was begun.
//!
//! A *lease* keeps two schedulers from running at the same time. Like the leases of tasks it only avoids duplicate
//! work: a scheduler that was wrongly considered dead shares the work of the run, and cannot record a second outcome.
//!
//! When the input has changed, the new release has the version that the pipeline file says, as with `lamcat run`. Its
//! folder, whose name ends in the job's identity, and its number in the log distinguish it from other releases of that
//! version. Whoever changes the meaning of the catalogue must raise the version.

mod due;
mod event;
mod history;
mod lease;
mod scheduled;
mod scheduler;
#[cfg(test)]
mod tests;

pub use due::Due;
pub use event::{Event, EventListener};
pub use history::{Begun, Ended, Ending, Entry, History, Why};
pub use scheduled::{CatalogueSchedule, Scheduled, ScheduledPipeline};
pub use scheduler::{Clock, Scheduler};
