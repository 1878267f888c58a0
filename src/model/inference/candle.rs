//! The reference backend, written for readability: candle on the CPU.

use lamcat_core::{context::Packed, error::Result};
use rayon::prelude::*;

use super::backend::{Answers, Backend, Requests};
use crate::Model;

/// Rows that pass through the network together, each tile on one core: small enough that a layer's activations stay in
/// the core's cache, large enough to hide the overhead of calling an operation.
const TILE_ROWS: usize = 64;

/// candle on the CPU.
#[derive(Debug, Default)]
pub struct CandleBackend;

impl Backend for CandleBackend {
    fn name(&self) -> &'static str {
        "candle-cpu"
    }

    fn infer(&mut self, model: &Model, batch: &Packed, requests: &Requests) -> Result<Answers> {
        let tiles = batch.rows.div_ceil(TILE_ROWS);
        let parts = (0..tiles).into_par_iter().map(|i| {
            let rows = i * TILE_ROWS..((i + 1) * TILE_ROWS).min(batch.rows);
            tile(model, batch.slice(rows), requests)
        });
        let mut answers = Answers::default();
        for part in parts.collect::<Result<Vec<_>>>()? {
            answers.mean.extend(part.mean);
            answers.sigma.extend(part.sigma);
            answers.embedding.extend(part.embedding);
        }
        Ok(answers)
    }
}

fn tile(model: &Model, (tokens, values): (&[u32], &[f32]), requests: &Requests) -> Result<Answers> {
    let mut answers = Answers::default();
    let perception = model.network().perceive(tokens, values)?;
    if requests.embedding {
        answers.embedding = perception.mean()?.flatten_all()?.to_vec1()?;
    }
    if requests.tokens.is_empty() {
        return Ok(answers);
    }
    let prediction = model.network().request(&perception, &requests.tokens)?;
    let mean = prediction.mean.flatten_all()?.to_vec1::<f32>()?;
    let log_variance = prediction.log_variance.flatten_all()?.to_vec1::<f32>()?;
    let vocabulary = model.vocabulary();
    for (i, (mean, log_variance)) in mean.into_iter().zip(log_variance).enumerate() {
        let token = requests.tokens[i % requests.tokens.len()];
        answers.mean.push(vocabulary.destandardise(token, mean));
        answers.sigma.push((f64::from(log_variance / 2.0).exp() * vocabulary.token(token).scale) as f32);
    }
    Ok(answers)
}
