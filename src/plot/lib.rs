//! Charts as SVG images: plain numbers in, a picture out.
//!
//! A [`Chart`] has two [`Axis`] descriptions and [`Series`] of [`Marks`]. Values that are not finite are left out, and
//! on a logarithmic axis also those that are not positive; in a line or a band they make a gap.
//!
//! ```
//! use lamcat_plot::{Axis, Chart, Colour, Marks, Series};
//!
//! let curve = (0..100).map(|i| f64::from(i) / 10.0).map(|x| (x, x.sin())).collect();
//! let chart = Chart {
//!     x: Axis::new("phase"),
//!     y: Axis::new("flux"),
//!     series: vec![Series::new("a star", Marks::Line(curve), Colour::Palette(0))],
//!     ..Chart::default()
//! };
//! assert!(chart.svg()?.starts_with("<svg"));
//! # Ok::<_, lamcat_core::error::Error>(())
//! ```

mod colour;
mod draw;
mod histogram;
mod legend;
mod mollweide;
mod page;
mod scale;
mod sky_map;
mod style;
mod timeline;

pub use colour::Colour;
pub use histogram::histogram;
pub use mollweide::mollweide;
pub use page::{Picture, digits, html_page, page, table};
pub use sky_map::SkyMap;
pub use timeline::{Span, Timeline};

/// A chart: series on two axes, with a legend of their names and a colour bar at the right.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// Heading; empty for none.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// Quantity of [`Colour::Scale`] and of the third values of [`Marks::ColouredPoints`] and [`Marks::HeatMap`]: the
    /// label of the colour bar, which is left out if this is empty.
    pub colour: String,
    /// Whether the colour scale is logarithmic; values without a logarithm are left out.
    pub log_colour: bool,
    /// Whether the image is small, with text of the usual size, for pictures side by side.
    pub compact: bool,
    /// The series, in drawing order.
    pub series: Vec<Series>,
}

/// An axis; its limits follow from the data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// Whether the scale is logarithmic.
    pub log: bool,
    /// Whether values increase to the left, or downwards.
    pub inverted: bool,
}

impl Axis {
    /// Returns a linear axis.
    #[must_use]
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }
}

/// Marks that are drawn in the same style.
#[derive(Debug, Clone)]
pub struct Series {
    /// Name in the legend; empty to leave the series out of the legend.
    pub name: String,
    /// The marks.
    pub marks: Marks,
    /// Its colour; ignored for coloured points and heat maps, which have their own colours.
    pub colour: Colour,
}

impl Series {
    /// Returns a named series.
    #[must_use]
    pub fn new(name: impl Into<String>, marks: Marks, colour: Colour) -> Self {
        Self { name: name.into(), marks, colour }
    }
}

/// The marks of a series.
#[derive(Debug, Clone)]
pub enum Marks {
    /// A line through (x, y) in the given order.
    Line(Vec<(f64, f64)>),
    /// A dot at each (x, y); if there are more than 5000, only every n-th is drawn.
    Points(Vec<(f64, f64)>),
    /// A dot at each (x, y), coloured by the third value; if there are more than 5000, only every n-th is drawn.
    ColouredPoints(Vec<(f64, f64, f64)>),
    /// The area between (x, low) and (x, high), in the order of x.
    Band(Vec<(f64, f64, f64)>),
    /// A bar from the first x to the second, as high as the third value; see [`histogram`].
    Bars(Vec<(f64, f64, f64)>),
    /// A cell around each (x, y), coloured by the third value; cells extend halfway to their neighbours.
    HeatMap(Vec<(f64, f64, f64)>),
}
