//! `lamcat release diff`.

use std::io::Write;

use clap::Args;
use lamcat_core::context::flags;
use lamcat_release::{
    diff::{ColumnChange, ColumnDiff, Diff, FlagDiff, diff},
    releases,
};

use super::super::{
    session_args::LimitArgs,
    stdout::out,
    text_table::{Cell, text_table},
};

#[derive(Debug, Args)]
#[command(after_help = "\
Sources are the same if their source_id is. shift is the median of new minus old over the sources in both, scatter 1.4826
times the median distance from it. Rows are sorted to be joined, on disk what exceeds --memory (24 MiB a core unless given).

Examples:
  lamcat release diff catalogues/giants
  lamcat release diff catalogues/giants 1.0.0 1.1.0 --json")]
pub(in super::super) struct DiffArgs {
    /// Folder or URL of the catalogue.
    #[arg(value_name = "STORE")]
    store: String,
    /// Version or folder of the older release [default: the one that was current before].
    #[arg(value_name = "OLD")]
    old: Option<String>,
    /// Version or folder of the newer release [default: the current one].
    #[arg(value_name = "NEW")]
    new: Option<String>,
    /// JSON for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    limits: LimitArgs,
}

pub(super) async fn run(args: DiffArgs) -> anyhow::Result<()> {
    let session = args.limits.open()?;
    let storage = session.storage(&args.store)?;
    let new = releases::find(&storage, args.new.as_deref()).await?;
    let old = match &args.old {
        Some(old) => releases::find(&storage, Some(old)).await?,
        None => releases::before_current(&storage).await?,
    };
    let diff = diff(session.context(), &storage, &old.folder, &new.folder).await?;
    if args.json {
        return Ok(writeln!(out(), "{:#}", serde_json::to_value(&diff)?)?);
    }
    Ok(write!(out(), "{}", in_words(&diff))?)
}

fn in_words(diff: &Diff) -> String {
    let sources = format!(
        "old  {} ({} rows)\nnew  {} ({} rows)\n{} sources gained, {} lost, {} in both\n",
        diff.old.folder, diff.old.rows, diff.new.folder, diff.new.rows, diff.gained, diff.lost, diff.common
    );
    let changes: String = diff.changed_columns.iter().map(change).collect();
    let header = [
        "column",
        "unit",
        "old median",
        "new median",
        "compared",
        "changed",
        "shift",
        "scatter",
        "old missing",
        "new missing",
    ];
    let columns = text_table(&header, &diff.columns.iter().map(column).collect::<Vec<_>>());
    let flags: Vec<Vec<Cell>> = diff.flags.iter().map(flag).collect();
    let flags = if flags.is_empty() {
        String::new()
    } else {
        "\n".to_owned() + &text_table(&["flag", "old rows", "new rows", "set", "cleared"], &flags)
    };
    sources + &changes + "\n" + &columns + &flags
}

fn change(change: &ColumnChange) -> String {
    let name = &change.name;
    match (&change.old, &change.new) {
        (Some(old), Some(new)) => format!("column {name} was {old} and is {new}\n"),
        (None, Some(new)) => format!("column {name} ({new}) is new\n"),
        (Some(old), None) => format!("column {name} ({old}) is gone\n"),
        (None, None) => String::new(),
    }
}

fn column(column: &ColumnDiff) -> Vec<Cell> {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), short);
    vec![
        Cell::text(&column.name),
        Cell::text(&column.unit),
        Cell::number(number(column.old_median)),
        Cell::number(number(column.new_median)),
        Cell::number(column.compared),
        Cell::number(column.changed),
        Cell::number(number(column.shift)),
        Cell::number(number(column.scatter)),
        Cell::number(format!("{:.4}", column.old_missing)),
        Cell::number(format!("{:.4}", column.new_missing)),
    ]
}

/// Formats a number with six significant digits.
fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = 5 - value.abs().log10().floor() as i32;
    if !(0..=9).contains(&digits) {
        return format!("{value:.5e}");
    }
    format!("{value:.0$}", digits as usize)
}

fn flag(flag: &FlagDiff) -> Vec<Cell> {
    let name = flags::all().iter().find(|(bit, _, _)| *bit as u32 == 1 << flag.bit).map(|(_, name, _)| name);
    vec![
        Cell::text(name.map_or_else(|| format!("bit {}", flag.bit), String::clone)),
        Cell::number(flag.old),
        Cell::number(flag.new),
        Cell::number(flag.set),
        Cell::number(flag.cleared),
    ]
}
