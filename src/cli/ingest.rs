//! `lamcat ingest`.

use std::{io::Write, sync::Arc, thread::available_parallelism, time::Instant};

use anyhow::bail;
use clap::Args;
use datafusion::common::runtime::SpawnedTask;
use futures::StreamExt;
use indicatif::HumanBytes;
use lamcat_catalogue::ingest::{Done, FileJob, IngestOptions, Status, ingest_file, output_schema, work_list};
use lamcat_formats::OnError;
use lamcat_model::inference::DeviceKind;
use lamcat_sql::{
    planner::LamcatOptions,
    session::{Session, SessionOptions},
};

use super::{progress::IngestProgress, signals, stdout::out};

#[derive(Debug, Args)]
#[command(after_help = "\
Reads what SQL reads: ECSV, CSV, JSON, FITS, VOTable, Parquet, Arrow, HATS catalogues, archives of such files and folders of
them, local or by URL, and standard input as -.
Each file becomes one Parquet file of the same name: lists of fixed size, rows in order of source_id, units and UCDs kept.
A run that was interrupted, or killed, goes on when it is started again; what was written stays. _MD5SUM.txt beside the
files is checked.

Examples:
  lamcat ingest stars.fits -o stars.parquet
  lamcat ingest 'Gaia/Spectroscopy/xp_continuous_mean_spectrum/*.csv.gz' -o xp/ --join Gaia/gaia_source/
  lamcat ingest xp/*.ecsv -o xp/ --columns source_id,bp_coefficients,rp_coefficients --where 'bp_n_relevant_bases > 3'")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub(super) struct IngestArgs {
    /// Files, folders, globs or URLs to read; - is standard input.
    #[arg(required = true)]
    input: Vec<String>,
    /// Folder or URL to write to; with one input file, also the name of a .parquet file.
    #[arg(short, long, value_name = "PLACE")]
    output: String,
    /// Columns to keep; all by default. The name of a numbered series (bp_coeff for bp_coeff_0, …) stands for all of it.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
    /// Keep the rows that meet this SQL condition.
    #[arg(long = "where", value_name = "SQL")]
    condition: Option<String>,
    /// Join columns of gaia_source by source_id: a folder of files cut as the input (the same suffix, as in
    /// GaiaSource_000000-003111.csv.gz), or one file. Sources that are not there get NULLs, and are counted.
    #[arg(long, value_name = "PLACE")]
    join: Option<String>,
    /// Columns to take from there [default: positions, parallax, photometry and what their corrections need].
    #[arg(long, value_name = "NAMES", value_delimiter = ',', requires = "join")]
    join_columns: Vec<String>,
    /// What becomes of malformed values: `fail` stops at the first and says where, `null` makes them NULL and counts them.
    #[arg(long, value_name = "FATE", default_value = "fail", value_parser = ["fail", "null"])]
    on_error: String,
    /// Keep numbered columns (bp_coeff_0, bp_coeff_1, …) instead of folding each series into one list column.
    #[arg(long)]
    no_fold: bool,
    /// Do not compare MD5 sums.
    #[arg(long)]
    no_verify: bool,
    /// Write outputs anew that exist.
    #[arg(long)]
    overwrite: bool,
    /// Files converted at the same time, up to 64 [default: one per core].
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    jobs: Option<u8>,
    /// Level of zstd compression, 1 (fast) to 22 (small).
    #[arg(long, value_name = "LEVEL", default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=22))]
    compression_level: i32,
    /// Only say what would be written.
    #[arg(long)]
    dry_run: bool,
    /// Write a line of JSON to stdout for each file.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: IngestArgs) -> anyhow::Result<()> {
    let started = Instant::now();
    let session = session(&args)?;
    let options = Arc::new(IngestOptions {
        columns: args.columns.iter().map(|c| c.trim().to_owned()).collect(),
        condition: args.condition.clone(),
        join: args.join.clone(),
        join_columns: args.join_columns.iter().map(|c| c.trim().to_owned()).collect(),
        no_fold: args.no_fold,
        overwrite: args.overwrite,
        no_verify: args.no_verify,
        on_error: args.on_error.parse()?,
        compression_level: args.compression_level,
    });
    let jobs = work_list(&session, &args.input, &args.output, &options).await?;
    if args.dry_run {
        return dry_run(&session, &jobs, &options).await;
    }
    let at_once = args.jobs.map_or_else(|| available_parallelism().map_or(1, usize::from), usize::from);
    let progress = IngestProgress::start(jobs.iter().map(|j| j.input.object.size).collect());
    let counters = progress.files().to_vec();
    let mut total = Total::default();
    let mut results = futures::stream::iter(jobs.into_iter().enumerate())
        .map(|(i, job)| {
            let (session, options, progress) = (session.clone(), options.clone(), counters[i].clone());
            async move {
                let task = job.clone();
                let converted =
                    SpawnedTask::spawn(async move { ingest_file(&session, &task, &options, &progress).await });
                (job, converted.join().await.map_err(anyhow::Error::from).and_then(|done| done))
            }
        })
        .buffer_unordered(at_once);
    loop {
        tokio::select! {
            result = results.next() => match result {
                Some((job, result)) => total.add(&args, &progress, &job, result)?,
                None => break,
            },
            _ = signals::ended() => {
                drop(results);
                drop(progress);
                bail!("interrupted; {} files are done\nhint: the same command goes on from here", total.files());
            }
        }
    }
    drop(results);
    drop(progress);
    total.report(started)
}

fn session(args: &IngestArgs) -> anyhow::Result<Session> {
    let on_error: OnError = args.on_error.parse()?;
    // With one partition per file the rows stay in order; parallelism comes from converting several files at once.
    let session =
        Session::new(&SessionOptions { partitions: Some(1), device: DeviceKind::Cpu, ..SessionOptions::default() })?;
    let state = session.context().state_ref();
    if let Some(lamcat) = state.write().config_mut().options_mut().extensions.get_mut::<LamcatOptions>()
        && on_error == OnError::Null
    {
        "null".clone_into(&mut lamcat.on_error);
    }
    Ok(session)
}

async fn dry_run(session: &Session, jobs: &[FileJob], options: &IngestOptions) -> anyhow::Result<()> {
    let mut out = out();
    for job in jobs {
        let size = HumanBytes(job.input.object.size);
        let join = job.partner.as_ref().map(|p| format!(" joined with {}", p.shown)).unwrap_or_default();
        let sum = if job.md5.is_some() { ", MD5 sum known" } else { "" };
        writeln!(out, "{} ({size}{sum}){join} -> {}", job.input.shown, job.output_name)?;
    }
    if let Some(job) = jobs.first() {
        writeln!(out, "columns of the first:")?;
        for field in output_schema(session, job, options).await?.fields() {
            writeln!(out, "  {}: {}", field.name(), field.data_type())?;
        }
    }
    Ok(())
}

/// The totals of all files.
#[derive(Debug, Default)]
struct Total {
    written: usize,
    skipped: usize,
    failed: usize,
    rows: u64,
    bytes: u64,
    malformed: u64,
    unmatched: u64,
}

impl Total {
    fn files(&self) -> usize {
        self.written + self.skipped
    }

    fn add(
        &mut self,
        args: &IngestArgs,
        progress: &IngestProgress,
        job: &FileJob,
        result: anyhow::Result<Done>,
    ) -> anyhow::Result<()> {
        progress.finish_file();
        let done = match result {
            Ok(done) => done,
            Err(e) => {
                self.failed += 1;
                if args.json {
                    let line = serde_json::json!({"input": job.input.shown, "error": super::describe(&e)});
                    writeln!(out(), "{line}")?;
                }
                progress.say(&format!("error: {}", super::describe(&e)));
                return Ok(());
            }
        };
        let status = match done.status {
            Status::Written => "written",
            Status::Skipped => "skipped",
        };
        if done.status == Status::Written {
            self.written += 1;
            self.rows += done.rows;
            self.bytes += done.bytes;
        } else {
            self.skipped += 1;
        }
        self.malformed += done.malformed;
        self.unmatched += done.unmatched;
        if args.json {
            let line = serde_json::json!({
                "input": job.input.shown, "output": job.output_name, "status": status, "rows": done.rows,
                "bytes": done.bytes, "malformed_values": done.malformed, "unmatched_rows": done.unmatched,
                "seconds": done.elapsed.as_secs_f64(),
            });
            writeln!(out(), "{line}")?;
        } else if done.status == Status::Written {
            progress.say(&format!("wrote {} rows to {}", done.rows, job.output_name));
        }
        Ok(())
    }

    fn report(&self, started: Instant) -> anyhow::Result<()> {
        if self.skipped > 0 {
            let (n, files) = (self.skipped, if self.skipped == 1 { "file was" } else { "files were" });
            eprintln!("{n} {files} done before");
        }
        if self.malformed > 0 {
            eprintln!("warning: {} malformed values became NULL", self.malformed);
        }
        if self.unmatched > 0 {
            eprintln!("warning: {} rows found nothing to join; their joined columns are NULL", self.unmatched);
        }
        if self.written > 1 {
            let (rows, seconds) = (self.rows, started.elapsed().as_secs_f64());
            let rate = rows as f64 / seconds.max(1e-3);
            eprintln!(
                "{rows} rows in {} files, {} in {seconds:.1} s; {rate:.0} rows/s",
                self.written,
                HumanBytes(self.bytes)
            );
        }
        if self.failed > 0 {
            let hint = "hint: the others are written; once it is mended, the same command does what is missing";
            bail!("{} of {} files failed, as said above\n{hint}", self.failed, self.failed + self.files());
        }
        Ok(())
    }
}
