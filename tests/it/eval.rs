//! Evaluation: its statistics against numpy, scipy and astropy, and its predictions against those of SQL.

use arrow::{
    array::{AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::Float32Type,
};
use lamcat::{
    eval::{
        Evaluation, InputSet, Metrics, Plan, Predictions, Settings, Stars, calibration, coefficients_csv, evaluate,
        metrics_csv, percentile,
    },
    gaia::sample,
    plot::digits,
    session::{Session, SessionOptions},
    train::read_training_set,
};

/// 201 stars, made as by the script in [`statistics_are_those_of_numpy_scipy_and_astropy`].
fn predictions() -> Predictions {
    let mut stars = Predictions::default();
    for n in 1..=201 {
        let i = f64::from(n);
        let truth = 4500.0 + 900.0 * (i * 12.9898).sin();
        let residual = 90.0 * (i * 78.233).sin().powi(3) - 12.0 + 0.2 * f64::from(n % 7);
        let error = if n % 3 == 0 { 0.0 } else { 15.0 + 10.0 * i.sin() };
        stars.push(truth, error, truth - residual, 40.0 + 25.0 * (i * 37.719).cos());
    }
    stars
}

fn near(got: f64, expected: f64) {
    assert!((got - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{got} for {expected}");
}

// import numpy as np, scipy.stats as st; from astropy.stats import mad_std
// i = np.arange(1, 202.); truth = 4500 + 900 * np.sin(i * 12.9898)
// mean = truth - (90 * np.sin(i * 78.233) ** 3 - 12 + 0.2 * (i % 7)); sigma = 40 + 25 * np.cos(i * 37.719)
// err = np.where(i % 3 == 0, 0, 15 + 10 * np.sin(i)); r = truth - mean; z = r / np.hypot(sigma, err)
// pit = st.norm.cdf(z)
// mad_std(r), np.median(r), np.percentile(r, [2.5, 16, 84, 97.5]), np.median(sigma), mad_std(z)
// (abs(z) <= 1).mean(), (abs(z) <= 2).mean(), np.histogram(pit, 20, (0, 1))[0]
// [(np.abs(2 * pit - 1) <= p).mean() for p in (0.1, 0.5, 0.9)]
#[test]
fn statistics_are_those_of_numpy_scipy_and_astropy() {
    let stars = predictions();
    let m = Metrics::new(&stars).unwrap();
    assert_eq!(m.stars, 201);
    near(m.mad_std, 48.367_156_896_103_61);
    near(m.bias, -11.419_946_917_613_743);
    let expected = [-99.932_929_027_463_62, -73.183_011_721_897_86, 48.085_139_291_449_195, 77.865_491_645_747_17];
    m.percentiles.into_iter().zip(expected).for_each(|(got, expected)| near(got, expected));
    near(m.median_sigma, 29.398_865_966_071_227);
    near(m.pull_mad_std, 1.290_403_757_513_593);
    near(m.within[0], 0.527_363_184_079_602);
    near(m.within[1], 0.751_243_781_094_527_4);
    assert_eq!(m.pit, [34, 14, 8, 3, 14, 5, 17, 14, 18, 8, 5, 2, 3, 4, 5, 3, 6, 7, 9, 22]);
    let curve = calibration(&stars, 10);
    for (at, expected) in [(1, 0.064_676_616_915_422_88), (5, 0.402_985_074_626_865_67), (9, 0.721_393_034_825_870_7)] {
        near(curve[at].1, expected);
    }
}

#[test]
fn answers_that_are_not_finite_are_counted_and_left_out() {
    let mut stars = predictions();
    let before = Metrics::new(&stars);
    for (mean, sigma) in [(f64::NAN, 1.0), (1.0, f64::INFINITY), (1.0, 0.0)] {
        stars.push(4500.0, 0.0, mean, sigma);
    }
    assert_eq!((stars.not_finite, Metrics::new(&stars)), (3, before));
    assert_eq!(Metrics::new(&Predictions::default()), None);
}

/// A session with a table `stars`: stars of the sample with artificial labels, some of which are missing.
async fn session() -> Session {
    let session = Session::new(&SessionOptions { partitions: Some(1), ..SessionOptions::default() }).unwrap();
    session.context().register_batch("sample", sample(90, 3).unwrap()).unwrap();
    let view = "CREATE VIEW stars AS SELECT xp(bp_coefficients, rp_coefficients, phot_g_mean_mag) AS xp, \
                0.5 + (source_id % 17) / 10.0 AS bprp, CASE WHEN source_id % 5 > 0 THEN 0.3 END AS jh, 0.4 AS jk, \
                4000 + (source_id % 1000) AS teff, 30.0 AS teff_error, \
                CASE WHEN source_id % 3 > 0 THEN 2 + (source_id % 29) / 10.0 END AS logg FROM sample";
    session.sql(view).await.unwrap().collect().await.unwrap();
    session
}

async fn rows(session: &Session, sql: &str) -> RecordBatch {
    let batches = session.sql(sql).await.unwrap().collect().await.unwrap();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

async fn judged(session: &Session, query: &str, settings: &Settings) -> Evaluation {
    let model = session.engine().model(None).unwrap();
    let frame = session.sql(query).await.unwrap();
    let stars = Stars::new(read_training_set(frame, model.vocabulary(), None).await.unwrap()).unwrap();
    let plan = Plan::new(&model, &stars, settings).unwrap();
    let mut done = 0;
    let mut progress = |_: &InputSet, work| done = work;
    let result = evaluate(session.engine().device(), &model, &stars, &plan, 32, &mut progress).await.unwrap();
    assert_eq!(done, plan.work());
    result
}

fn settings(inputs: Option<Vec<InputSet>>) -> Settings {
    Settings { inputs, labels: None, inpaint_stars: 1000, seed: 1, memory: None }
}

/// The known values of a column.
fn known(batch: &RecordBatch, column: &str) -> Vec<f64> {
    let column = arrow::compute::cast(&batch[column], &arrow::datatypes::DataType::Float32).unwrap();
    column.as_primitive::<Float32Type>().iter().flatten().map(f64::from).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    percentile(&mut values, 50.0)
}

#[tokio::test]
async fn what_is_judged_is_what_sql_answers() {
    let session = session().await;
    let result = judged(&session, "SELECT * FROM stars", &settings(None)).await;
    let five =
        (0..5).map(|i| format!("'bp{i}', xp[{}], 'rp{i}', xp[{}]", i + 1, i + 56)).collect::<Vec<_>>().join(", ");
    // Each element has the context in SQL, and the condition that a star must meet.
    let bands = "xp[1] IS NOT NULL AND xp[56] IS NOT NULL";
    let contexts = [
        (InputSet::Xp32, "xp".to_owned(), bands.to_owned()),
        (
            InputSet::Xp5Colours,
            format!("named_struct('jh', jh, {five}, 'jk', jk, 'bprp', bprp)"),
            format!("{bands} AND jh IS NOT NULL"),
        ),
        (
            InputSet::Labels,
            "named_struct('jh', jh, 'jk', jk, 'bprp', bprp, 'OTHER', OTHER)".to_owned(),
            "jh IS NOT NULL AND OTHER IS NOT NULL".to_owned(),
        ),
    ];
    for (inputs, context, needs) in contexts {
        for (label, other) in [("teff", "logg"), ("logg", "teff")] {
            let (context, needs) = (context.replace("OTHER", other), needs.replace("OTHER", other));
            let sql = format!(
                "SELECT {label} - lam_infer({context}, '{label}') AS residual, lam_error({context}, '{label}') AS sigma \
                 FROM stars WHERE {label} IS NOT NULL AND {needs}"
            );
            let answers = rows(&session, &sql).await;
            let found = result.labels.iter().find(|r| r.inputs == inputs && r.label == label).unwrap();
            let place = format!("{label} from {inputs}");
            assert_eq!(found.metrics.stars, answers.num_rows(), "{place}");
            assert!((30..=90).contains(&answers.num_rows()), "{place}: {}", answers.num_rows());
            let residuals = known(&answers, "residual");
            let bias = median(residuals.clone());
            let mad = median(residuals.iter().map(|r| (r - bias).abs()).collect());
            let close = |got: f64, expected: f64| {
                assert!((got - expected).abs() <= 2e-4 * expected.abs().max(1.0), "{place}: {got} for {expected}");
            };
            close(found.metrics.bias, bias);
            close(found.metrics.mad_std, mad * 1.482_602_2);
            close(found.metrics.median_sigma, median(known(&answers, "sigma")));
            assert_eq!(found.with_label_errors, label == "teff");
        }
    }
}

#[tokio::test]
async fn inpainting_is_judged_against_the_training_median() {
    let session = session().await;
    let query = "SELECT xp, array_repeat(0.0005, 110) AS xp_error FROM stars";
    let result = judged(&session, query, &settings(Some(vec![InputSet::inpaint("bp", "rp")]))).await;
    let [band] = &result.inpainting[..] else { panic!("{:?}", result.inpainting) };
    assert!(result.labels.is_empty());
    let bp: Vec<String> = (0..55).map(|i| format!("'bp{i}', xp[{}]", i + 1)).collect();
    let bp = bp.join(", ");
    let sql = format!(
        "SELECT xp[59] AS truth, lam_infer(named_struct({bp}), 'rp3') AS mean, lam_error(named_struct({bp}), 'rp3') AS \
         sigma FROM stars WHERE xp[1] IS NOT NULL AND xp[59] IS NOT NULL"
    );
    let answers = rows(&session, &sql).await;
    let model = session.engine().model(None).unwrap();
    let scale = model.vocabulary().token(model.vocabulary().require("rp3").unwrap()).scale;
    let spread = |values: Vec<f64>| {
        let centre = median(values.clone());
        median(values.iter().map(|v| (v - centre).abs()).collect()) * 1.482_602_2 / scale
    };
    let (truth, mean) = (known(&answers, "truth"), known(&answers, "mean"));
    let residuals: Vec<f64> = truth.iter().zip(&mean).map(|(t, m)| t - m).collect();
    let rp3 = band.coefficients.iter().find(|c| c.name == "rp3").unwrap();
    assert_eq!((rp3.stars, band.stars), (truth.len(), truth.len()));
    let sigmas = known(&answers, "sigma");
    let within = |error: f64| {
        let inside = residuals.iter().zip(&sigmas).filter(|(r, s)| r.abs() <= s.hypot(error)).count();
        inside as f64 / residuals.len() as f64
    };
    assert!((rp3.within_1_sigma - within(0.0005)).abs() < 1e-9 && rp3.with_label_errors, "{rp3:?}");
    assert!(within(0.0005) > within(0.0), "the errors matter: {} of {sigmas:?}", within(0.0));
    assert!((rp3.mad_std - spread(residuals)).abs() < 1e-3, "{rp3:?}");
    assert!((rp3.mad_std_of_median - spread(truth)).abs() < 1e-3, "{rp3:?}");
    let factors = band.coefficients.iter().take(10).map(|c| c.mad_std_of_median / c.mad_std).collect();
    assert!((band.factor(10) - median(factors)).abs() < 1e-12);
}

#[tokio::test]
async fn the_order_of_the_rows_changes_nothing_and_the_seed_the_random_inputs() {
    let session = session().await;
    let both = |e: &Evaluation| metrics_csv(e) + &coefficients_csv(e);
    let one = judged(&session, "SELECT * FROM stars", &settings(None)).await;
    let turned = judged(&session, "SELECT * FROM stars ORDER BY teff DESC", &settings(None)).await;
    assert_eq!(both(&one), both(&turned));
    let line = |e: &Evaluation, inputs: &str| {
        let text = metrics_csv(e);
        text.lines().find(|l| l.starts_with("teff,K,") && l.contains(&format!(",{inputs},"))).unwrap().to_owned()
    };
    let other = judged(&session, "SELECT * FROM stars", &Settings { seed: 2, ..settings(None) }).await;
    assert_ne!(line(&one, "random"), line(&other, "random"));
    assert_eq!(line(&one, "xp32"), line(&other, "xp32"));
    let random = one.labels.iter().find(|r| r.inputs == InputSet::Random).unwrap();
    let slots = session.engine().model(None).unwrap().architecture().context_length as f64;
    assert!(random.tokens > slots - 2.0 && random.tokens <= slots, "{} of {slots}", random.tokens);
}

#[tokio::test]
async fn names_that_are_given_twice_count_once() {
    let session = session().await;
    let named = |inputs: &[InputSet], labels: &[&str]| Settings {
        labels: Some(labels.iter().map(|l| (*l).to_owned()).collect()),
        ..settings(Some(inputs.to_vec()))
    };
    let sets = |names: [&str; 5]| names.map(|name| name.parse().unwrap());
    let once = judged(&session, "SELECT * FROM stars", &named(&[InputSet::Xp32, InputSet::Labels], &["teff"])).await;
    let twice = named(&sets(["xp32", "xp32", "labels", "xp32", "labels"]), &["teff", "teff"]);
    assert_eq!(metrics_csv(&judged(&session, "SELECT * FROM stars", &twice).await), metrics_csv(&once));
    assert_eq!(once.labels.len(), 2);
}

#[tokio::test]
async fn tokens_are_those_of_the_stars_with_the_label() {
    let session = session().await;
    // logg is known for the stars with 10 bases in BP only.
    let xp =
        "xp(bp_coefficients, rp_coefficients, phot_g_mean_mag, CASE WHEN source_id % 3 > 0 THEN 10 ELSE 40 END, 20)";
    let query = format!(
        "SELECT {xp} AS xp, 5000 + source_id % 100 AS teff, CASE WHEN source_id % 3 > 0 THEN 4.0 END AS logg FROM sample \
         WHERE bp_coefficients[40] IS NOT NULL AND rp_coefficients[20] IS NOT NULL"
    );
    let result = judged(&session, &query, &settings(Some(vec![InputSet::Xp32]))).await;
    let tokens = |label: &str| result.labels.iter().find(|r| r.label == label).unwrap().tokens;
    assert!((tokens("logg") - 30.0).abs() < 1e-9, "{}", tokens("logg"));
    assert!(tokens("teff") > 31.0 && tokens("teff") < 51.0, "{}", tokens("teff"));
}

#[tokio::test]
async fn predictions_that_do_not_fit_the_memory_are_an_error() {
    let session = session().await;
    let model = session.engine().model(None).unwrap();
    let frame = session.sql("SELECT xp, teff FROM stars").await.unwrap();
    let stars = Stars::new(read_training_set(frame, model.vocabulary(), None).await.unwrap()).unwrap();
    let plan = |memory| Plan::new(&model, &stars, &Settings { memory, ..settings(Some(vec![InputSet::Xp32])) });
    let judged = plan(None).unwrap().steps(&model)[0].2;
    // The truth, its error, the mean and the sigma of each evaluated star, in double precision.
    let needed = stars.bytes() + judged * 32;
    assert!(judged > 50 && plan(Some(needed)).is_ok(), "{judged}");
    let e = plan(Some(needed - 1)).unwrap_err().to_string();
    assert!(e.contains("the predictions do not fit the memory (bytes of the stars") && e.contains("--memory"), "{e}");
}

#[tokio::test]
async fn the_colour_excess_follows_of_its_logarithm() {
    let session = session().await;
    let query = "SELECT xp, sin(teff) - 2 AS logebv FROM stars";
    let result = judged(&session, query, &settings(Some(vec![InputSet::Xp32]))).await;
    let [ebv] = &result.derived[..] else { panic!("{:?}", result.derived) };
    assert_eq!((ebv.label.as_str(), ebv.unit.as_str(), &ebv.inputs), ("ebv", "mag", &InputSet::Xp32));
    let sql = "SELECT exp(sin(teff) - 2) - exp(lam_infer(xp, 'logebv')) AS residual FROM stars \
               WHERE xp[1] IS NOT NULL AND xp[56] IS NOT NULL";
    let bias = median(known(&rows(&session, sql).await, "residual"));
    assert!((ebv.metrics.bias - bias).abs() < 1e-5, "{} for {bias}", ebv.metrics.bias);
    assert!(metrics_csv(&result).contains("\nebv,mag,xp32,"));
}

#[test]
fn numbers_keep_four_digits() {
    let numbers = [5772.3, -12.3456, 0.012_345, 0.000_123_41, 4.2e-6, 0.0, f64::NAN];
    let expected = ["5772", "-12.35", "0.01235", "0.0001234", "4.200e-6", "0", "NaN"];
    assert_eq!(numbers.map(digits), expected);
}
