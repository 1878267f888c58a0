//! `lamcat train`.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail};
use arrow::datatypes::Schema;
use candle_core::Device;
use clap::{Args, ValueEnum};
use datafusion::common::runtime::SpawnedTask;
use lamcat_core::{
    error::Error,
    schema::{Basis, Vocabulary, limits},
    survey,
};
use lamcat_model::{Architecture, Model};
use lamcat_train::{
    Blank, Budget, DryRun, Hiding, Normalisation, Outcome, OwnToken, Requests, Run, Schedule, Settings, TrainingSet,
    dry_run, read_training_set,
};

use super::{
    domain,
    model::Dtype,
    numbers,
    progress::TrainProgress,
    query_args::{Query, QueryArgs},
    session_args::SessionArgs,
    signals,
    size_args::SizeArgs,
};

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = "\
The query gives one star per row: xp (a list of all coefficients, see xp(bp, rp, g)) and any tokens of the vocabulary
(teff, logg, m_h, logebv, g_fakemag, bprp, jh, jk), each with an optional error (xp_error, teff_error, …). NULL is missing.
Further columns become tokens of your own with --token: lam_infer(…, 'age') then answers them.
Examples:
  lamcat train --dir run -c \"SELECT xp(bp_coefficients, rp_coefficients, phot_g_mean_mag) AS xp, teff, teff_error FROM 'stars/*.parquet'\" --dry-run
  lamcat train --dir run --sql training.sql --size small --batch 256 --time-limit 40m
  lamcat train --dir run -c \"CREATE VIEW stars AS SELECT * FROM 'stars.parquet'\" --sql sql/train_simulated.sql
  lamcat train --dir ages -c \"SELECT xp, teff, age, mass FROM 'ages.parquet'\" --token age:Gyr:time.age --token mass:solMass:phys.mass
  lamcat train --dir paper --sql training.sql --size full --batch 1024 --epochs 4096 --restarts 7
  lamcat sql --model run/model.safetensors -c \"SELECT …\"
The run folder gets losses.csv, losses.svg, checkpoint.safetensors and, in the end, model.safetensors. The same command
goes on where a run was stopped. Training is on the CPU; --device says where the query's own models compute.")]
pub(super) struct TrainArgs {
    #[command(flatten)]
    query: QueryArgs,
    /// The run's folder.
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    /// Say what would be trained and how long an epoch takes; write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Go on from the folder's checkpoint, and fail if it has none [default: go on if it has one].
    #[arg(long, conflicts_with = "fresh")]
    resume: bool,
    /// Begin anew even if the folder has a checkpoint.
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    sizes: SizeArgs,
    #[command(flatten)]
    course: CourseArgs,
    /// Begin with this model's weights, sizes and normalisation instead of random weights.
    #[arg(long, value_name = "MODEL", conflicts_with_all = ["keep_normalisation", "size", "context", "width", "encoder_heads", "encoder_dense", "decoder_heads", "decoder_dense"])]
    from: Option<PathBuf>,
    /// Normalise the tokens as this model does [default: by the training set's medians and robust deviations].
    #[arg(long, value_name = "FILE")]
    keep_normalisation: Option<PathBuf>,
    /// A further column of the query that the model learns as a token of its own, with its unit and UCD unless the column
    /// has them, e.g. age:Gyr:time.age. Repeatable.
    #[arg(long = "token", value_name = "NAME[:UNIT[:UCD]]", conflicts_with_all = ["from", "keep_normalisation"])]
    tokens: Vec<OwnToken>,
    /// The basis that the spectra are given on [default: gaia-dr3-xp].
    #[arg(long, value_name = "NAME", value_parser = survey::basis, conflicts_with_all = ["from", "keep_normalisation"])]
    basis: Option<Basis>,
    /// Name of the model in SQL [default: the folder's name].
    #[arg(long)]
    name: Option<String>,
    /// Numbers that the model file holds.
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    dtype: Dtype,
    /// No progress and no reports.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    session: SessionArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BlankKind {
    Slots,
    Share,
}

#[derive(Debug, Args)]
struct CourseArgs {
    /// Stars of a step.
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = numbers::within::<usize>(limits::STEP_STARS))]
    batch: usize,
    /// What the random blanks of a context are counted in: slots of the context as the published model, or a share of
    /// the star's own tokens, which stars with few tokens need.
    #[arg(long, value_enum, default_value_t = BlankKind::Slots)]
    blank: BlankKind,
    /// Hide what is asked for, so that no request is answered by copying.
    #[arg(long)]
    hide_asked: bool,
    /// Probability that a star shows nothing of a group, each by itself: BP, RP, colours, labels.
    #[arg(long, default_value_t = 0.0, value_name = "P")]
    hide_groups: f32,
    /// Probability that a star has no random blanks.
    #[arg(long, default_value_t = 0.0, value_name = "P")]
    whole: f32,
    /// Tokens asked of each star in a step; they share its encoder pass, so more of them teach faster.
    #[arg(long, default_value_t = 1, value_name = "N")]
    requests: usize,
    /// Share of the requests, in [0, 1], that ask for labels and colours instead of XP coefficients [default: any token
    /// alike, as the published model].
    #[arg(long, value_name = "SHARE")]
    label_share: Option<f32>,
    /// Steps to train [default: 100 epochs].
    #[arg(long, value_name = "N", conflicts_with_all = ["epochs", "time_limit"], value_parser = numbers::within::<u64>(limits::STEPS))]
    steps: Option<u64>,
    /// Passes over the training stars.
    #[arg(long, value_name = "N", conflicts_with = "time_limit", value_parser = numbers::within::<u64>(limits::STEPS))]
    epochs: Option<u64>,
    /// Time to train, e.g. 40m or 1h30m, all parts of an interrupted run together.
    #[arg(long, value_name = "TIME", value_parser = parse_seconds)]
    time_limit: Option<f64>,
    /// Learning rate at the start.
    #[arg(long, default_value_t = 1e-4, value_name = "RATE")]
    lr: f64,
    /// Learning rate that the cosine falls to.
    #[arg(long, default_value_t = 1e-10, value_name = "RATE")]
    lr_floor: f64,
    /// Times that the learning rate starts again on the way.
    #[arg(long, default_value_t = 0, value_name = "N")]
    restarts: u32,
    /// Probability that dropout drops an element.
    #[arg(long, default_value_t = 0.1, value_name = "P")]
    dropout: f32,
    /// Seed of weights, split, sampling and dropout.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Steps between lines of losses.csv.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = numbers::within::<u64>(limits::STEPS))]
    report_every: u64,
    /// Steps between checkpoints.
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = numbers::within::<u64>(limits::STEPS))]
    checkpoint_every: u64,
}

impl CourseArgs {
    fn settings(&self, architecture: Architecture) -> Settings {
        let budget = match (self.steps, self.epochs, self.time_limit) {
            (Some(steps), _, _) => Budget::Steps(steps),
            (_, _, Some(seconds)) => Budget::Seconds(seconds),
            (_, epochs, _) => Budget::Epochs(epochs.unwrap_or(100)),
        };
        let cycles = self.restarts.saturating_add(1);
        Settings {
            architecture,
            batch: self.batch,
            blank: match self.blank {
                BlankKind::Slots => Blank::Slots,
                BlankKind::Share => Blank::Share,
            },
            hiding: Hiding { asked: self.hide_asked, groups: self.hide_groups, whole: self.whole },
            requests: Requests { count: self.requests, labels: self.label_share },
            schedule: Schedule { budget, cycles, rate: self.lr, floor: self.lr_floor },
            dropout: self.dropout,
            from: None,
            seed: self.seed,
            report_every: self.report_every,
        }
    }
}

/// Time for a step and the writing of a checkpoint after a signal.
const PATIENCE: Duration = Duration::from_hours(1);

pub(super) async fn run(args: TrainArgs) -> anyhow::Result<()> {
    let start = args.from.as_ref().map(Model::open).transpose()?;
    let architecture = start.as_ref().map_or_else(|| args.sizes.architecture(), |model| model.architecture().clone());
    let settings = Settings { from: start.as_ref().map(|m| m.hash().to_owned()), ..args.course.settings(architecture) };
    settings.validate()?;
    if args.resume && !args.dir.join("checkpoint.safetensors").exists() {
        bail!("{} has no checkpoint to go on from\nhint: leave out --resume to begin", args.dir.display());
    }
    let query = args.query.read()?;
    let normalisation = match (&args.keep_normalisation, &start) {
        (Some(path), _) => Some(Model::open(path)?.vocabulary().clone()),
        (None, start) => start.as_ref().map(|model| model.vocabulary().clone()),
    };
    let mut set = if let Some(known) = normalisation {
        read(&args.session, &query, Normalisation::Known, |_| Ok(known)).await?
    } else {
        let known = |schema: &Schema| {
            let known = Vocabulary::leung_bovy_2023().on(args.basis.clone().unwrap_or_else(Basis::unsaid))?;
            OwnToken::add(&args.tokens, &known, schema)
        };
        read(&args.session, &query, Normalisation::Measured, known).await?
    };
    if let Some(model) = &start {
        set = set.widened(model.vocabulary())?;
    }
    if args.dry_run {
        return say_dry_run(&set, &settings, start.as_ref());
    }
    let name = match &args.name {
        Some(name) => name.clone(),
        None => folder_name(&args.dir)?,
    };
    let query = format!("a query (SHA-256 {:.12})", query.sha256());
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let task =
        SpawnedTask::spawn_blocking(move || train(&args, &set, settings, start.as_ref(), &name, &query, &stopped));
    let _taken = signals::ends_by_itself(PATIENCE);
    let _signals = SpawnedTask::spawn(async move {
        signals::ended().await;
        eprintln!("stopping after this step; once more ends the program at once");
        stop.store(true, Ordering::Relaxed);
    });
    task.join().await.context("the training thread ended early")?
}

/// The training set of a query. Its tokens are those of the vocabulary that `known` returns for its columns.
pub(super) async fn read(
    args: &SessionArgs,
    query: &Query,
    normalisation: Normalisation,
    known: impl FnOnce(&Schema) -> Result<Vocabulary, Error>,
) -> anyhow::Result<TrainingSet> {
    let session = args.open().await?;
    let frame = query.plan(&session).await?;
    let known = known(frame.schema().as_arrow())?;
    let columns = read_training_set(frame, &known, args.memory()).await?;
    Ok(TrainingSet::new(columns, &known, normalisation)?)
}

fn train(
    args: &TrainArgs,
    set: &TrainingSet,
    settings: Settings,
    start: Option<&Model>,
    name: &str,
    query: &str,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let start = start.map(Model::tensors);
    let mut run = Run::open(&args.dir, set, settings, start, args.fresh, args.course.checkpoint_every, &Device::Cpu)?;
    if run.resumed_at() > 0 && !args.quiet {
        eprintln!("going on after step {} of the run in {}", run.resumed_at(), args.dir.display());
    }
    let progress = TrainProgress::start(args.quiet);
    let outcome = run.train(name, query, stop, &mut |report| progress.show(report));
    drop(progress);
    match outcome? {
        Outcome::Finished(path) => {
            domain::add(&run, &path);
            if args.dtype != Dtype::F32 {
                Model::open(&path)?.with_dtype(args.dtype.tensor())?.save(&path)?;
            }
            eprintln!("wrote {}", path.display());
        }
        Outcome::Stopped => {
            eprintln!("stopped; the same command goes on from the checkpoint in {}", args.dir.display());
        }
    }
    Ok(())
}

fn say_dry_run(set: &TrainingSet, settings: &Settings, start: Option<&Model>) -> anyhow::Result<()> {
    use std::io::Write;
    let dry = dry_run(set, settings, start, &Device::Cpu)?;
    Ok(writeln!(super::stdout::out(), "{}", describe(set, settings, &dry))?)
}

fn describe(set: &TrainingSet, settings: &Settings, dry: &DryRun) -> String {
    let seconds = dry.training_stars as f64 / dry.stars_per_second;
    let v = set.vocabulary();
    let xp: Vec<_> = v.coefficients().collect();
    let mut filled: Vec<String> = Vec::new();
    if !xp.is_empty() {
        let mean = xp.iter().map(|id| set.fill()[*id as usize - 1]).sum::<f64>() / xp.len() as f64;
        filled.push(format!("{} XP coefficients {:.1} %", xp.len(), 100.0 * mean));
    }
    for (i, token) in v.tokens().iter().enumerate().filter(|(i, _)| !xp.contains(&(*i as u32 + 1))) {
        filled.push(format!("{} {:.1} %", token.name, 100.0 * set.fill()[i]));
    }
    format!(
        "stars        {} ({} to train on, {} for validation)\ntokens       {}, filled: {}\nparameters   {}\n\
         batch        {} stars, {} steps per epoch\nspeed        {:.0} stars/s, {seconds:.1} s per epoch\nfirst loss   {:.4}",
        dry.stars,
        dry.training_stars,
        dry.validation_stars,
        v.len(),
        filled.join(", "),
        dry.parameters,
        settings.batch,
        dry.steps_per_epoch,
        dry.stars_per_second,
        dry.loss,
    )
}

fn folder_name(folder: &std::path::Path) -> anyhow::Result<String> {
    let absolute = std::path::absolute(folder)?;
    let name = absolute.file_name().map(|n| n.to_string_lossy().into_owned());
    name.context("the folder has no name; name the model with --name")
}

/// Maximum length of a training run in seconds: ten years.
const LONGEST: f64 = 3653.0 * 86_400.0;

/// Parses a length of time such as `90s`, `40m` or `1h30m` into seconds.
fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = numbers::duration(text)?.as_secs_f64();
    let is_possible = seconds > 0.0 && seconds <= LONGEST;
    if is_possible { Ok(seconds) } else { Err("the time must be positive, and at most 10 years".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert!((parse_seconds("1h30m").unwrap() - 5400.0).abs() < 1e-9);
        assert!((parse_seconds("0.5m").unwrap() - 30.0).abs() < 1e-9);
        assert!(parse_seconds("40").is_err() && parse_seconds("m").is_err() && parse_seconds("").is_err());
    }
}
