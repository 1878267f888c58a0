//! `lamcat train`: runs that are killed, what it writes, and its messages when it cannot train.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use lamcat::model::Model;

use crate::program::{fail, lamcat, run};

/// Stars whose logg and colour are functions of teff and m_h.
const STARS: &str = "SELECT 5000 + 800 * t AS teff, 20.0 AS teff_error, 3 + t * t AS logg, \
    CASE WHEN value % 3 = 0 THEN NULL ELSE m END AS m_h, 0.9 - 0.4 * t AS bprp, 0.5 - 0.2 * t + 0.1 * m AS jh \
    FROM (SELECT value, sin(value * 12.9898) AS t, sin(value * 37.719) AS m FROM generate_series(1, 400))";

const SMALL: [&str; 16] = [
    "--size",
    "tiny",
    "--context",
    "8",
    "--width",
    "8",
    "--encoder-heads",
    "2",
    "--decoder-heads",
    "4",
    "--encoder-dense",
    "16",
    "--decoder-dense",
    "16",
    "--batch",
    "48",
];

fn train(folder: &Path, dir: &str, more: &[&str]) -> Command {
    let mut command = lamcat(folder);
    command.args(["train", "-c", STARS, "--dir", dir, "-q"]).args(SMALL).args(more);
    command
}

/// The lines of a run's losses without the speed, which differs between runs.
fn losses(folder: &Path, dir: &str) -> Vec<String> {
    let text = std::fs::read_to_string(folder.join(dir).join("losses.csv")).unwrap_or_default();
    text.lines().filter_map(|line| Some(line.rsplit_once(',')?.0.to_owned())).collect()
}

#[test]
fn a_killed_run_goes_on_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let course = ["--steps", "60", "--report-every", "1", "--checkpoint-every", "7", "--seed", "5"];
    run(&mut train(folder, "whole", &course));
    let whole = losses(folder, "whole");
    assert_eq!(whole.len(), 61, "a header and a line per step");

    let mut child = train(folder, "killed", &course).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while losses(folder, "killed").len() < 18 {
        assert!(started.elapsed() < Duration::from_mins(2), "the run does not start");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.join("killed/model.safetensors").exists(), "killed too late to test anything");
    assert!(folder.join("killed/checkpoint.safetensors").exists());

    let (_, stderr) = run(train(folder, "killed", &course).arg("--resume").env("RAYON_NUM_THREADS", "1"));
    assert!(stderr.contains("wrote killed/model.safetensors"), "{stderr}");
    assert_eq!(losses(folder, "killed"), whole);
    let hash = |dir: &str| Model::open(folder.join(dir).join("model.safetensors")).unwrap().hash().to_owned();
    assert_eq!(hash("killed"), hash("whole"));

    let e = fail(&mut train(folder, "killed", &["--steps", "60", "--batch-rows", "9", "--seed", "6"]));
    assert!(e.contains("the run cannot go on") && e.contains("seed was 5") && e.contains("--fresh"), "{e}");
}

#[test]
fn training_learns_and_its_model_answers_sql() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let course = [
        "--requests",
        "4",
        "--label-share",
        "0.5",
        "--epochs",
        "120",
        "--lr",
        "3e-3",
        "--dropout",
        "0",
        "--blank",
        "share",
        "--name",
        "mine",
    ];
    run(&mut train(folder, "run", &course));
    let column = |line: &String, i: usize| line.split(',').nth(i).unwrap().parse::<f64>().unwrap();
    let lines = losses(folder, "run");
    let (first, last) = (&lines[1], lines.last().unwrap());
    assert!(column(last, 4) < column(first, 4) - 0.5, "validation loss from {first} to {last}");

    let svg = std::fs::read_to_string(folder.join("run/losses.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("validation") && svg.matches("<polyline").count() >= 2);
    let info = run(lamcat(folder).args(["model", "info", "run/model.safetensors"])).0;
    for part in ["mine", "trained      yes", "trained on 400 stars of a query (SHA-256 ", "seed 0", "logg, m_h"] {
        assert!(info.contains(part), "{part} not in {info}");
    }
    let sql = "SELECT abs(lam_infer(named_struct('bprp', 1.1, 'jh', 0.6), 'teff') - 4600) < 150 AS ok";
    let args = ["sql", "--model", "run/model.safetensors", "--format", "csv", "-c", sql];
    let (rows, stderr) = run(lamcat(folder).args(args));
    assert_eq!((rows.as_str(), stderr.contains("untrained")), ("ok\ntrue\n", false), "{stderr}");

    let e = fail(lamcat(folder).args([
        "sql",
        "--model",
        "run/model.safetensors",
        "-c",
        "SELECT lam_infer(named_struct('bprp', 1.0), 'logebv')",
    ]));
    assert!(e.contains("unknown token 'logebv'"), "{e}");
}

#[test]
fn training_goes_on_from_a_models_weights() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let hiding = ["--requests", "3", "--label-share", "0.7", "--hide-asked", "--hide-groups", "0.3", "--whole", "0.5"];
    let course = ["--steps", "300", "--lr", "3e-3", "--dropout", "0", "--blank", "share"];
    run(&mut train(folder, "first", &[&hiding[..], &course].concat()));
    let again = |lr: &str, dir: &str| {
        let mut command = lamcat(folder);
        command.args(["train", "-c", STARS, "--dir", dir, "-q", "--from", "first/model.safetensors", "--batch", "48"]);
        run(command
            .args(["--steps", "1", "--lr", lr, "--lr-floor", "0", "--dropout", "0", "--blank", "share"])
            .args(hiding));
        losses(folder, dir).last().unwrap().rsplit(',').next().unwrap().parse::<f64>().unwrap()
    };
    let first: f64 = losses(folder, "first").last().unwrap().rsplit(',').next().unwrap().parse().unwrap();
    let still = again("1e-12", "still");
    assert!((still - first).abs() < 1e-3 * first.abs(), "{still} after a step of nothing, {first} before");
    assert!((again("1e-2", "moved") - first).abs() > 1e-3, "a step does something");
    let narrow =
        "SELECT 5000 + 800 * sin(value) AS teff, 3 + sin(value) * sin(value) AS logg FROM generate_series(1, 200)";
    let mut few = lamcat(folder);
    few.args(["train", "-c", narrow, "--dir", "few", "-q", "--from", "first/model.safetensors", "--batch", "48"]);
    run(few.args(["--steps", "2"]));
    let tokens = |dir: &str| Model::open(folder.join(dir).join("model.safetensors")).unwrap().vocabulary().clone();
    assert_eq!(tokens("few"), tokens("first"), "a query of fewer tokens keeps the model's others");
    let info = run(lamcat(folder).args(["model", "info", "still/model.safetensors"])).0;
    let hash = Model::open(folder.join("first/model.safetensors")).unwrap().hash()[..8].to_owned();
    assert!(info.contains(&format!("from model {hash}, 1 steps")) && info.contains("width 8"), "{info}");
}

#[test]
fn a_model_in_half_precision_answers_nearly_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    crate::model_files::tiny().save(folder.join("full.safetensors")).unwrap();
    run(lamcat(folder).args(["model", "convert", "--dtype", "f16", "full.safetensors", "-o", "half.safetensors"]));
    let size = |name: &str| std::fs::metadata(folder.join(name)).unwrap().len() as f64;
    assert!(size("half.safetensors") < 0.65 * size("full.safetensors"));
    let (full, half) =
        (Model::open(folder.join("full.safetensors")).unwrap(), Model::open(folder.join("half.safetensors")).unwrap());
    assert_ne!(full.hash(), half.hash(), "the weights are rounded");
    let tokens: Vec<u32> = (1..=64).collect();
    let values: Vec<f32> = (0..64).map(|i| (i as f32 * 0.7).sin()).collect();
    let ask = |m: &Model| -> Vec<f32> {
        let p = m.network().request(&m.network().perceive(&tokens, &values).unwrap(), &[114, 115, 116, 1, 60]).unwrap();
        p.mean.flatten_all().unwrap().to_vec1().unwrap()
    };
    let worst = ask(&full).iter().zip(ask(&half)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("f16 weights: predictions within {worst:.1e} of a token's scale");
    assert!(worst > 0.0 && worst <= 2e-3, "{worst}");
}

#[test]
fn a_dry_run_says_what_it_would_do_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = run(&mut train(folder.path(), "run", &["--dry-run"])).0;
    for part in ["stars        400 (", "m_h 66.8 %", "teff 100.0 %", "parameters   ", "steps per epoch", "s per epoch"]
    {
        assert!(out.contains(part), "{part} not in {out}");
    }
    assert!(!folder.path().join("run").exists());
}

#[test]
fn statements_before_the_query_make_its_tables() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("query.sql");
    std::fs::write(&file, "-- the stars\nSELECT * FROM stars WHERE teff > 4000;\n").unwrap();
    let view = format!("CREATE VIEW stars AS {STARS}");
    let mut command = lamcat(folder.path());
    command
        .args(["train", "--dir", "run", "--size", "tiny", "--batch", "32", "--dry-run", "-c", &view, "--sql"])
        .arg(file);
    let (said, _) = run(&mut command);
    assert!(said.contains("teff") && said.contains("logg"), "{said}");
}

#[test]
fn what_cannot_be_trained_on_is_said_before_the_first_step() {
    let folder = tempfile::tempdir().unwrap();
    let xp = |n: usize| format!("SELECT make_array({}) AS xp", vec!["1.0"; n].join(", "));
    let cases: [(&str, String, &str); 11] = [
        ("empty", format!("SELECT * FROM ({STARS}) WHERE teff < 0"), "the training set is empty"),
        (
            "infinite",
            format!("SELECT 1.0 / 0.0 AS logg, teff FROM ({STARS})"),
            "the value inf is unusable (token logg, row 1",
        ),
        (
            "negative error",
            format!("SELECT teff, -1.0 AS teff_error FROM ({STARS})"),
            "the error -1 is unusable (token teff",
        ),
        (
            "missing",
            format!("SELECT teff, CAST(NULL AS DOUBLE) AS logg FROM ({STARS})"),
            "'logg' (missing in every row)",
        ),
        (
            "constant",
            format!("SELECT teff, 0.5 AS m_h FROM ({STARS})"),
            "'m_h' (the same in every row that has it: 0.5)",
        ),
        (
            "unknown",
            format!("SELECT teff, logg AS loggg FROM ({STARS})"),
            "unknown token 'loggg' (column loggg)\nhint: did you mean 'logg'?",
        ),
        (
            "orphan",
            format!("SELECT teff, 0.1 AS logg_error FROM ({STARS})"),
            "the column 'logg_error' has errors of no column",
        ),
        ("text", "SELECT 'hot' AS teff".to_owned(), "the column must be a number, not Utf8"),
        ("short list", xp(55), "a list of 55 has the wrong length"),
        ("twice", "SELECT 1.0 AS bp0, xp FROM (".to_owned() + &xp(110) + ")", "a token is given twice (token bp0)"),
        ("few", format!("SELECT * FROM ({STARS}) LIMIT 20"), "the training set has fewer stars than a batch (stars 20"),
    ];
    for (name, sql, message) in cases {
        let args = ["train", "--dir", "run", "--batch", "48", "-c", &sql];
        let e = fail(lamcat(folder.path()).args(args));
        assert!(e.contains(message), "{name}: {e}");
        assert!(!folder.path().join("run/losses.csv").exists(), "{name}");
    }
    let e = fail(&mut train(folder.path(), "run", &["--memory", "1KB"]));
    assert!(e.contains("memory") || e.contains("Resources exhausted"), "{e}");
    let e = fail(&mut train(folder.path(), "run", &["--dropout", "1.5"]));
    assert!(e.contains("the setting dropout is out of its range (value 1.5)\nhint: dropout must be in [0, 1)"), "{e}");
    let e = fail(&mut train(folder.path(), "run", &["--resume"]));
    assert!(e.contains("has no checkpoint to go on from"), "{e}");
}

#[test]
fn the_course_of_a_run_is_that_of_its_options() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let course = ["--steps", "12", "--report-every", "1", "--lr", "0.01"];
    let with = |dir: &str, more: &[&str]| {
        run(&mut train(folder, dir, &[&course[..], more].concat()));
        losses(folder, dir)
    };
    let plain = with("plain", &[]);
    assert_eq!(with("again", &[]), plain);
    assert_ne!(with("restarts", &["--restarts", "2"]), plain);
    crate::model_files::tiny().save(folder.join("tiny.safetensors")).unwrap();
    assert_ne!(with("normalised", &["--keep-normalisation", "tiny.safetensors"]), plain);
    run(&mut train(folder, "short", &["--time-limit", "1s"]));
    assert!(!losses(folder, "short").is_empty());
}
