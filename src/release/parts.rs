//! The slow parts of a collection besides the leaves of its main catalogue. Each is made once, by one of the runners
//! that work on the release.

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
    /// The margin of a tile: the leaf with the rows of other tiles near it.
    Margin(Tile),
    /// The index of a column, given by the column's number among the indexed ones.
    Index(usize),
    /// The check that no identifier occurs twice, if there is no index of identifiers, which would check that too.
    Unique,
    /// The maps of the sky, one row of every tile, and the footers of all leaves.
    Main,
    /// The number of rows that pass each cut.
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
    /// The rows that pass each cut, if this is the part [`Part::Cuts`].
    pub cuts: Vec<CutRows>,
    /// Seconds the attempt took.
    pub seconds: f64,
    /// The attempt that made the files.
    pub attempt: Option<Attempt>,
}

/// The parts of a collection whose tiles are done; the slowest come first.
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

/// The tiles whose margins have rows, in the order of the sky.
pub(super) fn margin_tiles(tiles: &[TileClaim]) -> Vec<Tile> {
    let mut near: Vec<Tile> = tiles.iter().flat_map(|claim| claim.neighbours.iter().copied()).collect();
    near.sort_by_key(|tile| tile.range());
    near.dedup();
    near
}
