//! A small pipeline that uses every table of the format, whose releases are made in a folder of their own.

use std::{collections::BTreeMap, fs, path::PathBuf};

use lamcat::{
    model::{Architecture, init},
    pipeline::{Overrides, Pipeline, Run, Stage, Watch},
    release::{assemble::Manifest, units::UnitClaim},
    schema::Vocabulary,
    session::{Session, SessionOptions},
};

use crate::pipeline_files::folder;

/// The pipeline file; tests change or add a line.
pub const BASE: &str = r#"name = "labels"
version = "1.0.0"
title = "Labels"
description = "Temperatures."
creator = "A. Stronomer"
license = "CC-BY-4.0"
sql = "labels.sql"
model = "tiny.safetensors"

[inputs.stars]
path = "small.parquet"
cut = true
[inputs.more]
path = "more.parquet"
cut = false

[output]
store = "catalogues"

[units]
rows = 20

[tiling]
max_rows = 15
highest_order = 3

[columns.maybe]
unit = "K"
ucd = "phys.temperature"
description = "Half of the temperatures"
[columns.grade]
ucd = "meta.code"
description = "One of three"
[columns.inferred]
ucd = "phys.gravity"
description = "What the model says"

[gates]
min_rows = 1
max_null_fraction = { maybe = 0.9 }

[schedule]
cron = "0 3 * * 1"

[resources]
device = "cpu"
threads = 2
"#;

pub const QUERY: &str = "SELECT stars.source_id, ra, dec, teff, grade, \
    CASE WHEN stars.source_id % 2 = 0 THEN teff END AS maybe, CAST(stars.source_id % 2 * 512 AS INT) AS quality_flags, \
    CAST(lam_infer(named_struct('teff', teff), 'logg') AS REAL) AS inferred \
    FROM stars JOIN more ON stars.source_id = more.source_id";

struct Silent;

impl Watch for Silent {
    fn begin(&self, _: Stage, _: usize, _: u64) {}
    fn done(&self, _: u64, _: bool) {}
}

/// A folder with the pipeline, its queries, models and inputs.
pub struct Workplace {
    folder: tempfile::TempDir,
}

impl Workplace {
    pub async fn new(toml: &str) -> Self {
        let folder = folder(toml, QUERY);
        let path = |name: &str| folder.path().join(name);
        fs::write(path("other.sql"), format!("{QUERY} WHERE stars.source_id > 10")).unwrap();
        for (name, seed) in [("tiny", 1), ("other", 2)] {
            let model = init::random(name, Architecture::tiny(), Vocabulary::leung_bovy_2023(), seed).unwrap();
            model.save(path(&format!("{name}.safetensors"))).unwrap();
        }
        let session = Session::new(&SessionOptions { partitions: Some(1), ..SessionOptions::default() }).unwrap();
        let stars = path("stars.parquet").display().to_string();
        let stars = format!(
            "SELECT source_id, 90 + (source_id % 21 - 10) * 6 / 3600.0 AS ra, 45 + source_id * 0.3 AS dec, teff \
             FROM (SELECT source_id >> 35 AS source_id, teff FROM '{stars}') WHERE source_id <= "
        );
        let more = "SELECT value AS source_id, concat('grade ', value % 3) AS grade FROM generate_series(1, 100)";
        for (query, name) in
            [(format!("{stars} 60"), "small"), (format!("{stars} 30"), "half"), (more.to_owned(), "more")]
        {
            let copy = format!("COPY ({query}) TO '{}'", path(&format!("{name}.parquet")).display());
            session.sql(&copy).await.unwrap().collect().await.unwrap();
        }
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A folder with the same files but without a catalogue.
    pub fn like(other: &Self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = fs::read_dir(other.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        for file in files.filter(|file| file.is_file()) {
            fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
        }
        Self { folder }
    }

    pub fn pipeline(&self, toml: &str) -> lamcat::error::Result<Pipeline> {
        fs::write(self.path("labels.toml"), toml).unwrap();
        Pipeline::load(self.path("labels.toml"), &Overrides::default())
    }

    pub async fn publish(&self, toml: &str) -> lamcat::error::Result<Made> {
        let pipeline = self.pipeline(toml)?;
        let store = PathBuf::from(pipeline.root().exposed());
        let outcome = Run::open(pipeline, None).await?.execute(&Silent).await?;
        let release = outcome.release.folder;
        let folder = store.join(&release);
        let manifest: Manifest = serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
        let files = manifest.files.iter().map(|file| file.path.clone());
        Ok(Made {
            files: files.map(|path| (path.clone(), fs::read(folder.join(path)).unwrap())).collect(),
            store,
            folder,
            release,
        })
    }
}

/// A release, and the place of its catalogue.
pub struct Made {
    pub files: BTreeMap<String, Vec<u8>>,
    pub store: PathBuf,
    /// The release's folder, and the same folder relative to the catalogue's.
    pub folder: PathBuf,
    pub release: String,
}

impl Made {
    pub fn text(&self, file: &str) -> String {
        String::from_utf8_lossy(&self.files[file]).into_owned()
    }

    pub fn line(&self, file: &str, start: &str) -> String {
        self.text(file).lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}")).to_owned()
    }

    /// Whether two units were computed at the same time.
    pub fn overlap(&self) -> bool {
        let mut claims = Vec::new();
        for job in fs::read_dir(self.store.join("jobs")).unwrap() {
            let units = job.unwrap().path().join("units");
            let files = fs::read_dir(units).into_iter().flatten().map(|entry| entry.unwrap().path());
            let files = files.filter(|file| file.extension().is_some_and(|extension| extension == "json"));
            claims.extend(files.map(|file| serde_json::from_slice::<UnitClaim>(&fs::read(file).unwrap()).unwrap()));
        }
        let times = claims.iter().map(|claim| {
            let begun = claim.attempt.as_ref().unwrap().began_seconds().unwrap();
            (begun, begun + claim.seconds)
        });
        let mut times: Vec<(f64, f64)> = times.collect();
        times.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(times.len() > 1);
        // Times are whole milliseconds.
        times.windows(2).any(|pair| pair[1].0 < pair[0].1 - 0.002)
    }
}
