//! `lamcat sql`.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use super::{display::Display, repl, rows::Format, session_args::SessionArgs};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lamcat sql -c \"SELECT source_id, lam_infer(xp(bp_coefficients, rp_coefficients, phot_g_mean_mag), 'teff') AS teff FROM 'stars/*.parquet'\"
  lamcat sql -f query.sql -o labels.parquet
  lamcat sql --model lam.safetensors -c \"SELECT … FROM 's3://bucket/xp/*.parquet'\" -o s3://bucket/labels.parquet
Settings: SET lamcat.batch_rows = 1024; SET lamcat.unplaced_calls = false; SHOW ALL lists the rest.")]
pub(super) struct SqlArgs {
    /// SQL to run; several statements are separated by semicolons. Repeatable.
    #[arg(short, long = "command", value_name = "SQL")]
    command: Vec<String>,
    /// File with SQL to run. Repeatable.
    #[arg(short, long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Format of the rows on stdout [default: table].
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write the rows to a file or an object-store URL instead; the name's extension chooses the format.
    #[arg(short, long, value_name = "FILE")]
    output: Option<String>,
    /// Rows that a table shows.
    #[arg(long, default_value_t = 40, value_name = "N")]
    max_rows: usize,
    /// No progress line and no closing remarks.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    session: SessionArgs,
    #[cfg(feature = "cluster")]
    #[command(flatten)]
    cluster: super::cluster::ClusterArgs,
}

pub(super) async fn run(args: SqlArgs) -> anyhow::Result<()> {
    let session = args.session.open().await?;
    #[cfg(feature = "cluster")]
    args.cluster.join(&session)?;
    let mut text: Vec<String> = args.command.clone();
    for path in &args.file {
        text.push(lamcat_formats::read_text(path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    let display = Display { format: args.format, max_rows: args.max_rows, quiet: args.quiet };
    if text.is_empty() {
        return repl::run(&session, &display).await;
    }
    let mut statements = Vec::new();
    for sql in &text {
        statements.extend(session.parse(sql)?);
    }
    let Some(last) = statements.pop() else { bail!("the given text contains no SQL statement") };
    for statement in statements {
        display.show(&session, statement).await?;
    }
    match &args.output {
        Some(path) => display.write_to(&session, last, path).await,
        None => display.show(&session, last).await,
    }
}
