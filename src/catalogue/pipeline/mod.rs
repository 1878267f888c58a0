//! Pipelines: a TOML file describes everything that a catalogue needs besides data. The pipeline is run, its release is
//! judged and published, on demand or on a schedule.
//!
//! | module | what it does | imports |
//! |---|---|---|
//! | `document` | reads a pipeline file, resolves it, and checks its query | |
//! | [`report`] | judges a release by the gates of its pipeline, and writes the page about it | `document` |
//! | `run` | makes a release of a pipeline and publishes it | `document`, [`report`] |
//! | [`schedule`] | runs pipelines when they are due | `document`, `run` |
//!
//! ```text
//! file ──> Pipeline ──> CheckedQuery ──> Run (its Job, its units) ──> release ──> gates, page ──> current release
//! ```

mod document;
pub mod report;
mod run;
pub mod schedule;

pub use document::{
    CheckedQuery, ColumnText, Gates, Input, InputSpec, Misfire, ModelChoice, Origin, OutputSpec, Overrides, Pipeline,
    PipelineFile, Resources, Schedule, ScheduleSpec, Sql, Tiling, Units, check_query, json_schema, parse_query,
};
pub use report::{GateCheck, Stage, StageTime};
pub use run::{
    CutInput, Estimate, InferenceSpec, InputFiles, InputRange, Job, JobSpec, Outcome, Pending, Run, Unit, Watch,
    leases_ended,
};
