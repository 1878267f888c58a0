//! The style of all drawings: their units, the size of their text, the colour of their grid.

use plotters::{
    coord::Shift,
    prelude::{DrawingArea, SVGBackend},
    style::RGBColor,
};

/// Drawing units per pixel of the image. Coordinates are whole units.
pub(super) const UNIT: i32 = 2;
/// Size of the text, in units.
pub(super) const FONT: i32 = 17 * UNIT;
/// Colour of grid lines.
pub(super) const GRID: RGBColor = RGBColor(225, 225, 225);

/// The result of drawing a part.
pub(super) type Drawn = std::result::Result<(), Box<dyn std::error::Error>>;
/// A part of the image, in units.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
