//! The tables of a report.

use lamcat_core::context::flags;
use lamcat_plot::{digits, table};
use lamcat_release::{
    cuts::CutRows,
    diff::{ColumnChange, ColumnDiff, Diff},
    summary::FLAG_BITS,
};
use maud::{Markup, html};

use super::{
    contents::Label, counts::Bins, findings::Findings, gates::GateCheck, pictures::within, quantity::Quantity,
    record::StageTime,
};

/// A number with its significant digits; a dash for none.
fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), digits)
}

fn percent(part: u64, of: u64) -> String {
    if of == 0 { "-".to_owned() } else { format!("{:.2} %", 100.0 * part as f64 / of as f64) }
}

/// A table of facts about the release.
pub(super) fn facts(found: &Findings) -> Markup {
    let (release, manifest) = (&found.new, &found.new.manifest);
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    let of = |key: &str| release.property(key).to_owned();
    let rows = [
        ("catalogue", manifest.name.clone()),
        ("version", manifest.version.clone()),
        ("description", of("obs_description")),
        ("rows", manifest.rows.to_string()),
        ("tiles", manifest.tiles().len().to_string()),
        ("files", format!("{}, {}", manifest.files.len(), indicatif::HumanBytes(bytes))),
        ("creator", of("prov_creator")),
        ("license", of("obs_copyright")),
        ("DOI", of("obs_doi")),
        ("references", of("bib_reference")),
        ("created", of("hats_creation_date")),
        ("software", of("hats_builder")),
        ("job", manifest.job.clone()),
        ("model (sha256)", of("lamcat_model_sha256")),
        ("precision", of("lamcat_precision")),
        ("query (sha256)", of("lamcat_sql_sha256")),
        ("compared with", found.old.as_ref().map_or_else(String::new, |(old, ..)| old.folder.clone())),
        ("path", found.path.clone()),
    ];
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| vec![key.to_owned(), value])
        .collect();
    table("text", &[], &rows)
}

/// Every gate, and whether the release passes it.
pub(super) fn gates(gates: &[GateCheck]) -> Markup {
    let row = |check: &GateCheck| {
        let passed = if check.failure.is_none() { "passed" } else { "FAILED" };
        vec![check.gate.clone(), check.limit.clone(), check.found.clone(), passed.to_owned()]
    };
    table("first", &["gate", "limit", "found", "result"], &gates.iter().map(row).collect::<Vec<_>>())
}

/// The named cuts, and the rows that pass them.
pub(super) fn cuts(found: &Findings) -> Markup {
    let before = found.old.as_ref().map(|(old, ..)| &old.manifest);
    let row = |cut: &CutRows| {
        let mut row = vec![cut.name.clone(), cut.rows.to_string(), percent(cut.rows, found.new.manifest.rows)];
        row.extend(before.map(|old| {
            let same = old.cuts.iter().find(|earlier| earlier.name == cut.name);
            same.map_or_else(|| "-".to_owned(), |earlier| percent(earlier.rows, old.rows))
        }));
        row.push(cut.condition.clone());
        row
    };
    let mut header = vec!["cut", "rows", "share"];
    header.extend(before.map(|_| "share before"));
    header.push("condition (SQL)");
    table("first last", &header, &found.new.manifest.cuts.iter().map(row).collect::<Vec<_>>())
}

/// A table of the values of labels.
pub(super) fn labels(found: &Findings, labels: &[&Label]) -> Markup {
    let rows: Vec<Vec<String>> = labels.iter().filter_map(|label| label_row(found, label)).collect();
    let mut header = vec!["label", "unit", "median", "scatter", "without a value", "beyond the picture"];
    if found.old.is_some() {
        header.extend(["median before", "scatter before"]);
    }
    header.push("description");
    table("first last", &header, &rows)
}

fn label_row(found: &Findings, label: &Label) -> Option<Vec<String>> {
    let at = found.binning.bins_of(&label.quantity())?;
    let bins = &found.counts.bins[at];
    let middle = |bins: &Bins| {
        let (median, scatter) = bins.values.clone().median_and_scatter().unzip();
        [number(median), number(scatter)]
    };
    let (rows, finite) = (found.counts.rows, bins.finite());
    let mut row = vec![label.name.clone(), label.unit.clone()];
    row.extend(middle(bins));
    row.push(percent(rows.saturating_sub(finite), rows));
    row.push(percent(bins.beyond.iter().sum(), finite));
    if let Some((_, before, _)) = &found.old {
        row.extend(middle(&before.bins[at]));
    }
    row.push(label.description.clone());
    Some(row)
}

/// A table of the size of the errors, and of their correctness where the truth is known.
pub(super) fn errors(found: &Findings) -> Markup {
    let bins = |quantity: Option<Quantity>| Some(&found.counts.bins[found.binning.bins_of(&quantity?)?]);
    let truth = found.contents.labels.iter().any(|label| label.truth.is_some());
    let row = |label: &Label| {
        let errors = bins(label.errors())?;
        let mut row = vec![label.name.clone(), label.unit.clone()];
        row.push(number(errors.values.clone().median_and_scatter().map(|(median, _)| median)));
        if truth {
            let pulls = bins(label.pull()).filter(|pulls| pulls.finite() > 0);
            let share = |sigma: f64| {
                pulls.map_or_else(|| "-".to_owned(), |pulls| format!("{:.2} %", 100.0 * within(pulls, sigma)))
            };
            let (median, scatter) = pulls.and_then(|pulls| pulls.values.clone().median_and_scatter()).unzip();
            row.extend([share(1.0), share(2.0), number(median), number(scatter)]);
        }
        Some(row)
    };
    let rows: Vec<Vec<String>> = found.contents.labels.iter().filter_map(row).collect();
    let mut header = vec!["label", "unit", "median error"];
    if truth {
        header.extend(["within 1 sigma", "within 2 sigma", "median of pulls", "scatter of pulls"]);
    }
    table("first", &header, &rows)
}

/// The bits of the flags.
pub(super) fn flags(found: &Findings) -> Markup {
    let before = found.old.as_ref().map(|(_, counts, _)| counts);
    let row = |bit: usize| {
        let (rows, old) = (found.counts.flags[bit], before.map_or(0, |counts| counts.flags[bit]));
        let known = flags::all().iter().find(|(flag, _, _)| *flag as u32 == 1 << bit);
        if rows == 0 && old == 0 && known.is_none() {
            return None;
        }
        let (name, meaning) = known.map_or(("", ""), |(_, name, meaning)| (name.as_str(), meaning.as_str()));
        let mut row = vec![name.to_owned(), (1u64 << bit).to_string(), rows.to_string()];
        row.push(percent(rows, found.counts.rows));
        row.extend(before.map(|counts| percent(old, counts.rows)));
        row.push(meaning.to_owned());
        Some(row)
    };
    let rows: Vec<Vec<String>> = (0..FLAG_BITS).filter_map(row).collect();
    let mut header = vec!["flag", "bit", "rows", "share"];
    header.extend(before.map(|_| "share before"));
    header.push("meaning");
    table("first last", &header, &rows)
}

/// The changes since the previous release.
pub(super) fn diff(diff: &Diff) -> Markup {
    let row = |column: &ColumnDiff| {
        vec![
            column.name.clone(),
            column.unit.clone(),
            number(column.old_median),
            number(column.new_median),
            number(column.shift),
            number(column.scatter),
            column.compared.to_string(),
            column.changed.to_string(),
            format!("{:.2} %", 100.0 * column.old_missing),
            format!("{:.2} %", 100.0 * column.new_missing),
        ]
    };
    let header = [
        "column",
        "unit",
        "old median",
        "new median",
        "shift",
        "scatter",
        "compared",
        "changed",
        "missing before",
        "missing now",
    ];
    let words = format!(
        "Of {} rows before and {} now, {} sources are in both, {} were gained and {} lost. Shift is the median of new minus \
         old over the sources in both, scatter 1.4826 times the median distance from it.",
        diff.old.rows, diff.new.rows, diff.common, diff.gained, diff.lost
    );
    html! {
        p { (words) }
        @for change in &diff.changed_columns { p { (in_words(change)) } }
        (table("first", &header, &diff.columns.iter().map(row).collect::<Vec<_>>()))
    }
}

fn in_words(change: &ColumnChange) -> String {
    let name = &change.name;
    match (&change.old, &change.new) {
        (Some(old), Some(new)) => format!("The column {name} was {old} and is {new}."),
        (None, Some(new)) => format!("The column {name} ({new}) is new."),
        (Some(old), None) => format!("The column {name} ({old}) is gone."),
        (None, None) => String::new(),
    }
}

/// A table of the time that each stage of the run took.
pub(super) fn stages(stages: &[StageTime]) -> Markup {
    let row = |stage: &StageTime| {
        let rate = stage.rows as f64 / stage.seconds.max(1e-3);
        vec![stage.stage.name().to_owned(), digits(stage.seconds), stage.rows.to_string(), digits(rate)]
    };
    table("first", &["stage", "seconds", "rows", "rows/s"], &stages.iter().map(row).collect::<Vec<_>>())
}
