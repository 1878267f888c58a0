//! What is known of a unit's rows once it is worked.

use serde::{Deserialize, Serialize};

use super::{attempt::Attempt, parquet_file::Written, tiles::RowCounts};

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
    /// Whose attempt it was; `None` in claims of old.
    #[serde(default)]
    pub attempt: Option<Attempt>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::arrange::TileClaim;

    #[test]
    fn claims_of_old_are_read() {
        let unit =
            r#"{"unit": "a", "rows": null, "input_rows": 9, "counts": {"order": 8, "rows": {"3": 9}}, "seconds": 1.5}"#;
        let unit: UnitClaim = serde_json::from_str(unit).unwrap();
        assert_eq!((unit.seconds, unit.attempt), (1.5, None));
        let tile = r#"{"tile": {"order": 0, "pixel": 1}, "leaf": {"path": "p", "rows": 9, "bytes": 1, "sha256": "f"},
            "border": null, "neighbours": []}"#;
        let tile: TileClaim = serde_json::from_str(tile).unwrap();
        assert_eq!((tile.seconds, tile.attempt), (0.0, None));
    }
}
