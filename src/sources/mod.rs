//! Files in the field's formats to Arrow tables.

mod fits;
mod fold;
mod sample;

pub use fits::FitsTable;
pub use fold::Fold;
pub use sample::{SAMPLE_ROWS, sample, sample_with};
