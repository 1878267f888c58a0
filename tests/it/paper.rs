//! The demonstrations in `sql/paper`: their structure with any model, and their physics with a trained one.

use std::{fs, path::Path};

use arrow::{
    array::{AsArray, RecordBatch},
    compute::{cast, concat_batches},
    datatypes::DataType,
};
use lamcat::{
    gaia::sample,
    session::{Session, SessionOptions},
};

use crate::{
    program::{lamcat, run},
    shared::shared,
};

/// A(lambda) / E(B-V) at 440 and 550 nm, from the Python package extinction 0.4.9:
/// `fitzpatrick99(np.array([4400., 5500.]), 3.1, 3.1)`.
const F99_440: f64 = 4.058_700_21;
const F99_550: f64 = 3.031_165_63;
/// Different packages differ by this much in the spline of Fitzpatrick's curve.
const F99_TOLERANCE: f64 = 5e-4;
/// Number of stars of the sample on which the demonstrations run.
const STARS: usize = 60;
const FIELD_STARS: &str = "data/xp_continuous/field_stars/xp_continuous_combined_chunk0.fits";

fn session() -> Session {
    let session = Session::new(&SessionOptions { partitions: Some(1), ..SessionOptions::default() }).unwrap();
    session.context().register_batch("stars", sample(STARS, 1).unwrap()).unwrap();
    session
}

/// Runs a demonstration; returns the rows of each of its queries.
async fn demonstration(session: &Session, name: &str) -> Vec<RecordBatch> {
    statements(session, &text(name)).await
}

fn text(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/paper").join(name)).unwrap()
}

async fn statements(session: &Session, text: &str) -> Vec<RecordBatch> {
    let mut results = Vec::new();
    for statement in session.parse(text).unwrap() {
        let frame = session.plan(statement).await.unwrap();
        let schema = std::sync::Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await.unwrap();
        if !schema.fields().is_empty() {
            results.push(concat_batches(&schema, &batches).unwrap());
        }
    }
    results
}

async fn query(session: &Session, sql: &str) -> RecordBatch {
    let frame = session.sql(sql).await.unwrap();
    let schema = std::sync::Arc::new(frame.schema().as_arrow().clone());
    concat_batches(&schema, &frame.collect().await.unwrap()).unwrap()
}

/// The numbers of a column, with NaN for NULL.
fn numbers(batch: &RecordBatch, column: &str) -> Vec<f64> {
    let values = cast(&batch[column], &DataType::Float64).unwrap();
    values.as_primitive::<arrow::datatypes::Float64Type>().iter().map(|v| v.unwrap_or(f64::NAN)).collect()
}

#[tokio::test]
async fn spectra_are_generated_on_the_whole_grid() {
    let session = session();
    let rows = demonstration(&session, "spectrum_generation.sql").await.pop().unwrap();
    assert_eq!(rows.num_rows(), 6 * 343);
    let (teff, wavelength) = (numbers(&rows, "teff"), numbers(&rows, "wavelength"));
    assert_eq!(
        (teff[0], wavelength[0], teff[342], wavelength[342], teff[343]),
        (4000.0, 336.0, 4000.0, 1020.0, 4200.0)
    );
    let parts = query(&session, "SELECT count(*) AS n FROM generated WHERE cardinality(flux_per_g) = 343").await;
    assert_eq!(numbers(&parts, "n"), [6.0]);
}

// The two forms of a star's curve differ by a constant, which is the absolute curve's value at 550 nm.
#[tokio::test]
async fn the_two_forms_of_an_extinction_curve_differ_by_a_constant() {
    let session = session();
    let rows = demonstration(&session, "extinction_curve.sql").await;
    assert_eq!(numbers(&rows[0], "wavelengths"), [251.0]);
    let spread = "SELECT max(high - low) AS spread, count(*) AS curves FROM (SELECT max(absolute - excess) AS high, \
                  min(absolute - excess) AS low FROM learnt_extinction WHERE absolute IS NOT NULL GROUP BY logg, ebv)";
    let spread = query(&session, spread).await;
    assert!(numbers(&spread, "curves")[0] > 0.0 && numbers(&spread, "spread")[0] < 1e-9, "{spread:?}");
    let at_550 = query(&session, "SELECT max(abs(excess)) AS e FROM learnt_extinction WHERE wavelength = 550").await;
    assert!(numbers(&at_550, "e")[0] < 1e-12);
    let sql =
        "SELECT absolute, excess FROM fitzpatrick WHERE rv = 3.1 AND wavelength IN (550, 440) ORDER BY wavelength";
    let f99 = query(&session, sql).await;
    let absolute = numbers(&f99, "absolute");
    for (got, expected) in absolute.iter().zip([F99_440, F99_550]) {
        assert!((got - expected).abs() < F99_TOLERANCE, "{got} for {expected}");
    }
    assert!((numbers(&f99, "excess")[0] - (F99_440 - F99_550)).abs() < F99_TOLERANCE);
}

// The excess depends on the spectra alone; a curve whose predicted g_fakemag is not positive only lacks its absolute
// form.
#[tokio::test]
async fn luminosities_that_cannot_be_leave_the_excess_alone() {
    let session = session();
    let excess =
        "SELECT sum(excess) AS sum, sum(excess_lower) AS lower, count(absolute) AS absolute FROM extinction_band";
    let text = text("extinction_curve.sql");
    let predicted = "lam_infer(context, 'g_fakemag') AS g_fakemag";
    assert!(text.contains(predicted));
    let mut bands = Vec::new();
    for g_fakemag in ["1.0", "CASE WHEN ebv > 1 OR logg < 1.5 THEN -1.0 ELSE 1.0 END", "-1.0"] {
        statements(&session, &text.replace(predicted, &format!("{g_fakemag} AS g_fakemag"))).await;
        let band = query(&session, excess).await;
        bands.push(["sum", "lower", "absolute"].map(|c| numbers(&band, c)[0]));
    }
    assert_eq!(bands.iter().map(|b| b[2]).collect::<Vec<_>>(), [251.0, 251.0, 0.0]);
    for band in &bands[1..] {
        assert!((0..2).all(|i| (band[i] - bands[0][i]).abs() < 1e-6), "{bands:?}");
    }
}

#[tokio::test]
async fn loci_have_every_gravity_and_metallicity() {
    let rows = demonstration(&session(), "stellar_loci.sql").await.pop().unwrap();
    assert_eq!(rows.num_rows(), 85 * 6);
    assert!(numbers(&rows, "teff").iter().chain(&numbers(&rows, "teff_error")).all(|v| v.is_finite()));
    let (g, m) = (numbers(&rows, "g_fakemag"), numbers(&rows, "absolute_magnitude"));
    for (g, m) in g.iter().zip(m).filter(|(g, _)| **g > 0.0) {
        // At 10 pc the parallax is 100 mas.
        assert!((100.0 * 10f64.powf(0.2 * m) / g - 1.0).abs() < 1e-4, "{m} for {g}");
    }
}

#[tokio::test]
async fn inpainted_halves_stand_where_nothing_was_known() {
    let session = session();
    let rows = demonstration(&session, "inpainting.sql").await;
    assert!(rows[0].num_rows() > 0 && numbers(&rows[0], "stars").iter().sum::<f64>() > 10.0);
    let picture = &rows[1];
    assert_eq!(picture.num_rows(), 343);
    let known = |column: &str| -> Vec<f64> {
        let (nm, values) = (numbers(picture, "wavelength"), numbers(picture, column));
        nm.into_iter().zip(values).filter(|(_, v)| v.is_finite()).map(|(nm, _)| nm).collect()
    };
    let ends = |column: &str| known(column).first().copied().zip(known(column).last().copied());
    assert_eq!(ends("rp_from_bp"), Some((636.0, 1020.0)));
    assert_eq!(ends("bp_from_rp"), Some((336.0, 642.0)));
    for half in ["rp_from_bp", "bp_from_rp"] {
        assert_eq!(known(half), known(&format!("{half}_error")));
    }
}

#[tokio::test]
async fn the_most_similar_star_is_the_star_itself() {
    let session = session();
    let rows = demonstration(&session, "similar_stars.sql").await;
    let distance = numbers(&rows[0], "distance");
    assert_eq!(numbers(&rows[0], "rank"), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert!(distance[0].abs() < 1e-6 && distance.windows(2).all(|w| w[0] <= w[1]), "{distance:?}");
    assert_eq!(rows[1].num_rows(), 6 * 343);
    assert_eq!(rows[1]["star"].as_string::<i32>().value(0), "asked about");
}

// The band is that of luminosities, so the curve of the colour excess, which does not use them, only has to be near it.
#[test]
fn the_learnt_extinction_curve_is_fitzpatricks_within_its_band() {
    let folder = tempfile::tempdir().unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/paper/extinction_curve.sql");
    let (rows, _) = run(lamcat(folder.path()).args(["sql", "-q", "--format", "json", "-f"]).arg(file));
    let counts: serde_json::Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    println!("{counts}");
    assert_eq!([&counts["wavelengths"], &counts["absolute_within"]], [251, 251], "{counts}");
    let near = |key: &str| counts[key].as_f64().unwrap() < 0.08;
    assert!(near("absolute_difference") && near("difference"), "{counts}");
}

#[test]
#[ignore = "takes minutes without optimisation"]
fn halves_of_real_spectra_follow_from_the_other_half() {
    let Some(fits) = shared(FIELD_STARS) else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/paper/inpainting.sql");
    let stars = format!(
        "CREATE VIEW stars AS SELECT *, bp_coeff AS bp_coefficients, rp_coeff AS rp_coefficients, \
         xp_synth_mag(bp_coeff, rp_coeff, 'G') AS phot_g_mean_mag FROM '{}'",
        fits.display()
    );
    let (rows, _) = run(lamcat(folder.path()).args(["sql", "-q", "--format", "json", "-c", &stars, "-f"]).arg(file));
    for line in rows.lines().take(2) {
        let summary: serde_json::Value = serde_json::from_str(line).unwrap();
        println!("{summary}");
        for key in ["rp_scatter", "bp_scatter"] {
            assert!(summary[key].as_f64().unwrap() < 0.1, "{summary}");
        }
    }
}
