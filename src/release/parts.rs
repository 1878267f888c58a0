//! What a collection has besides the leaves of its main catalogue, in parts that take long: each is made once, by one of
//! the runners that work on the release.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    arrange::TileClaim,
    attempt::Attempt,
    catalogue::{Catalogue, ID_COLUMN},
    cuts::CutRows,
    parquet_file::Written,
    tiles::Tile,
};

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
    /// The files that were written.
    pub files: Vec<Written>,
    /// The rows that pass each cut, if that is the part.
    pub cuts: Vec<CutRows>,
    /// Seconds the attempt took.
    pub seconds: f64,
    /// The attempt that made them.
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
