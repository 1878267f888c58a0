//! Queries of a lamcat session that run on several machines.
//!
//! A [`Cluster`] is a list of workers. A session that is [joined](Cluster::join) to one plans its queries itself, with the
//! same rules as without a cluster, and gives their stages to the workers, which send rows to each other by
//! gRPC (datafusion-distributed). A [`Worker`](serve) is a process that runs stages; it plans nothing and keeps nothing when
//! a query has ended.
//!
//! **Faults.** No part of a query is ever repeated or mended. If contact with a worker is lost, all rows that the query has
//! returned so far are discarded and the whole query is sent again to the workers that still answer; nothing of a result
//! is passed on before the result is complete. A worker that no longer answers on an open connection (it was stopped, or
//! the network was cut) counts as lost after [`SILENCE`].

mod attempts;
mod channels;
mod codec;
mod division;
mod lost;
mod members;
mod panics;
mod planner;
mod settings;
mod subqueries;
mod tasks;
mod worker;

pub use channels::SILENCE;
pub use members::{Answer, Cluster};
pub use settings::VERSION;
pub use worker::serve;
