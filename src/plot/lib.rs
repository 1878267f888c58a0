//! Charts as SVG images: plain numbers in, a picture out.
//!
//! A [`Chart`] has two [`Axis`] descriptions and [`Series`] of [`Marks`]. Values that are not finite, and on a
//! logarithmic axis those that are not positive, are left out; in a line or a band they make a gap.
//!
//! ```
//! use lamcat::plot::{Axis, Chart, Colour, Marks, Series};
//!
//! let curve = (0..100).map(|i| f64::from(i) / 10.0).map(|x| (x, x.sin())).collect();
//! let chart = Chart {
//!     x: Axis::new("phase"),
//!     y: Axis::new("flux"),
//!     series: vec![Series::new("a star", Marks::Line(curve), Colour::Palette(0))],
//!     ..Chart::default()
//! };
//! assert!(chart.svg()?.starts_with("<svg"));
//! # Ok::<_, lamcat::error::Error>(())
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

/// What is drawn: series on two axes, with a legend of their names and a bar of their colours at the right.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// Heading; none if empty.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// Quantity that [`Colour::Scale`] and the third values of [`Marks::ColouredPoints`] and [`Marks::HeatMap`] stand
    /// for: the label of the colour bar, which is left out if this is empty.
    pub colour: String,
    /// Whether the colours follow the logarithm; what has none is left out.
    pub log_colour: bool,
    /// Whether the image is small, with text as large as ever: for pictures side by side.
    pub compact: bool,
    /// What is drawn, in this order.
    pub series: Vec<Series>,
}

/// An axis; its limits follow from the data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// Whether the axis is logarithmic.
    pub log: bool,
    /// Whether values grow to the left, or downwards.
    pub inverted: bool,
}

impl Axis {
    /// A linear axis.
    #[must_use]
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }
}

/// Marks of one look.
#[derive(Debug, Clone)]
pub struct Series {
    /// Name in the legend; not listed if empty.
    pub name: String,
    /// What is drawn.
    pub marks: Marks,
    /// Its colour; coloured points and heat maps have their own.
    pub colour: Colour,
}

impl Series {
    /// A named series.
    #[must_use]
    pub fn new(name: impl Into<String>, marks: Marks, colour: Colour) -> Self {
        Self { name: name.into(), marks, colour }
    }
}

/// What a series draws.
#[derive(Debug, Clone)]
pub enum Marks {
    /// A line through (x, y) in the given order.
    Line(Vec<(f64, f64)>),
    /// A dot at each (x, y); of more than 5000 every n-th is drawn.
    Points(Vec<(f64, f64)>),
    /// A dot at each (x, y), coloured by the third value; of more than 5000 every n-th is drawn.
    ColouredPoints(Vec<(f64, f64, f64)>),
    /// The area between (x, low) and (x, high), in the order of x.
    Band(Vec<(f64, f64, f64)>),
    /// A bar from the first x to the second, as high as the third value; see [`histogram`].
    Bars(Vec<(f64, f64, f64)>),
    /// A cell about each (x, y), coloured by the third value; cells reach halfway to their neighbours.
    HeatMap(Vec<(f64, f64, f64)>),
}
