//! The gates of a pipeline: what a release must satisfy to become the current one.

use super::{known::QUALITY_FLAGS, spec::Gates};
use crate::{
    context::flags,
    error::Result,
    release::{
        Storage,
        assemble::Manifest,
        publish, releases,
        summary::{Summary, Wanted, summarise},
    },
};

/// What the gates need to know of a release.
fn wanted(gates: &Gates) -> Wanted {
    let columns = gates.max_null_fraction.keys().chain(gates.max_shift.keys()).cloned();
    Wanted { columns: columns.collect(), flags: gates.max_flag_fraction.is_some(), harmless_flags: flags::INPUTS }
}

/// The gates that the release in `folder` fails against the one that is current, in words; none if it is current itself.
///
/// # Errors
/// If a release cannot be read.
pub(super) async fn failed_gates(
    storage: &Storage,
    folder: &str,
    manifest: &Manifest,
    gates: &Gates,
) -> Result<Vec<String>> {
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
    Ok(check_gates(gates, &new, old.as_ref()))
}

/// The gates that a release fails, in words; `old` is the release before, if there is one. A column whose median one of
/// them does not have fails only if the older one has it.
#[must_use]
pub fn check_gates(gates: &Gates, new: &Summary, old: Option<&Summary>) -> Vec<String> {
    let share = |rows: u64| if new.rows == 0 { 0.0 } else { rows as f64 / new.rows as f64 };
    let mut failures = Vec::new();
    if new.rows < gates.min_rows {
        failures.push(format!("{} rows, but min_rows is {}", new.rows, gates.min_rows));
    }
    for (name, most) in &gates.max_null_fraction {
        let found = share(new.columns.get(name).map_or(new.rows, |column| column.missing));
        if found > *most {
            failures.push(format!("{name} is missing in {found:.4} of the rows, but max_null_fraction is {most}"));
        }
    }
    if let Some(most) = gates.max_flag_fraction.filter(|most| share(new.flagged) > *most) {
        let found = share(new.flagged);
        failures.push(format!("{QUALITY_FLAGS} is set in {found:.4} of the rows, but max_flag_fraction is {most}"));
    }
    let Some(old) = old else { return failures };
    if let Some(most) = gates.max_row_change {
        let change = new.rows.abs_diff(old.rows) as f64 / old.rows.max(1) as f64;
        if change > most {
            let (from, to) = (old.rows, new.rows);
            failures.push(format!("rows changed by {change:.4}, from {from} to {to}, but max_row_change is {most}"));
        }
    }
    for (name, most) in &gates.max_shift {
        let median = |summary: &Summary| summary.columns.get(name).and_then(|column| column.median);
        match (median(old), median(new)) {
            (Some(from), Some(to)) if (to - from).abs() > *most => {
                let shift = to - from;
                failures.push(format!(
                    "the median of {name} moved by {shift:+.6}, from {from} to {to}, but max_shift is {most}"
                ));
            }
            (Some(from), None) => failures.push(format!("{name} has no median any more, it was {from}")),
            _ => {}
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::summary::ColumnSummary;

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
        assert_eq!(check_gates(&gates(), &new, Some(&summary(105, 0, 5000.0, 0))), Vec::<String>::new());
    }

    #[test]
    fn every_gate_fails_with_its_figures() {
        let old = summary(100, 0, 5000.0, 0);
        let failures = check_gates(&gates(), &summary(80, 9, 4989.5, 17), Some(&old));
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
        assert_eq!(check_gates(&gates(), &summary(1000, 0, 9000.0, 0), None), Vec::<String>::new());
    }

    #[test]
    fn a_column_that_became_empty_has_no_median() {
        let mut new = summary(100, 0, 0.0, 0);
        new.columns.insert("teff".to_owned(), ColumnSummary { missing: 0, median: None });
        let failures = check_gates(&gates(), &new, Some(&summary(100, 0, 5000.0, 0)));
        assert_eq!(failures, ["teff has no median any more, it was 5000"]);
    }
}
