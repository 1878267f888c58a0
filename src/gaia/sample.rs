//! Generates any number of sources that resemble real ones, for tests and measurements.
//!
//! The table has the columns of the Gaia archive's `xp_continuous_mean_spectrum` joined with `gaia_source`. The
//! coefficients are drawn around the training set's medians with its spread, along one latent "temperature" with noise
//! that increases with the order. Their sizes are realistic, but they are not the spectra of any stars.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, FixedSizeListArray, Float32Array, Float64Array, Int16Array, Int64Array, RecordBatch},
    buffer::NullBuffer,
    datatypes::{DataType, Field, Schema},
};
use lamcat_core::{
    error::{Error, ErrorKind, Result},
    schema::{TokenId, Vocabulary},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::g_flux;

/// Coefficients per band in the archive's files.
const COEFFICIENTS: usize = 55;
/// Interval of gaps: one source in this many has no BP spectrum, another one no RP spectrum, and another neither.
const GAP_EVERY: usize = 50;

struct Star {
    source_id: i64,
    ra: f64,
    dec: f64,
    mag: f32,
    colour: f32,
    bp: Option<Vec<f32>>,
    rp: Option<Vec<f32>>,
    relevant: [i16; 2],
}

/// Returns `rows` simulated sources; the same seed gives the same rows.
///
/// # Errors
/// If there are too many rows for one batch.
pub fn sample(rows: usize, seed: u64) -> Result<RecordBatch> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let vocabulary = Vocabulary::leung_bovy_2023();
    let stars: Vec<Star> = (0..rows).map(|i| star(&mut rng, &vocabulary, i)).collect();
    table(&stars).map_err(|e| Error::new(ErrorKind::Input, "the sample cannot be built").source(e))
}

fn star(rng: &mut ChaCha8Rng, vocabulary: &Vocabulary, i: usize) -> Star {
    let latent: f64 = StandardNormal.sample(rng);
    let mag = rng.random_range(8.0..17.0);
    let ra = rng.random_range(0.0..360.0f64);
    let dec = rng.random_range(-1.0..1.0f64).asin().to_degrees();
    let bp = spectrum(rng, vocabulary, vocabulary.block("bp"), latent, mag);
    let rp = spectrum(rng, vocabulary, vocabulary.block("rp"), latent, mag);
    let noise: f64 = StandardNormal.sample(rng);
    Star {
        source_id: ((i as i64 + 1) << 35) | i64::from(rng.random::<u16>()),
        ra,
        dec,
        mag: mag as f32,
        colour: (1.3 - 0.45 * latent + 0.02 * noise) as f32,
        bp: (i % GAP_EVERY != 7 && i % GAP_EVERY != 9).then_some(bp),
        rp: (i % GAP_EVERY != 8 && i % GAP_EVERY != 9).then_some(rp),
        relevant: [0, 1].map(|_| rng.random_range(20..=COEFFICIENTS as i16)),
    }
}

fn spectrum(rng: &mut ChaCha8Rng, vocabulary: &Vocabulary, block: &[TokenId], latent: f64, mag: f64) -> Vec<f32> {
    let flux = g_flux(mag);
    block
        .iter()
        .zip(0..)
        .map(|(id, order)| {
            let token = vocabulary.token(*id);
            let sign = if order % 2 == 0 { 1.0 } else { -1.0 };
            let share = 0.95 * 0.93f64.powi(order);
            let noise: f64 = StandardNormal.sample(rng);
            let z = sign * share * latent + (1.0 - share * share).sqrt() * noise;
            ((token.median + token.scale * z) * flux) as f32
        })
        .collect()
}

fn table(stars: &[Star]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let unit = |name: &str, data_type: DataType, unit: &str, ucd: &str| {
        let metadata = [("unit", unit), ("ucd", ucd)].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        Field::new(name, data_type, true).with_metadata(metadata)
    };
    let item = Arc::new(Field::new_list_field(DataType::Float32, true));
    let list = DataType::FixedSizeList(item.clone(), COEFFICIENTS as i32);
    let fields = vec![
        unit("source_id", DataType::Int64, "", "meta.id;meta.main"),
        unit("ra", DataType::Float64, "deg", "pos.eq.ra;meta.main"),
        unit("dec", DataType::Float64, "deg", "pos.eq.dec;meta.main"),
        unit("phot_g_mean_mag", DataType::Float32, "mag", "phot.mag;em.opt"),
        unit("bp_rp", DataType::Float32, "mag", "phot.color"),
        unit("bp_n_relevant_bases", DataType::Int16, "", "meta.number"),
        unit("rp_n_relevant_bases", DataType::Int16, "", "meta.number"),
        unit("bp_coefficients", list.clone(), "", "stat.fit.param;em.opt.B"),
        unit("rp_coefficients", list, "", "stat.fit.param;em.opt.R"),
    ];
    let lists = |of: fn(&Star) -> &Option<Vec<f32>>| -> Result<ArrayRef, arrow::error::ArrowError> {
        let blank = vec![0.0; COEFFICIENTS];
        let values: Float32Array = stars.iter().flat_map(|s| of(s).as_ref().unwrap_or(&blank)).copied().collect();
        let nulls: NullBuffer = stars.iter().map(|s| of(s).is_some()).collect();
        Ok(Arc::new(FixedSizeListArray::try_new(item.clone(), COEFFICIENTS as i32, Arc::new(values), Some(nulls))?))
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(stars.iter().map(|s| Some(s.source_id)).collect::<Int64Array>()),
        Arc::new(stars.iter().map(|s| Some(s.ra)).collect::<Float64Array>()),
        Arc::new(stars.iter().map(|s| Some(s.dec)).collect::<Float64Array>()),
        Arc::new(stars.iter().map(|s| Some(s.mag)).collect::<Float32Array>()),
        Arc::new(stars.iter().map(|s| Some(s.colour)).collect::<Float32Array>()),
        Arc::new(stars.iter().map(|s| Some(s.relevant[0])).collect::<Int16Array>()),
        Arc::new(stars.iter().map(|s| Some(s.relevant[1])).collect::<Int16Array>()),
        lists(|s| &s.bp)?,
        lists(|s| &s.rp)?,
    ];
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;

    use super::*;

    #[test]
    fn the_sample_is_deterministic_and_has_gaps() {
        const ROWS: usize = 200;
        let a = sample(ROWS, 1).unwrap();
        assert_eq!(a, sample(ROWS, 1).unwrap());
        assert_eq!(a.num_rows(), ROWS);
        assert_eq!(a.column_by_name("bp_coefficients").unwrap().null_count(), 2 * ROWS / GAP_EVERY);
    }
}
