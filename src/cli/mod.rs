//! The command line: data to stdout, everything else to stderr.

mod bench;
mod demo;
mod domain;
mod eval;
mod functions;
mod ingest;
mod model;
mod model_check;
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
mod simulate;
mod sql;
mod stdout;
mod text_table;
mod threads;
mod train;

use std::{io::IsTerminal, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use datafusion::error::DataFusionError;
use tracing_subscriber::EnvFilter;

use crate::{pipeline::leases_ended, session::without_secrets};

/// Longest time that the end of the program waits for its leases to be gone from the store.
const LEASES_END: Duration = Duration::from_secs(5);

/// Turn Gaia's spectra into catalogues with SQL and a Large Astronomy Model.
#[derive(Debug, Parser)]
#[command(name = "lamcat", version, propagate_version = true, max_term_width = 110)]
#[command(after_help = "Try `lamcat demo` first, then `lamcat sql --help`.")]
struct Cli {
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

/// Runs the program and gives its exit code: 0 done, 1 failed, 2 wrong usage.
#[must_use]
pub fn main() -> ExitCode {
    threads::one_tile_per_core();
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("LAMCAT_LOG").unwrap_or_else(|_| EnvFilter::new("warn,fitsrs=off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let result =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(anyhow::Error::from).and_then(
            |runtime| {
                let result = runtime.block_on(run(cli.command));
                // Who waits for what this process held need not.
                runtime.block_on(leases_ended(LEASES_END));
                result
            },
        );
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if stdout::reader_gone() => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {}", describe(&e));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Sql(args) => sql::run(args).await,
        Command::Plot(args) => plot::run(*args).await,
        Command::Functions => functions::run(),
        Command::Model(command) => model::run(command).await,
        Command::Run(args) => run::run(*args).await,
        Command::Schedule(command) => schedule::run(command).await,
        Command::Release(command) => release::run(command).await,
        Command::Bench(args) => bench::run(&args).await,
        Command::Ingest(args) => ingest::run(args).await,
        Command::Simulate(args) => simulate::run(&args),
        Command::Train(args) => train::run(*args).await,
        Command::Eval(args) => eval::run(*args).await,
        Command::Pipeline(command) => pipeline::run(command).await,
    }
}

/// The error in words: lamcat's own error or DataFusion's message where there is one, else the whole chain.
fn describe(error: &anyhow::Error) -> String {
    if let Some(own) = error.chain().find_map(|e| e.downcast_ref::<crate::error::Error>()) {
        return without_secrets(&own.to_string());
    }
    let Some(engine) = error.chain().find_map(|e| e.downcast_ref::<DataFusionError>()) else {
        return without_secrets(&format!("{error:#}"));
    };
    without_secrets(&engine.strip_backtrace())
}
