//! The planner of `lam_*` calls, which combines them into one operator.
//!
//! [`Hoist`], an analyzer rule, moves every call of a plan node into a [`LamInfer`] node below it. Calls with the same
//! context and model share one node, so each row is inferred once, however often the SQL text asks for it. [`Prune`]
//! drops outputs that nothing reads. [`LamPlanner`] turns the node into a [`LamInferExec`], which batches rows for the
//! device.

mod exec;
mod hoist;
mod infer_stream;
mod node;
mod options;
mod physical;
mod prune;
mod reuse;

pub use exec::LamInferExec;
pub use hoist::Hoist;
pub use node::{LamInfer, NamedOutput};
pub use options::{LamcatOptions, LamcatSettings};
pub use physical::{LamPlanner, LamQueryPlanner};
pub use prune::Prune;
