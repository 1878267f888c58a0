//! lamcat
pub mod cli;
pub mod context;
pub mod error;
pub mod functions;
pub mod inference;
pub mod model;
pub mod planner;
pub mod schema;
pub mod session;
pub mod sources;
pub mod xp;
