//! Which numbers of a release are counted, and in which bins.

use super::{
    contents::{Contents, Diagram, Label},
    limits::{Range, sample},
    quantity::Quantity,
    tally::Plan,
};
use crate::{error::Result, release::Storage};

/// Bins of a histogram, and cells of a diagram in a row and in a column, of many rows; fewer of few.
const MOST_BINS: usize = 60;
const MOST_COLUMNS: usize = 72;
const MOST_ROWS: usize = 48;
const LEAST: usize = 12;
/// In which bins pulls are counted: edges are at whole numbers.
pub(super) const PULLS: Range = Range { low: -5.0, high: 5.0, log: false, bins: 50 };

/// The plan for a release that has `contents` in so many `rows`; the limits are those of samples of the `leaves`, of which
/// those of the release before are some.
///
/// # Errors
/// If a leaf cannot be read.
pub(super) async fn plan(storage: &Storage, leaves: [&[String]; 2], contents: &Contents, rows: u64) -> Result<Plan> {
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
        Range::of(&mut samples[at], bins)
    };
    let root = (rows as f64).sqrt();
    let bins = bounded(3.0 * (rows as f64).cbrt(), MOST_BINS);
    let cells = [bounded(1.5 * root, MOST_COLUMNS), bounded(root, MOST_ROWS)];
    let mut plan = Plan::default();
    for quantity in singles {
        let range = range(&quantity, bins);
        plan.bins.push((quantity, range));
    }
    plan.bins.extend(contents.labels.iter().filter_map(Label::pull).map(|pull| (pull, Some(PULLS))));
    for [x, y] in pairs {
        if let (Some(columns), Some(rows)) = (range(&x, cells[0]), range(&y, cells[1])) {
            plan.grids.push([(x, columns), (y, rows)]);
        }
    }
    Ok(plan)
}

fn bounded(wanted: f64, most: usize) -> usize {
    (wanted as usize).clamp(LEAST, most)
}

/// The quantities with histograms of their values.
fn values(contents: &Contents) -> impl Iterator<Item = Quantity> {
    contents.labels.iter().chain(&contents.score).map(Label::quantity)
}

/// The pairs of quantities that are drawn against each other.
fn diagrams(contents: &Contents) -> impl Iterator<Item = [Quantity; 2]> {
    let drawn = contents.kiel.iter().chain(&contents.hertzsprung_russell).map(Diagram::pair);
    let errors = contents.labels.iter().filter(|label| label.pull().is_none());
    drawn.chain(errors.filter_map(|label| Some([label.quantity(), label.errors()?])))
}

impl Diagram {
    /// Its quantities.
    pub(super) fn pair(&self) -> [Quantity; 2] {
        [self.x.0.clone(), self.y.0.clone()]
    }
}

impl Plan {
    /// The same for another release, of which no diagrams are drawn.
    pub(super) fn without_diagrams(&self) -> Self {
        Self { bins: self.bins.clone(), grids: Vec::new() }
    }

    /// Number of a quantity among the bins.
    pub(super) fn bins_of(&self, quantity: &Quantity) -> Option<usize> {
        self.bins.iter().position(|(other, _)| other == quantity)
    }

    /// Number of a pair among the diagrams.
    pub(super) fn grid_of(&self, pair: &[Quantity; 2]) -> Option<usize> {
        self.grids.iter().position(|[x, y]| x.0 == pair[0] && y.0 == pair[1])
    }
}
