//! The command line: what it prints, and its messages when a command fails.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use arrow::datatypes::DataType;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::program::{fail, lamcat, run};

#[test]
fn help_teaches() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!("help", run(lamcat(folder.path()).arg("--help")).0);
    insta::assert_snapshot!("help_sql", run(lamcat(folder.path()).args(["sql", "--help"])).0);
}

#[test]
fn the_embedded_model_is_trained_and_an_untrained_one_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let info = run(lamcat(folder.path()).args(["model", "info"])).0;
    assert!(info.contains("lam-sim") && info.contains("trained      yes"), "{info}");
    let sql = "SELECT count(lam_infer(named_struct('teff', 4700), 'logg')) AS n";
    let (rows, stderr) = run(lamcat(folder.path()).args(["sql", "--format", "csv", "-c", sql]));
    assert_eq!((rows.as_str(), stderr.contains("untrained")), ("n\n1\n", false), "{stderr}");
    let sizes = ["--width", "16", "--encoder-heads", "4", "--decoder-heads", "4", "--decoder-dense", "16"];
    run(lamcat(folder.path()).args(["model", "init", "-o", "r.safetensors"]).args(sizes));
    let info = run(lamcat(folder.path()).args(["model", "info", "r.safetensors"])).0;
    assert!(info.contains("every result is meaningless"), "{info}");
    let args = ["sql", "--model", "r.safetensors", "--format", "csv", "-c", sql];
    let (rows, stderr) = run(lamcat(folder.path()).args(args));
    assert_eq!(rows, "n\n1\n");
    assert!(stderr.contains("warning: model untrained-random (untrained"), "{stderr}");
}

#[test]
fn a_model_from_a_seed_is_the_same_every_time_and_can_be_named() {
    let folder = tempfile::tempdir().unwrap();
    let init = |file: &str| {
        let sizes = ["--width", "16", "--encoder-heads", "4", "--decoder-heads", "4", "--encoder-dense", "16"];
        let args = ["--decoder-dense", "16", "--seed", "3", "--name", "toy", "-o", file];
        run(lamcat(folder.path()).args(["model", "init"]).args(sizes).args(args));
        std::fs::read(folder.path().join(file)).unwrap()
    };
    assert_eq!(init("a.safetensors"), init("b.safetensors"));
    let sql = "SELECT lam_infer(named_struct('teff', 4700), 'logg', model => 'mine') IS NOT NULL AS ok";
    let args = ["sql", "--model", "a.safetensors,mine=b.safetensors", "--format", "csv", "-c", sql];
    assert_eq!(run(lamcat(folder.path()).args(args)).0, "ok\ntrue\n");
    let e = fail(lamcat(folder.path()).args(["model", "init", "--width", "10", "-o", "c.safetensors"]));
    assert!(e.contains("head count is unusable: 16") && e.contains("hint:"), "{e}");
}

#[test]
fn a_path_with_an_equals_sign_is_no_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("run=3")).unwrap();
    let model = lamcat::model::default::model().unwrap().with_name("three");
    model.save(folder.path().join("run=3/m.safetensors")).unwrap();
    let sql = "SELECT lam_infer(named_struct('teff', 4700), 'logg', model => 'three') IS NOT NULL AS ok";
    let args = ["sql", "--model", "run=3/m.safetensors", "--format", "csv", "-c", sql];
    assert_eq!(run(lamcat(folder.path()).args(args)).0, "ok\ntrue\n");
}

#[test]
fn an_empty_result_still_has_its_header() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["sql", "-q", "--format", "csv", "-c", "SELECT 1 AS a, 2 AS b WHERE false"];
    assert_eq!(run(lamcat(folder.path()).args(args)).0, "a,b\n");
}

#[test]
fn numbers_out_of_their_range_are_refused_with_it() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, range) in [
        (["--threads", "100000"], "1..=1024"),
        (["--threads", "0"], "1..=1024"),
        (["--batch-rows", "18446744073709551615"], "1..=1000000"),
        (["--memory", "1e30GB"], "at most a pebibyte"),
    ] {
        let output = lamcat(folder.path()).args(["sql", "-c", "SELECT 1"]).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(range), "{arguments:?}: {said}");
    }
    for (setting, value) in [
        ("lamcat.batch_rows", "18446744073709551615"),
        ("lamcat.batch_rows", "0"),
        ("lamcat.batches_in_flight", "1000000"),
        ("datafusion.execution.target_partitions", "1000000000"),
        ("datafusion.execution.batch_size", "0"),
    ] {
        let set = format!("SET {setting} = {value}; SELECT 1");
        let e = fail(lamcat(folder.path()).args(["sql", "-c", &set]));
        assert!(e.contains(setting) && e.contains("hint: it is a whole number from 1 to "), "{e}");
    }
}

#[test]
fn a_web_page_in_the_place_of_a_table_is_called_that() {
    let folder = tempfile::tempdir().unwrap();
    let page = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n<body>a,b</body></html>\n";
    for name in ["page.csv", "page.ecsv", "page.vot", "page.xml", "page.CSV"] {
        std::fs::write(folder.path().join(name), page).unwrap();
        let e = fail(lamcat(folder.path()).args(["sql", "-c", &format!("SELECT * FROM '{name}'")]));
        assert!(e.contains("is a web page") && e.contains("\nhint: "), "{name}: {e}");
        let e = fail(lamcat(folder.path()).args(["ingest", name, "-o", "out/"]));
        assert!(e.contains("is a web page"), "{name}: {e}");
    }
    assert!(!folder.path().join("out").exists());
}

#[test]
fn errors_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let sql = |text: &str| fail(lamcat(folder.path()).args(["sql", "-c", text]));
    let errors = [
        "SELECT lam_infer(named_struct('teff', 4700), 'log')",
        "SELECT lam_infer(named_struct('teff', 4700), 'logg', model => 'big')",
        "SELECT * FROM 'absent/*.parquet'",
        "SELECT * FROM 'ftp://example.org/x.parquet'",
        "SELEC 1",
        "",
    ];
    let text: Vec<String> = errors.iter().map(|q| format!("{q}\n{}", sql(q))).collect();
    insta::assert_snapshot!("errors", text.join("\n"));
}

#[test]
fn the_demos_identifiers_are_integers_as_those_of_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    run(lamcat(folder.path()).arg("demo"));
    let stars = std::fs::File::open(folder.path().join("lamcat-demo/stars.parquet")).unwrap();
    let schema = ParquetRecordBatchReaderBuilder::try_new(stars).unwrap().schema().clone();
    assert_eq!(*schema.field_with_name("source_id").unwrap().data_type(), DataType::Int64);
}

#[test]
fn a_damaged_parquet_file_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    run(lamcat(folder.path()).arg("demo"));
    let bytes = std::fs::read(folder.path().join("lamcat-demo/stars.parquet")).unwrap();
    std::fs::write(folder.path().join("cut.parquet"), &bytes[..bytes.len() / 2]).unwrap();
    let mut damaged = bytes.clone();
    let footer = bytes.len() - 200;
    damaged[footer..footer + 64].fill(0xff);
    std::fs::write(folder.path().join("damaged.parquet"), damaged).unwrap();
    for file in ["cut.parquet", "damaged.parquet"] {
        let query = format!("SELECT sum(lam_infer(xp(bp_coefficients, rp_coefficients), 'teff')) FROM '{file}'");
        let e = fail(lamcat(folder.path()).args(["sql", "-c", &query]));
        assert!(e.contains(&format!("cannot read '{file}' as a table")), "{file}: {e}");
    }
}

#[test]
fn the_prompt_takes_statements_over_several_lines() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = lamcat(folder.path())
        .arg("sql")
        .env("HOME", folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let input = b"SELECT 40 +\n 2 AS answer;\nSELECT nonsense;\n\\f\nSELECT 1 AS still_here;\n\\q\n";
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success());
    assert!(
        stdout.contains("| 42     |") && stdout.contains("still_here") && stdout.contains("lam_predict"),
        "{stdout}"
    );
    assert!(String::from_utf8_lossy(&output.stderr).contains("error: "));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_lamcat");
    let query = "SELECT value FROM generate_series(1, 200000)";
    let script = format!("set -o pipefail; '{program}' sql -q --format csv -c '{query}' | head -n 2");
    let output = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "value\n1\n");
}
