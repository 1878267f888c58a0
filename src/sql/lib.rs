//! SQL: a DataFusion [`session`] with the [`functions`] of the model, the [`planner`] that batches their calls, and
//! object stores.

pub mod functions;
pub mod planner;
pub mod session;
