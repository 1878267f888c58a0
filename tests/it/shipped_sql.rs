//! Every query in `sql/` can be planned.

use std::{fs, path::Path};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::Int64Type,
};
use lamcat::{
    gaia::sample,
    gaia::simulate,
    session::{Session, SessionOptions},
};

/// The simulated sample as two tables like the archive's.
const ARCHIVE: [&str; 2] = [
    "CREATE TABLE xp_continuous AS SELECT source_id, bp_coefficients, rp_coefficients, 30 AS bp_n_relevant_bases, \
     40 AS rp_n_relevant_bases, array_repeat(0.5, 55) AS bp_coefficient_errors, array_repeat(0.5, 55) AS \
     rp_coefficient_errors, array_repeat(0.0, 1485) AS bp_coefficient_correlations, array_repeat(0.0, 1485) AS \
     rp_coefficient_correlations FROM stars",
    "CREATE TABLE gaia_source AS SELECT source_id, ra, dec, phot_g_mean_mag, 0.8 AS bp_rp, 2.5 AS parallax, CASE WHEN \
     source_id % 2 = 0 THEN 0.05 ELSE 0.5 END AS parallax_error, 1.0 AS ruwe, 1.5 AS nu_eff_used_in_astrometry, NULL AS \
     pseudocolour, 10.0 AS ecl_lat, 31 AS astrometric_params_solved FROM stars",
];

async fn session() -> Session {
    let session = Session::new(&SessionOptions::default()).unwrap();
    session.context().register_batch("stars", sample(1000, 1).unwrap()).unwrap();
    for table in ARCHIVE {
        session.sql(table).await.unwrap().collect().await.unwrap();
    }
    session
}

fn shipped(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("sql").join(name)).unwrap()
}

#[tokio::test]
async fn the_view_of_tokens_feeds_the_model() {
    let session = session().await;
    session.sql(shipped("xp_tokens.sql").trim().trim_end_matches(';')).await.unwrap().collect().await.unwrap();
    let query = "SELECT count(*) AS rows, count(lam_infer(context, 'teff')) AS inferred, \
                 count(context['g_fakemag']) AS luminosities, sum(CAST(within_training_cuts AS INT)) AS inside FROM xp_tokens";
    let rows = session.sql(query).await.unwrap().collect().await.unwrap();
    let value = |c: &str| rows[0][c].as_primitive::<Int64Type>().value(0);
    assert_eq!(value("rows"), 1000);
    assert!(value("inferred") > 900 && value("inside") > 500, "{rows:?}");
    assert!((1..1000).contains(&value("luminosities")), "{rows:?}");
}

#[tokio::test]
async fn sampled_spectra_have_fluxes_and_errors() {
    let session = session().await;
    let rows = session.sql(shipped("sampled_spectra.sql").trim().trim_end_matches(';')).await.unwrap();
    let batches = rows.collect().await.unwrap();
    let batch = concat_batches(&batches[0].schema(), &batches).unwrap();
    assert_eq!(batch.num_rows(), 1000);
    for (column, unit) in [("flux", "W.m**-2.nm**-1"), ("flux_error", "W.m**-2.nm**-1"), ("g", "mag")] {
        // The coefficients of the sample are drawn at random, so not every spectrum has a positive flux in G.
        assert!(batch[column].null_count() < if column == "g" { 900 } else { 50 }, "{column}");
        assert_eq!(batch.schema().field_with_name(column).unwrap().metadata()["unit"], unit);
    }
}

/// A session with the tables that a shipped query reads.
async fn session_for(query: &Path) -> Session {
    let stem = query.file_stem().and_then(|stem| stem.to_str()).unwrap();
    if stem == "train_paper" {
        return crate::train_paper::hand_made().await;
    }
    let session = session().await;
    let tables = [
        "CREATE TABLE solar_twin AS SELECT bp_coefficients, rp_coefficients, phot_g_mean_mag FROM stars",
        "CREATE TABLE field_stars AS SELECT source_id, bp_coefficients AS bp_coeff, rp_coefficients AS rp_coeff, 30 AS \
         bp_n_relevant_bases, 40 AS rp_n_relevant_bases FROM stars",
        "CREATE TABLE green2020 AS SELECT 5800.0 AS teff, 90.0 AS teff_error, 4.4 AS logg, 0.1 AS logg_error, 0.0 AS m_h, \
         0.05 AS m_h_error, 0.02 AS ebv, bp_rp, 0.3 AS j_h, 0.35 AS j_k, 2.5 AS parallax, 0.05 AS parallax_error, \
         phot_g_mean_mag, CASE WHEN source_id % 5 = 0 THEN 'test' ELSE 'train' END AS split FROM stars",
    ];
    for table in tables {
        session.sql(table).await.unwrap().collect().await.unwrap();
    }
    if stem == "demo" {
        session.context().deregister_table("stars").unwrap();
        let stars = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo_stars.parquet");
        let table = format!("CREATE TABLE stars AS SELECT * FROM '{}'", stars.display());
        session.sql(&table).await.unwrap().collect().await.unwrap();
    }
    if stem.ends_with("_simulated") || stem.ends_with("_default") {
        session.context().deregister_table("stars").unwrap();
        session.context().register_batch("stars", RecordBatch::new_empty(simulate::schema())).unwrap();
    }
    session
}

#[tokio::test]
async fn every_shipped_query_plans() {
    let mut planned = 0;
    let sql = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let entries = [sql.join("paper"), sql].map(|folder| fs::read_dir(folder).unwrap()).into_iter().flatten();
    for path in entries.map(|e| e.unwrap().path()).filter(|p| p.is_file()) {
        let session = session_for(&path).await;
        for statement in session.parse(&fs::read_to_string(&path).unwrap()).unwrap() {
            let frame = session.plan(statement).await;
            frame.unwrap_or_else(|e| panic!("{}: {e}", path.display())).create_physical_plan().await.unwrap();
            planned += 1;
        }
    }
    assert!(planned > 0);
}

#[test]
fn the_test_set_is_the_training_set_of_the_other_stars() {
    let query = |name: &str| {
        let text = shipped(name);
        text.lines().filter(|line| !line.starts_with("--")).map(|line| line.to_owned() + "\n").collect::<String>()
    };
    let train = query("train_simulated.sql");
    assert_eq!(train.matches("split = 'train'").count(), 1);
    assert_eq!(query("test_simulated.sql"), train.replace("split = 'train'", "split = 'test'"));
}
