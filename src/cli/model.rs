//! `lamcat model`.

use std::{io::Write, path::PathBuf};

use anyhow::bail;
use candle_core::DType;
use clap::{Args, Subcommand, ValueEnum};
use lamcat_core::schema::Vocabulary;
use lamcat_model::{
    Architecture, Domain, Model, default, import, init,
    weights::{BlockWeights, Place, Weights},
};
use serde_json::json;

use super::{
    domain::{self, DomainArgs},
    model_check::{self, CheckArgs},
    stdout::out,
};

#[derive(Debug, Subcommand)]
pub(super) enum ModelCommand {
    /// Make a model file from the authors' published checkpoint (config.json and weights.pt).
    Import(ImportArgs),
    /// Say what a model file holds.
    Info(InfoArgs),
    /// Compare a device's answers with the readable reference's, or with the authors'.
    Check(CheckArgs),
    /// Make a model file with random weights, for benchmarks.
    Init(InitArgs),
    /// Write a model file with other numbers: f16 halves its size.
    Convert(ConvertArgs),
    /// Write a model file that knows its training stars, by which lam_ood_score and lam_flags tell strange spectra.
    Domain(Box<DomainArgs>),
}

/// Numbers that a model file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Dtype {
    F32,
    F16,
    Bf16,
}

impl Dtype {
    pub(super) fn tensor(self) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::F16 => DType::F16,
            Self::Bf16 => DType::BF16,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct ConvertArgs {
    /// The model file to read.
    file: PathBuf,
    /// The model file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Its numbers; the model computes in f32 whatever its file holds.
    #[arg(long, value_enum, default_value_t = Dtype::F16)]
    dtype: Dtype,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// Folder with config.json and weights.pt.
    folder: PathBuf,
    /// The model file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Name of the model in SQL [default: the folder's name].
    #[arg(long)]
    name: Option<String>,
    /// The checkpoint's weights are random: outputs will say so.
    #[arg(long)]
    untrained: bool,
}

#[derive(Debug, Args)]
pub(super) struct InfoArgs {
    /// The model file; the embedded model if not given.
    file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The model file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Seed of the random weights.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Name of the model in SQL.
    #[arg(long, default_value = "untrained-random")]
    name: String,
    /// Slots of the context.
    #[arg(long, default_value_t = 64)]
    context_length: usize,
    /// Width of a token.
    #[arg(long, default_value_t = 128)]
    width: usize,
    /// Attention heads of the first encoder block.
    #[arg(long, default_value_t = 16)]
    encoder_heads: usize,
    /// Dense width of the first encoder block.
    #[arg(long, default_value_t = 1024)]
    encoder_dense: usize,
    /// Attention heads of the first decoder block.
    #[arg(long, default_value_t = 16)]
    decoder_heads: usize,
    /// Dense width of the first decoder block.
    #[arg(long, default_value_t = 3096)]
    decoder_dense: usize,
}

pub(super) async fn run(command: ModelCommand) -> anyhow::Result<()> {
    match command {
        ModelCommand::Import(args) => {
            let folder_name = args.folder.file_name().map(|n| n.to_string_lossy().into_owned());
            let Some(name) = args.name.or(folder_name) else { bail!("the folder has no name; give one with --name") };
            let model = import::import(&args.folder, &name, !args.untrained)?;
            model.save(&args.output)?;
            eprintln!("wrote {} ({})", args.output.display(), model.label());
            Ok(())
        }
        ModelCommand::Info(args) => info(&args),
        ModelCommand::Check(args) => model_check::run(&args).await,
        ModelCommand::Domain(args) => domain::run(*args).await,
        ModelCommand::Convert(args) => {
            let model = Model::open(&args.file)?.with_dtype(args.dtype.tensor())?;
            model.save(&args.output)?;
            eprintln!("wrote {} ({})", args.output.display(), model.label());
            Ok(())
        }
        ModelCommand::Init(args) => {
            let architecture = Architecture {
                context_length: args.context_length,
                width: args.width,
                encoder_heads: args.encoder_heads,
                encoder_dense: args.encoder_dense,
                decoder_heads: args.decoder_heads,
                decoder_dense: args.decoder_dense,
                ..Architecture::tiny()
            };
            let model = init::random(&args.name, architecture, Vocabulary::leung_bovy_2023(), args.seed)?;
            model.save(&args.output)?;
            eprintln!("wrote {} ({})", args.output.display(), model.label());
            Ok(())
        }
    }
}

fn info(args: &InfoArgs) -> anyhow::Result<()> {
    let model = match &args.file {
        Some(path) => Model::open(path)?,
        None => default::model()?,
    };
    let text = if args.json { as_json(&model) } else { as_text(&model) };
    Ok(writeln!(out(), "{text}")?)
}

fn as_json(model: &Model) -> String {
    json!({
        "name": model.name(),
        "trained": model.provenance().trained,
        "origin": model.provenance().origin,
        "created_by": model.provenance().created_by,
        "hash": model.hash(),
        "parameters": model.parameters(),
        "ood_threshold": model.domain().map(Domain::threshold),
        "architecture": model.architecture(),
        "tokens": model.vocabulary().tokens().iter().map(|t| &t.name).collect::<Vec<_>>(),
    })
    .to_string()
}

fn as_text(model: &Model) -> String {
    let a = model.architecture();
    let v = model.vocabulary();
    let xp: Vec<_> = v.coefficients().collect();
    let others: Vec<&str> =
        (1..=v.len() as u32).filter(|id| !xp.contains(id)).map(|id| v.token(id).name.as_str()).collect();
    // An architecture whose family is unknown has no model.
    let blocks = |of: fn(Weights<Place>) -> Vec<BlockWeights<Place>>| {
        let blocks = a.layout(v.len()).map(of).unwrap_or_default();
        let one = |block: &BlockWeights<Place>| format!("{} heads, dense {}", block.heads, block.dense_1.bias.shape[0]);
        format!("{} blocks: {}", blocks.len(), blocks.iter().map(one).collect::<Vec<_>>().join("; "))
    };
    format!(
        "model        {}\ntrained      {}\norigin       {}\nwritten by   {}\nhash         {}\nparameters   {}\n\
         context      {} tokens of width {}\nencoder      {}\ndecoder      {}\ntokens       {} XP coefficients, {}\n\
         domain       {}",
        model.label(),
        if model.provenance().trained { "yes" } else { "no: random weights, every result is meaningless" },
        model.provenance().origin,
        model.provenance().created_by,
        model.hash(),
        model.parameters(),
        a.context_length,
        a.width,
        blocks(|layout| layout.encoder),
        blocks(|layout| layout.decoder),
        xp.len(),
        others.join(", "),
        model.domain().map_or_else(
            || "unknown: lam_ood_score is NULL; `lamcat model domain` adds it".to_owned(),
            |d| format!(
                "{} XP coefficients; out of domain above a lam_ood_score of {:.2}",
                d.tokens().len(),
                d.threshold()
            ),
        ),
    )
}
