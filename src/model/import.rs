//! Imports the authors' published format: `config.json` with vocabulary and normalisation, and `weights.pt`, a PyTorch
//! checkpoint with the weights under `model_state_dict`.

use std::{collections::BTreeMap, path::Path};

use candle_core::Tensor;
use lamcat_core::{
    error::{Error, ErrorKind, Result},
    schema::{Basis, Token, Vocabulary},
};
use serde::Deserialize;

use super::{checkpoint, families::Architecture, file::Model, file::Provenance};

/// The parts of the authors' `config.json` that define a model; the rest concerns training.
#[derive(Deserialize)]
struct Checkpoint {
    #[serde(rename = "nn_config")]
    network: Network,
    #[serde(rename = "tokenizer_config")]
    tokenizer: Tokenizer,
    #[serde(rename = "norm_config")]
    normalisation: Normalisation,
}

#[derive(Deserialize)]
struct Network {
    context_length: usize,
    embedding_dim: usize,
    embedding_activation: String,
    encoder_head_num: usize,
    encoder_dense_num: usize,
    encoder_activation: String,
    decoder_head_num: usize,
    decoder_dense_num: usize,
    decoder_activation: String,
}

#[derive(Deserialize)]
struct Tokenizer {
    vocabs: Vec<String>,
    vocab_tokens: Vec<u32>,
}

#[derive(Deserialize)]
struct Normalisation {
    #[serde(rename = "_input_mean")]
    mean: Vec<f64>,
    #[serde(rename = "_input_std")]
    std: Vec<f64>,
    #[serde(rename = "_input_standardized")]
    standardised: Vec<bool>,
}

/// Reads the published format from a folder that holds `config.json` and `weights.pt`.
///
/// # Errors
/// If a file is missing or unreadable, the model uses an activation other than gelu, the vocabulary and the
/// normalisation do not match, or a weight is missing or of the wrong shape.
pub fn import(folder: &Path, name: &str, trained: bool) -> Result<Model> {
    let config_path = folder.join("config.json");
    let text = std::fs::read_to_string(&config_path).map_err(|e| {
        Error::new(ErrorKind::Io, "cannot read the checkpoint's config")
            .at("file", config_path.display())
            .source(e)
            .hint("name the folder that holds config.json and weights.pt")
    })?;
    let config: Checkpoint = serde_json::from_str(&text).map_err(|e| {
        Error::new(ErrorKind::Model, "the checkpoint's config is not in the published format")
            .at("file", config_path.display())
            .source(e)
    })?;
    let architecture = architecture(&config.network)?;
    let vocabulary = vocabulary(config.tokenizer, &config.normalisation)?;
    let tensors = state_dict(&folder.join("weights.pt"))?;
    let origin = format!("imported from the checkpoint '{}'", file_name(folder));
    Model::new(name, architecture, vocabulary, Provenance::new(trained, origin), tensors)
}

fn file_name(folder: &Path) -> String {
    folder.file_name().map_or_else(|| ".".to_owned(), |n| n.to_string_lossy().into_owned())
}

fn architecture(n: &Network) -> Result<Architecture> {
    for activation in [&n.embedding_activation, &n.encoder_activation, &n.decoder_activation] {
        if activation != "gelu" {
            return Err(Error::new(ErrorKind::Model, "the checkpoint uses an activation lamcat does not have")
                .at("activation", activation)
                .hint("only gelu, as in the published model, is known"));
        }
    }
    Ok(Architecture {
        context_length: n.context_length,
        width: n.embedding_dim,
        encoder_heads: n.encoder_head_num,
        encoder_dense: n.encoder_dense_num,
        decoder_heads: n.decoder_head_num,
        decoder_dense: n.decoder_dense_num,
        ..Architecture::tiny()
    })
}

fn vocabulary(t: Tokenizer, n: &Normalisation) -> Result<Vocabulary> {
    let misfit = |what: &str| Error::new(ErrorKind::Model, format!("the checkpoint's {what} do not fit each other"));
    if !t.vocab_tokens.iter().copied().eq(1..=t.vocabs.len() as u32) {
        return Err(misfit("vocabulary and token ids"));
    }
    let rows = t.vocabs.len() + 1; // row 0 is padding
    if n.mean.len() != rows || n.std.len() != rows || n.standardised.len() != rows {
        return Err(misfit("vocabulary and normalisation"));
    }
    let tokens = t
        .vocabs
        .into_iter()
        .zip(1..)
        .map(|(name, i)| {
            let (median, scale) = if n.standardised[i] { (n.mean[i], n.std[i]) } else { (0.0, 1.0) };
            Token::new(name, median, scale)
        })
        .collect();
    Vocabulary::new(tokens, Basis::unsaid())
}

fn state_dict(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let tensors = checkpoint::weights(path, "model_state_dict").map_err(|e| {
        Error::new(ErrorKind::Model, "cannot read the checkpoint's weights")
            .at("file", path.display())
            .source(e)
            .hint("weights.pt must be a PyTorch checkpoint with the weights under 'model_state_dict'")
    })?;
    if tensors.is_empty() {
        return Err(Error::new(ErrorKind::Model, "the checkpoint holds no weights").at("file", path.display()));
    }
    Ok(tensors)
}
