//! Pipeline files: everything that a catalogue needs besides data, in TOML.
//!
//! ```text
//! file ──> PipelineFile (as typed) ──> Pipeline (resolved) ──> plan_check on a session ──> CheckedPlan
//! ```
//!
//! Only a [`Pipeline`] travels: its paths are absolute, its defaults filled in, its query read, its values checked.

mod begun;
mod check;
mod columns;
mod counted;
mod cut;
mod document;
mod estimate;
mod gates;
mod holder;
mod infer;
mod inference_spec;
mod job;
mod known;
mod making;
mod places;
pub mod report;
mod resolve;
mod row_wise;
mod rules;
mod run;
mod schedule;
pub mod scheduler;
mod share;
mod spec;
mod stages;
mod standing;

pub use check::{CheckedPlan, parse_query, plan_check};
pub use columns::Origin;
pub use cut::{Cut, CutInput};
pub use estimate::{Estimate, Plan};
pub use gates::{GateCheck, check_gates, judge_gates};
pub use holder::leases_ended;
pub use inference_spec::InferenceSpec;
pub use job::{InputFiles, Job, JobSpec, Unit};
pub use resolve::{Input, ModelChoice, Overrides, Pipeline, Sql};
pub use run::{Outcome, Run};
pub use schedule::Schedule;
pub use spec::{
    ColumnText, Gates, InputSpec, Misfire, OutputSpec, PipelineFile, Resources, ScheduleSpec, Tiling, Units,
};
pub use stages::{Stage, StageTime, Watch};

/// The JSON Schema of pipeline files, with which editors complete and check them.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(PipelineFile).to_value()
}
