//! The foundation of the other lamcat crates: errors, the quantities that a model knows, the contexts of stars, output
//! files, the framework of SQL functions, and the interface of a survey.

pub mod cholesky;
pub mod context;
pub mod error;
pub mod extinction;
pub mod outputs;
pub mod schema;
pub mod survey;
pub mod udf;
