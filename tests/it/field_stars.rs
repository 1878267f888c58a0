//! The main job on real spectra: 2000 field stars of Gaia DR3.

use std::{fs, path::Path};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Float32Type, Int32Type},
};
use lamcat::{
    context::Packed,
    gaia::{
        g_flux,
        xp::{gaia_g, synthetic_mag},
    },
    inference::{Backend, CandleBackend, Requests},
    model::{Model, import},
    session::{Session, SessionOptions},
};

use crate::{
    program::{lamcat, run},
    shared::shared,
};

const FIELD_STARS: &str = "data/xp_continuous/field_stars/xp_continuous_combined_chunk0.fits";
const STARS: usize = 2000;

fn ingest(folder: &Path, fits: &Path) {
    run(lamcat(folder).arg("ingest").arg(fits).args(["-o", "stars.parquet"]));
}

async fn query(session: &Session, sql: &str) -> RecordBatch {
    let frame = session.sql(sql).await.unwrap();
    let schema = std::sync::Arc::new(frame.schema().as_arrow().clone());
    arrow::compute::concat_batches(&schema, &frame.collect().await.unwrap()).unwrap()
}

/// Teff and its error for every row by a forward pass without SQL: coefficients over the synthetic G flux, 32 of each
/// band, packed one by one.
fn direct(model: &Model, raw: &RecordBatch) -> Vec<(f32, f32)> {
    let vocabulary = model.vocabulary();
    let mut packed = Packed::with_capacity(raw.num_rows(), 64);
    for row in 0..raw.num_rows() {
        let band = |name: &str| -> Vec<f64> {
            let list = raw[name].as_fixed_size_list().value(row);
            list.as_primitive::<Float32Type>().values().iter().map(|v| f64::from(*v)).collect()
        };
        let (bp, rp) = (band("bp_coeff"), band("rp_coeff"));
        let flux = g_flux(synthetic_mag(&bp, &rp, gaia_g()));
        let values = bp[..32].iter().chain(&rp[..32]).map(|c| (c / flux) as f32);
        packed.push(vocabulary, (1..=32).chain(56..88).zip(values)).unwrap();
    }
    let requests = Requests { tokens: vec![vocabulary.require("teff").unwrap()], embedding: false };
    let answers = CandleBackend.infer(model, &packed, &requests).unwrap();
    answers.mean.into_iter().zip(answers.sigma).collect()
}

#[tokio::test]
async fn labels_of_real_spectra_in_sql_equal_a_direct_forward_pass() {
    let (Some(fits), Some(reference)) = (shared(FIELD_STARS), shared("reference/small")) else { return };
    let folder = tempfile::tempdir().unwrap();
    ingest(folder.path(), &fits);
    let path = folder.path().join("stars.parquet");
    let session = Session::new(&SessionOptions { partitions: Some(1), ..SessionOptions::default() }).unwrap();
    session.engine().set_default_model(import::import(&reference, "small", false).unwrap());
    let raw = query(&session, &format!("SELECT * FROM '{}'", path.display())).await;
    let sql = format!(
        "SELECT source_id, lam_infer(x, 'teff'), lam_error(x, 'teff'), lam_flags(x) \
         FROM (SELECT source_id, xp(bp_coeff, rp_coeff) AS x FROM '{}')",
        path.display()
    );
    let got = query(&session, &sql).await;
    assert_eq!(got.num_rows(), STARS);
    assert_eq!(got.column(0), &raw["source_id"]);
    let model = session.engine().model(None).unwrap();
    let scale = model.vocabulary().token(model.vocabulary().require("teff").unwrap()).scale as f32;
    let (teff, error) = (got.column(1).as_primitive::<Float32Type>(), got.column(2).as_primitive::<Float32Type>());
    for (row, (mean, sigma)) in direct(&model, &raw).into_iter().enumerate() {
        assert!(teff.is_valid(row), "row {row}");
        assert!((teff.value(row) - mean).abs() <= 2e-5 * scale, "row {row}: {} for {mean}", teff.value(row));
        assert!((error.value(row) - sigma).abs() <= 2e-5 * scale, "row {row}: {} for {sigma}", error.value(row));
    }
    // Every spectrum is complete, so the only flags are those for an untrained model and for the noisy coefficients of
    // faint stars.
    let flags = got.column(3).as_primitive::<Int32Type>();
    assert!(flags.values().iter().all(|f| [256, 256 | 16].contains(f)));
}

// According to numpy, 1982 of the stars have fewer than 32 relevant bases in a band.
#[test]
fn truncation_at_the_relevant_bases_flags_but_keeps_every_row() {
    let Some(fits) = shared(FIELD_STARS) else { return };
    let folder = tempfile::tempdir().unwrap();
    ingest(folder.path(), &fits);
    let sql = "SELECT count(*) AS stars, count(t) AS labels, count(*) FILTER (WHERE f & 1 = 1) AS shortened FROM \
               (SELECT lam_infer(x, 'teff') AS t, lam_flags(x) AS f FROM (SELECT xp(bp_coeff, rp_coeff, NULL, \
               bp_n_relevant_bases, rp_n_relevant_bases) AS x FROM 'stars.parquet'))";
    let (rows, stderr) = run(lamcat(folder.path()).args(["sql", "--format", "json", "-c", sql]));
    assert_eq!(rows.trim(), r#"{"stars":2000,"labels":2000,"shortened":1982}"#);
    assert!(!stderr.contains("untrained"), "{stderr}");
}

#[test]
fn synthetic_g_of_18_sco_is_its_catalogue_magnitude() {
    let Some(path) = shared("data/xp_continuous/gaiaxpy/18Sco-XP-spectra.csv") else { return };
    let text = fs::read_to_string(path).unwrap();
    let arrays: Vec<Vec<f64>> = text
        .split('"')
        .skip(1)
        .step_by(2)
        .map(|a| a.trim_matches(['(', ')', '[', ']']).split(',').map(|v| v.trim().parse().unwrap()).collect())
        .collect();
    // bp_coefficients is the first array, rp_coefficients the fourth.
    let mag = synthetic_mag(&arrays[0], &arrays[3], gaia_g());
    assert!((mag - 5.327_651).abs() < 2e-3, "{mag}");
}
