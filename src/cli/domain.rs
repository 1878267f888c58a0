//! `lamcat model domain`.

use std::{io::Write, path::PathBuf};

use anyhow::bail;
use clap::Args;

use super::{query_args::QueryArgs, session_args::SessionArgs, stdout::out, train};
use crate::{model::Model, train::DomainFit};

/// Shares of the stars whose scores are printed.
const SHARES: [f64; 7] = [0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999];

#[derive(Debug, Args)]
#[command(after_help = "\
The query gives the stars that the model was trained on, as for `lamcat train`; of its columns only xp, or the
coefficients by name, count. Real stars among simulated ones make the score fit for real ones.
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
    /// Share of these stars that lie outside the domain.
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
    let set = train::read(&args.session, Some(model.vocabulary().clone()), &args.query.read()?).await?;
    let context_length = model.architecture().context_length;
    let Some(fit) = DomainFit::new(&set, model.vocabulary(), context_length, args.outside, args.seed)? else {
        bail!(
            "too few stars with coefficients for a training domain\nhint: give at least {} stars with an xp list",
            DomainFit::STARS
        );
    };
    let model = model.with_domain(fit.domain.clone())?;
    model.save(&args.output)?;
    writeln!(out(), "{}", describe(&fit))?;
    eprintln!("wrote {} ({})", args.output.display(), model.label());
    Ok(())
}

fn describe(fit: &DomainFit) -> String {
    let threshold = fit.domain.threshold();
    let outside = fit.scores.iter().filter(|s| **s > threshold).count();
    let quantiles: Vec<String> =
        SHARES.iter().map(|share| format!("{} % {:.2}", 100.0 * share, fit.quantile(*share))).collect();
    format!(
        "stars        {}\ncoefficients {}\nmixture      {} distributions of {} factors\nthreshold    {threshold:.2}, exceeded \
         by {outside} stars\nscores       {}",
        fit.scores.len(),
        fit.domain.tokens().len(),
        fit.domain.mixture().len(),
        fit.domain.mixture()[0].rank(),
        quantiles.join(", "),
    )
}
