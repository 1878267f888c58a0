//! Maps of a catalogue on the sky: the number of rows in every pixel, and the part of the sky that has rows.

use cdshealpix::nested::map::{
    fits::write::{write_explicit_skymap_fits, write_implicit_skymap_fits_from_it},
    skymap::explicit::ExplicitSkyMapBTree,
};
use lamcat_core::error::{Error, ErrorKind, Result};
use moc::{
    moc::{RangeMOCIntoIterator, RangeMOCIterator, range::RangeMOC},
    qty::Hpx,
};

use super::tiles::{RowCounts, pixels};

/// The number of rows in every pixel, as a FITS map: of all pixels, or only of those with rows if they are fewer than
/// half.
///
/// # Errors
/// Never, for counts of an order that HEALPix has.
pub fn skymap(counts: &RowCounts) -> Result<Vec<u8>> {
    let rows = counts.rows.iter().map(|(pixel, rows)| (*pixel, *rows as i64));
    let mut bytes = Vec::new();
    let written = if (counts.rows.len() as u64) < pixels(counts.order) / 2 {
        write_explicit_skymap_fits(&mut bytes, &ExplicitSkyMapBTree::new(counts.order, rows.collect()))
    } else {
        let of = |pixel| counts.rows.get(&pixel).map_or(0, |rows| *rows as i64);
        write_implicit_skymap_fits_from_it(&mut bytes, counts.order, (0..pixels(counts.order)).map(of))
    };
    written.map_err(|e| failed(&e))?;
    Ok(bytes)
}

/// The pixels with rows as a FITS MOC.
///
/// # Errors
/// Never, for counts of an order that HEALPix has.
pub fn coverage(counts: &RowCounts) -> Result<Vec<u8>> {
    let cells = counts.rows.keys().copied();
    let moc: RangeMOC<u64, Hpx<u64>> = RangeMOC::from_fixed_depth_cells(counts.order, cells, None);
    let mut bytes = Vec::new();
    moc.into_range_moc_iter().to_fits_ivoa(None, None, &mut bytes).map_err(|e| failed(&e))?;
    Ok(bytes)
}

fn failed(e: &impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Io, "cannot write the map of the sky").source(e.to_string())
}
