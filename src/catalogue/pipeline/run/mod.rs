//! A run: from a pipeline to a published release.
//!
//! ```text
//! planned (Run, job) ──> execute ──> make: infer the units, arrange tiles, assemble ──> judge ──> publish
//! ```
//!
//! Work that an earlier run has done, or that another run does at the same time, is reused and not repeated: a `job` is
//! identified by its pipeline and its inputs, each of its `tasks` is done by one runner, and `claims` say which
//! attempts count.

mod claims;
mod counted_exec;
mod cut_input;
mod estimate;
mod execute;
mod holder;
mod infer;
mod inference_spec;
mod job;
mod judge;
mod make;
mod outcome;
mod partitioning;
mod prepared;
mod prepared_at;
mod progress;
mod tasks;
mod valid_claims;

pub use cut_input::CutInput;
pub use estimate::{Estimate, Pending};
pub use holder::leases_ended;
pub(crate) use holder::{AtWork, Holder};
pub use inference_spec::{InferenceSpec, InputFiles};
pub use job::{Job, JobSpec, Unit};
pub use outcome::Outcome;
pub use partitioning::InputRange;
pub use prepared::Run;
pub use progress::Watch;
