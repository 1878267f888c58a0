//! The gates of a pipeline: what a release must satisfy to become the current one.

use lamcat_core::{context::flags, error::Result};
use lamcat_release::{
    Storage,
    assemble::Manifest,
    publish, releases,
    summary::{FLAGS_COLUMN, Summary, Wanted, summarise},
};
use serde::{Deserialize, Serialize};

use crate::pipeline::document::Gates;

/// The statistics of a release that the gates need.
fn wanted(gates: &Gates) -> Wanted {
    let columns = gates.max_null_fraction.keys().chain(gates.max_shift.keys()).cloned();
    Wanted { columns: columns.collect(), flags: gates.max_flag_fraction.is_some(), harmless_flags: flags::INPUTS }
}

/// A gate, and the value of the release that it limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateCheck {
    /// The name of the gate in the pipeline file, with the name of the column if the gate is about one.
    pub gate: String,
    /// The limit of the gate.
    pub limit: String,
    /// The value in the release.
    pub found: String,
    /// Why the release fails the gate, in words; `None` if it passes.
    pub failure: Option<String>,
}

/// Judges the release in `folder` by the gates, compared with the current release. There are no results if the release
/// is current itself.
///
/// # Errors
/// If a release cannot be read.
pub(crate) async fn judged_gates(
    storage: &Storage,
    folder: &str,
    manifest: &Manifest,
    gates: &Gates,
) -> Result<Vec<GateCheck>> {
    let current = publish::current(storage).await?;
    if current.as_ref().is_some_and(|current| current.folder == folder) {
        return Ok(Vec::new());
    }
    let new = summarise(storage, folder, manifest, &wanted(gates)).await?;
    let before = match &current {
        Some(current) => releases::manifest(storage, &current.folder).await?.map(|manifest| (current, manifest)),
        None => None,
    };
    let old = match before {
        Some((current, manifest)) => {
            let columns = gates.max_shift.keys().cloned().collect();
            let wanted = Wanted { columns, ..Wanted::default() };
            Some(summarise(storage, &current.folder, &manifest, &wanted).await?)
        }
        None => None,
    };
    Ok(judge_gates(gates, &new, old.as_ref()))
}

/// Judges every gate; `old` is the previous release, without which gates on changes are left out. If one of the
/// releases has no median of a column, the gate fails only if the older one has it.
fn judge_gates(gates: &Gates, new: &Summary, old: Option<&Summary>) -> Vec<GateCheck> {
    let share = |rows: u64| if new.rows == 0 { 0.0 } else { rows as f64 / new.rows as f64 };
    let mut checks = Vec::new();
    let mut judge = |gate: String, limit: String, found: String, failure: Option<String>| {
        checks.push(GateCheck { gate, limit, found, failure });
    };
    let few = (new.rows < gates.min_rows).then(|| format!("{} rows, but min_rows is {}", new.rows, gates.min_rows));
    judge("min_rows".to_owned(), gates.min_rows.to_string(), new.rows.to_string(), few);
    for (name, most) in &gates.max_null_fraction {
        let found = share(new.columns.get(name).map_or(new.rows, |column| column.missing));
        let failure = (found > *most)
            .then(|| format!("{name} is missing in {found:.4} of the rows, but max_null_fraction is {most}"));
        judge(format!("max_null_fraction of {name}"), most.to_string(), format!("{found:.4}"), failure);
    }
    if let Some(most) = gates.max_flag_fraction {
        let found = share(new.flagged);
        let failure = (found > most)
            .then(|| format!("{FLAGS_COLUMN} is set in {found:.4} of the rows, but max_flag_fraction is {most}"));
        judge("max_flag_fraction".to_owned(), most.to_string(), format!("{found:.4}"), failure);
    }
    let Some(old) = old else { return checks };
    if let Some(most) = gates.max_row_change {
        let change = new.rows.abs_diff(old.rows) as f64 / old.rows.max(1) as f64;
        let (from, to) = (old.rows, new.rows);
        let failure = (change > most)
            .then(|| format!("rows changed by {change:.4}, from {from} to {to}, but max_row_change is {most}"));
        judge("max_row_change".to_owned(), most.to_string(), format!("{change:.4}"), failure);
    }
    for (name, most) in &gates.max_shift {
        let median = |summary: &Summary| summary.columns.get(name).and_then(|column| column.median);
        let (found, failure) = match (median(old), median(new)) {
            (Some(from), Some(to)) => {
                let shift = to - from;
                let failure = (shift.abs() > *most).then(|| {
                    format!("the median of {name} moved by {shift:+.6}, from {from} to {to}, but max_shift is {most}")
                });
                (format!("{shift:+.6}"), failure)
            }
            (Some(from), None) => {
                ("no median".to_owned(), Some(format!("{name} has no median any more, it was {from}")))
            }
            (None, _) => ("no median before".to_owned(), None),
        };
        judge(format!("max_shift of {name}"), most.to_string(), found, failure);
    }
    checks
}

#[cfg(test)]
mod tests {
    use lamcat_release::summary::ColumnSummary;

    use super::*;

    /// The gates that a release fails, in words.
    fn failures(gates: &Gates, new: &Summary, old: Option<&Summary>) -> Vec<String> {
        judge_gates(gates, new, old).into_iter().filter_map(|check| check.failure).collect()
    }

    fn summary(rows: u64, missing: u64, median: f64, flagged: u64) -> Summary {
        let column = ColumnSummary { missing, median: Some(median) };
        Summary { rows, columns: [("teff".to_owned(), column)].into(), flags: vec![0; 32], flagged }
    }

    fn gates() -> Gates {
        Gates {
            min_rows: 90,
            max_null_fraction: [("teff".to_owned(), 0.1)].into(),
            max_flag_fraction: Some(0.2),
            max_row_change: Some(0.05),
            max_shift: [("teff".to_owned(), 10.0)].into(),
        }
    }

    #[test]
    fn at_the_limits_a_release_passes() {
        let new = summary(100, 10, 5010.0, 20);
        assert_eq!(failures(&gates(), &new, Some(&summary(105, 0, 5000.0, 0))), Vec::<String>::new());
    }

    #[test]
    fn every_gate_fails_with_its_figures() {
        let old = summary(100, 0, 5000.0, 0);
        let failures = failures(&gates(), &summary(80, 9, 4989.5, 17), Some(&old));
        assert_eq!(
            failures,
            [
                "80 rows, but min_rows is 90",
                "teff is missing in 0.1125 of the rows, but max_null_fraction is 0.1",
                "quality_flags is set in 0.2125 of the rows, but max_flag_fraction is 0.2",
                "rows changed by 0.2000, from 100 to 80, but max_row_change is 0.05",
                "the median of teff moved by -10.500000, from 5000 to 4989.5, but max_shift is 10",
            ]
        );
    }

    #[test]
    fn the_first_release_is_compared_with_none() {
        let first = summary(1000, 0, 9000.0, 0);
        assert_eq!(failures(&gates(), &first, None), Vec::<String>::new());
        let judged = |old| judge_gates(&gates(), &first, old).into_iter().map(|check| check.gate).collect::<Vec<_>>();
        let own = ["min_rows", "max_null_fraction of teff", "max_flag_fraction"];
        assert_eq!(judged(None), own);
        assert_eq!(judged(Some(&first)), [&own[..], &["max_row_change", "max_shift of teff"]].concat());
    }

    #[test]
    fn a_column_that_became_empty_has_no_median() {
        let mut new = summary(100, 0, 0.0, 0);
        new.columns.insert("teff".to_owned(), ColumnSummary { missing: 0, median: None });
        let failures = failures(&gates(), &new, Some(&summary(100, 0, 5000.0, 0)));
        assert_eq!(failures, ["teff has no median any more, it was 5000"]);
    }
}
