//! The whole network on one device.

use candle_core::{DType, Device, Result, Tensor};

use super::{
    decoder::Decoder, embedding::Embedding, encoder::Encoder, families::Architecture, pass::Pass, weights::Weights,
};

/// The encoder's output for a batch, ready to answer requests.
#[derive(Debug, Clone)]
pub struct Perception {
    /// `(rows, context, width)`.
    pub tokens: Tensor,
    /// 1 if a slot holds a token, 0 if it is padding: `(rows, context)`.
    pub present: Tensor,
    mask: Tensor,
}

impl Perception {
    /// Mean of the perception over the slots that hold a token: `(rows, width)`; zero if no slot does.
    pub fn mean(&self) -> Result<Tensor> {
        let weight = self.present.unsqueeze(2)?;
        let sum = self.tokens.broadcast_mul(&weight)?.sum(1)?;
        sum.broadcast_div(&self.present.sum_keepdim(1)?.maximum(1.0)?)
    }
}

/// Standardised answers to the requests for a batch.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// Standardised mean: `(rows, requests)`.
    pub mean: Tensor,
    /// Natural logarithm of the standardised variance: `(rows, requests)`.
    pub log_variance: Tensor,
}

/// Embedding, encoder and decoder.
#[derive(Debug, Clone)]
pub struct Transformer {
    embedding: Embedding,
    encoder: Encoder,
    decoder: Decoder,
    device: Device,
    context_length: usize,
}

impl Transformer {
    /// Builds the network from its weights, on the device that they are on.
    ///
    /// # Errors
    /// If a weight has another shape than the architecture says.
    pub fn new(weights: &Weights<Tensor>, architecture: &Architecture) -> Result<Self> {
        Ok(Self {
            embedding: Embedding::new(weights),
            encoder: Encoder::new(&weights.encoder, architecture.width)?,
            decoder: Decoder::new(weights, architecture.width)?,
            device: weights.scales.device().clone(),
            context_length: architecture.context_length,
        })
    }

    /// Encodes `rows` contexts, given row-major: `tokens` (0 = padding) and standardised `values`, each
    /// `rows * context_length` long.
    ///
    /// # Errors
    /// If the length is not a whole number of contexts.
    pub fn perceive(&self, tokens: &[u32], values: &[f32]) -> Result<Perception> {
        if !tokens.len().is_multiple_of(self.context_length) {
            candle_core::bail!("{} slots are no whole contexts of {}", tokens.len(), self.context_length);
        }
        self.encode(tokens.len() / self.context_length, tokens, values, &Pass::Infer)
    }

    /// Answers the requests of each of `rows` rows as [`Transformer::perceive`] and [`Transformer::request_per_row`]
    /// do, in a `pass` for training; a row may have fewer slots than the context.
    pub fn train(
        &self,
        rows: usize,
        tokens: &[u32],
        values: &[f32],
        requests: &[u32],
        pass: &Pass,
    ) -> Result<Prediction> {
        let perception = self.encode(rows, tokens, values, pass)?;
        let requests = Tensor::from_slice(requests, (rows, requests.len() / rows.max(1)), &self.device)?;
        self.decode(&perception, &self.embedding.request(&requests)?, pass)
    }

    fn encode(&self, rows: usize, tokens: &[u32], values: &[f32], pass: &Pass) -> Result<Perception> {
        let shape = (rows, tokens.len() / rows.max(1));
        let tokens = Tensor::from_slice(tokens, shape, &self.device)?;
        let values = Tensor::from_slice(values, shape, &self.device)?;
        let present = tokens.ne(0u32)?.to_dtype(DType::F32)?;
        let mask = attention_mask(&tokens)?;
        let embedded = self.embedding.forward(&tokens, &values, pass)?;
        let tokens = self.encoder.forward(&embedded, &mask, pass)?;
        Ok(Perception { tokens, present, mask })
    }

    /// Answers the same `requests` (token ids) for every row; the result is `(rows, requests)`.
    pub fn request(&self, perception: &Perception, requests: &[u32]) -> Result<Prediction> {
        let (rows, _, _) = perception.tokens.dims3()?;
        let tokens = Tensor::from_slice(requests, (1, requests.len()), &self.device)?;
        let embedded = self.embedding.request(&tokens)?;
        let (_, n, width) = embedded.dims3()?;
        self.decode(perception, &embedded.broadcast_as((rows, n, width))?.contiguous()?, &Pass::Infer)
    }

    /// Answers separate requests for each row, `tokens` `(rows, requests)`.
    pub fn request_per_row(&self, perception: &Perception, tokens: &Tensor) -> Result<Prediction> {
        self.decode(perception, &self.embedding.request(tokens)?, &Pass::Infer)
    }

    fn decode(&self, perception: &Perception, requests: &Tensor, pass: &Pass) -> Result<Prediction> {
        let (mean, log_variance) = self.decoder.forward(requests, &perception.tokens, &perception.mask, pass)?;
        Ok(Prediction { mean, log_variance })
    }
}

/// Returns the additive mask `(rows, 1, 1, context + 1)`: minus infinity where the token is padding, 0 elsewhere and
/// for the learned extra key.
fn attention_mask(tokens: &Tensor) -> Result<Tensor> {
    let (rows, context) = tokens.dims2()?;
    let hidden = Tensor::full(f32::NEG_INFINITY, (rows, context), tokens.device())?;
    let shown = Tensor::zeros((rows, context), DType::F32, tokens.device())?;
    let mask = tokens.eq(0u32)?.where_cond(&hidden, &shown)?;
    let extra = Tensor::zeros((rows, 1), DType::F32, tokens.device())?;
    Tensor::cat(&[&mask, &extra], 1)?.reshape((rows, 1, 1, context + 1))
}
