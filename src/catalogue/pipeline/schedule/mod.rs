//! Pipelines that run by themselves.
//!
//! ```text
//! look: which times are due? ──> lease ──> begun/<due>.json ──> run ──> ended/<due>.json ──> release the lease ──> wait
//! ```
//!
//! What happens at a due time is two files in the catalogue's store, each created and never overwritten: that it was
//! *begun*, and what it came to when it had *ended*. So a due time has one outcome, however many schedulers there are and
//! whenever they die: what was begun and has not ended is taken up by the next one, whose run goes on from the claims of
//! the first; what has ended is never begun again. What is published is decided by the log of the catalogue: the release
//! counts for the due time if its entry is younger than what was current when the due time was begun.
//!
//! A *lease* keeps two schedulers from running at the same time. Like leases of tasks it only saves work: a scheduler that
//! was believed dead and is not shares the work of the run, and cannot record a second outcome.
//!
//! A release of changed input has the version that the pipeline file says, as with `lamcat run`: its folder, which ends in
//! the job's identity, and its number in the log tell it from others of that version. The version is raised by whoever
//! changes what the catalogue means.

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
