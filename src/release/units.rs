//! What is known about a unit's rows once it has been computed, and about the rows of all units of a release.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::{attempt::Attempt, parquet_file::Written, sums::RowSum, tiles::RowCounts};

/// First line of the list of units.
const HEADER: &str = "unit,input_rows,rows,sum";

/// The claim of a unit: it names the attempt whose rows count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitClaim {
    /// Identity of the unit.
    pub unit: String,
    /// The rows of the unit, sorted by position; `None` if the query returned none.
    pub rows: Option<Written>,
    /// Rows of the input that the unit read.
    pub input_rows: u64,
    /// Row counts by HEALPix pixel.
    pub counts: RowCounts,
    /// The number of rows and their checksum; empty in claims of older versions.
    #[serde(default)]
    pub sum: RowSum,
    /// Seconds the attempt took.
    pub seconds: f64,
    /// The attempt that computed the rows; `None` in claims of older versions.
    #[serde(default)]
    pub attempt: Option<Attempt>,
}

impl UnitClaim {
    /// Whether the claim does not contradict itself and agrees with the number of input rows, if that is known.
    #[must_use]
    pub fn agrees(&self, input_rows: Option<u64>) -> bool {
        let rows = self.rows.as_ref().map_or(0, |file| file.rows);
        rows == self.counts.total() && rows == self.sum.rows && input_rows.is_none_or(|read| read == self.input_rows)
    }
}

/// What the units of a release read and returned, as recorded in its manifest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitTotals {
    /// Number of units.
    pub units: u64,
    /// Rows of the input that they read.
    pub input_rows: u64,
    /// Number and checksum of the rows that they returned.
    #[serde(flatten)]
    pub given: RowSum,
}

impl UnitTotals {
    /// The totals of these units.
    #[must_use]
    pub fn of(units: &[UnitClaim]) -> Self {
        let mut totals = Self::default();
        for unit in units {
            totals.add(unit.input_rows, unit.sum);
        }
        totals
    }

    fn add(&mut self, input_rows: u64, given: RowSum) {
        self.units += 1;
        self.input_rows += input_rows;
        self.given.merge(given);
    }

    /// Computes the totals from a list that [`list`] wrote; `None` if the list is damaged.
    #[must_use]
    pub fn of_list(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        lines.next().filter(|line| *line == HEADER)?;
        let mut totals = Self::default();
        for line in lines {
            let mut cells = line.split(',').skip(1);
            let (input_rows, rows) = (cells.next()?.parse().ok()?, cells.next()?.parse().ok()?);
            totals.add(input_rows, RowSum { rows, sum: u64::from_str_radix(cells.next()?, 16).ok()? });
        }
        Some(totals)
    }
}

/// The list of the units with the rows that each read and returned, as the release stores it.
#[must_use]
pub fn list(units: &[UnitClaim]) -> String {
    let mut text = format!("{HEADER}\n");
    for unit in units {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{},{},{},{:016x}", unit.unit, unit.input_rows, unit.sum.rows, unit.sum.sum);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrange::TileClaim;

    fn claim(unit: &str, rows: u64) -> UnitClaim {
        let sum = RowSum { rows, sum: u64::MAX - rows };
        let (counts, rows) = (RowCounts::new(8), None);
        UnitClaim { unit: unit.to_owned(), rows, input_rows: 9, counts, sum, seconds: 0.0, attempt: None }
    }

    #[test]
    fn a_list_of_units_adds_up_to_what_it_was_made_of() {
        let units = [claim("a", 3), claim("b", 0), claim("c", 9)];
        let text = list(&units);
        assert_eq!(text.lines().nth(1), Some("a,9,3,fffffffffffffffc"));
        let totals = UnitTotals::of(&units);
        assert_eq!((totals.units, totals.input_rows, totals.given.rows), (3, 27, 12));
        assert_eq!(UnitTotals::of_list(&text), Some(totals));
        let shorter = text.lines().take(3).collect::<Vec<_>>().join("\n");
        assert_ne!(UnitTotals::of_list(&shorter), Some(totals));
        assert_eq!(UnitTotals::of_list(&text[..text.len() - 20]), None);
    }

    #[test]
    fn a_claim_that_contradicts_itself_or_the_input_does_not_count() {
        let mut unit = claim("a", 0);
        assert!(unit.agrees(None) && unit.agrees(Some(9)) && !unit.agrees(Some(8)));
        unit.counts.add(7);
        assert!(!unit.agrees(None));
    }

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
