//! What is known of a unit's rows once it is worked.

use serde::{Deserialize, Serialize};

use super::{parquet_file::Written, tiles::RowCounts};

/// The claim of a unit: the attempt whose rows count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitClaim {
    /// Identity of the unit.
    pub unit: String,
    /// Its rows, sorted by position; `None` if the query gave none.
    pub rows: Option<Written>,
    /// Rows of the input that the unit read.
    pub input_rows: u64,
    /// Rows in the pixels of the sky.
    pub counts: RowCounts,
    /// Seconds the attempt took.
    pub seconds: f64,
}
