//! What a collection has besides the leaves of its main catalogue, in parts that take long: each is made once, by one of
//! the runners that work on the release.

use std::{fmt, time::Instant};

use serde::{Deserialize, Serialize};

use super::{
    arrange::TileClaim,
    assemble::Assembly,
    attempt::Attempt,
    catalogue::{Catalogue, ID_COLUMN},
    cuts::CutRows,
    parquet_file::Written,
    tiles::Tile,
};
use crate::error::Result;

/// A part of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The rows of others near a tile: its leaf in the margin.
    Margin(Tile),
    /// The index of a column, by its place among those that have one.
    Index(usize),
    /// That no identifier stands twice, which an index of them says too.
    Unique,
    /// The maps of the sky, a row of every tile, the footers of all leaves.
    Main,
    /// The rows that pass each cut.
    Cuts,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Margin(tile) => write!(f, "margin-{tile}"),
            Self::Index(place) => write!(f, "index-{place}"),
            Self::Unique => write!(f, "unique"),
            Self::Main => write!(f, "main"),
            Self::Cuts => write!(f, "cuts"),
        }
    }
}

/// The claim of a part: its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartClaim {
    /// Name of the part.
    pub part: String,
    /// What was written.
    pub files: Vec<Written>,
    /// The rows that pass each cut, if that is the part.
    pub cuts: Vec<CutRows>,
    /// Seconds the attempt took.
    pub seconds: f64,
    /// Whose attempt it was.
    pub attempt: Option<Attempt>,
}

/// The parts of a collection whose tiles are done, those that take longest first.
#[must_use]
pub fn parts(catalogue: &Catalogue, tiles: &[TileClaim]) -> Vec<Part> {
    let mut parts: Vec<Part> = (0..catalogue.index.len()).map(Part::Index).collect();
    if !catalogue.index.iter().any(|column| column == ID_COLUMN) {
        parts.push(Part::Unique);
    }
    parts.extend([Part::Main, Part::Cuts]);
    if catalogue.margin().is_some() {
        parts.extend(margin_tiles(tiles).into_iter().map(Part::Margin));
    }
    parts
}

/// The tiles that have rows of others in their margin, in the order of the sky.
pub(super) fn margin_tiles(tiles: &[TileClaim]) -> Vec<Tile> {
    let mut near: Vec<Tile> = tiles.iter().flat_map(|claim| claim.neighbours.iter().copied()).collect();
    near.sort_by_key(|tile| tile.range());
    near.dedup();
    near
}

impl Assembly<'_> {
    /// Makes a part.
    ///
    /// # Errors
    /// If the claims' files cannot be read or lack rows, an identifier stands twice, or the store cannot be written to.
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

    /// Whether the claim of a part says what the stage before says.
    #[must_use]
    pub fn fits(&self, part: Part, claim: &PartClaim) -> bool {
        let rows: u64 = claim.files.iter().map(|file| file.rows).sum();
        let wanted: u64 = match part {
            Part::Margin(tile) => self.tiles.iter().map(|claim| claim.rows_near(tile)).sum(),
            Part::Index(_) => self.arrangement.counts.total(),
            // Of each leaf a row.
            Part::Main => self.tiles.len() as u64,
            Part::Unique | Part::Cuts => 0,
        };
        claim.part == part.to_string() && rows == wanted
    }
}
