//! The training domain on real spectra: symbiotic stars lie outside, field stars and simulated stars do not.

use std::{fs::File, path::Path};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{Float32Type, Float64Type, Int64Type},
};
use candle_core::DType;
use lamcat::{
    gaia::simulate::{SimulateOptions, simulate},
    model::{Domain, Factors, Model, init},
    session::{Session, SessionOptions},
    train::{DomainFit, Normalisation, Size, TrainingSet, read_training_set},
};

use crate::{
    program::{fail, lamcat, run},
    shared::shared,
    simulate_parts::SIMULATOR,
};

const FIELD_STARS: &str = "data/xp_continuous/field_stars/xp_continuous_combined_chunk0.fits";
const SYMBIOTIC_STARS: &str = "data/xp_continuous/unusual/symbiotic_stars_xp_continuous_csv.tar.gz";

/// Real field stars, simulated stars and symbiotic stars: `x`, G, colour, and whether the star may be used for fitting.
/// Real stars are divided into two halves by their source_id without its last seven bits, which are always 0.
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
    let options = SimulateOptions { rows: 1000, seed: 1, threads: None };
    simulate(simulator, &options, &folder.join("simulated.parquet"), |_| {}).unwrap();
    true
}

async fn query(session: &Session, sql: &str) -> RecordBatch {
    let frame = session.sql(sql).await.unwrap();
    let schema = std::sync::Arc::new(frame.schema().as_arrow().clone());
    arrow::compute::concat_batches(&schema, &frame.collect().await.unwrap()).unwrap()
}

/// A model whose domain is fitted to the stars that may be used for fitting and are within the paper's cuts.
async fn fitted(session: &Session) -> Model {
    let sql = "SELECT x AS xp FROM stars WHERE fitted AND g BETWEEN 6 AND 17.5 AND bp_rp BETWEEN 0 AND 4";
    let vocabulary = lamcat::schema::Vocabulary::leung_bovy_2023();
    let columns = read_training_set(session.sql(sql).await.unwrap(), &vocabulary, None).await.unwrap();
    let set = TrainingSet::new(columns, &vocabulary, Normalisation::Measured).unwrap();
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
    let session = Session::new(&SessionOptions { partitions: Some(1), ..SessionOptions::default() }).unwrap();
    let stars = STARS.replace("FROM '", &format!("FROM '{}/", folder.path().display()));
    session.sql(&stars).await.unwrap().collect().await.unwrap();
    session.engine().set_default_model(fitted(&session).await);
    let sql = "
        SELECT kind, inside, count(*) AS stars,
            avg(CASE WHEN lam_flags(x) & 512 > 0 THEN 1.0 ELSE 0.0 END) AS outside,
            approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY lam_ood_score(x)) AS score
        FROM (SELECT *, coalesce(g BETWEEN 6 AND 17.5 AND bp_rp BETWEEN 0 AND 4, false) AS inside FROM stars)
        WHERE NOT fitted
        GROUP BY kind, inside ORDER BY inside DESC, kind";
    let rows = query(&session, sql).await;
    println!("{}", arrow::util::pretty::pretty_format_batches(std::slice::from_ref(&rows)).unwrap());
    let stars = rows["stars"].as_primitive::<Int64Type>();
    let outside = rows["outside"].as_primitive::<Float64Type>();
    // The numbers of stars within the cuts, in order: field, simulated, symbiotic.
    assert!(stars.value(0) > 800 && stars.value(1) > 50 && stars.value(2) > 100, "{stars:?}");
    assert!(outside.value(0) <= 0.02, "field stars: {}", outside.value(0));
    assert!(outside.value(1) <= 0.02, "simulated stars: {}", outside.value(1));
    assert!(outside.value(2) >= 0.8, "symbiotic stars: {}", outside.value(2));
}

/// A model with a domain of bp0, bp1 and rp0 that ends at a score of 1.2.
fn by_hand() -> Model {
    let loading = vec![1.0, 0.5, -0.5, 0.25, 2.0, -1.0];
    let factors = Factors::new(1.0, vec![0.5, -1.0, 2.0], loading, vec![0.5, 0.25, 1.0]).unwrap();
    crate::model_files::tiny().with_domain(Domain::new(vec![1, 2, 56], vec![factors], 1.2).unwrap()).unwrap()
}

// The scores were computed by numpy; z are the standardised values and o marks the elements that are known:
//   W = np.array([[1, .5], [-.5, .25], [2, -1]]); S = W @ W.T + np.diag([.5, .25, 1]); m = np.array([.5, -1, 2])
//   d = (np.arcsinh(z) - m)[o]; n = len(o); k = 2 / (9 * n)
//   ((d @ np.linalg.solve(S[np.ix_(o, o)], d) / n) ** (1 / 3) - (1 - k)) / np.sqrt(k)
#[tokio::test]
async fn scores_in_sql_are_those_of_the_dense_covariance() {
    let model = by_hand();
    let value = |name: &str, z: f64| {
        let token = model.vocabulary().token(model.vocabulary().id(name).unwrap());
        token.median + z * token.scale
    };
    let (bp0, bp1, rp0) = (value("bp0", 1.5), value("bp1", 0.0), value("rp0", -4.0));
    let typical = value("bp0", 0.5);
    let session = Session::new(&SessionOptions::default()).unwrap();
    session.engine().set_default_model(by_hand());
    let sql = format!(
        "SELECT lam_ood_score(c), lam_flags(c) & 512 FROM (SELECT id, named_struct('bp0', bp0, 'bp1', bp1, 'rp0', rp0, \
         'bp2', 1e9, 'teff', 5000) AS c FROM (VALUES (1, {bp0:e}, {bp1:e}, {rp0:e}), (2, {bp0:e}, NULL, {rp0:e}), \
         (3, {typical:e}, NULL, NULL), (4, NULL, NULL, NULL), (5, {typical:e}, 3e38, NULL)) AS v(id, bp0, bp1, rp0)) ORDER BY id"
    );
    let rows = query(&session, &sql).await;
    let (score, flags) = (rows.column(0).as_primitive::<Float32Type>(), rows.column(1).as_primitive::<Int64Type>());
    for (row, expected) in [0.986_320_9, 1.389_185_3, -1.525_507_3].into_iter().enumerate() {
        assert!((score.value(row) - expected).abs() < 1e-4, "row {row}: {} for {expected}", score.value(row));
    }
    assert!(score.is_null(3), "no coefficient that the domain knows");
    assert!(score.value(4) > 10.0, "bp1 is infinite where standardised: {}", score.value(4));
    assert_eq!(flags.values(), &[0, 512, 0, 0, 512]);
}

#[test]
fn a_model_file_holds_the_domain_and_damage_to_it_is_found() {
    let (model, folder) = (by_hand(), tempfile::tempdir().unwrap());
    let bytes = model.to_bytes().unwrap();
    let read = Model::from_bytes(&bytes).unwrap();
    assert_eq!((read.domain(), read.hash()), (model.domain(), model.hash()));
    assert_ne!(read.hash(), crate::model_files::tiny().hash());
    let factors = Factors::new(1.0, vec![0.0], vec![1.0], vec![1.0]).unwrap();
    let foreign = Domain::new(vec![500], vec![factors], 1.0).unwrap();
    let e = crate::model_files::tiny().with_domain(foreign).unwrap_err().to_string();
    assert!(e.contains("a token is not in the vocabulary (token 500)"), "{e}");
    let half = model.with_dtype(DType::F16).unwrap();
    assert_eq!(Model::from_bytes(&half.to_bytes().unwrap()).unwrap().domain(), model.domain());

    let threshold = 1.2f32.to_le_bytes();
    let at = bytes.windows(4).position(|w| w == threshold).unwrap();
    let with = |value: f32| {
        let mut damaged = bytes.clone();
        damaged[at..at + 4].copy_from_slice(&value.to_le_bytes());
        damaged
    };
    for (damaged, message) in [(with(1.3), "does not match its hash"), (with(f32::NAN), "its threshold is not finite")]
    {
        std::fs::write(folder.path().join("damaged.safetensors"), damaged).unwrap();
        let e = fail(lamcat(folder.path()).args(["model", "info", "damaged.safetensors"]));
        assert!(e.contains(message) && e.contains("file damaged.safetensors") && e.contains("hint:"), "{e}");
    }
}

/// Spectra of three coefficients on a line with some scatter.
const SPECTRA: &str = "SELECT 1e-3 * (20 + t + 0.1 * e) AS bp0, 1e-3 * (3 - t) AS bp1, 1e-3 * (30 + 2 * t - 0.1 * e) AS rp0 \
    FROM (SELECT sin(value * 12.9898) AS t, sin(value * 37.719) AS e FROM generate_series(1, 400))";

#[test]
fn the_program_fits_a_domain_and_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    run(lamcat(folder).args(["model", "init", "--width", "16", "--encoder-heads", "4", "-o", "plain.safetensors"]));
    let domain = |query: &str, output: &str, more: &[&str]| {
        let mut command = lamcat(folder);
        command.args(["model", "domain", "plain.safetensors", "-c", query, "-o", output]).args(more);
        command
    };
    let (summary, stderr) = run(&mut domain(SPECTRA, "a.safetensors", &["--outside", "0.01"]));
    assert!(
        summary.contains("stars        400 in 400 rows\ncoefficients 3\nmixture      4 distributions of 3 factors"),
        "{summary}"
    );
    assert!(summary.contains("exceeded by 4 rows"), "{summary}");
    assert!(stderr.contains("wrote a.safetensors"), "{stderr}");
    run(&mut domain(SPECTRA, "b.safetensors", &["--outside", "0.01"]));
    let bytes = |name: &str| std::fs::read(folder.join(name)).unwrap();
    assert!(bytes("a.safetensors") == bytes("b.safetensors"), "the same seed gives the same file");
    let twice = format!(
        "SELECT bp0, bp1, rp0, CAST(NULL AS DOUBLE) AS teff FROM ({SPECTRA}) CROSS JOIN generate_series(1, 2) AS t(n)"
    );
    let (summary, stderr) = run(&mut domain(&twice, "b.safetensors", &["--outside", "0.001"]));
    assert!(summary.contains("stars        400 in 800 rows") && summary.contains("exceeded by 0 rows"), "{summary}");
    assert!(stderr.contains("warning: of 400 different spectra a share of 0.001 is less than one"), "{stderr}");
    let info = |file: &str| run(lamcat(folder).args(["model", "info", file])).0;
    assert!(info("a.safetensors").contains("domain       3 XP coefficients; out of domain above"));
    assert!(info("plain.safetensors").contains("domain       unknown"));

    let e = fail(&mut domain(&SPECTRA.replace("400", "40"), "c.safetensors", &[]));
    assert!(e.contains("too few stars with coefficients") && e.contains("at least 100 different stars"), "{e}");
    let e = fail(&mut domain("SELECT 4000 + 10 * value AS teff FROM generate_series(1, 400)", "c.safetensors", &[]));
    assert!(e.contains("too few stars with coefficients"), "{e}");
    let e = fail(&mut domain(SPECTRA, "c.safetensors", &["--outside", "0.9"]));
    assert!(e.contains("out of its range (share 0.9)") && e.contains("up to 0.5"), "{e}");
    assert!(!folder.join("c.safetensors").exists());
}

#[test]
fn a_trained_model_knows_its_training_stars() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sizes = ["--context", "8", "--width", "8", "--encoder-heads", "2", "--decoder-heads", "4"];
    let course = ["--encoder-dense", "16", "--decoder-dense", "16", "--batch", "48", "--steps", "2", "-q"];
    let train = |query: &str, dir: &str| {
        run(lamcat(folder).args(["train", "-c", query, "--dir", dir]).args(sizes).args(course)).1
    };
    let stderr = train(SPECTRA, "run");
    assert!(stderr.contains("training domain of 400 spectra: out of domain above a lam_ood_score of"), "{stderr}");
    let model = Model::open(folder.join("run/model.safetensors")).unwrap();
    assert_eq!(model.domain().unwrap().tokens(), [1, 2, 3]);
    let stderr = train("SELECT 4000 + 10 * value AS teff, value AS logg FROM generate_series(1, 400)", "bare");
    assert!(stderr.contains("no training domain: fewer than 100 different spectra"), "{stderr}");
    assert!(Model::open(folder.join("bare/model.safetensors")).unwrap().domain().is_none());
}
