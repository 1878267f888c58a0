//! The training domain on real spectra: symbiotic stars lie outside, field stars and simulated stars do not.

use std::{fs::File, path::Path};

use arrow::{
    array::AsArray,
    datatypes::{Float64Type, Int64Type},
};
use lamcat::{
    model::{Model, init},
    session::{Session, SessionOptions},
    train::{
        DomainFit, Size, TrainingSet, read_training_set,
        simulate::{SimulateOptions, simulate},
    },
};

use crate::{
    program::{lamcat, run},
    shared::shared,
    simulate_parts::SIMULATOR,
};

const FIELD_STARS: &str = "data/xp_continuous/field_stars/xp_continuous_combined_chunk0.fits";
const SYMBIOTIC_STARS: &str = "data/xp_continuous/unusual/symbiotic_stars_xp_continuous_csv.tar.gz";

/// Real field stars, simulated stars and symbiotic stars: `x`, G, colour, and whether the star may be fitted. Real stars
/// go to either half by their source_id, whose last seven bits are 0.
const STARS: &str = "
    CREATE VIEW stars AS
    SELECT 'field' AS kind, xp(bp_coeff, rp_coeff, NULL, bp_n_relevant_bases, rp_n_relevant_bases) AS x,
        xp_synth_mag(bp_coeff, rp_coeff, 'G') AS g,
        xp_synth_mag(bp_coeff, rp_coeff, 'BP') - xp_synth_mag(bp_coeff, rp_coeff, 'RP') AS bp_rp,
        source_id / 128 % 2 = 0 AS fitted
    FROM 'field.parquet'
    UNION ALL
    SELECT 'simulated', xp(bp_coefficients, rp_coefficients, phot_g_mean_mag, bp_n_relevant_bases, rp_n_relevant_bases),
        phot_g_mean_mag, bp_rp, split = 'train'
    FROM 'simulated.parquet'
    UNION ALL
    SELECT 'symbiotic', xp(bp_coefficients, rp_coefficients, NULL, bp_n_relevant_bases, rp_n_relevant_bases),
        xp_synth_mag(bp_coefficients, rp_coefficients, 'G'),
        xp_synth_mag(bp_coefficients, rp_coefficients, 'BP') - xp_synth_mag(bp_coefficients, rp_coefficients, 'RP'),
        false
    FROM 'symbiotic/*.parquet'";

fn make_files(folder: &Path) -> bool {
    let (Some(fits), Some(archive), Some(simulator)) =
        (shared(FIELD_STARS), shared(SYMBIOTIC_STARS), SIMULATOR.as_ref())
    else {
        return false;
    };
    run(lamcat(folder).arg("ingest").arg(fits).args(["-o", "field.parquet"]));
    tar::Archive::new(flate2::read::GzDecoder::new(File::open(archive).unwrap())).unpack(folder).unwrap();
    run(lamcat(folder).args(["ingest", "Data/DR3/Sy", "-o", "symbiotic"]));
    let options = SimulateOptions { rows: 1500, seed: 1, threads: None };
    simulate(simulator, &options, &folder.join("simulated.parquet"), |_| {}).unwrap();
    true
}

/// A model that knows the stars that may be fitted within the paper's cuts.
async fn fitted(session: &Session) -> Model {
    let sql = "SELECT x AS xp FROM stars WHERE fitted AND g BETWEEN 6 AND 17.5 AND bp_rp BETWEEN 0 AND 4";
    let vocabulary = lamcat::schema::Vocabulary::leung_bovy_2023();
    let columns = read_training_set(session.sql(sql).await.unwrap(), &vocabulary, None).await.unwrap();
    let set = TrainingSet::new(columns, None).unwrap();
    let fit = DomainFit::new(&set, set.vocabulary(), 64, DomainFit::OUTSIDE, 0).unwrap().unwrap();
    println!("{} stars, median {:.2}, threshold {:.2}", set.rows(), fit.quantile(0.5), fit.domain.threshold());
    let model = init::random("fitted", Size::Tiny.architecture(), set.vocabulary().clone(), 1).unwrap();
    model.with_domain(fit.domain).unwrap()
}

#[tokio::test]
async fn symbiotic_stars_are_out_of_domain_and_field_stars_are_not() {
    let folder = tempfile::tempdir().unwrap();
    if !make_files(folder.path()) {
        return;
    }
    let session = Session::new(&SessionOptions { partitions: Some(1), memory_bytes: None }).unwrap();
    let stars = STARS.replace("FROM '", &format!("FROM '{}/", folder.path().display()));
    session.sql(&stars).await.unwrap().collect().await.unwrap();
    session.engine().set_default_model(fitted(&session).await);
    let sql = "
        SELECT kind, count(*) AS stars, avg(CASE WHEN lam_flags(x) & 512 > 0 THEN 1.0 ELSE 0.0 END) AS outside,
            approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY lam_ood_score(x)) AS score
        FROM stars
        WHERE NOT fitted AND (kind = 'symbiotic' OR g BETWEEN 6 AND 17.5 AND bp_rp BETWEEN 0 AND 4)
        GROUP BY kind ORDER BY kind";
    let rows = session.sql(sql).await.unwrap().collect().await.unwrap();
    let rows = arrow::compute::concat_batches(&rows[0].schema(), &rows).unwrap();
    println!("{}", arrow::util::pretty::pretty_format_batches(std::slice::from_ref(&rows)).unwrap());
    let stars = rows["stars"].as_primitive::<Int64Type>();
    let outside = rows["outside"].as_primitive::<Float64Type>();
    // In order: field, simulated, symbiotic.
    assert!(stars.value(0) > 800 && stars.value(1) > 100 && stars.value(2) == 193, "{stars:?}");
    assert!(outside.value(0) <= 0.02, "field stars: {}", outside.value(0));
    assert!(outside.value(1) <= 0.02, "simulated stars: {}", outside.value(1));
    assert!(outside.value(2) >= 0.8, "symbiotic stars: {}", outside.value(2));
}
