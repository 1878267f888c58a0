//! lamcat
pub mod context;
pub mod error;
pub mod inference;
pub mod model;
pub mod schema;
