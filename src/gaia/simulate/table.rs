//! Simulated stars as a table with the real data's columns.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int16Array, Int64Array, RecordBatch, StringArray,
    },
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use lamcat_core::{
    error::{Error, ErrorKind, Result},
    schema::{ERROR_SUFFIX, column_meta},
};

use super::star::Star;
use crate::{columns::column, xp::COEFFICIENTS_PER_BAND};

/// One source in this many belongs to the test set.
const TEST_SHARE: u64 = 10;

/// Whether a source belongs to the test set: a tenth of all, chosen by a hash of the source id (SplitMix64).
#[must_use]
pub fn is_test(source_id: i64) -> bool {
    let mut z = (source_id as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)).is_multiple_of(TEST_SHARE)
}

/// The columns of a simulation: those of the Gaia archive, with its names, types, units and UCDs (lists have 55 32-bit
/// floats), `j_h` and `j_k` of 2MASS, the labels with their errors, `ebv`, and `split` (`train` or `test`).
#[must_use]
pub fn schema() -> SchemaRef {
    let item = Arc::new(Field::new_list_field(DataType::Float32, true));
    let list = DataType::FixedSizeList(item, COEFFICIENTS_PER_BAND as i32);
    let gaia = |name: &str, data_type: DataType| {
        let column = column(name);
        described(name, data_type, column.map_or(("", ""), |c| (c.unit, c.ucd)))
    };
    let known = |name: &str, token: &str| {
        let meta = column_meta(token);
        described(name, DataType::Float32, (meta.unit, meta.ucd))
    };
    let error = |token: &str| {
        let meta = column_meta(token);
        let ucd = format!("stat.error;{}", meta.ucd);
        described(&format!("{token}{ERROR_SUFFIX}"), DataType::Float32, (meta.unit, &ucd))
    };
    let fields = vec![
        gaia("source_id", DataType::Int64),
        gaia("bp_coefficients", list.clone()),
        gaia("bp_coefficient_errors", list.clone()),
        gaia("rp_coefficients", list.clone()),
        gaia("rp_coefficient_errors", list),
        gaia("bp_n_relevant_bases", DataType::Int16),
        gaia("rp_n_relevant_bases", DataType::Int16),
        gaia("phot_g_mean_mag", DataType::Float32),
        gaia("phot_bp_mean_mag", DataType::Float32),
        gaia("phot_rp_mean_mag", DataType::Float32),
        gaia("bp_rp", DataType::Float32),
        known("j_h", "jh"),
        known("j_k", "jk"),
        gaia("parallax", DataType::Float64),
        gaia("parallax_error", DataType::Float32),
        known("teff", "teff"),
        error("teff"),
        known("logg", "logg"),
        error("logg"),
        known("m_h", "m_h"),
        error("m_h"),
        described("ebv", DataType::Float32, ("mag", "phys.absorption.gal")),
        described("split", DataType::Utf8, ("", "meta.code")),
    ];
    Arc::new(Schema::new(fields))
}

fn described(name: &str, data_type: DataType, (unit, ucd): (&str, &str)) -> Field {
    let metadata: HashMap<String, String> = [("unit", unit), ("ucd", ucd)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    Field::new(name, data_type, false).with_metadata(metadata)
}

/// Returns the stars as a table with [`schema`].
pub(super) fn table(stars: &[Star]) -> Result<RecordBatch> {
    let float = |of: &dyn Fn(&Star) -> f64| -> ArrayRef {
        Arc::new(stars.iter().map(|s| Some(of(s) as f32)).collect::<Float32Array>())
    };
    let short =
        |of: &dyn Fn(&Star) -> i16| -> ArrayRef { Arc::new(stars.iter().map(|s| Some(of(s))).collect::<Int16Array>()) };
    let measured = |i: usize| float(&move |s| f64::from(s.labels.measured.values()[i]));
    let error = |i: usize| float(&move |s| f64::from(s.labels.errors[i]));
    let (bp, rp) = (0, COEFFICIENTS_PER_BAND);
    let split = stars.iter().map(|s| Some(if is_test(s.source_id) { "test" } else { "train" }));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(stars.iter().map(|s| Some(s.source_id)).collect::<Int64Array>()),
        lists(stars, bp, |s| &s.coefficients)?,
        lists(stars, bp, |s| &s.errors)?,
        lists(stars, rp, |s| &s.coefficients)?,
        lists(stars, rp, |s| &s.errors)?,
        short(&|s| s.relevant[0]),
        short(&|s| s.relevant[1]),
        float(&|s| s.mags[0]),
        float(&|s| s.mags[1]),
        float(&|s| s.mags[2]),
        float(&|s| s.mags[1] - s.mags[2]),
        float(&|s| s.j_h),
        float(&|s| s.j_k),
        Arc::new(stars.iter().map(|s| Some(s.parallax)).collect::<Float64Array>()),
        float(&|s| s.parallax_error),
        measured(0),
        error(0),
        measured(1),
        error(1),
        measured(2),
        error(2),
        float(&|s| s.labels.logebv.exp()),
        Arc::new(split.collect::<StringArray>()),
    ];
    RecordBatch::try_new(schema(), columns).map_err(inconsistent)
}

/// Returns a band's lists, which begin at index `from` of a star's 110 values.
fn lists(stars: &[Star], from: usize, of: impl Fn(&Star) -> &Vec<f32>) -> Result<ArrayRef> {
    let values: Float32Array = stars.iter().flat_map(|s| &of(s)[from..from + COEFFICIENTS_PER_BAND]).copied().collect();
    let item = Arc::new(Field::new_list_field(DataType::Float32, true));
    let list = FixedSizeListArray::try_new(item, COEFFICIENTS_PER_BAND as i32, Arc::new(values), None);
    Ok(Arc::new(list.map_err(inconsistent)?))
}

fn inconsistent(e: arrow::error::ArrowError) -> Error {
    Error::new(ErrorKind::Input, "simulated stars make no table").source(e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_for_tests() {
        let tests = (0..10_000i64).filter(|i| is_test(i << 35)).count();
        assert!((900..1100).contains(&tests), "{tests}");
    }

    #[test]
    fn gaia_columns_keep_their_units_and_every_column_a_ucd() {
        let schema = schema();
        assert_eq!(schema.field_with_name("parallax").unwrap().metadata()["unit"], "mas");
        assert_eq!(schema.field_with_name("teff_error").unwrap().metadata()["unit"], "K");
        for field in schema.fields() {
            let relevant = field.name().contains("_n_relevant_bases") || field.name().contains("coefficient");
            assert!(relevant || field.metadata().contains_key("ucd"), "{}", field.name());
        }
        assert_eq!(table(&[]).unwrap().num_rows(), 0);
    }
}
