//! Files in the field's formats to Arrow tables.

mod cells;
pub mod ecsv;
mod fits;
mod fold;
mod on_error;
mod sample;

pub use fits::FitsTable;
pub use fold::Fold;
pub use on_error::OnError;
pub use sample::{SAMPLE_ROWS, sample, sample_with};
