//! The interface of a device that computes.

use std::fmt;

use lamcat_core::{context::Packed, error::Result, schema::TokenId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Model;

/// Precision in which a model computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// Products of numbers rounded to 11 bits, sums in 32 bits. GPUs only.
    Tf32,
    /// 16-bit floats of 11 bits and a small range, sums in 32 bits. GPUs only.
    F16,
    /// 16-bit floats of 8 bits and the range of 32-bit ones, sums in 32 bits. GPUs only.
    Bf16,
    /// Most products in 8-bit integers: faster where the CPU has AVX-512 VNNI, at a loss of accuracy.
    Int8,
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        })
    }
}

/// The requests for every row of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    /// Tokens to predict.
    pub tokens: Vec<TokenId>,
    /// Whether the embedding is requested.
    pub embedding: bool,
}

/// The answers, row-major, in physical units.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    /// Predicted mean: `rows * requests`.
    pub mean: Vec<f32>,
    /// Predicted 1-sigma error: `rows * requests`.
    pub sigma: Vec<f32>,
    /// Mean perception over the tokens that are not padding: `rows * width`; empty unless it was requested.
    pub embedding: Vec<f32>,
}

/// Computes answers for packed contexts. The order of rows is preserved, and a row's answer does not depend on the
/// other rows.
pub trait Backend: Send {
    /// A short name for messages and metrics.
    fn name(&self) -> &str;

    /// The preferred number of rows per batch.
    fn batch_rows(&self) -> usize {
        512
    }

    /// Answers `requests` for every row of `batch`.
    ///
    /// # Errors
    /// If the device fails; unusual values in a row are never a reason.
    fn infer(&mut self, model: &Model, batch: &Packed, requests: &Requests) -> Result<Answers>;
}
