//! The readable reference backend: candle on the CPU.

use super::backend::{Answers, Backend, Requests};
use crate::{context::Packed, error::Result, model::Model};

/// Rows that go through the network at once; small enough for the activations of one layer to stay near the cores.
const TILE_ROWS: usize = 64;

/// candle on the CPU.
#[derive(Debug, Default)]
pub struct CandleBackend;

impl Backend for CandleBackend {
    fn name(&self) -> &'static str {
        "candle-cpu"
    }

    fn infer(&mut self, model: &Model, batch: &Packed, requests: &Requests) -> Result<Answers> {
        let mut answers = Answers::default();
        for start in (0..batch.rows).step_by(TILE_ROWS) {
            let end = (start + TILE_ROWS).min(batch.rows);
            tile(model, batch.slice(start..end), requests, &mut answers)?;
        }
        Ok(answers)
    }
}

fn tile(model: &Model, (tokens, values): (&[u32], &[f32]), requests: &Requests, answers: &mut Answers) -> Result<()> {
    let perception = model.network().perceive(tokens, values)?;
    if requests.embedding {
        answers.embedding.extend(perception.mean()?.flatten_all()?.to_vec1::<f32>()?);
    }
    if requests.tokens.is_empty() {
        return Ok(());
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
    Ok(())
}
