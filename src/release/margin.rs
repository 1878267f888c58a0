//! The margin: copies of the rows just outside each tile, so that a crossmatch of one tile misses no neighbour.
//!
//! A row belongs to the margin of a tile if its cell touches the tile from outside, where cells are the pixels of the
//! finest order whose mean size is at least 1.6 times the threshold. This is the rule of hats-import 0.11, and it
//! includes every row within the threshold. Parts of the sky without tiles have margins too, which are named after the
//! coarsest pixels that fill them: sources of another catalogue may lie there.

use cdshealpix::nested;
use lamcat_core::error::{Error, ErrorKind, Result};

use super::tiles::{HEALPIX_ORDER, Tile, Tiling};

/// Mean size of a cell divided by the threshold; the narrowest cells have 0.68 of the mean size.
const SAFETY: f64 = 1.6;

/// Decides which rows are in the margins of which tiles.
#[derive(Debug, Clone)]
pub struct Margin {
    order: u8,
    sky: Tiling,
}

impl Margin {
    /// The margin of a catalogue with these tiles, for a threshold in arcseconds.
    ///
    /// # Errors
    /// If the threshold is not positive or too large for the finest of the tiles.
    pub fn new(tiling: &Tiling, arcsec: f64) -> Result<Self> {
        let finest = tiling.tiles().iter().map(|tile| tile.order).max().unwrap_or(0);
        let size = (arcsec * SAFETY / 3600.0).to_radians();
        let order = ((std::f64::consts::PI / 3.0).sqrt() / size).log2();
        if !(order.is_finite() && order >= f64::from(finest) + 1.0) {
            let error = Error::new(ErrorKind::Config, "the margin is too wide for the tiles");
            return Err(error
                .at("margin", format!("{arcsec} arcsec"))
                .at("finest tiles", format!("order {finest}"))
                .hint("a smaller margin_arcsec, or a smaller highest_order"));
        }
        let mut tiles = tiling.tiles().to_vec();
        for pixel in 0..12 {
            fill(Tile { order: 0, pixel }, tiling, &mut tiles);
        }
        Ok(Self { order: (order as u8).min(HEALPIX_ORDER), sky: Tiling::new(tiles) })
    }

    /// Sets `found` to the tiles in whose margin a row of the tile `own` lies, each once, in the order of the sky.
    pub fn tiles_of(&self, own: Tile, healpix_29: i64, found: &mut Vec<Tile>) {
        found.clear();
        let cell = healpix_29 as u64 >> (2 * (HEALPIX_ORDER - self.order));
        if self.is_interior(own, cell) {
            return;
        }
        let shift = 2 * (HEALPIX_ORDER - self.order);
        for neighbour in nested::neighbours(self.order, cell, false).values_vec() {
            let tile = self.sky.find((neighbour << shift) as i64);
            found.extend(tile.filter(|tile| *tile != own));
        }
        found.sort_by_key(|tile| tile.range());
        found.dedup();
    }

    /// Whether a cell does not touch the border of its tile: neither of its coordinates in the tile, which are the even
    /// and the odd bits of its number, is the first or the last.
    fn is_interior(&self, own: Tile, cell: u64) -> bool {
        const EVEN: u64 = 0x5555_5555_5555_5555;
        let inside = (1u64 << (2 * (self.order - own.order))) - 1;
        [EVEN, !EVEN].into_iter().all(|bits| {
            let coordinate = cell & inside & bits;
            coordinate != 0 && coordinate != inside & bits
        })
    }
}

/// Adds the coarsest pixels that cover the part of `tile` without tiles.
fn fill(tile: Tile, tiling: &Tiling, found: &mut Vec<Tile>) {
    let (start, end) = tile.range();
    match tiling.overlapping(start, end) {
        [] => found.push(tile),
        [one] if one.order <= tile.order => {}
        _ => (4 * tile.pixel..4 * tile.pixel + 4)
            .for_each(|pixel| fill(Tile { order: tile.order + 1, pixel }, tiling, found)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn tiling() -> Tiling {
        // Base pixel 4 split to order 2 at its first corner; nothing in base pixel 9.
        let mut tiles: Vec<Tile> =
            (0..12).filter(|p| ![4, 9].contains(p)).map(|p| Tile { order: 0, pixel: p }).collect();
        tiles.extend((17..20).map(|pixel| Tile { order: 1, pixel }));
        tiles.extend((64..68).map(|pixel| Tile { order: 2, pixel }));
        Tiling::new(tiles)
    }

    #[test]
    fn the_sky_is_filled_without_overlap() {
        let margin = Margin::new(&tiling(), 10.0).unwrap();
        let sky = margin.sky.tiles();
        assert!(sky.windows(2).all(|w| w[0].range().1 == w[1].range().0));
        assert_eq!((sky[0].range().0, sky[sky.len() - 1].range().1), (0, 12 << 58));
        assert!(sky.contains(&Tile { order: 0, pixel: 9 }));
        assert_eq!(margin.order, 13);
    }

    #[test]
    fn a_margin_is_the_ring_of_cells_round_the_tile() {
        let tiling = tiling();
        let margin = Margin::new(&tiling, 600.0).unwrap();
        assert_eq!(margin.order, 7);
        let shift = 2 * (HEALPIX_ORDER - margin.order);
        let mut found = Vec::new();
        for target in margin.sky.tiles() {
            let delta = margin.order - target.order;
            let ring: HashSet<u64> =
                nested::external_edge_sorted(target.order, target.pixel, delta).iter().copied().collect();
            for cell in 0..cdshealpix::n_hash(margin.order) {
                let healpix_29 = (cell << shift) as i64;
                let Some(own) = margin.sky.find(healpix_29).filter(|own| own != target) else { continue };
                margin.tiles_of(own, healpix_29, &mut found);
                assert_eq!(found.contains(target), ring.contains(&cell), "{target} {cell}");
            }
        }
    }

    #[test]
    fn a_margin_wider_than_the_tiles_is_refused() {
        let fine = Tiling::new(vec![Tile { order: 12, pixel: 5 }]);
        assert!(Margin::new(&fine, 60.0).is_err());
        assert!(Margin::new(&fine, 0.0).is_err() && Margin::new(&fine, f64::NAN).is_err());
    }
}
