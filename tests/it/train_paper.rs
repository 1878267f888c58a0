//! `sql/train_paper.sql`: a star on either side of each cut, and real rows of APOGEE.

use std::{fs, path::Path};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::{cast, concat_batches},
    datatypes::{DataType, Float64Type},
};
use lamcat::{
    schema::Vocabulary,
    session::{Session, SessionOptions},
    train::read_training_set,
};

use crate::shared::shared;

const TABLES: [&str; 5] = [
    "CREATE TABLE xp_continuous_mean_spectrum AS SELECT source_id, array_repeat(100.0, 55) AS bp_coefficients, \
     array_repeat(50.0, 55) AS rp_coefficients, array_repeat(2.0, 55) AS bp_coefficient_errors, array_repeat(1.0, 55) \
     AS rp_coefficient_errors, 30 AS bp_n_relevant_bases, 40 AS rp_n_relevant_bases \
     FROM gaia_source WHERE source_id <> 14",
    "CREATE TABLE tmass_psc_xsc_best_neighbour AS SELECT 1 AS source_id, 77 AS clean_tmass_psc_xsc_oid",
    "CREATE TABLE tmass_psc_xsc_join AS SELECT 77 AS clean_tmass_psc_xsc_oid, '0300+00' AS original_psc_source_id",
    "CREATE TABLE tmass_original_valid AS SELECT '0300+00' AS designation, 9.0 AS j_m, 8.4 AS h_m, 8.25 AS ks_m, \
     0.03 AS j_msigcom, 0.04 AS h_msigcom, 0.04 AS ks_msigcom",
    "CREATE TABLE dust AS SELECT * FROM (VALUES (1, 0.5), (3, 0.0), (5, 10.1), (7, 9.9)) AS v(source_id, ebv)",
];

/// Stars 1 to 17, of which APOGEE has not observed the last; the colour of each is 1 plus a hundredth of its number,
/// unless it tests a cut on colour.
const GAIA_SOURCE: &str = "CREATE TABLE gaia_source AS SELECT source_id, g AS phot_g_mean_mag, \
    coalesce(c, 1 + source_id / 100.0) AS bp_rp, ruwe, excess AS phot_bp_rp_excess_factor, 2.0 AS parallax, \
    e AS parallax_error, 1.5 AS nu_eff_used_in_astrometry, NULL AS pseudocolour, 10.0 AS ecl_lat, \
    31 AS astrometric_params_solved FROM (VALUES \
    (1, 10.0, NULL, 1.0, 1.2, 0.05), \
    (2, 6.0, NULL, 1.0, 1.2, 0.05), (3, 6.01, NULL, 1.0, 1.2, 0.05), \
    (4, 17.5, NULL, 1.0, 1.2, 0.05), (5, 17.49, NULL, 1.0, 1.2, 0.05), \
    (6, 10.0, 0.0, 1.0, 1.2, 0.05), (7, 10.0, 0.01, 1.0, 1.2, 0.05), \
    (8, 10.0, 4.0, 1.0, 1.2, 0.05), (9, 10.0, 3.99, 1.0, 1.2, 0.05), \
    (10, 10.0, NULL, 1.4, 1.2, 0.05), (11, 10.0, NULL, 1.39, 1.2, 0.05), \
    (12, 10.0, NULL, 1.0, 2.0, 0.05), (13, 10.0, NULL, 1.0, 1.99, 0.05), \
    (14, 10.0, NULL, 1.0, 1.2, 0.05), \
    (15, 10.0, NULL, 1.0, 1.2, 0.11), (16, 10.0, NULL, 1.0, 1.2, 0.1), (17, 10.0, NULL, 1.0, 1.2, 0.05)) AS v(source_id, g, c, ruwe, excess, e)";

/// Star 3 has a flagged spectrum, 5 a bad metallicity (bit 19), 7 a bad fit (bit 23), 9 another bit, 11 a duplicate.
const APOGEE: &str = "CREATE TABLE apogee AS SELECT id AS \"GAIAEDR3_SOURCE_ID\", teff AS \"TEFF\", 20.0 AS \"TEFF_ERR\", \
    2.5 AS \"LOGG\", 0.05 AS \"LOGG_ERR\", -0.3 AS \"M_H\", 0.01 AS \"M_H_ERR\", starflag AS \"STARFLAG\", \
    aspcapflag AS \"ASPCAPFLAG\", extra AS \"EXTRATARG\" FROM (VALUES \
    (1, 4700.0, 0, 0, 0), (3, 4700.0, 1, 0, 0), (5, 4700.0, 0, 524288, 0), (7, 4700.0, 0, 8388608, 0), \
    (9, 4700.0, 0, 4194304, 0), (11, 4800.0, 0, 0, 1), (11, 9999.0, 0, 0, 16), (2, 1.0, 1, 0, 0), (4, 1.0, 1, 0, 0), \
    (6, 1.0, 1, 0, 0), (8, 1.0, 1, 0, 0), (10, 1.0, 1, 0, 0), (12, 1.0, 1, 0, 0), (13, 1.0, 1, 0, 0), \
    (14, 1.0, 1, 0, 0), (15, 1.0, 1, 0, 0), (16, 1.0, 1, 0, 0)) AS v(id, teff, starflag, aspcapflag, extra)";

fn shipped() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/train_paper.sql");
    fs::read_to_string(path).unwrap().trim().trim_end_matches(';').to_owned()
}

async fn collect(session: &Session, sql: &str) -> RecordBatch {
    let frame = session.sql(sql).await.unwrap();
    let schema = std::sync::Arc::new(frame.schema().as_arrow().clone());
    concat_batches(&schema, &frame.collect().await.unwrap()).unwrap()
}

/// A session with the given tables `gaia_source` and `apogee`, and the other tables.
async fn session(gaia_source: &str, apogee: &str) -> Session {
    let session = Session::new(&SessionOptions::default()).unwrap();
    for table in [gaia_source, apogee].iter().chain(&TABLES) {
        collect(&session, table).await;
    }
    session
}

/// A session with the tables made by hand.
pub async fn hand_made() -> Session {
    session(GAIA_SOURCE, APOGEE).await
}

fn column(rows: &RecordBatch, name: &str) -> Vec<Option<f64>> {
    cast(&rows[name], &DataType::Float64).unwrap().as_primitive::<Float64Type>().iter().collect()
}

fn present(rows: &RecordBatch, name: &str) -> Vec<usize> {
    column(rows, name).iter().enumerate().filter_map(|(i, v)| v.map(|_| i)).collect()
}

#[tokio::test]
async fn each_cut_keeps_the_star_on_its_inner_side() {
    let session = hand_made().await;
    let rows = collect(&session, &format!("SELECT * FROM ({}) ORDER BY bprp", shipped())).await;
    // The stars 7, 1, 3, 5, 11, 13, 14, 15, 16, 9, sorted by colour.
    let colours: Vec<i64> = column(&rows, "bprp").iter().map(|c| (c.unwrap() * 100.0).round() as i64).collect();
    assert_eq!(colours, [1, 101, 103, 105, 111, 113, 114, 115, 116, 399]);
    assert_eq!(present(&rows, "teff"), [1, 4, 9], "stars 1, 11 and 9");
    assert_eq!(column(&rows, "teff")[4], Some(4800.0), "not the duplicate");
    assert_eq!(present(&rows, "logebv"), [0, 1, 2], "stars 7, 1 and 3");
    let blind = format!("SELECT bprp FROM ({}) WHERE xp[1] IS NULL", shipped());
    assert_eq!(collect(&session, &blind).await.num_rows(), 1, "star 14 has no spectrum");
    let logebv = column(&rows, "logebv");
    assert!((logebv[1].unwrap() - 0.5f64.ln()).abs() < 1e-6 && logebv[2] == Some(-7.0), "{logebv:?}");
    assert_eq!(present(&rows, "g_fakemag"), [0, 1, 2, 3, 4, 5, 6, 8, 9], "all but star 15");
    assert_eq!(present(&rows, "jh"), [1]);
    let one = |name: &str| column(&rows, name)[1].unwrap();
    assert!((one("jh") - 0.6).abs() < 1e-6 && (one("jk") - 0.75).abs() < 1e-6);
    assert!((one("jh_error") - 0.05).abs() < 1e-6 && (one("jk_error") - 0.05).abs() < 1e-6);
    // 2 mas at G = 10 is 200; the zero point of parallaxes is negative, a few hundredths of a mas.
    assert!((one("g_fakemag") / 200.0 - 1.0).abs() < 0.05 && one("g_fakemag") > 200.0, "{}", one("g_fakemag"));

    let (frame, vocabulary) = (session.sql(&shipped()).await.unwrap(), Vocabulary::leung_bovy_2023());
    let columns = read_training_set(frame, &vocabulary, None).await.unwrap();
    assert_eq!(columns.tokens.len(), 118, "every token, as lamcat train reads it");
}

// astropy: ok = (EXTRATARG & 16 == 0) & (STARFLAG == 0) & (ASPCAPFLAG & (2**19 + 2**23) == 0);
// ok.sum(), TEFF[ok].mean(), M_H[ok].mean()
#[tokio::test]
async fn real_rows_of_apogee_are_read_as_the_archive_names_them() {
    let Some(path) = shared("data/labels/Montalban2021_X_APOGEE_DR17.fits") else { return };
    let apogee = format!("CREATE VIEW apogee AS SELECT * FROM '{}'", path.display());
    let gaia = format!(
        "CREATE TABLE gaia_source AS SELECT \"GAIAEDR3_SOURCE_ID\" AS source_id, \"GAIAEDR3_PHOT_G_MEAN_MAG\" AS \
         phot_g_mean_mag, \"GAIAEDR3_PHOT_BP_MEAN_MAG\" - \"GAIAEDR3_PHOT_RP_MEAN_MAG\" AS bp_rp, 1.0 AS ruwe, 1.2 AS \
         phot_bp_rp_excess_factor, \"GAIAEDR3_PARALLAX\" AS parallax, \"GAIAEDR3_PARALLAX_ERROR\" AS parallax_error, \
         NULL AS nu_eff_used_in_astrometry, NULL AS pseudocolour, NULL AS ecl_lat, NULL AS astrometric_params_solved \
         FROM '{}'",
        path.display()
    );
    let session = session(&gaia, &apogee).await;
    let rows = collect(&session, &shipped()).await;
    assert_eq!(rows.num_rows(), 95);
    let mean = |name: &str| {
        let known: Vec<f64> = column(&rows, name).into_iter().flatten().collect();
        assert_eq!(known.len(), 58, "{name}");
        known.iter().sum::<f64>() / 58.0
    };
    assert!((mean("teff") - 4_818.507_75).abs() < 1e-2, "{}", mean("teff"));
    assert!((mean("m_h") + 0.732_968_1).abs() < 1e-5, "{}", mean("m_h"));
    assert_eq!(rows["g_fakemag"].null_count(), 0);
}
