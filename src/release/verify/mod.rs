//! The verifier: reads every file and every row of a release, and recomputes whatever can be recomputed.
//!
//! HATS' own validation checks only names and schemas: it accepts rows in the wrong tile, unsorted rows and wrong
//! counts. Here the position of every row is recomputed, every identifier is compared with the index, every margin is
//! recomputed, and every file is hashed.

mod checked;
mod files;
mod index;
mod keys;
mod rows;

use std::sync::Arc;

use datafusion::common::runtime::SpawnedTask;
use futures::{StreamExt, TryStreamExt};
use serde::Serialize;

use super::{
    assemble::Manifest,
    catalogue::partition_info,
    dataset::tables_at_once,
    margin::Margin,
    paths, properties,
    storage::Storage,
    tiles::{Tile, Tiling},
    units::UnitTotals,
};
pub use checked::{Checked, Times, check_group, groups, times};
use lamcat_core::error::{Error, ErrorKind, Result};
use rows::{Leaves, Part, Sums};

/// A fault of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The check that found it.
    pub check: Check,
    /// The file, as a path relative to the release's folder.
    pub file: String,
    /// A sentence that says what is wrong.
    pub what: String,
}

/// The checks of the verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The files are those of the manifest, byte for byte.
    Files,
    /// Properties and lists of tiles agree with the leaves.
    Properties,
    /// All leaves have the same columns, which are those of the VOTable.
    Schema,
    /// The rows lie in their tiles, and their pixels agree with their coordinates.
    Place,
    /// The rows are in the order of the sky.
    Order,
    /// The numbers of rows are those that the metadata say.
    Count,
    /// The rows are those that the units returned, and the units read the whole input.
    Units,
    /// No identifier occurs twice, and the index contains each.
    Index,
    /// The margins hold exactly the rows near their tiles.
    Margin,
}

/// The report of the verifier.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Rows of the main catalogue.
    pub rows: u64,
    /// Rows of the input that its units read; `None` for releases of older versions, which do not say.
    pub input_rows: Option<u64>,
    /// The leaves of the release.
    pub leaves: usize,
    /// Rows of the margin.
    pub margin_rows: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// The faults of the release; a good release has none.
    pub faults: Vec<Fault>,
}

/// Verifies the release in `folder`.
///
/// # Errors
/// If there is no manifest, or the store fails; a fault of the release is not an error.
pub async fn verify(storage: &Storage, folder: &str) -> Result<Report> {
    verify_rest(storage, folder, Checked::default()).await
}

/// Verifies everything in the release in `folder` except what is `known` to be good.
///
/// # Errors
/// See [`verify`].
pub async fn verify_rest(storage: &Storage, folder: &str, known: Checked) -> Result<Report> {
    let manifest = manifest(storage, folder).await?;
    let mut report = Report { bytes: manifest.files.iter().map(|f| f.bytes).sum(), ..Report::default() };
    let known = known.of(&times(storage, folder).await?);
    files::check(storage, folder, &manifest, &known, &mut report.faults).await?;
    Verifier::new(storage, folder, &manifest, known).rows(&manifest, &mut report).await?;
    Ok(report)
}

/// The files of the release in `folder` that are missing or have another size; no file is read.
///
/// # Errors
/// If there is no manifest, or the store fails.
pub async fn missing_files(storage: &Storage, folder: &str) -> Result<Vec<Fault>> {
    let (manifest, mut faults) = (manifest(storage, folder).await?, Vec::new());
    files::sizes(storage, folder, &manifest, &mut faults).await?;
    Ok(faults)
}

async fn manifest(storage: &Storage, folder: &str) -> Result<Manifest> {
    let missing = || {
        let error = Error::new(ErrorKind::Input, "there is no release: it has no manifest");
        error.at("folder", storage.shown(folder)).hint("`lamcat release list` shows what there is")
    };
    storage.get_json(&format!("{folder}/{}", paths::MANIFEST)).await?.ok_or_else(missing)
}

struct Verifier {
    storage: Storage,
    folder: String,
    name: String,
    known: Checked,
}

/// The parts of a release that its properties files declare.
struct Declared {
    tiling: Tiling,
    margin_name: Option<String>,
    margin: Option<Margin>,
    /// The indexed columns with the names of their indices.
    indices: Vec<(String, String)>,
}

impl Verifier {
    fn new(storage: &Storage, folder: &str, manifest: &Manifest, known: Checked) -> Self {
        Self { storage: storage.clone(), folder: folder.to_owned(), name: manifest.name.clone(), known }
    }

    async fn declared(&self, manifest: &Manifest) -> Result<Declared> {
        let leaves = manifest.tiles_of(&self.name);
        let tiling = Tiling::new(leaves.iter().map(|(tile, _)| *tile).collect());
        let margin_name = self.property("", paths::COLLECTION_PROPERTIES, "default_margin").await?;
        let threshold = match &margin_name {
            Some(margin) => self.property(margin, paths::CATALOGUE_PROPERTIES, "hats_margin_threshold").await?,
            None => None,
        };
        let margin = threshold.and_then(|t| t.parse().ok()).and_then(|arcsec| Margin::new(&tiling, arcsec).ok());
        let indices = self.property("", paths::COLLECTION_PROPERTIES, "all_indexes").await?;
        Ok(Declared { tiling, margin_name, margin, indices: index::listed(indices.as_deref()) })
    }

    async fn rows(&self, manifest: &Manifest, report: &mut Report) -> Result<()> {
        let name = &self.name;
        let Declared { tiling, margin_name, margin, indices } = self.declared(manifest).await?;
        let leaves = manifest.tiles_of(name);
        self.check_tiles(name, &tiling, &mut report.faults).await?;
        let columns = indices.iter().map(|(column, _)| column.clone()).collect();
        let checked = self.leaves(name, leaves, Part::Main(margin, columns), &mut report.faults).await?;
        report.rows = checked.all.rows;
        report.leaves = tiling.tiles().len();
        self.check_count(name, checked.all.rows, &mut report.faults).await?;
        if manifest.rows != checked.all.rows {
            let what = format!("{} rows are said to be there, but {} are", manifest.rows, checked.all.rows);
            report.faults.push(Fault { check: Check::Count, file: paths::MANIFEST.to_owned(), what });
        }
        self.check_units(manifest, &checked, report).await?;
        if let Some(margin) = margin_name {
            self.margin(manifest, &margin, &checked, report).await?;
        }
        self.indices(manifest, &checked, &indices, &tiling, &mut report.faults).await
    }

    /// Reads leaves, several at once.
    async fn leaves(
        &self,
        name: &str,
        leaves: Vec<(Tile, String)>,
        part: Part,
        faults: &mut Vec<Fault>,
    ) -> Result<Sums> {
        let shared = Arc::new(self.leaves_of(name, part, faults).await?);
        let mut all = Sums::default();
        let mut open = Vec::new();
        for (tile, file) in leaves {
            match self.known.leaf(&file) {
                Some(sums) => all.merge(sums),
                None => open.push((tile, file)),
            }
        }
        let checks = open.into_iter().map(|(tile, file)| {
            let shared = shared.clone();
            async move { SpawnedTask::spawn(async move { shared.check(tile, &file).await }).join().await }
        });
        let mut checks = futures::stream::iter(checks).buffered(tables_at_once());
        let lost = |e| Error::new(ErrorKind::Internal, "a check ended before its time").source(e);
        while let Some(checked) = checks.try_next().await.map_err(lost)? {
            let (sums, found) = checked?;
            all.merge(sums);
            faults.extend(found);
        }
        Ok(all)
    }

    /// Reads the form that all leaves of a catalogue must have.
    async fn leaves_of(&self, name: &str, part: Part, faults: &mut Vec<Fault>) -> Result<Leaves> {
        let common = format!("{name}/{}", paths::COMMON_METADATA);
        Leaves::new(&self.storage, &self.folder, &common, part, faults).await
    }

    async fn margin(&self, manifest: &Manifest, name: &str, main: &Sums, report: &mut Report) -> Result<()> {
        let leaves = manifest.tiles_of(name);
        let tiling = Tiling::new(leaves.iter().map(|(tile, _)| *tile).collect());
        self.check_tiles(name, &tiling, &mut report.faults).await?;
        let checked = self.leaves(name, leaves, Part::Margin, &mut report.faults).await?;
        report.margin_rows = checked.all.rows;
        self.check_count(name, checked.all.rows, &mut report.faults).await?;
        rows::compare_margins(name, main, &checked, &mut report.faults);
        Ok(())
    }

    /// Checks that the list of tiles is that of the leaves.
    async fn check_tiles(&self, name: &str, tiling: &Tiling, faults: &mut Vec<Fault>) -> Result<()> {
        let file = format!("{name}/{}", paths::PARTITION_INFO);
        let found = self.storage.get(&format!("{}/{file}", self.folder)).await?.unwrap_or_default();
        if found != partition_info(tiling.tiles()).as_bytes() {
            faults.push(Fault { check: Check::Properties, file, what: "the tiles are not those of the leaves".into() });
        }
        Ok(())
    }

    /// Checks that the rows are those that the units returned.
    async fn check_units(&self, manifest: &Manifest, checked: &Sums, report: &mut Report) -> Result<()> {
        let Some(units) = manifest.units else { return Ok(()) };
        report.input_rows = Some(units.input_rows);
        let list = self.storage.get(&format!("{}/{}", self.folder, paths::UNITS)).await?.unwrap_or_default();
        let listed = UnitTotals::of_list(&String::from_utf8_lossy(&list));
        let mut differs = |file: &str, what: String| {
            report.faults.push(Fault { check: Check::Units, file: file.to_owned(), what });
        };
        if listed != Some(units) {
            differs(paths::UNITS, "the list of units is not that of the manifest".to_owned());
        }
        if checked.all.rows != units.given.rows {
            let (found, wanted) = (checked.all.rows, units.given.rows);
            differs(&self.name, format!("the units gave {wanted} rows, but {found} are there"));
        } else if checked.all != units.given {
            differs(&self.name, "the rows are not those that the units gave".to_owned());
        }
        Ok(())
    }

    async fn check_count(&self, name: &str, rows: u64, faults: &mut Vec<Fault>) -> Result<()> {
        let said = self.property(name, paths::CATALOGUE_PROPERTIES, "hats_nrows").await?;
        if said.as_deref() != Some(rows.to_string().as_str()) {
            let what = format!("hats_nrows is {}, but there are {rows} rows", said.unwrap_or_default());
            let file = format!("{name}/{}", paths::CATALOGUE_PROPERTIES);
            faults.push(Fault { check: Check::Count, file, what });
        }
        Ok(())
    }

    async fn property(&self, name: &str, file: &str, key: &str) -> Result<Option<String>> {
        let path =
            [self.folder.as_str(), name, file].into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join("/");
        let text = self.storage.get(&path).await?.unwrap_or_default();
        Ok(properties::value(&String::from_utf8_lossy(&text), key))
    }
}
