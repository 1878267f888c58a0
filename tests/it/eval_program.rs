//! `lamcat eval`: what it writes, and its messages when it cannot evaluate a model.

use std::path::Path;

use crate::{
    program::{fail, lamcat, run},
    shared::shared,
};

/// Stars with labels and colours, but without spectra; for them the built-in model predicts nonsense.
const STARS: &str = "SELECT 5000 + 800 * sin(value * 12.9898) AS teff, 20.0 AS teff_error, 3 + sin(value * 37.719) AS logg, \
    CASE WHEN value % 4 = 0 THEN NULL ELSE 0.1 * sin(value) END AS m_h, 0.9 AS bprp, 0.5 AS jh, 0.6 AS jk \
    FROM generate_series(1, 40)";

fn eval(folder: &Path, sql: &str, more: &[&str]) -> std::process::Command {
    let mut command = lamcat(folder);
    command.args(["eval", "-o", "report", "-c", sql]).args(more);
    command
}

fn written(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join("report").join(name)).unwrap()
}

#[test]
fn an_evaluation_is_a_table_and_files_that_a_rerun_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (table, stderr) = run(&mut eval(folder, STARS, &[]));
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("label  inputs  stars") && lines[1].starts_with("teff   labels"), "{table}");
    for part in [
        "left out teff, logg, m_h from xp32: the query gives no 'bp0'",
        "random: the query gives no coefficient",
        "wrote report",
    ] {
        assert!(stderr.contains(part), "{part} not in {stderr}");
    }
    let csv = written(folder, "metrics.csv");
    let stars = |label: &str, inputs: &str| {
        let line = csv.lines().find(|l| l.starts_with(&format!("{label},")) && l.contains(&format!(",{inputs},")));
        line.and_then(|l| l.split(',').nth(3)).map(str::to_owned)
    };
    assert_eq!(stars("teff", "labels").as_deref(), Some("30"), "a star needs every other label: {csv}");
    assert_eq!(stars("m_h", "labels").as_deref(), Some("30"));
    assert_eq!(stars("logg", "labels").as_deref(), Some("30"));
    let json: serde_json::Value = serde_json::from_str(&written(folder, "metrics.json")).unwrap();
    assert_eq!(json["about"]["stars"], "40");
    let first = &json["labels"][0];
    let pit: u64 = first["pit"].as_array().unwrap().iter().filter_map(serde_json::Value::as_u64).sum();
    assert_eq!((first["label"].as_str(), Some(pit)), (Some("teff"), first["stars"].as_u64()));

    let files = ["metrics.csv", "metrics.json", "coefficients.csv", "report.html"];
    let before = files.map(|name| written(folder, name));
    let (again, quiet) = run(&mut eval(folder, STARS, &["-q"]));
    assert_eq!(again, table);
    for (name, before) in files.into_iter().zip(before) {
        assert!(written(folder, name) == before, "{name} differs");
    }
    assert!(!quiet.contains("wrote"), "{quiet}");
}

#[test]
fn the_report_holds_its_pictures_and_escapes_names() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let model = crate::model_files::tiny().with_name("a<b>&c");
    model.save(folder.join("model.safetensors")).unwrap();
    run(&mut eval(folder, STARS, &["--model", "model.safetensors"]));
    let html = written(folder, "report.html");
    assert!(html.starts_with("<!DOCTYPE html>") && html.trim_end().ends_with("</html>"));
    assert!(html.contains("a&lt;b&gt;&amp;c") && !html.contains("a<b>"));
    assert!(html.contains(model.hash()) && html.contains("untrained"));
    assert_eq!(html.matches("<svg").count(), 3 * 4);
    assert_eq!(html.matches("http:").count(), html.matches("xmlns=\"http:").count());
    assert!(!html.contains("https:"));
    assert!(!html.contains("src=") && !html.contains("href="), "the page needs no other file");
}

#[test]
fn a_dry_run_says_who_would_be_asked_for_what() {
    let folder = tempfile::tempdir().unwrap();
    let (out, stderr) = run(&mut eval(folder.path(), STARS, &["--dry-run", "--labels", "teff,m_h"]));
    for part in ["stars        40\n", "labels       teff of 30 stars", "labels       m_h of 30 stars"] {
        assert!(out.contains(part), "{part} not in {out}");
    }
    assert!(stderr.contains("left out bp-to-rp: the query gives none of its tokens"), "{stderr}");
    assert!(!folder.path().join("report").exists());
}

#[test]
fn what_cannot_be_judged_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let empty = format!("SELECT * FROM ({STARS}) WHERE teff < 0");
    let missing = "SELECT CAST(NULL AS DOUBLE) AS teff, 0.9 AS bprp".to_owned();
    let cases: [(&str, &[&str], &str); 11] = [
        (&empty, &[], "there are no stars to evaluate the model on\nhint: "),
        ("SELECT 0.5 AS jh", &[], "the query has no label to compare with\nhint: "),
        (&missing, &[], "nothing can be evaluated on these stars\nhint: "),
        ("SELECT 4.0 AS loggg", &[], "unknown token 'loggg' (column loggg)\nhint: did you mean 'logg'?"),
        ("SELECT 1.0 / 0.0 AS logg", &[], "the value inf is unusable (token logg, row 1"),
        (STARS, &["--inputs", "xp32"], "the inputs cannot be evaluated: the query gives no 'bp0' (inputs xp32"),
        (STARS, &["--inputs", "xp23"], "unknown input set 'xp23'\nhint: did you mean 'xp32'? input sets: all, xp30-"),
        (STARS, &["--inputs", "all,xp23"], "unknown input set 'xp23'\nhint: did you mean 'xp32'?"),
        (STARS, &["--inputs", "labels", "--memory", "1kB"], "the stars do not fit the memory"),
        (STARS, &["--inputs", "labels", "--memory", "3kB"], "the predictions do not fit the memory"),
        (STARS, &["--labels", "logebv"], "the query has no 'logebv' to compare with\nhint: select it"),
    ];
    for (sql, more, message) in cases {
        let e = fail(&mut eval(folder, sql, more));
        assert!(e.contains(message), "{message} not in {e}");
        assert!(!folder.join("report").exists(), "{message}");
    }
    let sizes = [
        "--context-length",
        "8",
        "--width",
        "8",
        "--encoder-heads",
        "2",
        "--decoder-heads",
        "4",
        "-o",
        "short.safetensors",
    ];
    run(lamcat(folder).args(["model", "init"]).args(sizes));
    let xp = format!("SELECT make_array({}) AS xp, 5000 AS teff", vec!["1.0"; 110].join(", "));
    let e = fail(&mut eval(folder, &xp, &["--model", "short.safetensors", "--inputs", "bp-to-rp"]));
    assert!(e.contains("its 55 tokens do not fit the model's context of 8 (inputs bp-to-rp"), "{e}");
    let (_, stderr) = run(&mut eval(folder, &xp, &["--model", "short.safetensors", "--dry-run"]));
    assert!(stderr.contains("left out teff from xp5-colours: the query gives no 'jh'"), "{stderr}");
}

/// Artificial spectra, all different.
fn spectra(stars: usize) -> String {
    let coefficients: Vec<String> = (0..110).map(|i| format!("sin(value * {i}.37)")).collect();
    format!("SELECT make_array({}) AS xp FROM generate_series(1, {stars})", coefficients.join(", "))
}

#[test]
fn inpainting_needs_stars() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (out, _) = run(&mut eval(folder, &spectra(25), &["--inputs", "bp-to-rp"]));
    assert!(out.starts_with("inpainting ") && !out.contains("NaN"), "{out}");
    let csv = written(folder, "coefficients.csv");
    assert!(csv.lines().count() == 56 && csv.lines().nth(1).unwrap().ends_with(",false,0"), "{csv}");
    let rare = spectra(25).replace("sin(value * 108.37)", "CASE WHEN value < 9 THEN value END");
    let (_, stderr) = run(&mut eval(folder, &rare, &["--inputs", "bp-to-rp"]));
    let why = "left out rp53 from bp-to-rp: fewer than 20 stars have the coefficient and a finite answer";
    assert!(stderr.contains(why), "{stderr}");
    assert_eq!(written(folder, "coefficients.csv").lines().count(), 55);
    let few = spectra(5).replace(" AS xp", " AS xp, 5000 AS teff");
    let (out, stderr) = run(&mut eval(folder, &few, &[]));
    assert!(stderr.contains("left out bp-to-rp: 5 stars are too few, 20 are needed"), "{stderr}");
    assert!(out.contains("teff") && !out.contains("inpainting"), "{out}");
    let e = fail(&mut eval(folder, &spectra(25), &["--inputs", "bp-to-rp", "--inpaint-stars", "0"]));
    assert!(e.contains("the inputs cannot be evaluated: no star is to be inpainted (inputs bp-to-rp"), "{e}");
}

#[test]
fn shipped_queries_take_real_stars() {
    let data = "data/xp_continuous";
    let fits = shared(&format!("{data}/field_stars/xp_continuous_combined_chunk0.fits"));
    let (Some(fits), Some(twin)) = (fits, shared(&format!("{data}/gaiaxpy/18Sco-XP-spectra.csv"))) else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let query = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("sql").join(name);
    run(lamcat(folder).arg("ingest").arg(fits).args(["-o", "stars.parquet"]));
    let mut inpaint = eval(folder, "CREATE VIEW field_stars AS SELECT * FROM 'stars.parquet'", &["--dry-run", "--sql"]);
    let (out, _) = run(inpaint.arg(query("field_stars.sql")).args(["--inputs", "bp-to-rp", "--inpaint-stars", "25"]));
    let stars: usize = out.lines().nth(1).unwrap().trim_start_matches("stars").trim().parse().unwrap();
    assert!((900..1000).contains(&stars) && out.contains("55 coefficients of 25 stars"), "{out}");

    let view = format!("CREATE VIEW solar_twin AS SELECT * FROM '{}'", twin.display());
    let mut compare = lamcat(folder);
    compare.args(["sql", "-q", "--format", "csv", "-c", &view, "-f"]).arg(query("solar_twin.sql"));
    let (out, _) = run(&mut compare);
    let rows: Vec<Vec<&str>> = out.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert_eq!(
        rows.iter().map(|r| (r[0], r[1])).collect::<Vec<_>>(),
        [("teff", "5824.0"), ("m_h", "0.03"), ("logg", "4.42")]
    );
    for row in rows {
        let [reference, predicted, sigma, sigmas] = [1, 2, 3, 4].map(|i| row[i].parse::<f64>().unwrap());
        assert!(((reference - predicted) / sigma - sigmas).abs() < 1e-4 * sigmas.abs().max(1.0), "{row:?}");
    }
}

#[test]
fn the_seed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let seed = |seed: &str| {
        run(&mut eval(folder.path(), STARS, &["--seed", seed, "-q"]));
        let metrics: serde_json::Value = serde_json::from_str(&written(folder.path(), "metrics.json")).unwrap();
        metrics.to_string()
    };
    assert!(seed("3").contains("random inputs\":\"3\"") && seed("4").contains("random inputs\":\"4\""));
}
