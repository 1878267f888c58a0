//! Pipeline files: what is read from them, which errors they may have, and what the shipped ones contain.

use std::{
    fs,
    path::{Path, PathBuf},
};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    compute::concat_batches,
    datatypes::Float32Type,
};
use lamcat::{
    pipeline::{CheckedQuery, ModelChoice, Overrides, Pipeline, check_query, json_schema},
    session::Session,
};

use crate::program::{lamcat, run};

const DEMO_STARS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/demo_stars.parquet");

/// A small valid pipeline.
pub const GOOD: &str = r#"name = "labels"
version = "1.2.0"
title = "Labels"
description = "Temperatures."
creator = "A. Stronomer"
license = "CC-BY-4.0"
sql = "labels.sql"

[inputs.stars]
path = "stars.parquet"

[output]
store = "catalogues"
"#;

/// A folder with a pipeline file `labels.toml` and its query; the cut input is the sample of the demonstration.
pub fn folder(toml: &str, sql: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("labels.toml"), toml).unwrap();
    fs::write(folder.path().join("labels.sql"), sql).unwrap();
    fs::copy(DEMO_STARS, folder.path().join("stars.parquet")).unwrap();
    folder
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines").join(name)
}

fn demo_stars() -> Overrides {
    Overrides { inputs: vec![("stars".to_owned(), DEMO_STARS.into())], ..Overrides::default() }
}

/// The session of a pipeline with its inputs, and the result of its check.
pub async fn checked(pipeline: &Pipeline) -> (Session, lamcat::error::Result<CheckedQuery>) {
    let session = pipeline.open_session().await.unwrap();
    pipeline.register_inputs(&session).await.unwrap();
    let plan = check_query(&session, pipeline).await;
    (session, plan)
}

#[test]
fn a_file_is_resolved_with_its_defaults() {
    let folder = folder(GOOD, "SELECT 1");
    let pipeline = Pipeline::load(folder.path().join("labels.toml"), &Overrides::default()).unwrap();
    let root = folder.path().canonicalize().unwrap();
    assert_eq!(pipeline.store.exposed(), root.join("catalogues").display().to_string());
    assert_eq!(pipeline.cut_input().path.exposed(), root.join("stars.parquet").display().to_string());
    assert_eq!((pipeline.units.rows, pipeline.tiling.highest_order, pipeline.gates.min_rows), (200_000, 7, 1));
    assert_eq!((pipeline.tiling.index, pipeline.tiling.margin_arcsec), (vec!["source_id".to_owned()], 10.0));
    assert_eq!((pipeline.version.minor, pipeline.model, pipeline.schedule.is_none()), (2, ModelChoice::Embedded, true));
    // printf 'SELECT 1' | sha256sum
    assert_eq!(pipeline.sql.sha256, "e004ebd5b5532a4b85984a62f8ad48a81aa3460c1ca07701f386135d72cdecf5");
}

#[test]
fn overrides_are_relative_to_the_working_directory() {
    let folder = folder(GOOD, "SELECT 1");
    let overrides = Overrides {
        inputs: vec![("stars".to_owned(), "s3://bucket/stars/".into())],
        store: Some("out".into()),
        version: Some("2.0.0-beta.1".parse().unwrap()),
        model: Some("m.safetensors".into()),
        ..Overrides::default()
    };
    let pipeline = Pipeline::load(folder.path().join("labels.toml"), &overrides).unwrap();
    let here = std::env::current_dir().unwrap();
    assert_eq!(pipeline.cut_input().path.exposed(), "s3://bucket/stars/");
    assert_eq!(pipeline.store.exposed(), here.join("out").display().to_string());
    assert_eq!(pipeline.model, ModelChoice::File(here.join("m.safetensors").display().to_string().into()));
    assert_eq!(pipeline.version.to_string(), "2.0.0-beta.1");
    let overrides = Overrides { inputs: vec![("star".to_owned(), "".into())], ..Overrides::default() };
    let e = Pipeline::load(folder.path().join("labels.toml"), &overrides).unwrap_err().to_string();
    assert_eq!(e, "the pipeline has no input 'star'\nhint: did you mean 'stars'? its inputs: stars");
}

/// For each case, the text that is replaced and its replacement; the snapshot has the errors of all cases.
#[test]
fn errors_name_line_column_and_key() {
    let end = GOOD.to_owned();
    let add = |text: &str| format!("{end}{text}");
    let cases = [
        GOOD.replace("title =", "titel ="),
        GOOD.replace("title = \"Labels\"\n", ""),
        GOOD.replace("[output]\nstore = \"catalogues\"", "[output]"),
        GOOD.replace("\"Labels\"", "\"Labels"),
        GOOD.replace("\"1.2.0\"", "\"1.2\""),
        GOOD.replace("\"labels\"", "\"Labels of stars\""),
        GOOD.replace("labels.sql", "absent.sql"),
        GOOD.replace("\"Temperatures.\"", "\" \""),
        GOOD.replace("[inputs.stars]", "[inputs.\"my stars\"]"),
        GOOD.replace("\n[inputs", "doi = \"zenodo.123\"\n[inputs"),
        GOOD.replace("\n[inputs", "references = [\"Leung 2024\"]\n[inputs"),
        GOOD.replace("\n[inputs", "precision = \"f64\"\n[inputs"),
        GOOD.replace("path = \"stars.parquet\"", "path = \"stars.parquet\"\ncut = false"),
        add("[inputs.more]\npath = \"more.parquet\"\n"),
        add("[inputs.more]\npath = \"more.parquet\"\ncut = true\n[inputs.other]\npath = \"x\"\ncut = true\n"),
        GOOD.replace("[inputs.stars]\npath = \"stars.parquet\"\n", "[inputs]\n"),
        add("[units]\nrows = 0\n"),
        add("[units]\nrows = -5\n"),
        add("[tiling]\nmax_row = 5\n"),
        add("[tiling]\nmax_rows = \"many\"\n"),
        add("[tiling]\nlowest_order = 8\n"),
        add("[tiling]\nhighest_order = 30\n"),
        add("[tiling]\nhighest_order = 15\n"),
        add("[tiling]\nindex = [\"source_id\", \"source_id\"]\n"),
        add("[columns.teff]\nucd = \"phys.temprature.effective\"\n"),
        add("[columns.teff]\nunits = \"K\"\n"),
        add("[cuts]\nBest = \"true\"\n"),
        add("[gates]\nmax_null_fraction = { teff = 5 }\n"),
        add("[gates.max_shift]\nteff = -1.0\n"),
        add("[schedule]\ncron = \"at dawn\"\n"),
        add("[schedule]\ncron = \"0 3 * * 1\"\ntime_zone = \"Europe/Berlim\"\n"),
        add("[schedule]\ncron = \"0 3 * * 1\"\nmisfire = \"twice\"\n"),
        add("[resources]\nthreads = 0\n"),
        add("[resources]\nmemory_gib = 0\n"),
    ];
    let mut text = String::new();
    for toml in cases {
        let folder = folder(&toml, "SELECT 1");
        let e = Pipeline::load(folder.path().join("labels.toml"), &Overrides::default()).unwrap_err().to_string();
        let root = folder.path().canonicalize().unwrap().display().to_string();
        text += &e.replace(&root, "FOLDER").replace(&folder.path().display().to_string(), "FOLDER");
        text += "\n\n";
    }
    insta::assert_snapshot!("pipeline_file_errors", text);
}

#[test]
fn numbers_have_a_range_at_both_ends() {
    for (table, key, most) in [
        ("units", "rows", 1_000_000_000_000_u64),
        ("tiling", "max_rows", 1_000_000_000_000),
        ("gates", "min_rows", 1_000_000_000_000),
        ("resources", "threads", 1024),
        ("resources", "units_at_once", 1024),
        ("resources", "memory_gib", 1 << 20),
    ] {
        let load = |value: u64| {
            let folder = folder(&format!("{GOOD}\n[{table}]\n{key} = {value}\n"), "SELECT 1");
            Pipeline::load(folder.path().join("labels.toml"), &Overrides::default()).map_err(|e| e.to_string())
        };
        assert!(load(most).is_ok(), "{key}");
        for absurd in [most + 1, i64::MAX as u64] {
            let e = load(absurd).unwrap_err();
            assert!(e.contains(&format!("must be at most {most}")) && e.contains(&format!("key {table}.{key}")), "{e}");
        }
    }
}

#[test]
fn passwords_are_not_in_messages() {
    let folder = folder(&GOOD.replace("stars.parquet", "ftp://me:secret@example.org/a.parquet?sig=1"), "SELECT 1");
    let pipeline = Pipeline::load(folder.path().join("labels.toml"), &Overrides::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let e = runtime.block_on(async {
        let session = pipeline.open_session().await.unwrap();
        pipeline.register_inputs(&session).await.unwrap_err().to_string()
    });
    assert!(e.contains("'ftp' is not a store") && !e.contains("secret") && !e.contains("sig="), "{e}");
    assert!(e.contains("--input stars=PATH"), "{e}");
}

#[tokio::test]
async fn every_shipped_pipeline_checks_and_gives_what_it_says() {
    let mut names: Vec<String> =
        fs::read_dir(shipped("")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "deploy");
    names.sort();
    assert_eq!(names, ["demo.toml", "similar_stars.toml", "stellar_parameters.toml", "xp_inpainted.toml"]);
    for name in names {
        let pipeline = Pipeline::load(shipped(&name), &demo_stars()).unwrap();
        assert_eq!(format!("{}.toml", pipeline.name), name);
        // The identifiers in the demonstration are decimals, those in the archive are not.
        let session = pipeline.open_session().await.unwrap();
        let stars = format!(
            "CREATE TABLE stars AS SELECT * REPLACE (CAST(source_id AS BIGINT) AS source_id) FROM '{DEMO_STARS}'"
        );
        session.sql(&stars).await.unwrap().collect().await.unwrap();
        let plan = check_query(&session, &pipeline).await.unwrap_or_else(|e| panic!("{name}: {e}"));
        let frame = session.sql(&pipeline.sql.text).await.unwrap().limit(0, Some(50)).unwrap();
        let batches = frame.collect().await.unwrap();
        let rows = concat_batches(&batches[0].schema(), &batches).unwrap();
        assert_eq!(rows.num_rows(), 50);
        for (field, planned) in rows.schema().fields().iter().zip(plan.schema.fields()) {
            assert_eq!((field.name(), field.data_type()), (planned.name(), planned.data_type()), "{name}");
        }
        for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
            assert!(column.null_count() < 25, "{name}: {} of 50 {} are NULL", column.null_count(), field.name());
        }
    }
}

fn floats(rows: &RecordBatch, name: &str) -> Vec<Option<f32>> {
    rows[name].as_primitive::<Float32Type>().iter().collect()
}

/// Distances of the demonstration's stars, whose parallaxes follow from the pseudo-luminosity by definition, and the
/// limits of every label.
#[tokio::test]
async fn distance_and_colour_excess_follow_from_what_the_model_gives() {
    let pipeline = Pipeline::load(shipped("stellar_parameters.toml"), &demo_stars()).unwrap();
    let session = pipeline.open_session().await.unwrap();
    let stars = format!(
        "CREATE TABLE stars AS SELECT * REPLACE (CAST(source_id AS BIGINT) AS source_id) FROM '{DEMO_STARS}' ORDER BY source_id LIMIT 100"
    );
    session.sql(&stars).await.unwrap().collect().await.unwrap();
    let query = format!(
        "WITH release AS ({}) SELECT r.*, lam_predict(lam_context(xp(bp_coefficients, rp_coefficients, \
         s.phot_g_mean_mag, bp_n_relevant_bases, rp_n_relevant_bases), bprp => s.bp_rp), ['logebv', 'g_fakemag']) AS p \
         FROM release AS r JOIN stars AS s ON s.source_id = r.source_id",
        pipeline.sql.text.trim().trim_end_matches(';')
    );
    let query = format!(
        "SELECT *, CAST(p['logebv'] AS REAL) AS ln, CAST(p['logebv_error'] AS REAL) AS ln_error, p['g_fakemag'] AS f, \
         p['g_fakemag_error'] AS f_error FROM ({query})"
    );
    let batches = session.sql(&query).await.unwrap().collect().await.unwrap();
    let rows = concat_batches(&batches[0].schema(), &batches).unwrap();
    let g = floats(&rows, "phot_g_mean_mag");
    let [ln, ln_error, f, f_error] = ["ln", "ln_error", "f", "f_error"].map(|c| floats(&rows, c));
    let mut distances = 0;
    let near = |got: Option<f32>, expected: f64| {
        let got = f64::from(got.unwrap());
        assert!((got / expected - 1.0).abs() < 1e-4, "{got} for {expected}");
    };
    for i in 0..rows.num_rows() {
        let value = |c: &str| floats(&rows, c)[i];
        let (Some(ln), Some(ln_error)) = (ln[i].map(f64::from), ln_error[i].map(f64::from)) else { continue };
        near(value("ebv"), ln.exp());
        near(value("ebv_lower"), (ln - ln_error).exp());
        near(value("ebv_upper"), (ln + ln_error).exp());
        let (f, f_error) = (f64::from(f[i].unwrap()), f64::from(f_error[i].unwrap()));
        // The parallax in mas of a star with this pseudo-luminosity and magnitude.
        let parallax = |f: f64| f / 10f64.powf(0.2 * f64::from(g[i].unwrap()));
        if f > 0.0 {
            distances += 1;
            near(value("distance"), 1000.0 / parallax(f));
            near(value("distance_lower"), 1000.0 / parallax(f + f_error));
            near(value("distance_error"), 1000.0 / parallax(f) * f_error / f);
        }
        match value("distance_upper") {
            Some(upper) => near(Some(upper), 1000.0 / parallax(f - f_error)),
            None => assert!(f <= f_error),
        }
        near(
            value("teff_upper").zip(value("teff_lower")).map(|(u, l)| u - l),
            2.0 * f64::from(value("teff_error").unwrap()),
        );
    }
    assert!(distances > 50, "{distances}");
}

#[tokio::test]
async fn units_ucds_and_descriptions_come_from_file_query_and_name() {
    let pipeline = Pipeline::load(shipped("stellar_parameters.toml"), &demo_stars()).unwrap();
    let session = pipeline.open_session().await.unwrap();
    let stars =
        format!("CREATE TABLE stars AS SELECT * REPLACE (CAST(source_id AS BIGINT) AS source_id) FROM '{DEMO_STARS}'");
    session.sql(&stars).await.unwrap().collect().await.unwrap();
    let plan = check_query(&session, &pipeline).await.unwrap();
    let meta = |column: &str, key: &str| {
        plan.schema.field_with_name(column).unwrap().metadata().get(key).cloned().unwrap_or_default()
    };
    assert_eq!(meta("teff_error", "ucd"), "stat.error;phys.temperature.effective");
    assert_eq!(meta("ebv_lower", "ucd"), "phys.absorption.gal;stat.min");
    assert_eq!(meta("distance_upper", "unit"), "pc");
    assert_eq!(
        meta("distance_upper", "description"),
        meta("distance", "description") + ": upper end of the central 68 %"
    );
    assert_eq!(meta("phot_g_mean_mag", "unit"), "mag");
    assert_eq!(meta("ra", "ucd"), "pos.eq.ra;meta.main");
}

#[test]
fn the_json_schema_knows_every_key_of_the_shipped_pipelines() {
    let schema = json_schema();
    let properties = schema["properties"].as_object().unwrap();
    for key in ["name", "inputs", "tiling", "gates", "schedule"] {
        assert!(properties.contains_key(key), "{key}");
    }
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["$defs"]["Tiling"]["properties"]["margin_arcsec"]["default"], 10.0);
    let required: Vec<&str> = schema["required"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
    assert_eq!(required, ["name", "version", "title", "description", "creator", "license", "sql", "inputs", "output"]);
}

#[test]
fn the_demonstration_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    run(lamcat(folder.path()).arg("demo"));
    let demo = shipped("demo.toml").display().to_string();
    let args = ["pipeline", "explain", &demo, "--input", "stars=lamcat-demo/stars.parquet", "--store", "catalogues"];
    let text = run(lamcat(folder.path()).args(args)).0;
    let root = folder.path().canonicalize().unwrap().display().to_string();
    insta::assert_snapshot!(
        "pipeline_explain",
        text.replace(&root, "FOLDER").replace(env!("CARGO_MANIFEST_DIR"), "REPOSITORY")
    );
}

#[test]
fn the_program_checks_several_files() {
    let folder = folder(GOOD, "SELECT CAST(source_id AS BIGINT) AS source_id, ra, dec FROM stars");
    fs::write(folder.path().join("bad.toml"), GOOD.replace("title", "titel")).unwrap();
    let (stdout, _) = run(lamcat(folder.path()).args(["pipeline", "check", "labels.toml"]));
    assert_eq!(stdout, "ok     labels.toml: labels 1.2.0, 3 columns\n");
    let output =
        lamcat(folder.path()).args(["pipeline", "check", "--no-inputs", "labels.toml", "bad.toml"]).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        stdout.starts_with("ok     labels.toml: labels 1.2.0, without its inputs\nerror  bad.toml: unknown key"),
        "{stdout}"
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "error: 1 of 2 pipeline files is wrong\n");
    let args = ["pipeline", "check", "--format", "json", "labels.toml", "bad.toml"];
    let stdout = lamcat(folder.path()).args(args).output().unwrap().stdout;
    let report: serde_json::Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!((&report[0]["ok"], &report[0]["columns"], &report[1]["ok"]), (&true.into(), &3.into(), &false.into()));
    let (stdout, _) = run(lamcat(folder.path()).args(["pipeline", "schema"]));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&stdout).unwrap(), json_schema());
}
