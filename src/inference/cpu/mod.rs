//! The CPU engine. A tile of stars goes through all layers on one core, in memory that stays in its cache; weights are
//! packed once for each model; empty slots are skipped.
//!
//! A row's answer is the same, bit for bit, whatever the rows beside it, their order and the number of threads: every
//! number is one chain of operations that depends on its row alone.

mod dense;
mod network;
mod tile;

use std::sync::{Arc, Mutex, PoisonError};

use lamcat_kernels::Path;
use rayon::prelude::*;

use self::{network::Network, tile::Tile};
use super::{
    backend::{Answers, Backend, Precision, Requests},
    candle::CandleBackend,
};
use crate::{context::Packed, error::Result, model::Model};

/// Stars that a core takes at once.
const STARS: usize = 64;

/// The CPU engine.
#[derive(Debug)]
pub struct CpuBackend {
    path: Path,
    precision: Precision,
    /// The model last used, by its hash, with its packed weights; `None` where the engine cannot run it.
    packed: Option<(String, Option<Arc<Network>>)>,
    /// Memory of the tiles that are not at work.
    tiles: Mutex<Vec<Tile>>,
}

impl Default for CpuBackend {
    fn default() -> Self {
        Self::new(Precision::F32)
    }
}

impl CpuBackend {
    /// The engine in a precision, with the fastest instructions.
    #[must_use]
    pub fn new(precision: Precision) -> Self {
        Self::with_path(Path::default(), precision)
    }

    /// The engine with the instructions of one of [`Path::all`].
    #[must_use]
    pub fn with_path(path: Path, precision: Precision) -> Self {
        Self { path, precision, packed: None, tiles: Mutex::new(Vec::new()) }
    }

    fn network(&mut self, model: &Model) -> Result<Option<Arc<Network>>> {
        match &self.packed {
            Some((hash, network)) if hash == model.hash() => Ok(network.clone()),
            _ => {
                let network = Network::pack(model, self.precision)?.map(Arc::new);
                self.packed = Some((model.hash().to_owned(), network.clone()));
                Ok(network)
            }
        }
    }

    fn tile(
        &self,
        network: &Network,
        model: &Model,
        batch: &Packed,
        rows: std::ops::Range<usize>,
        requests: &Requests,
    ) -> Answers {
        let free = || self.tiles.lock().unwrap_or_else(PoisonError::into_inner);
        let reused = free().pop();
        let mut tile = reused.unwrap_or_else(|| Tile::new(self.path));
        let (tokens, values) = batch.slice(rows);
        let mut answers = Answers::default();
        tile.perceive(network, tokens, values, batch.context_length);
        if requests.embedding {
            tile.embeddings(network, &mut answers.embedding);
        }
        if !requests.tokens.is_empty() {
            let vocabulary = model.vocabulary();
            let mut token = requests.tokens.iter().cycle();
            tile.request(network, &requests.tokens, |mean, log_variance| {
                if let Some(token) = token.next() {
                    answers.mean.push(vocabulary.destandardise(*token, mean));
                    answers.sigma.push((f64::from(log_variance / 2.0).exp() * vocabulary.token(*token).scale) as f32);
                }
            });
        }
        free().push(tile);
        answers
    }
}

impl Backend for CpuBackend {
    fn name(&self) -> &'static str {
        match self.precision {
            Precision::Int8 => "cpu-int8",
            _ => "cpu",
        }
    }

    fn infer(&mut self, model: &Model, batch: &Packed, requests: &Requests) -> Result<Answers> {
        let Some(network) = self.network(model)? else {
            return CandleBackend.infer(model, batch, requests);
        };
        let this = &*self;
        let tiles = (0..batch.rows).into_par_iter().step_by(STARS).map(|first| {
            let rows = first..(first + STARS).min(batch.rows);
            this.tile(&network, model, batch, rows, requests)
        });
        let mut answers = Answers::default();
        for part in tiles.collect::<Vec<_>>() {
            answers.mean.extend(part.mean);
            answers.sigma.extend(part.sigma);
            answers.embedding.extend(part.embedding);
        }
        Ok(answers)
    }
}
