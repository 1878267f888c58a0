//! `lamcat release gc`.

use std::{collections::BTreeMap, io::Write, time::Duration};

use anyhow::Context;
use chrono::{TimeDelta, Utc};
use clap::Args;
use indicatif::HumanBytes;
use lamcat_release::garbage::{self, Garbage, Keep, Reason};
use serde_json::json;

use super::super::{
    numbers,
    stdout::out,
    text_table::{Cell, text_table},
};
use super::plural;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[command(after_help = "\
Says what there is to delete, and deletes it with --delete. Never deleted are the current release, the log, anything that
was changed less than --older-than ago, anything of a job or of its release while any of their files is that young (the job
may be running), and the finished units of a job that can still be gone on with.

Examples:
  lamcat release gc catalogues/giants
  lamcat release gc catalogues/giants --keep 2 --older-than 7d --delete")]
pub(in super::super) struct GcArgs {
    /// Folder or URL of the catalogue.
    #[arg(value_name = "STORE")]
    store: String,
    /// Keep so many releases: the current one and those that rolling back reaches first [default: all].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Leave alone what was changed less than this ago, e.g. 12h or 7d.
    #[arg(long, value_name = "AGE", default_value = "1d", value_parser = numbers::duration)]
    older_than: Duration,
    /// Keep the rows of units whose release is published, to make it again without the model.
    #[arg(long)]
    keep_units: bool,
    /// Delete also jobs that never came to a release; their work is lost.
    #[arg(long)]
    unfinished: bool,
    /// Only say what there is to delete; so it is unless --delete is given.
    #[arg(long, conflicts_with = "delete")]
    dry_run: bool,
    /// Delete it.
    #[arg(long)]
    delete: bool,
    /// JSON for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: GcArgs) -> anyhow::Result<()> {
    let storage = super::open(&args.store)?;
    let keep = Keep {
        older_than: TimeDelta::from_std(args.older_than).context("--older-than is too long")?,
        releases: args.keep.map(|count| count as usize),
        units: args.keep_units,
        unfinished: !args.unfinished,
    };
    let found = garbage::find(&storage, &keep, Utc::now()).await?;
    if args.delete {
        garbage::remove(&storage, &found).await?;
    }
    let bytes: u64 = found.iter().map(|file| file.bytes).sum();
    if args.json {
        let report = json!({ "deleted": args.delete, "bytes": bytes, "files": found });
        return Ok(writeln!(out(), "{report:#}")?);
    }
    write!(out(), "{}", table(&found))?;
    let what = format!("{}, {}", plural(found.len(), "file"), HumanBytes(bytes));
    match (found.is_empty(), args.delete) {
        (true, _) => eprintln!("there is nothing to delete"),
        (false, true) => eprintln!("deleted {what}"),
        (false, false) => eprintln!("to delete: {what}; nothing was deleted yet, --delete does it"),
    }
    Ok(())
}

/// A table of files and bytes by reason.
fn table(found: &[Garbage]) -> String {
    let mut reasons: BTreeMap<Reason, (usize, u64)> = BTreeMap::new();
    for file in found {
        let sum = reasons.entry(file.why).or_default();
        *sum = (sum.0 + 1, sum.1 + file.bytes);
    }
    if reasons.is_empty() {
        return String::new();
    }
    let rows = reasons.into_iter().map(|(why, (files, bytes))| {
        vec![Cell::text(why.words()), Cell::number(files), Cell::number(HumanBytes(bytes))]
    });
    text_table(&["what", "files", "size"], &rows.collect::<Vec<_>>())
}
