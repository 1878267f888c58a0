//! `lamcat simulate`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::bail;
use clap::Args;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use lamcat_core::schema::limits;
use lamcat_gaia::simulate::{DataFolder, DustKind, DustLaw, SimulateOptions, Simulator, schema, simulate};

use super::{numbers, stdout::out};

#[derive(Debug, Args)]
#[command(after_help = "\
Makes stars with labels of APOGEE's distribution and the spectra, magnitudes and parallaxes that Gaia and 2MASS would
give for them, as a training set: sql/train_simulated.sql says how. The stars are simulated; results of a model that
learned from them are to be checked on real ones. The same seed gives the same file. lamcat carries what the stars are
made of: labels of APOGEE DR17, spectra of payne_xp and ATLAS9, colours of Green et al. (2020), and the noise of field
stars of Gaia DR3.

Examples:
  lamcat simulate --rows 1000000 --seed 1 -o stars.parquet
  lamcat simulate --rows 100 -o stars.parquet --dry-run
  lamcat simulate --data models --rows 100 -o stars.parquet")]
pub(super) struct SimulateArgs {
    /// Folder with other data to make the stars of, in forward_model, labels and xp_continuous [default: what lamcat
    /// carries].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Stars to make.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = numbers::within::<u64>(limits::ROWS))]
    rows: u64,
    /// Seed of the random numbers.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Law of the dust before the stars.
    #[arg(long, value_name = "LAW", value_enum, default_value_t)]
    dust: DustLaw,
    /// Standard deviation of its R(V) about 3.1; the Milky Way's is 0.18.
    #[arg(long, value_name = "S", default_value_t = 0.0)]
    rv_spread: f64,
    /// Name of the .parquet file.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Write the file anew if it exists.
    #[arg(long)]
    overwrite: bool,
    /// Threads [default: one per core].
    #[arg(short, long, value_name = "N", value_parser = numbers::within::<usize>(limits::THREADS))]
    threads: Option<usize>,
    /// Only read the data, and say what would be written.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &SimulateArgs) -> anyhow::Result<()> {
    if args.output.exists() && !args.overwrite && !args.dry_run {
        bail!("{} exists\nhint: --overwrite writes it anew", args.output.display());
    }
    let dust = DustKind { law: args.dust, rv_spread: args.rv_spread };
    let simulator = match &args.data {
        Some(folder) => Simulator::load(&DataFolder::new(folder), dust)?,
        None => Simulator::carried(dust)?,
    };
    if args.dry_run {
        return dry_run(args, &simulator);
    }
    let options = SimulateOptions { rows: args.rows, seed: args.seed, threads: args.threads };
    let bar = ProgressBar::new(args.rows);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} stars, {per_sec}, eta {eta}") {
        bar.set_style(style);
    }
    let started = Instant::now();
    let result = simulate(&simulator, &options, &args.output, |rows| bar.set_position(rows));
    bar.finish_and_clear();
    result?;
    report(&args.output, args.rows, started)
}

fn report(output: &Path, rows: u64, started: Instant) -> anyhow::Result<()> {
    let bytes = HumanBytes(std::fs::metadata(output)?.len());
    let seconds = started.elapsed().as_secs_f64();
    let rate = rows as f64 / seconds.max(1e-3);
    eprintln!("wrote {rows} simulated stars ({bytes}) to {} in {seconds:.1} s; {rate:.0} stars/s", output.display());
    Ok(())
}

fn dry_run(args: &SimulateArgs, simulator: &Simulator) -> anyhow::Result<()> {
    let mut out = out();
    let labelled = simulator.population().len();
    writeln!(out, "{} simulated stars with labels drawn from {labelled} -> {}", args.rows, args.output.display())?;
    writeln!(out, "columns:")?;
    for field in schema().fields() {
        let unit = field.metadata().get("unit").map(|u| format!(" [{u}]")).unwrap_or_default();
        writeln!(out, "  {}: {}{unit}", field.name(), field.data_type())?;
    }
    Ok(())
}
