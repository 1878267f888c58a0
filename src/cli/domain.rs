//! `lamcat model domain`.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::bail;
use clap::Args;
use lamcat_core::schema::Vocabulary;
use lamcat_model::Model;
use lamcat_train::{DomainFit, Normalisation, Run, TrainingSet, read_training_set};

use super::{query_args::QueryArgs, session_args::SessionArgs, stdout::out};

/// Fractions of the stars for which the score is printed.
const SHARES: [f64; 7] = [0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999];

#[derive(Debug, Args)]
#[command(after_help = "\
The query gives the stars that the model was trained on, as for `lamcat train`; of its columns only xp, or the
coefficients by name, count. Real stars among simulated ones make the score fit for real ones. A spectrum that comes
several times is fitted once, is the likelier fitted where there are more than 20,000, and counts as often as it comes
where the threshold is placed.
The scores that are printed, and the threshold, are those of stars that were not fitted: of each quarter of the stars
by a fit to the other three. The domain itself is then fitted to all.
Examples:
  lamcat model domain lam.safetensors --sql training.sql -o lam.safetensors
  lamcat model domain lam.safetensors -c \"SELECT xp(bp_coefficients, rp_coefficients, phot_g_mean_mag) AS xp FROM 'stars/*.parquet'\" -o new.safetensors")]
pub(super) struct DomainArgs {
    /// The model file to read.
    file: PathBuf,
    #[command(flatten)]
    query: QueryArgs,
    /// The model file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Share of stars such as these, but not fitted, that lie outside the domain.
    #[arg(long, value_name = "SHARE", default_value_t = DomainFit::OUTSIDE)]
    outside: f64,
    /// Seed of the fit.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    session: SessionArgs,
}

pub(super) async fn run(args: DomainArgs) -> anyhow::Result<()> {
    let model = Model::open(&args.file)?;
    let Some(set) = spectra(&args, model.vocabulary()).await? else { bail!(too_few()) };
    let context_length = model.architecture().context_length;
    let Some(fit) = DomainFit::new(&set, model.vocabulary(), context_length, args.outside, args.seed)? else {
        bail!(too_few());
    };
    let model = model.with_domain(fit.domain.clone())?;
    model.save(&args.output)?;
    writeln!(out(), "{}", describe(&fit))?;
    warn(&fit, args.outside);
    eprintln!("wrote {} ({})", args.output.display(), model.label());
    Ok(())
}

/// The spectra of the query, without its other columns; `None` if it has none.
async fn spectra(args: &DomainArgs, vocabulary: &Vocabulary) -> anyhow::Result<Option<TrainingSet>> {
    let session = args.session.open().await?;
    let frame = args.query.read()?.plan(&session).await?;
    let coefficients: Vec<_> = vocabulary.coefficients().collect();
    let other = |name: &str| {
        let base = name.strip_suffix("_error");
        base.is_some() || vocabulary.id(name).is_some_and(|id| !coefficients.contains(&id))
    };
    let names: Vec<String> = frame.schema().fields().iter().map(|f| f.name().clone()).filter(|n| !other(n)).collect();
    if names.is_empty() {
        return Ok(None);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let columns = read_training_set(frame.select_columns(&names)?, vocabulary, args.session.memory()).await?;
    Ok(Some(TrainingSet::new(columns, vocabulary, Normalisation::Known)?))
}

fn too_few() -> String {
    format!(
        "too few stars with coefficients for a training domain\nhint: give at least {} different stars with an xp list",
        DomainFit::STARS
    )
}

/// Adds the training domain to the model that a run has written, and reports it. The model can also be used without
/// one.
pub(super) fn add(run: &Run, file: &Path) {
    match run.add_domain(file) {
        Ok(Some(fit)) => {
            let (threshold, spectra) = (fit.domain.threshold(), fit.spectra);
            eprintln!("training domain of {spectra} spectra: out of domain above a lam_ood_score of {threshold:.2}");
            warn(&fit, DomainFit::OUTSIDE);
        }
        Ok(None) => eprintln!(
            "no training domain: fewer than {} different spectra; `lamcat model domain` adds one",
            DomainFit::STARS
        ),
        Err(e) => eprintln!("warning: no training domain; `lamcat model domain` adds one: {e}"),
    }
}

fn warn(fit: &DomainFit, outside: f64) {
    for doubt in fit.doubts(outside) {
        eprintln!("warning: {doubt}");
    }
}

fn describe(fit: &DomainFit) -> String {
    let threshold = fit.domain.threshold();
    let outside = fit.scores.iter().filter(|s| **s > threshold).count();
    let quantiles: Vec<String> =
        SHARES.iter().map(|share| format!("{} % {:.2}", 100.0 * share, fit.quantile(*share))).collect();
    format!(
        "stars        {} in {} rows\ncoefficients {}\nmixture      {} distributions of {} factors\nthreshold    {threshold:.2}, exceeded \
         by {outside} rows\nscores       {}",
        fit.spectra,
        fit.scores.len(),
        fit.domain.tokens().len(),
        fit.domain.mixture().len(),
        fit.domain.mixture()[0].rank(),
        quantiles.join(", "),
    )
}
