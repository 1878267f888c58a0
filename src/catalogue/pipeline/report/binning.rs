//! Decides which quantities of a release are counted, and in which bins.

use lamcat_core::error::Result;
use lamcat_release::{Storage, catalogue::HEALPIX_COLUMN, summary::FLAGS_COLUMN};

use super::{
    axis_range::{AxisRange, sample},
    contents::{Contents, Diagram, Label},
    quantity::Quantity,
};

/// Largest number of bins of a histogram, and of cells along each axis of a diagram. Releases with few rows get fewer,
/// but not fewer than `LEAST`.
const MOST_BINS: usize = 60;
const MOST_COLUMNS: usize = 72;
const MOST_ROWS: usize = 48;
const LEAST: usize = 12;
/// The bins for pulls; whole numbers are edges of bins.
pub(super) const PULLS: AxisRange = AxisRange { low: -5.0, high: 5.0, log: false, bins: 50 };

/// The quantities that are counted, and their bins.
#[derive(Debug, Clone, Default)]
pub(super) struct Binning {
    /// Quantities with the bins of their values; for a quantity without bins only quantiles are computed.
    pub(super) bins: Vec<(Quantity, Option<AxisRange>)>,
    /// Pairs of quantities with the cells of their values.
    pub(super) grids: Vec<[(Quantity, AxisRange); 2]>,
}

impl Binning {
    /// Every quantity that has to be read.
    pub(super) fn quantities(&self) -> Vec<Quantity> {
        let marks = [HEALPIX_COLUMN, FLAGS_COLUMN].map(|name| Quantity::Column(name.to_owned()));
        let cells = self.grids.iter().flatten().map(|(quantity, _)| quantity.clone());
        self.bins.iter().map(|(quantity, _)| quantity.clone()).chain(cells).chain(marks).collect()
    }

    /// The same bins, without the diagrams, for another release.
    pub(super) fn without_diagrams(&self) -> Self {
        Self { bins: self.bins.clone(), grids: Vec::new() }
    }

    /// Index of a quantity's bins.
    pub(super) fn bins_of(&self, quantity: &Quantity) -> Option<usize> {
        self.bins.iter().position(|(other, _)| other == quantity)
    }

    /// Index of a pair's diagram.
    pub(super) fn grid_of(&self, pair: &[Quantity; 2]) -> Option<usize> {
        self.grids.iter().position(|[x, y]| x.0 == pair[0] && y.0 == pair[1])
    }
}

/// The bins for a release with `contents` and `rows` rows. Their ranges are taken from samples of `leaves`, which
/// belong to the release and to the one before it.
///
/// # Errors
/// If a leaf cannot be read.
pub(super) async fn binning(
    storage: &Storage,
    leaves: [&[String]; 2],
    contents: &Contents,
    rows: u64,
) -> Result<Binning> {
    let singles: Vec<Quantity> = values(contents).chain(contents.labels.iter().filter_map(Label::errors)).collect();
    let pairs: Vec<[Quantity; 2]> = diagrams(contents).collect();
    let mut all: Vec<Quantity> = Vec::new();
    for quantity in singles.iter().chain(pairs.iter().flatten()) {
        if !all.contains(quantity) {
            all.push(quantity.clone());
        }
    }
    let mut samples = sample(storage, leaves[0], &all).await?;
    for (own, more) in samples.iter_mut().zip(sample(storage, leaves[1], &all).await?) {
        own.extend(more);
    }
    let mut range = |quantity: &Quantity, bins: usize| {
        let at = all.iter().position(|other| other == quantity)?;
        AxisRange::of(&mut samples[at], bins)
    };
    let root = (rows as f64).sqrt();
    let bins = bounded(3.0 * (rows as f64).cbrt(), MOST_BINS);
    let cells = [bounded(1.5 * root, MOST_COLUMNS), bounded(root, MOST_ROWS)];
    let mut binning = Binning::default();
    for quantity in singles {
        let range = range(&quantity, bins);
        binning.bins.push((quantity, range));
    }
    binning.bins.extend(contents.labels.iter().filter_map(Label::pull).map(|pull| (pull, Some(PULLS))));
    for [x, y] in pairs {
        if let (Some(columns), Some(rows)) = (range(&x, cells[0]), range(&y, cells[1])) {
            binning.grids.push([(x, columns), (y, rows)]);
        }
    }
    Ok(binning)
}

fn bounded(wanted: f64, most: usize) -> usize {
    (wanted as usize).clamp(LEAST, most)
}

/// The quantities with histograms of their values.
fn values(contents: &Contents) -> impl Iterator<Item = Quantity> {
    contents.labels.iter().chain(&contents.score).map(Label::quantity)
}

/// The pairs of quantities that are plotted against each other.
fn diagrams(contents: &Contents) -> impl Iterator<Item = [Quantity; 2]> {
    let drawn = contents.kiel.iter().chain(&contents.hertzsprung_russell).map(Diagram::pair);
    let errors = contents.labels.iter().filter(|label| label.pull().is_none());
    drawn.chain(errors.filter_map(|label| Some([label.quantity(), label.errors()?])))
}
