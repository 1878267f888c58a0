//! The whole collection round its leaves: margin, index, properties, maps, schema and manifest.
//!
//! Every file follows from the claims alone, byte for byte: two that assemble at once write the same.

use std::fmt::Write;

use arrow::datatypes::Schema;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    arrange::{Arrangement, TileClaim},
    catalogue::{Catalogue, Extent, ID_COLUMN, partition_info},
    cuts::{self, CutRows},
    dataset, index,
    parquet_file::{Effort, TableWriter, Written, schema_file},
    paths, sky,
    storage::{Storage, json},
    tiles::{Tile, Tiling},
};
use crate::error::{Error, ErrorKind, Result};

/// What a release is made of: every file with its hash. Written last; a folder without it is no release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name of the catalogue.
    pub name: String,
    /// Version of the data (semver).
    pub version: String,
    /// Identity of the job that made it.
    pub job: String,
    /// Rows of the main catalogue.
    pub rows: u64,
    /// The named cuts, with the rows that pass each.
    #[serde(default)]
    pub cuts: Vec<CutRows>,
    /// All files but this one, in the order of their paths; paths below the release's folder.
    pub files: Vec<Written>,
}

impl Manifest {
    /// The tiles of the main catalogue with the paths of their leaves, in the order of the sky.
    #[must_use]
    pub fn tiles(&self) -> Vec<(Tile, String)> {
        self.tiles_of(&self.name)
    }

    /// The tiles of one of the collection's catalogues with the paths of their leaves, in the order of the sky.
    #[must_use]
    pub fn tiles_of(&self, catalogue: &str) -> Vec<(Tile, String)> {
        let leaves = self.files.iter().filter_map(|file| {
            let below = file.path.strip_prefix(catalogue)?.strip_prefix('/')?;
            Some((paths::tile_of_leaf(below)?, file.path.clone()))
        });
        let mut leaves: Vec<_> = leaves.collect();
        leaves.sort_by_key(|(tile, _)| tile.range());
        leaves
    }
}

/// Writes what a release has besides the leaves of its main catalogue; gives the manifest, which is written too.
///
/// # Errors
/// If the claims cannot be read, an identifier stands twice, or the store cannot be written to.
pub async fn assemble(
    arrangement: &Arrangement<'_>,
    catalogue: &Catalogue,
    folder: &str,
    tiles: &[TileClaim],
) -> Result<Manifest> {
    let mut files = Files { storage: arrangement.storage, folder, written: Vec::new() };
    let leaves: Vec<Written> = tiles.iter().map(|claim| claim.leaf.clone()).collect();
    let main = Extent::of(tiles.iter().map(|claim| claim.tile).collect(), &leaves);
    files.main(arrangement, catalogue, &main, &leaves).await?;
    if let (Some(name), Some(arcsec)) = (catalogue.margin(), catalogue.margin_arcsec) {
        files.margin(arrangement, catalogue, tiles, &name, arcsec).await?;
    }
    files.indices(arrangement, catalogue, &main.tiles).await?;
    let cuts = cuts::count(arrangement, &leaves, &catalogue.cuts).await?;
    files.small(paths::COLLECTION_PROPERTIES, catalogue.collection_properties()).await?;
    files.small("schema.md", columns_markdown(catalogue, &arrangement.schema, &cuts)).await?;
    files.small("CITATION", citation(catalogue)).await?;
    let (name, version, job) = (catalogue.name.clone(), catalogue.version.clone(), catalogue.job.clone());
    let mut listed = files.written;
    let below = |path: &str| path.strip_prefix(folder).map_or(path, |p| p.trim_start_matches('/')).to_owned();
    for file in &mut listed {
        file.path = below(&file.path);
    }
    listed.sort_by(|a, b| a.path.cmp(&b.path));
    let manifest = Manifest { name, version, job, rows: main.rows, cuts, files: listed };
    arrangement.storage.put(&format!("{folder}/{}", paths::MANIFEST), json(&manifest)).await?;
    Ok(manifest)
}

impl Extent {
    fn of(tiles: Vec<Tile>, files: &[Written]) -> Self {
        Self { rows: files.iter().map(|f| f.rows).sum(), bytes: files.iter().map(|f| f.bytes).sum(), tiles }
    }
}

/// The files written so far.
struct Files<'a> {
    storage: &'a Storage,
    folder: &'a str,
    written: Vec<Written>,
}

impl Files<'_> {
    async fn small(&mut self, name: &str, bytes: impl Into<Bytes>) -> Result<()> {
        let (path, bytes) = (format!("{}/{name}", self.folder), bytes.into());
        let sha256 = format!("{:x}", Sha256::digest(&bytes));
        self.written.push(Written { path: path.clone(), rows: 0, bytes: bytes.len() as u64, sha256 });
        self.storage.put(&path, bytes).await
    }

    async fn main(
        &mut self,
        arrangement: &Arrangement<'_>,
        catalogue: &Catalogue,
        extent: &Extent,
        leaves: &[Written],
    ) -> Result<()> {
        let counts = arrangement.counts;
        let name = &catalogue.name;
        self.written.extend_from_slice(leaves);
        self.dataset(arrangement, name, leaves).await?;
        let first = dataset::first_rows(self.storage, &arrangement.schema, leaves).await?;
        let path = format!("{}/{name}/{}", self.folder, paths::THUMBNAIL);
        let (schema, footer) = (&arrangement.schema, arrangement.footer);
        let mut thumbnail = TableWriter::new(self.storage, &path, schema, footer, Effort::Published)?;
        thumbnail.write(first).await?;
        self.written.push(thumbnail.finish().await?);
        let map = sky::skymap(counts)?;
        self.small(&format!("{name}/{}", paths::SKYMAP), map.clone()).await?;
        self.small(&format!("{name}/{}", paths::POINT_MAP), map).await?;
        self.small(&format!("{name}/{}", paths::MOC), sky::coverage(counts)?).await?;
        self.small(&format!("{name}/{}", paths::PARTITION_INFO), partition_info(&extent.tiles)).await?;
        self.small(&format!("{name}/{}", paths::CATALOGUE_PROPERTIES), catalogue.main_properties(extent)).await
    }

    /// The schema and the row groups of a catalogue.
    async fn dataset(&mut self, arrangement: &Arrangement<'_>, name: &str, leaves: &[Written]) -> Result<()> {
        let schema = schema_file(&arrangement.schema, arrangement.footer)?;
        self.small(&format!("{name}/{}", paths::COMMON_METADATA), schema).await?;
        let folder = format!("{}/{name}", self.folder);
        match dataset::all_row_groups(self.storage, &folder, leaves).await? {
            Some(all) => self.small(&format!("{name}/{}", paths::METADATA), all).await,
            None => Ok(()),
        }
    }

    async fn margin(
        &mut self,
        arrangement: &Arrangement<'_>,
        catalogue: &Catalogue,
        tiles: &[TileClaim],
        name: &str,
        arcsec: f64,
    ) -> Result<()> {
        let mut targets: Vec<Tile> = tiles.iter().flat_map(|claim| claim.neighbours.iter().copied()).collect();
        targets.sort_by_key(|tile| tile.range());
        targets.dedup();
        let folder = format!("{}/{name}", self.folder);
        let mut leaves = Vec::new();
        for tile in &targets {
            leaves.push(arrangement.write_margin(&folder, *tile, tiles).await?);
        }
        self.written.extend_from_slice(&leaves);
        self.dataset(arrangement, name, &leaves).await?;
        let extent = Extent::of(targets, &leaves);
        self.small(&format!("{name}/{}", paths::PARTITION_INFO), partition_info(&extent.tiles)).await?;
        let properties = catalogue.margin_properties(&extent, name, arcsec);
        self.small(&format!("{name}/{}", paths::CATALOGUE_PROPERTIES), properties).await
    }

    /// An index of each column that is to have one. Identifiers are unique, whether they have one or not.
    async fn indices(&mut self, arrangement: &Arrangement<'_>, catalogue: &Catalogue, tiles: &[Tile]) -> Result<()> {
        let rows: Vec<&Written> = arrangement.units.iter().filter_map(|unit| unit.rows.as_ref()).collect();
        let tiling = Tiling::new(tiles.to_vec());
        if !catalogue.index.iter().any(|column| column == ID_COLUMN) {
            index::check_unique(arrangement.context, self.storage, &rows).await?;
        }
        for column in &catalogue.index {
            let missing = |e| Error::new(ErrorKind::Plan, "the column that is to be indexed is not there").source(e);
            let field = arrangement.schema.field_with_name(column).map_err(missing)?;
            let name = paths::index_name(&catalogue.name, column);
            let folder = format!("{}/{name}", self.folder);
            let parts = index::write(arrangement.context, self.storage, &rows, field, &tiling, &folder).await?;
            self.written.extend_from_slice(&parts);
            self.small(&format!("{name}/{}", paths::COMMON_METADATA), schema_file(&index::schema(field), &[])?).await?;
            if let Some(all) = dataset::all_row_groups(self.storage, &folder, &parts).await? {
                self.small(&format!("{name}/{}", paths::METADATA), all).await?;
            }
            let properties = catalogue.index_properties(column, &Extent::of(Vec::new(), &parts));
            self.small(&format!("{name}/{}", paths::CATALOGUE_PROPERTIES), properties).await?;
        }
        Ok(())
    }
}

/// The columns with their units, UCDs and descriptions, and the cuts with the rows that pass them.
fn columns_markdown(catalogue: &Catalogue, schema: &Schema, cuts: &[CutRows]) -> String {
    let mut text = format!("# {} {}\n\n{}\n\n", catalogue.title, catalogue.version, catalogue.description);
    text.push_str("| column | type | unit | UCD | description |\n|---|---|---|---|---|\n");
    for field in schema.fields() {
        let of = |key: &str| field.metadata().get(key).map_or("", String::as_str).replace('|', "\\|");
        let (unit, ucd, description) = (of("unit"), of("ucd"), of("description"));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} | {} | {unit} | {ucd} | {description} |", field.name(), field.data_type());
    }
    if !cuts.is_empty() {
        text.push_str("\n| cut | rows | condition (SQL) |\n|---|---|---|\n");
        for CutRows { name, condition, rows } in cuts {
            let _ = writeln!(text, "| {name} | {rows} | {} |", condition.replace('|', "\\|").replace('\n', " "));
        }
    }
    text
}

/// How to cite the catalogue, and what it rests on.
fn citation(catalogue: &Catalogue) -> String {
    let year = catalogue.created.get(..4).unwrap_or_default();
    let doi = catalogue.doi.as_ref().map(|doi| format!(" https://doi.org/{doi}")).unwrap_or_default();
    let mut text =
        format!("{} ({year}): {}, version {}.{doi}\n", catalogue.creator, catalogue.title, catalogue.version);
    if !catalogue.references.is_empty() {
        text.push_str("\nPlease cite also what it rests on:\n");
        catalogue.references.iter().for_each(|reference| {
            let _ = writeln!(text, "- {reference}");
        });
    }
    text
}
