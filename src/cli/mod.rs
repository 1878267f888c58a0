//! The command line. Data goes to stdout, everything else to stderr.

mod bench;
#[cfg(feature = "cluster")]
mod cluster;
mod demo;
mod display;
mod domain;
mod eval;
mod functions;
mod ingest;
mod log;
mod model;
mod model_check;
mod numbers;
mod override_args;
mod pipeline;
mod plot;
mod progress;
mod query_args;
mod release;
mod repl;
mod rows;
mod run;
mod schedule;
mod session_args;
mod signals;
mod simulate;
mod size_args;
mod sql;
mod stdout;
mod text_table;
mod threads;
mod train;

use std::{process::ExitCode, time::Duration};

use anyhow::bail;
use clap::{Parser, Subcommand};
use datafusion::{common::runtime::SpawnedTask, error::DataFusionError};
use lamcat_catalogue::pipeline::leases_ended;
use lamcat_core::{error::without_secrets, outputs};
use tokio::runtime::Runtime;

/// Turn Gaia's spectra into catalogues with SQL and a Large Astronomy Model.
#[derive(Debug, Parser)]
#[command(name = "lamcat", version, propagate_version = true, max_term_width = 110)]
#[command(after_help = "Try `lamcat demo` first, then `lamcat sql --help`.")]
struct Cli {
    /// What is logged to stderr: error, warn, info, debug or trace, also of single modules, as in
    /// warn,object_store=debug. Credentials are left out.
    #[arg(long, value_name = "FILTER", env = "RUST_LOG", global = true)]
    log: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole way on a small simulated sample: Parquet in, SQL, catalogue out.
    Demo(demo::DemoArgs),
    /// Run SQL with the model's functions; a prompt if no statement is given.
    Sql(sql::SqlArgs),
    /// Draw the rows of a query as a picture: lines, points, histograms and heat maps.
    Plot(Box<plot::PlotArgs>),
    /// Print the reference of the SQL functions as Markdown.
    Functions,
    /// Import, inspect and make model files.
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// Run a pipeline: from its inputs to a published HATS catalogue.
    Run(Box<run::RunArgs>),
    /// Run pipelines by themselves when their schedules say, and show what became of it.
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    /// Verify, list, compare, roll back and clean up the releases of a catalogue.
    #[command(subcommand)]
    Release(release::ReleaseCommand),
    /// Measure how many stars a second the model does on this machine, beside what its matrix products could reach.
    Bench(bench::BenchArgs),
    /// Run queries on several machines.
    #[cfg(feature = "cluster")]
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
    /// Convert files of the Gaia archive (ECSV, CSV, FITS, VOTable, HATS) to Parquet.
    Ingest(ingest::IngestArgs),
    /// Simulate stars with spectra and labels, to train a model on.
    Simulate(simulate::SimulateArgs),
    /// Train a model on the rows of a query.
    Train(Box<train::TrainArgs>),
    /// Judge a model on the rows of a query whose labels are known.
    Eval(Box<eval::EvalArgs>),
    /// Check and explain pipeline files, which say how a catalogue is made.
    #[command(subcommand)]
    Pipeline(pipeline::PipelineCommand),
}

/// Time for a command that failed or was stopped to abort its uploads and release its leases.
const SETTLING: Duration = Duration::from_secs(5);

/// Time for background work to end.
const LEAVING: Duration = Duration::from_millis(200);

/// The program's commands and options.
#[must_use]
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Runs the program and returns its exit code: 0 if it succeeded, 1 if it failed, 2 for wrong usage, 128 plus a
/// signal's number if a signal ended it.
#[must_use]
pub fn main() -> ExitCode {
    threads::one_tile_per_core();
    let cli = Cli::try_parse().unwrap_or_else(|e| log::wrong_usage(&e));
    if let Err(e) = log::start(cli.log.as_deref()) {
        eprintln!("error: {}", describe(&e));
        return ExitCode::from(2);
    }
    signals::listen();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(anyhow::Error::from).and_then(|runtime| run_on(runtime, cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if stdout::reader_gone() => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {}", describe(&e));
            signals::heard().map_or(ExitCode::FAILURE, |signal| signal.exit_code().into())
        }
    }
}

/// Runs a command to its end or until a signal; its unfinished outputs are removed in both cases.
fn run_on(runtime: Runtime, command: Command) -> anyhow::Result<()> {
    let result = runtime.block_on(async {
        tokio::select! {
            // If the command itself has something to say about the signal, that is reported.
            biased;
            result = run(command) => result,
            signal = signals::lets_go() => stopped(signal),
        }
    });
    let _taken = signals::ends_by_itself(SETTLING * 2);
    runtime.block_on(async { tokio::join!(outputs::settle(SETTLING), leases_ended(SETTLING)) });
    if signals::heard().is_some() {
        outputs::abandon_all();
    }
    // The remaining computations of a stopped query are not waited for.
    runtime.shutdown_timeout(LEAVING);
    result
}

fn stopped(signal: signals::Signal) -> anyhow::Result<()> {
    bail!("stopped by {}; an output that was not finished was not written", signal.name())
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Sql(args) => sql::run(args).await,
        Command::Plot(args) => plot::run(*args).await,
        Command::Functions => functions::run(),
        Command::Model(command) => model::run(command).await,
        Command::Run(args) => Box::pin(run::run(*args)).await,
        Command::Schedule(command) => schedule::run(command).await,
        Command::Release(command) => release::run(command).await,
        Command::Bench(args) => bench::run(&args).await,
        #[cfg(feature = "cluster")]
        Command::Cluster(command) => cluster::run(command).await,
        Command::Ingest(args) => ingest::run(args).await,
        Command::Simulate(args) => SpawnedTask::spawn_blocking(move || simulate::run(&args)).join_unwind().await?,
        Command::Train(args) => train::run(*args).await,
        Command::Eval(args) => eval::run(*args).await,
        Command::Pipeline(command) => pipeline::run(command).await,
    }
}

/// The error in words. For a full disk this comes first, whatever message the libraries in between made of it.
fn describe(error: &anyhow::Error) -> String {
    let text = in_words(error);
    if outputs::is_disk_full(error.as_ref()) && !text.starts_with("the disk is full") {
        return format!("the disk is full: {text}\nhint: make room, or write to another disk");
    }
    text
}

/// lamcat's own error or DataFusion's message if there is one, otherwise the whole chain of errors.
fn in_words(error: &anyhow::Error) -> String {
    if let Some(own) = error.chain().find_map(|e| e.downcast_ref::<lamcat_core::error::Error>()) {
        return without_secrets(&own.to_string());
    }
    let Some(engine) = error.chain().find_map(|e| e.downcast_ref::<DataFusionError>()) else {
        return without_secrets(&format!("{error:#}"));
    };
    without_secrets(&engine.strip_backtrace())
}
