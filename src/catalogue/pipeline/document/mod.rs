//! A pipeline file: what was typed, how it is resolved, and whether its query is suitable for a catalogue.
//!
//! ```text
//! text ──> spec (as typed) ──> rules ──> resolve (Pipeline) ──> check, on a session (CheckedQuery)
//! ```
//!
//! - `text`: parses the TOML, and finds the line and column of errors in it.
//! - `spec`: the keys of the format, with their documentation.
//! - `rules`: the rules for the values of keys.
//! - `resolve`: fills in defaults, makes paths absolute and reads the query. The rest of the program uses only the
//!   resulting [`Pipeline`].
//! - `check`: plans the query. `row_wise` makes sure that it can be answered unit by unit. `columns` makes sure that
//!   each of its columns has a type, a unit, a UCD and a description, for which `column_defaults` has default values.

mod base_path;
mod check;
mod column_defaults;
mod columns;
mod cron;
mod resolve;
mod row_wise;
mod rules;
mod spec;
mod text;

pub use check::{CheckedQuery, check_query, parse_query};
pub use columns::Origin;
pub use cron::Schedule;
pub use resolve::{Input, ModelChoice, Overrides, Pipeline, Sql};
pub use spec::{
    ColumnText, Gates, InputSpec, Misfire, OutputSpec, PipelineFile, Resources, ScheduleSpec, Tiling, Units,
};

/// The JSON Schema of pipeline files, with which editors complete and check them.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(PipelineFile).to_value()
}
