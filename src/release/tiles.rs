//! HATS tiles: HEALPix pixels of several orders with at most a given number of rows each, which together hold every row
//! once.

use std::{collections::BTreeMap, fmt};

use lamcat_core::schema::healpix::MAX_LEVEL;
use serde::{Deserialize, Serialize};

/// Order of `_healpix_29`.
pub const HEALPIX_ORDER: u8 = MAX_LEVEL;

/// A HEALPix pixel in the NESTED scheme that is one partition of a catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tile {
    /// HEALPix order, 0 to 29.
    pub order: u8,
    /// Pixel, below 12 · 4^order.
    pub pixel: u64,
}

impl Tile {
    /// The tile, if there is such a pixel.
    #[must_use]
    pub fn new(order: u8, pixel: u64) -> Option<Self> {
        (order <= HEALPIX_ORDER && pixel < pixels(order)).then_some(Self { order, pixel })
    }

    /// The first pixel of order 29 in the tile, and the first one after it.
    #[must_use]
    pub fn range(self) -> (i64, i64) {
        let shift = 2 * (HEALPIX_ORDER - self.order);
        ((self.pixel << shift) as i64, ((self.pixel + 1) << shift) as i64)
    }

    /// Whether a pixel of order 29 is in the tile.
    #[must_use]
    pub fn contains(self, healpix_29: i64) -> bool {
        let (start, end) = self.range();
        (start..end).contains(&healpix_29)
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.order, self.pixel)
    }
}

/// Number of pixels of an order.
#[must_use]
pub fn pixels(order: u8) -> u64 {
    12 << (2 * u32::from(order))
}

/// Row counts of pixels of one order; pixels without rows are not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCounts {
    /// HEALPix order of the pixels.
    pub order: u8,
    /// Rows by pixel.
    pub rows: BTreeMap<u64, u64>,
}

impl RowCounts {
    /// Empty counts in pixels of `order`.
    #[must_use]
    pub fn new(order: u8) -> Self {
        Self { order, rows: BTreeMap::new() }
    }

    /// Counts a row.
    pub fn add(&mut self, healpix_29: i64) {
        let pixel = healpix_29 as u64 >> (2 * (HEALPIX_ORDER - self.order));
        *self.rows.entry(pixel).or_default() += 1;
    }

    /// Adds other counts, of the same order or a finer one.
    pub fn merge(&mut self, other: &Self) {
        let shift = 2 * other.order.saturating_sub(self.order);
        for (pixel, rows) in &other.rows {
            *self.rows.entry(pixel >> shift).or_default() += rows;
        }
    }

    /// Number of rows in all pixels.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.rows.values().sum()
    }

    /// The counts in pixels of a coarser order, or unchanged if `order` is not coarser.
    #[must_use]
    pub fn at_order(&self, order: u8) -> Self {
        let mut coarse = Self::new(order.min(self.order));
        coarse.merge(self);
        coarse
    }

    /// Merges pixels until at most `pixels` of them are left, or until they are those of order 0.
    pub fn coarsen(&mut self, pixels: usize) {
        while self.rows.len() > pixels && self.order > 0 {
            *self = self.at_order(self.order - 1);
        }
    }

    /// Whether there are rows in pixels that overlap the pixels of order 29 from `start` up to, but not including,
    /// `end`.
    #[must_use]
    pub fn touches(&self, start: i64, end: i64) -> bool {
        let shift = 2 * (HEALPIX_ORDER - self.order);
        let after = end.saturating_sub(1).max(start) as u64 >> shift;
        self.rows.range(start as u64 >> shift..=after).next().is_some()
    }

    /// Number of rows in the pixels of order 29 from `start` up to, but not including, `end`; both must be at borders
    /// of pixels of these counts.
    #[must_use]
    pub fn between(&self, start: i64, end: i64) -> u64 {
        let shift = 2 * (HEALPIX_ORDER - self.order);
        self.rows.range(start as u64 >> shift..end as u64 >> shift).map(|(_, rows)| rows).sum()
    }

    /// Divides a tile into pieces of at most `max_rows` rows: ranges of pixels of order 29, in the order of the sky. A
    /// pixel of these counts with more rows becomes a single piece.
    #[must_use]
    pub fn pieces(&self, tile: Tile, max_rows: u64) -> Vec<(i64, i64)> {
        let (mut start, end) = tile.range();
        let (first, after) = self.pixels_of(tile);
        let shift = 2 * (HEALPIX_ORDER - self.order);
        let (mut pieces, mut in_piece) = (Vec::new(), 0);
        for (pixel, rows) in self.rows.range(first..after) {
            if in_piece > 0 && in_piece + rows > max_rows {
                let cut = (pixel << shift) as i64;
                pieces.push((start, cut));
                (start, in_piece) = (cut, 0);
            }
            in_piece += rows;
        }
        pieces.push((start, end));
        pieces
    }

    fn pixels_of(&self, tile: Tile) -> (u64, u64) {
        if tile.order <= self.order {
            let shift = 2 * (self.order - tile.order);
            (tile.pixel << shift, (tile.pixel + 1) << shift)
        } else {
            let pixel = tile.pixel >> (2 * (tile.order - self.order));
            (pixel, pixel + 1)
        }
    }

    /// Divides the sky into tiles of at most `max_rows` rows each, which are as large as that allows; their orders are
    /// between `lowest` and that of these counts. A pixel of these counts with more rows becomes a single tile. Tiles
    /// without rows are left out. The tiles are in the order of the sky.
    #[must_use]
    pub fn tiles(&self, lowest: u8, max_rows: u64) -> Vec<Tile> {
        let lowest = lowest.min(self.order);
        let shift = 2 * (self.order - lowest);
        let mut tops: Vec<u64> = self.rows.keys().map(|pixel| pixel >> shift).collect();
        tops.dedup();
        let mut tiles = Vec::new();
        for pixel in tops {
            self.split(Tile { order: lowest, pixel }, max_rows, &mut tiles);
        }
        tiles
    }

    fn split(&self, tile: Tile, max_rows: u64, tiles: &mut Vec<Tile>) {
        let (start, end) = self.pixels_of(tile);
        let rows: u64 = self.rows.range(start..end).map(|(_, rows)| rows).sum();
        if rows == 0 {
            return;
        }
        if rows <= max_rows || tile.order == self.order {
            tiles.push(tile);
            return;
        }
        for child in 4 * tile.pixel..4 * tile.pixel + 4 {
            self.split(Tile { order: tile.order + 1, pixel: child }, max_rows, tiles);
        }
    }
}

/// Tiles that do not overlap, in which the tile of a pixel can be found.
#[derive(Debug, Clone)]
pub struct Tiling {
    tiles: Vec<Tile>,
}

impl Tiling {
    /// Creates the tiling of these tiles, which may be in any order.
    #[must_use]
    pub fn new(mut tiles: Vec<Tile>) -> Self {
        tiles.sort_by_key(|tile| tile.range());
        Self { tiles }
    }

    /// The tiles in the order of the sky.
    #[must_use]
    pub fn tiles(&self) -> &[Tile] {
        &self.tiles
    }

    /// The tile that contains a pixel of order 29.
    #[must_use]
    pub fn find(&self, healpix_29: i64) -> Option<Tile> {
        let after = self.tiles.partition_point(|tile| tile.range().0 <= healpix_29);
        let tile = *self.tiles.get(after.checked_sub(1)?)?;
        tile.contains(healpix_29).then_some(tile)
    }

    /// The tiles that overlap the pixels of order 29 from `start` up to, but not including, `end`.
    #[must_use]
    pub fn overlapping(&self, start: i64, end: i64) -> &[Tile] {
        let first = self.tiles.partition_point(|tile| tile.range().1 <= start);
        let last = self.tiles.partition_point(|tile| tile.range().0 < end);
        &self.tiles[first..last.max(first)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_row_is_in_one_tile_and_no_tile_is_too_full(
            rows in prop::collection::vec(0i64..(12i64 << 58), 1..400), lowest in 0u8..3, max in 1u64..50,
        ) {
            let mut counts = RowCounts::new(4);
            for row in &rows {
                counts.add(*row);
            }
            let mut coarse = counts.clone();
            coarse.coarsen(20);
            prop_assert_eq!(coarse.total(), counts.total());
            prop_assert!(coarse.rows.len() <= 20);
            prop_assert!(coarse.order == 4 || counts.at_order(coarse.order + 1).rows.len() > 20);
            let tiling = Tiling::new(counts.tiles(lowest, max));
            prop_assert!(tiling.tiles().windows(2).all(|w| w[0].range().1 <= w[1].range().0));
            for tile in tiling.tiles() {
                let inside = rows.iter().filter(|r| tile.contains(**r)).count() as u64;
                prop_assert!(inside > 0 && (inside <= max || tile.order == 4) && tile.order >= lowest);
                let parent = Tile { order: tile.order.saturating_sub(1), pixel: tile.pixel >> 2 };
                let around = rows.iter().filter(|r| parent.contains(**r)).count() as u64;
                prop_assert!(tile.order == lowest || around > max, "a larger tile would do");
            }
            for tile in tiling.tiles() {
                let pieces = counts.pieces(*tile, max);
                prop_assert_eq!((pieces[0].0, pieces[pieces.len() - 1].1), tile.range());
                prop_assert!(pieces.windows(2).all(|w| w[0].1 == w[1].0));
                for (start, end) in pieces {
                    let inside = rows.iter().filter(|r| (start..end).contains(*r)).count() as u64;
                    prop_assert_eq!(counts.between(start, end), inside);
                    prop_assert!(inside <= max || end - start <= 1 << 50, "{inside} rows in {start}..{end}");
                    prop_assert!(inside == 0 || counts.touches(start, end));
                    prop_assert!(inside == 0 || coarse.touches(start, end));
                }
            }
            for row in rows {
                prop_assert!(tiling.find(row).is_some_and(|t| t.contains(row)));
            }
        }
    }
}
