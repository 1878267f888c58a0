//! Sums over rows that do not depend on their order. Equal sets of rows give equal sums; different sets give different
//! sums except with a probability of 2^-64. Each stage of a release compares its own sum with that of the stage before,
//! so that a row that was lost, duplicated or exchanged is noticed.

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::Int64Type,
};
use lamcat_core::error::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::catalogue::{HEALPIX_COLUMN, ID_COLUMN};

/// The number of rows, and a checksum that identifies them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowSum {
    /// The number of rows.
    pub rows: u64,
    /// The sum over identifiers and positions; written as hexadecimal digits.
    #[serde(with = "hexadecimal")]
    pub sum: u64,
}

impl RowSum {
    /// Adds the row with this identifier at this position.
    pub fn add(&mut self, id: i64, healpix_29: i64) {
        self.merge(Self { rows: 1, sum: mixed(&[id as u64, healpix_29 as u64]) });
    }

    /// Adds the rows of another sum.
    pub fn merge(&mut self, other: Self) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// Adds the rows of a table.
    ///
    /// # Errors
    /// If it has no identifiers or positions.
    pub fn add_batch(&mut self, batch: &RecordBatch) -> Result<()> {
        let (ids, cells) = (integers(batch, ID_COLUMN)?, integers(batch, HEALPIX_COLUMN)?);
        ids.iter().zip(cells).for_each(|(id, cell)| self.add(*id, *cell));
        Ok(())
    }
}

/// A column of integers without NULLs.
pub(super) fn integers<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a [i64]> {
    let column = batch.column_by_name(name).and_then(|c| c.as_primitive_opt::<Int64Type>());
    column.map(|c| c.values().as_ref()).ok_or_else(|| no_column(name))
}

pub(super) fn no_column(name: &str) -> Error {
    Error::new(ErrorKind::Input, "a column is missing or of another type").at("column", name)
}

/// A hash of all of `values` (with the finaliser of SplitMix64, Steele et al. 2014, doi:10.1145/2660193.2660195).
pub(super) fn mixed(values: &[u64]) -> u64 {
    values.iter().fold(0, |state: u64, value| {
        let mut z = (state ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// Written as text, since JSON readers that store numbers as floats would round a sum.
mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer>(sum: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{sum:016x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_tells_rows_apart_but_not_their_order() {
        let of = |rows: &[(i64, i64)]| {
            let mut sum = RowSum::default();
            for (id, cell) in rows {
                sum.add(*id, *cell);
            }
            sum
        };
        let sum = of(&[(1, 10), (2, 20), (3, 30)]);
        assert_eq!(sum, of(&[(3, 30), (1, 10), (2, 20)]));
        for others in [&[(1, 10), (2, 20)][..], &[(1, 10), (2, 20), (2, 20)], &[(1, 20), (2, 10), (3, 30)]] {
            assert_ne!(sum, of(others));
        }
        let text = serde_json::to_string(&sum).unwrap();
        assert_eq!(serde_json::from_str::<RowSum>(&text).unwrap(), sum);
    }
}
