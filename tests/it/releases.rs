//! Small releases for tests, and ways to damage them.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array},
    compute::{concat_batches, take_record_batch},
    datatypes::Int64Type,
};
use datafusion::parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use lamcat::{
    model::Model,
    pipeline::{Outcome, Overrides, Pipeline, Run, Stage, Watch, check_query},
    release::{Storage, assemble::Manifest},
    session::{Session, SessionOptions},
};
use sha2::{Digest, Sha256};

use crate::{model_files::tiny, pipeline_files::folder};

/// Stars 1 to 1000, within an arcminute of the border between the base pixels 0 and 1.
const STARS: &str = "WITH s AS (SELECT CAST(source_id AS BIGINT) >> 35 AS source_id, teff, logg FROM stars) \
                     SELECT source_id, 90 + (source_id % 21 - 10) * 6 / 3600.0 AS ra, 45 + source_id * 0.03 AS dec, ";
/// The other columns of a release.
pub const COLUMNS: &str = "teff, logg, CAST(0 AS INT) AS quality_flags";

const PIPELINE: &str = r#"name = "labels"
version = "1.0.0"
title = "Labels"
description = "Temperatures."
creator = "A. Stronomer"
license = "CC-BY-4.0"
sql = "labels.sql"
[inputs.stars]
path = "stars.parquet"
[output]
store = "catalogues"
[units]
rows = 300
[tiling]
max_rows = 40
highest_order = 3
"#;

/// The store of a catalogue, in a folder that ends with the test.
pub struct Store {
    pub folder: tempfile::TempDir,
    pub storage: Storage,
}

/// Receives progress reports and prints nothing.
pub struct Silent;

impl Watch for Silent {
    fn begin(&self, _: Stage, _: usize, _: u64) {}
    fn done(&self, _: u64, _: bool) {}
}

pub fn storage(folder: &Path) -> Storage {
    Session::new(&SessionOptions::default()).unwrap().storage(&folder.display().to_string()).unwrap()
}

/// The query of a release: additional columns of the stars that meet a condition.
pub fn query(columns: &str, condition: &str) -> String {
    format!("{STARS}{columns} FROM s WHERE {condition}")
}

impl Store {
    /// A store without releases; `more` is appended to the pipeline file.
    pub fn new(more: &str) -> Self {
        let folder = folder(&format!("{PIPELINE}{more}"), "");
        let storage = storage(&folder.path().join("catalogues/labels"));
        Self { folder, storage }
    }

    /// A store with the release 1.0.0 of 300 stars.
    pub async fn good() -> Self {
        let store = Self::new("");
        store.publish("1.0.0", &query(COLUMNS, "source_id <= 300")).await.unwrap();
        store
    }

    pub async fn run(&self, version: &str, sql: &str) -> Run {
        self.run_with(version, sql, &tiny()).await
    }

    /// A run with another model.
    pub async fn run_with(&self, version: &str, sql: &str, model: &Model) -> Run {
        fs::write(self.folder.path().join("labels.sql"), sql).unwrap();
        let overrides = Overrides { version: Some(version.parse().unwrap()), ..Overrides::default() };
        let pipeline = Pipeline::load(self.folder.path().join("labels.toml"), &overrides).unwrap();
        let session = Session::new(&SessionOptions::default()).unwrap();
        pipeline.register_inputs(&session).await.unwrap();
        let checked = check_query(&session, &pipeline).await.unwrap();
        Run::prepare(session, pipeline, model, &checked.schema).await.unwrap()
    }

    pub async fn publish(&self, version: &str, sql: &str) -> lamcat::error::Result<Outcome> {
        self.run(version, sql).await.execute(&Silent).await
    }

    /// Publishes a release even if it fails gates.
    pub async fn accept(&self, version: &str, sql: &str) -> Outcome {
        self.run(version, sql).await.accepting(true).execute(&Silent).await.unwrap()
    }

    pub fn root(&self) -> PathBuf {
        self.folder.path().join("catalogues/labels")
    }

    /// Folder of the only release of a version.
    pub fn release(&self, version: &str) -> String {
        let names = fs::read_dir(self.root().join("releases")).unwrap().map(|e| e.unwrap().file_name());
        let mut names = names.map(|name| name.into_string().unwrap());
        format!("releases/{}", names.find(|name| name.starts_with(&format!("{version}-"))).unwrap())
    }
}

/// All files below a folder, relative to it, in order.
pub fn files(root: &Path) -> Vec<String> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    walk(root, root, &mut found);
    found.sort();
    found
}

pub fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        fs::create_dir_all(to.join(&file).parent().unwrap()).unwrap();
        fs::copy(from.join(&file), to.join(&file)).unwrap();
    }
}

pub fn read(file: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap();
    let schema = reader.schema().clone();
    concat_batches(&schema, &reader.build().unwrap().collect::<Result<Vec<_>, _>>().unwrap()).unwrap()
}

/// Writes rows with the metadata of their schema.
pub fn write(file: &Path, rows: &RecordBatch) {
    let mut writer = ArrowWriter::try_new(File::create(file).unwrap(), rows.schema(), None).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
}

pub fn rewrite(file: &Path, change: impl FnOnce(&RecordBatch) -> RecordBatch) {
    let rows = read(file);
    write(file, &change(&rows));
}

/// The rows with these numbers.
pub fn take(rows: &RecordBatch, numbers: impl Iterator<Item = u32>) -> RecordBatch {
    take_record_batch(rows, &UInt32Array::from_iter_values(numbers)).unwrap()
}

pub fn integers(rows: &RecordBatch, name: &str) -> Vec<i64> {
    rows.column_by_name(name).unwrap().as_primitive::<Int64Type>().values().to_vec()
}

/// The rows with one column replaced by another.
pub fn with_column(rows: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let at = rows.schema().index_of(name).unwrap();
    let mut columns = rows.columns().to_vec();
    let mut fields: Vec<_> = rows.schema().fields().iter().map(|f| f.as_ref().clone()).collect();
    fields[at] = fields[at].clone().with_data_type(column.data_type().clone());
    columns[at] = column;
    let schema = arrow::datatypes::Schema::new(fields).with_metadata(rows.schema().metadata().clone());
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

/// The rows with one identifier replaced by another.
pub fn with_id(rows: &RecordBatch, old: i64, new: i64) -> RecordBatch {
    let ids = integers(rows, "source_id").into_iter().map(|id| if id == old { new } else { id });
    with_column(rows, "source_id", Arc::new(Int64Array::from_iter_values(ids)))
}

/// Updates the manifest of a release to its present files, so that the hashes reveal nothing; missing files are removed
/// from it.
pub fn sign(release: &Path) {
    let file = release.join("manifest.json");
    let mut manifest: Manifest = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    manifest.files.retain(|file| release.join(&file.path).exists());
    for file in &mut manifest.files {
        let bytes = fs::read(release.join(&file.path)).unwrap();
        file.bytes = bytes.len() as u64;
        file.sha256 = format!("{:x}", Sha256::digest(&bytes));
    }
    fs::write(&file, serde_json::to_vec_pretty(&manifest).unwrap()).unwrap();
}

/// Replaces a text in a file, which must contain it.
pub fn replace(file: &Path, old: &str, new: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(old), "{}: {text}", file.display());
    fs::write(file, text.replace(old, new)).unwrap();
}

/// The leaves of a catalogue of a release.
pub fn leaves(release: &Path, name: &str) -> Vec<PathBuf> {
    let folder = release.join(name).join("dataset");
    let found = files(&folder).into_iter().filter(|file| file.contains("Npix="));
    found.map(|file| folder.join(file)).collect()
}
