//! Numbers computed from a row for the plots of a report.

use arrow::{array::RecordBatch, datatypes::DataType};
use lamcat_core::error::Result;
use lamcat_release::summary::as_floats;

/// A number of a row: a column, or a value computed from several columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Quantity {
    /// A column of numbers.
    Column(String),
    /// Absolute magnitude from an apparent one and a distance in pc: m - 5 log10(d / 10 pc).
    AbsoluteMagnitude {
        /// Column of the apparent magnitude.
        magnitude: String,
        /// Column of the distance in pc.
        distance: String,
    },
    /// (value - truth) / error.
    Pull {
        /// Column of the value.
        value: String,
        /// Column of the true value.
        truth: String,
        /// Column of the predicted error.
        error: String,
    },
}

impl Quantity {
    /// Names of the columns that it needs.
    pub(super) fn columns(&self) -> Vec<&str> {
        match self {
            Self::Column(name) => vec![name],
            Self::AbsoluteMagnitude { magnitude, distance } => vec![magnitude, distance],
            Self::Pull { value, truth, error } => vec![value, truth, error],
        }
    }

    /// Its value in every row of a batch. The value is NaN where a column has no value, does not exist or is not
    /// numeric, and not finite where it cannot be computed.
    pub(super) fn values(&self, batch: &RecordBatch) -> Result<Vec<f64>> {
        let parts = self.columns().into_iter().map(|name| numbers(batch, name)).collect::<Result<Vec<_>>>()?;
        Ok(match (self, &parts[..]) {
            (Self::AbsoluteMagnitude { .. }, [magnitude, distance]) => {
                magnitude.iter().zip(distance).map(|(m, d)| m - 5.0 * (d / 10.0).log10()).collect()
            }
            (Self::Pull { .. }, [value, truth, error]) => {
                let pull = |((v, t), e): ((&f64, &f64), &f64)| if *e > 0.0 { (v - t) / e } else { f64::NAN };
                value.iter().zip(truth).zip(error).map(pull).collect()
            }
            _ => parts.into_iter().next().unwrap_or_default(),
        })
    }
}

fn numbers(batch: &RecordBatch, name: &str) -> Result<Vec<f64>> {
    match batch.column_by_name(name).filter(|column| is_number(column.data_type())) {
        Some(column) => Ok(as_floats(column)?.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect()),
        None => Ok(vec![f64::NAN; batch.num_rows()]),
    }
}

fn is_number(kind: &DataType) -> bool {
    kind.is_floating() || kind.is_integer()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float32Array, Float64Array, StringArray};

    use super::*;

    #[test]
    fn what_cannot_be_computed_is_not_finite() {
        let columns: [(&str, ArrayRef); 4] = [
            ("g", Arc::new(Float32Array::from(vec![Some(10.0), Some(10.0), Some(10.0), None]))),
            ("distance", Arc::new(Float64Array::from(vec![1000.0, 0.0, -3.0, 10.0]))),
            ("error", Arc::new(Float64Array::from(vec![2.0, 0.0, -1.0, f64::INFINITY]))),
            ("name", Arc::new(StringArray::from(vec!["1"; 4]))),
        ];
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let values = |quantity: Quantity| quantity.values(&batch).unwrap();
        let absolute = values(Quantity::AbsoluteMagnitude { magnitude: "g".into(), distance: "distance".into() });
        // 10 - 5 log10(100)
        assert!(absolute[0].abs() < 1e-12);
        assert!(absolute[1..].iter().all(|m| !m.is_finite()), "{absolute:?}");
        let pull = Quantity::Pull { value: "g".into(), truth: "distance".into(), error: "error".into() };
        assert!((values(pull)[0] + 495.0).abs() < 1e-12);
        for name in ["name", "nothing"] {
            assert!(values(Quantity::Column(name.into())).iter().all(|v| v.is_nan()));
        }
    }
}
