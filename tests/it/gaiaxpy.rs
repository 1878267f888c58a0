//! XP functions compared with the expected results of GaiaXPy's own tests, on the spectra that those tests use.

use std::path::{Path, PathBuf};

use arrow::{
    array::{Array, AsArray},
    compute::{cast, concat_batches},
    datatypes::{DataType, Float64Type},
};
use lamcat::session::{Session, SessionOptions};

use crate::shared::shared;

const FOLDER: &str = "data/xp_continuous/gaiaxpy";
/// Relative tolerance where errors are used: here errors and correlations are float32, while GaiaXPy used the digits
/// printed for them.
const SINGLE: f64 = 2e-7;
const ERRORS: &str =
    "bp_coefficient_errors, bp_coefficient_correlations, rp_coefficient_errors, rp_coefficient_correlations";

/// A column that the archive's CSV file writes as `"(a, b, …)"`.
fn list(column: &str) -> String {
    format!("arrow_cast({column}, 'List(Float64)') AS {column}")
}

async fn execute(session: &Session, sql: &str) {
    session.sql(sql).await.unwrap().collect().await.unwrap();
}

/// A session with a view `stars` of a file of spectra, and the folder of the file.
async fn spectra(file: &str) -> Option<(Session, PathBuf)> {
    let folder = shared(FOLDER)?;
    let session = Session::new(&SessionOptions { partitions: Some(1), ..SessionOptions::default() }).unwrap();
    let lists: Vec<String> = ["bp", "rp"]
        .iter()
        .flat_map(|b| {
            ["coefficients", "coefficient_errors", "coefficient_correlations"].map(|c| list(&format!("{b}_{c}")))
        })
        .collect();
    let path = folder.join(file);
    let sql = format!(
        "CREATE VIEW stars AS SELECT source_id, bp_n_relevant_bases, rp_n_relevant_bases, {} FROM '{}'",
        lists.join(", "),
        path.display()
    );
    execute(&session, &sql).await;
    Some((session, folder))
}

/// The lists of a query's only column, with NaN for NULL elements.
async fn lists(session: &Session, sql: &str) -> Vec<Vec<f64>> {
    let frame = session.sql(sql).await.unwrap();
    let schema = std::sync::Arc::new(frame.schema().as_arrow().clone());
    let batch = concat_batches(&schema, &frame.collect().await.unwrap()).unwrap();
    let item = std::sync::Arc::new(arrow::datatypes::Field::new_list_field(DataType::Float64, true));
    let column = cast(batch.column(0), &DataType::LargeList(item)).unwrap();
    let rows = column.as_list::<i64>();
    let numbers = |row| rows.value(row).as_primitive::<Float64Type>().iter().map(|v| v.unwrap_or(f64::NAN)).collect();
    (0..rows.len()).map(numbers).collect()
}

/// The lists of a column of a file of expected results.
async fn expected(session: &Session, path: &Path, column: &str, filter: &str) -> Vec<Vec<f64>> {
    let sql = format!("SELECT {} FROM '{}' {filter} ORDER BY source_id", list(column), path.display());
    lists(session, &sql).await
}

/// Asserts that every element is within `relative` of the expected one.
fn assert_close(got: &[Vec<f64>], wanted: &[Vec<f64>], relative: f64) {
    assert!(!wanted.is_empty());
    assert_eq!(got.len(), wanted.len());
    for (star, (got, wanted)) in got.iter().zip(wanted).enumerate() {
        assert_eq!(got.len(), wanted.len());
        for (i, (g, w)) in got.iter().zip(wanted).enumerate() {
            assert!((g - w).abs() <= relative * w.abs(), "star {star}, element {i}: {g} for {w}");
        }
    }
}

/// Compares calibrated fluxes and errors with those of a file; `arguments` are added to the calls.
async fn calibrated_as(file: &str, arguments: &str, relative: f64) {
    let Some((session, folder)) = spectra("XP_CONTINUOUS_RAW.csv").await else { return };
    let path = folder.join("expected").join(file);
    let flux =
        format!("SELECT xp_calibrate(bp_coefficients, rp_coefficients {arguments}) FROM stars ORDER BY source_id");
    assert_close(&lists(&session, &flux).await, &expected(&session, &path, "flux", "").await, relative);
    let error = format!("SELECT xp_calibrate_error({ERRORS} {arguments}) FROM stars ORDER BY source_id");
    assert_close(&lists(&session, &error).await, &expected(&session, &path, "flux_error", "").await, SINGLE);
}

#[tokio::test]
async fn calibrated_spectra_and_their_errors() {
    calibrated_as("calibrator_solution_default.csv", "", 1e-9).await;
}

// The file has nine digits.
#[tokio::test]
async fn calibrated_spectra_of_the_relevant_bases() {
    let arguments = ", bp_n_relevant_bases, rp_n_relevant_bases";
    calibrated_as("calibrator_solution_truncation_default.csv", arguments, 1e-8).await;
}

#[tokio::test]
async fn without_bp_a_calibrated_spectrum_is_that_of_rp() {
    let Some((session, folder)) = spectra("XP_CONTINUOUS_RAW_with_missing_BP.csv").await else { return };
    let path = folder.join("expected/calibrator_solution_default.csv");
    let from = "FROM stars WHERE bp_coefficients IS NOT NULL ORDER BY source_id";
    let queries = [
        ("flux", "xp_calibrate(NULL, rp_coefficients)"),
        ("flux_error", "xp_calibrate_error(NULL, NULL, rp_coefficient_errors, rp_coefficient_correlations)"),
    ];
    for (column, call) in queries {
        let wanted = expected(&session, &path, column, "").await;
        let got = lists(&session, &format!("SELECT {call} {from}")).await;
        for got in &got {
            assert_eq!(got.iter().take_while(|f| f.is_nan()).count(), (636 - 336) / 2);
        }
        // From 643 nm on the full spectrum contains no BP.
        let red = |rows: &[Vec<f64>]| -> Vec<Vec<f64>> { rows.iter().map(|r| r[154..].to_vec()).collect() };
        assert_close(&red(&got), &red(&wanted), SINGLE);
    }
    let count = "SELECT [count(f[150]), count(f[151]), count(f[343])] FROM \
                 (SELECT xp_calibrate(bp_coefficients, rp_coefficients) AS f FROM stars)";
    assert_eq!(lists(&session, count).await, [[2.0, 3.0, 3.0]]);
}

#[tokio::test]
async fn internally_calibrated_spectra_and_their_errors() {
    let Some((session, folder)) = spectra("XP_CONTINUOUS_RAW.csv").await else { return };
    let sampling = "(SELECT array_agg(v / 8.0 ORDER BY v) AS s FROM (SELECT unnest(range(0, 481)) AS v))";
    for band in ["bp", "rp"] {
        let filter = format!("WHERE xp = '{}'", band.to_uppercase());
        let flux = format!(
            "SELECT xp_convert({band}_coefficients, '{band}', s) FROM stars CROSS JOIN {sampling} ORDER BY source_id"
        );
        let error = format!(
            "SELECT xp_convert_error({band}_coefficient_errors, {band}_coefficient_correlations, '{band}', s) \
             FROM stars CROSS JOIN {sampling} ORDER BY source_id"
        );
        let (flux, error) = (lists(&session, &flux).await, lists(&session, &error).await);
        let solution = folder.join("expected/converter_solution_0_60_481.csv");
        assert_close(&flux, &expected(&session, &solution, "flux", &filter).await, 1e-8);
        assert_close(&error, &expected(&session, &solution, "flux_error", &filter).await, SINGLE);
        // The results of Gaia's own pipeline, whose standard deviation has fewer digits.
        let pipeline = folder.join("expected/SampledMeanSpectrum.csv");
        assert_close(&flux, &expected(&session, &pipeline, "flux", &filter).await, 1e-8);
        assert_close(&error, &expected(&session, &pipeline, "error", &filter).await, 1e-6);
    }
}
