//! Writes everything in the collection besides its leaves: margin, index, properties, maps, schema and manifest.
//!
//! Every file depends only on the claims, byte for byte, so two runners that assemble at the same time write the same
//! files.

use std::{collections::HashSet, fmt::Write, time::Instant};

use arrow::datatypes::Schema;
use bytes::Bytes;
use lamcat_core::error::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    arrange::{Arrangement, TileClaim},
    attempt::Attempt,
    catalogue::{Catalogue, Extent, partition_info},
    cuts::{self, CutRows},
    damage::{Source, miscounted, withdraw_damaged},
    dataset, index,
    parquet_file::{Effort, TableWriter, Written, schema_file},
    parts::{Part, PartClaim, margin_tiles},
    paths, sky,
    storage::{Storage, json},
    tiles::{Tile, Tiling},
    units::{self, UnitTotals},
};

/// The contents of a release: every file with its hash. It is written last; a folder without it is not a release.
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
    /// The rows that the units read and returned; `None` in releases of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<UnitTotals>,
    /// All files except this one, sorted by path; paths are relative to the release's folder.
    pub files: Vec<Written>,
}

impl Manifest {
    /// Identifies this manifest: the hash of its contents.
    #[must_use]
    pub fn identity(&self) -> String {
        format!("{:x}", Sha256::digest(json(self)))
    }

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

/// A collection whose tiles are done and which is about to be assembled.
pub struct Assembly<'a> {
    /// The arrangement that the tiles were made with.
    pub arrangement: Arrangement<'a>,
    /// The catalogue that is to be published.
    pub catalogue: &'a Catalogue,
    /// Folder of the release.
    pub folder: &'a str,
    /// The tiles.
    pub tiles: &'a [TileClaim],
}

impl Assembly<'_> {
    /// Makes a part.
    ///
    /// # Errors
    /// If the files named in the claims cannot be read or lack rows, an identifier occurs twice, or the store cannot be
    /// written to.
    pub async fn make(&self, part: Part) -> Result<PartClaim> {
        let (begun, attempt) = (Instant::now(), Some(Attempt::begin()));
        let (files, cuts) = match part {
            Part::Margin(tile) => (self.margin_leaf(tile).await?, Vec::new()),
            Part::Index(place) => (self.index(place).await?, Vec::new()),
            Part::Unique => (self.unique().await?, Vec::new()),
            Part::Main => (self.read_leaves(self.main().await).await?, Vec::new()),
            Part::Cuts => (Vec::new(), self.read_leaves(self.cuts().await).await?),
        };
        let seconds = begun.elapsed().as_secs_f64();
        Ok(PartClaim { part: part.to_string(), files, cuts, seconds, attempt })
    }

    /// Whether the claim of a part agrees with the claims of the tiles.
    #[must_use]
    pub fn fits(&self, part: Part, claim: &PartClaim) -> bool {
        let rows: u64 = claim.files.iter().map(|file| file.rows).sum();
        let wanted: u64 = match part {
            Part::Margin(tile) => self.tiles.iter().map(|claim| claim.rows_near(tile)).sum(),
            Part::Index(_) => self.arrangement.counts.total(),
            // One row for each leaf.
            Part::Main => self.tiles.len() as u64,
            Part::Unique | Part::Cuts => 0,
        };
        claim.part == part.to_string() && rows == wanted
    }

    /// Writes what is left once all [parts](super::parts) are made. Returns the manifest, which it writes as well.
    ///
    /// # Errors
    /// If rows are missing, or the store fails.
    pub async fn finish(&self, parts: Vec<PartClaim>) -> Result<Manifest> {
        let Self { arrangement, catalogue, folder, tiles } = self;
        let mut files = self.files();
        let leaves = self.leaves();
        let main = Extent::of(tiles.iter().map(|claim| claim.tile).collect(), &leaves);
        let made = UnitTotals::of(arrangement.units);
        if main.rows != made.given.rows {
            return Err(miscounted(main.rows, made.given.rows).at("tiles", main.tiles.len()));
        }
        if let (Some(name), Some(arcsec)) = (catalogue.margin(), catalogue.margin_arcsec) {
            let margin = self.margin(&mut files, &parts, &name, arcsec).await;
            self.read_parts(margin, &parts).await?;
        }
        files.written.extend(leaves);
        let mut cuts = Vec::new();
        for part in parts {
            files.written.extend(part.files);
            cuts.extend(part.cuts);
        }
        files.small(paths::UNITS, units::list(arrangement.units)).await?;
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
        let manifest = Manifest { name, version, job, rows: main.rows, cuts, units: Some(made), files: listed };
        arrangement.storage.put(&format!("{folder}/{}", paths::MANIFEST), json(&manifest)).await?;
        Ok(manifest)
    }

    /// Like [`Assembly::read_leaves`], for the files of the parts.
    async fn read_parts(&self, read: Result<()>, parts: &[PartClaim]) -> Result<()> {
        let Err(e) = read else { return Ok(()) };
        let files = parts.iter().flat_map(|claim| {
            let claim_path = self.arrangement.job.part_claim(&claim.part);
            claim.files.iter().map(move |file| Source { claim: claim_path.clone(), file })
        });
        Err(withdraw_damaged(self.arrangement.storage, files.collect(), !e.is_retryable()).await?.unwrap_or(e))
    }

    fn files(&self) -> Files<'_> {
        Files { storage: self.arrangement.storage, folder: self.folder, written: Vec::new() }
    }

    fn leaves(&self) -> Vec<Written> {
        self.tiles.iter().map(|claim| claim.leaf.clone()).collect()
    }

    /// Passes on the result of reading the leaves. If reading failed, the claims of damaged leaves are withdrawn.
    pub(super) async fn read_leaves<T>(&self, read: Result<T>) -> Result<T> {
        let Err(e) = read else { return read };
        let leaves = self.tiles.iter().map(|claim| {
            let claim_path = self.arrangement.job.tile_claim(claim.tile);
            Source { claim: claim_path, file: &claim.leaf }
        });
        Err(withdraw_damaged(self.arrangement.storage, leaves.collect(), !e.is_retryable()).await?.unwrap_or(e))
    }

    /// Writes the files of the main catalogue besides its leaves.
    pub(super) async fn main(&self) -> Result<Vec<Written>> {
        let (mut files, leaves) = (self.files(), self.leaves());
        let extent = Extent::of(self.tiles.iter().map(|claim| claim.tile).collect(), &leaves);
        files.main(&self.arrangement, self.catalogue, &extent, &leaves).await?;
        Ok(files.written)
    }

    /// Writes the leaf of a tile in the margin catalogue.
    pub(super) async fn margin_leaf(&self, tile: Tile) -> Result<Vec<Written>> {
        let folder = format!("{}/{}", self.folder, self.catalogue.margin().unwrap_or_default());
        Ok(vec![self.arrangement.write_margin(&folder, tile, self.tiles).await?])
    }

    /// Writes the files of the margin besides its leaves, which are among `parts`.
    async fn margin(&self, files: &mut Files<'_>, parts: &[PartClaim], name: &str, arcsec: f64) -> Result<()> {
        let targets = margin_tiles(self.tiles);
        let names: HashSet<String> = targets.iter().map(|tile| Part::Margin(*tile).to_string()).collect();
        let leaves = parts.iter().filter(|claim| names.contains(&claim.part));
        let leaves: Vec<Written> = leaves.flat_map(|claim| claim.files.iter().cloned()).collect();
        files.dataset(&self.arrangement, name, &leaves).await?;
        let extent = Extent::of(targets, &leaves);
        files.small(&format!("{name}/{}", paths::PARTITION_INFO), partition_info(&extent.tiles)).await?;
        let properties = self.catalogue.margin_properties(&extent, name, arcsec);
        files.small(&format!("{name}/{}", paths::CATALOGUE_PROPERTIES), properties).await
    }

    /// Writes the index of one of the indexed columns.
    pub(super) async fn index(&self, place: usize) -> Result<Vec<Written>> {
        let Self { arrangement, catalogue, .. } = self;
        let column = &catalogue.index[place];
        let missing = |e| Error::new(ErrorKind::Plan, "the column that is to be indexed is not there").source(e);
        let field = arrangement.schema.field_with_name(column).map_err(missing)?;
        let name = paths::index_name(&catalogue.name, column);
        let folder = format!("{}/{name}", self.folder);
        let tiling = Tiling::new(self.tiles.iter().map(|claim| claim.tile).collect());
        let (context, mut files) = (arrangement.context, self.files());
        let parts = index::write(context, arrangement.storage, &self.unit_rows(), field, &tiling, &folder).await;
        let parts = arrangement.all_rows(parts).await?;
        files.written.extend_from_slice(&parts);
        files.small(&format!("{name}/{}", paths::COMMON_METADATA), schema_file(&index::schema(field), &[])?).await?;
        if let Some(all) = dataset::all_row_groups(arrangement.storage, &folder, &parts).await? {
            files.small(&format!("{name}/{}", paths::METADATA), all).await?;
        }
        let properties = catalogue.index_properties(column, &Extent::of(Vec::new(), &parts));
        files.small(&format!("{name}/{}", paths::CATALOGUE_PROPERTIES), properties).await?;
        Ok(files.written)
    }

    /// Checks that no identifier occurs twice.
    pub(super) async fn unique(&self) -> Result<Vec<Written>> {
        let Arrangement { context, storage, .. } = self.arrangement;
        index::check_unique(context, storage, &self.unit_rows()).await?;
        Ok(Vec::new())
    }

    fn unit_rows(&self) -> Vec<&Written> {
        self.arrangement.units.iter().filter_map(|unit| unit.rows.as_ref()).collect()
    }

    /// Counts the rows that pass each cut.
    pub(super) async fn cuts(&self) -> Result<Vec<CutRows>> {
        cuts::count(&self.arrangement, &self.leaves(), &self.catalogue.cuts).await
    }
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

/// How to cite the catalogue, and which works it builds on.
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
