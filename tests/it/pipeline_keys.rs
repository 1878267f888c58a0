//! Every key of a pipeline file has an effect: each one is changed on its own, and the release, the work list or the
//! schedule must change with it. The keys are taken from the JSON Schema of the format, so a new key without a case
//! fails.

use std::{collections::BTreeSet, fs};

use chrono::{TimeDelta, Utc};
use datafusion::execution::memory_pool::MemoryLimit;
use lamcat::{
    pipeline::{
        Pipeline, Run, json_schema,
        schedule::{Due, History},
    },
    session::Session,
};
use serde_json::Value;

use crate::pipeline_workplace::{BASE, QUERY, Workplace};

/// The visible effect of a change.
enum Seen {
    /// A file of the release contains a text that it did not contain before.
    Text(&'static str, &'static str),
    /// A line in a file of the release starts as before and ends differently.
    Line(&'static str, &'static str),
    /// A file of the release differs.
    Other(&'static str),
    /// The release has a file that it did not have before.
    File(&'static str),
    /// The folder of the pipeline file has a file that it did not have before.
    Place(&'static str),
    /// The release is refused with this message.
    Refused(&'static str),
    /// The release is refused with this message if a release of another query came before it.
    RefusedAfter(&'static str, &'static str),
    /// The prepared run differs: a description of it, and what the description is now.
    Plan(fn(&Run) -> String, &'static str),
    /// The session differs: a description of it, and what the description is now.
    Session(fn(&Session) -> String, &'static str),
    /// The pipeline differs.
    Settings(fn(&Pipeline) -> String, &'static str),
    /// Attempts at units overlap, which they did not before.
    Overlap,
}

/// For each key, the text that is replaced, its replacement, and the visible effect.
const CASES: &[(&str, &str, &str, Seen)] = &[
    ("name", "name = \"labels\"", "name = \"other\"", Seen::Place("catalogues/other/LATEST")),
    ("version", "1.0.0", "2.0.0", Seen::Text("collection.properties", "hats_data_semver=2.0.0")),
    ("title", "\"Labels\"", "\"Étoiles\"", Seen::Text("CITATION", "Étoiles")),
    ("description", "\"Temperatures.\"", "\"Gravities.\"", Seen::Text("schema.md", "Gravities.")),
    ("creator", "A. Stronomer", "B. Stronomer", Seen::Text("labels/hats.properties", "prov_creator=B. Stronomer")),
    ("license", "CC-BY-4.0", "CC0-1.0", Seen::Text("collection.properties", "obs_copyright=CC0-1.0")),
    ("doi", "sql =", "doi = \"10.5281/zenodo.1\"\nsql =", Seen::Text("CITATION", "https://doi.org/10.5281/zenodo.1")),
    (
        "references",
        "sql =",
        "references = [\"2024MNRAS.527.1494L\"]\nsql =",
        Seen::Text("collection.properties", "bib_reference=2024MNRAS.527.1494L"),
    ),
    (
        "default_columns",
        "sql =",
        "default_columns = [\"teff\", \"ra\"]\nsql =",
        Seen::Text("labels/hats.properties", "hats_cols_default=source_id dec teff ra\n"),
    ),
    ("sql", "labels.sql", "other.sql", Seen::Line("labels/hats.properties", "hats_nrows=")),
    ("model", "tiny.saf", "other.saf", Seen::Line("collection.properties", "lamcat_model_sha256=")),
    ("precision", "sql =", "precision = \"int8\"\nsql =", Seen::Text("collection.properties", "lamcat_precision=int8")),
    ("inputs.*.path", "small.parquet", "half.parquet", Seen::Text("labels/hats.properties", "hats_nrows=30\n")),
    (
        "inputs.*.cut",
        "cut = true\n[inputs.more]\npath = \"more.parquet\"\ncut = false",
        "cut = false\n[inputs.more]\npath = \"more.parquet\"\ncut = true",
        Seen::Plan(|run| run.job().units[0].file.ends_with("more.parquet").to_string(), "true"),
    ),
    ("output.store", "\"catalogues\"", "\"elsewhere\"", Seen::Place("elsewhere/labels/LATEST")),
    ("units.rows", "rows = 20", "rows = 30", Seen::Plan(|run| run.job().units.len().to_string(), "2")),
    ("tiling.max_rows", "max_rows = 15", "max_rows = 8", Seen::Other("labels/partition_info.csv")),
    (
        "tiling.lowest_order",
        "max_rows = 15",
        "max_rows = 15\nlowest_order = 3",
        Seen::Other("labels/partition_info.csv"),
    ),
    ("tiling.highest_order", "highest_order = 3", "highest_order = 1", Seen::Other("labels/partition_info.csv")),
    (
        "tiling.margin_arcsec",
        "max_rows = 15",
        "max_rows = 15\nmargin_arcsec = 25",
        Seen::File("labels_25arcs/hats.properties"),
    ),
    (
        "tiling.index",
        "max_rows = 15",
        "max_rows = 15\nindex = [\"grade\"]",
        Seen::File("labels_grade/dataset/index/part.0.parquet"),
    ),
    ("columns.*.unit", "unit = \"K\"", "unit = \"mK\"", Seen::Text("labels/dataset/_common_metadata", "unit=\"mK\"")),
    ("columns.*.ucd", "phys.gravity", "phys.mass", Seen::Text("schema.md", "phys.mass")),
    ("columns.*.description", "Half of", "Some of", Seen::Text("schema.md", "Some of the temperatures")),
    (
        "cuts.*",
        "[gates]",
        "[cuts]\nbasic = \"quality_flags & 512 = 0\"\n[gates]",
        Seen::Text("collection.properties", "lamcat_cut_basic=quality_flags & 512 = 0"),
    ),
    ("gates.min_rows", "min_rows = 1", "min_rows = 1000", Seen::Refused("60 rows, but min_rows is 1000")),
    ("gates.max_null_fraction.*", "maybe = 0.9", "maybe = 0.4", Seen::Refused("max_null_fraction is 0.4")),
    ("gates.max_flag_fraction", "min_rows = 1", "max_flag_fraction = 0.1", Seen::Refused("max_flag_fraction is 0.1")),
    (
        "gates.max_row_change",
        "min_rows = 1",
        "max_row_change = 0.1",
        Seen::RefusedAfter("source_id <= 40", "max_row_change is 0.1"),
    ),
    (
        "gates.max_shift.*",
        "min_rows = 1",
        "max_shift = { teff = 0.5 }",
        Seen::RefusedAfter("teff > 4500", "max_shift is 0.5"),
    ),
    ("schedule.cron", "0 3 * * 1", "0 4 * * 1", Seen::Settings(next, "2026-12-07T04:00:00+00:00")),
    (
        "schedule.time_zone",
        "0 3 * * 1\"",
        "0 3 * * 1\"\ntime_zone = \"Europe/Berlin\"",
        Seen::Settings(next, "2026-12-07T02:00:00+00:00"),
    ),
    ("schedule.misfire", "0 3 * * 1\"", "0 3 * * 1\"\nmisfire = \"skip\"", Seen::Settings(made_up_for, "false")),
    ("resources.device", "device = \"cpu\"", "device = \"cuda\"", DEVICE),
    (
        "resources.threads",
        "threads = 2",
        "threads = 3",
        Seen::Session(|session| session.context().copied_config().target_partitions().to_string(), "3"),
    ),
    ("resources.memory_gib", "threads = 2", "memory_gib = 0.5", Seen::Session(memory, "536870912")),
    ("resources.units_at_once", "threads = 2", "threads = 2\nunits_at_once = 3", Seen::Overlap),
];

/// Without support for GPUs the device does not exist; with it this depends on the machine.
const DEVICE: Seen = if cfg!(feature = "cuda") {
    Seen::Settings(|pipeline| format!("{:?}", pipeline.resources.device), "Cuda")
} else {
    Seen::Refused("built without support for GPUs")
};

fn next(pipeline: &Pipeline) -> String {
    let schedule = pipeline.schedule.as_ref().unwrap();
    schedule.after("2026-12-01T00:00:00Z".parse().unwrap()).unwrap().to_rfc3339()
}

/// Whether a run makes up for a missed one.
fn made_up_for(pipeline: &Pipeline) -> String {
    let history = History { since: Some(Utc::now() - TimeDelta::days(30)), ..History::default() };
    let due = Due::new(pipeline.schedule.as_ref().unwrap(), &history, Utc::now(), TimeDelta::zero());
    due.run.is_some().to_string()
}

fn memory(session: &Session) -> String {
    match session.context().runtime_env().memory_pool.memory_limit() {
        MemoryLimit::Finite(bytes) => bytes.to_string(),
        _ => String::new(),
    }
}

/// The keys of a format's JSON Schema, with `*` for arbitrary names.
fn keys(schema: &Value) -> BTreeSet<String> {
    fn walk(schema: &Value, root: &Value, path: &str, found: &mut BTreeSet<String>) {
        if let Some(name) = schema["$ref"].as_str() {
            return walk(root.pointer(name.trim_start_matches('#')).unwrap(), root, path, found);
        }
        let of_some = schema["anyOf"].as_array().into_iter().flatten();
        let of_some: Vec<&Value> = of_some.filter(|one| one["type"] != "null").collect();
        if let [one] = of_some[..] {
            return walk(one, root, path, found);
        }
        let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        match (schema["properties"].as_object(), schema["additionalProperties"].is_object()) {
            (Some(keys), _) => keys.iter().for_each(|(key, inner)| walk(inner, root, &below(key), found)),
            (None, true) => walk(&schema["additionalProperties"], root, &below("*"), found),
            (None, false) => drop(found.insert(path.to_owned())),
        }
    }
    let mut found = BTreeSet::new();
    walk(schema, schema, "", &mut found);
    found
}

#[test]
fn every_key_of_the_format_has_a_case() {
    let listed: BTreeSet<String> = CASES.iter().map(|(key, ..)| (*key).to_owned()).collect();
    assert_eq!(keys(&json_schema()), listed, "add a case that sees the key act");
}

#[tokio::test]
async fn every_key_of_a_pipeline_file_acts() {
    let base = Workplace::new(BASE).await;
    let before = base.publish(BASE).await.unwrap();
    assert!(!before.overlap(), "one unit at a time");
    for (key, old, new, seen) in CASES {
        assert!(BASE.contains(old), "{key}: {old}");
        let toml = BASE.replacen(old, new, 1);
        let place = Workplace::like(&base);
        let made = async || place.publish(&toml).await.unwrap_or_else(|e| panic!("{key}: {e}"));
        let acts = match seen {
            Seen::Text(file, text) => !before.text(file).contains(text) && made().await.text(file).contains(text),
            Seen::Line(file, start) => before.line(file, start) != made().await.line(file, start),
            Seen::Other(file) => before.files[*file] != made().await.files[*file],
            Seen::File(file) => !before.files.contains_key(*file) && made().await.files.contains_key(*file),
            Seen::Place(file) => {
                made().await;
                !base.path(file).exists() && place.path(file).exists()
            }
            Seen::Overlap => made().await.overlap(),
            Seen::Refused(words) => refused(&place, &toml, words).await,
            Seen::RefusedAfter(condition, words) => {
                refused_after(&place, BASE, condition).await;
                refused(&place, &toml, words).await && place.publish(BASE).await.is_ok()
            }
            Seen::Plan(tell, told) => {
                let tell = async |toml: &str| tell(&Run::open(place.pipeline(toml).unwrap(), None).await.unwrap());
                tell(BASE).await != *told && tell(&toml).await == *told
            }
            Seen::Session(tell, told) => {
                let tell = async |toml: &str| tell(&place.pipeline(toml).unwrap().open_session().await.unwrap());
                tell(BASE).await != *told && tell(&toml).await == *told
            }
            Seen::Settings(tell, told) => {
                tell(&place.pipeline(BASE).unwrap()) != *told && tell(&place.pipeline(&toml).unwrap()) == *told
            }
        };
        assert!(acts, "{key}: nothing is seen of the change");
    }
}

async fn refused(place: &Workplace, toml: &str, words: &str) -> bool {
    let error = place.publish(toml).await.err().map(|e| e.to_string());
    assert!(error.as_ref().is_none_or(|e| e.contains(words)), "{error:?}");
    error.is_some()
}

/// Publishes a release of the rows that meet a condition, and restores the query.
async fn refused_after(place: &Workplace, toml: &str, condition: &str) {
    let part = format!("SELECT * FROM ({QUERY}) WHERE {condition}");
    fs::write(place.path("labels.sql"), part).unwrap();
    place.publish(toml).await.unwrap();
    fs::write(place.path("labels.sql"), QUERY).unwrap();
}
