//! The CPU engine. A tile of stars passes through all layers on one core, in memory that stays in its cache; weights
//! are packed once for each model; empty slots are skipped.
//!
//! A row's answer is the same, bit for bit, whatever the rows beside it, their order and the number of threads: every
//! number is computed by one chain of operations that depends only on its own row.

mod dense;
mod network;
mod tile;

use std::{
    cell::RefCell,
    sync::{Arc, Mutex, PoisonError},
};

use lamcat_core::{
    context::Packed,
    error::{Error, ErrorKind, Result},
};
use lamcat_kernels::Path;
use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};

use self::{network::Network, tile::Tile};
use super::{
    backend::{Answers, Backend, Precision, Requests},
    candle::CandleBackend,
};
use crate::Model;

/// Number of batches processed at once.
const BATCHES_AT_ONCE: usize = 2;
/// Number of stars that a core processes at once.
const STARS: usize = 64;

/// The CPU engine; clones share cores and packed weights.
#[derive(Debug, Clone)]
pub struct CpuBackend {
    path: Path,
    precision: Precision,
    packed: Arc<Mutex<Option<PackedModel>>>,
    /// The thread pool that processes the tiles; the caller's pool if `None`.
    pool: Option<Arc<ThreadPool>>,
}

/// The model that was used last.
#[derive(Debug)]
struct PackedModel {
    hash: String,
    /// Its packed weights; `None` if the engine cannot run it.
    network: Option<Arc<Network>>,
}

thread_local! {
    /// Each core keeps the memory of its tiles.
    static TILE: RefCell<Tile> = RefCell::default();
}

impl Default for CpuBackend {
    fn default() -> Self {
        Self::new(Precision::F32)
    }
}

impl CpuBackend {
    /// Creates the engine for a precision, with the fastest instruction set.
    #[must_use]
    pub fn new(precision: Precision) -> Self {
        Self::with_path(Path::default(), precision)
    }

    /// Creates the engine with one of the instruction sets of [`Path::all`].
    #[must_use]
    pub fn with_path(path: Path, precision: Precision) -> Self {
        Self { path, precision, packed: Arc::default(), pool: None }
    }

    /// Returns the engine with `threads` threads of its own.
    ///
    /// # Errors
    /// If the operating system cannot start the threads.
    pub fn on_threads(self, threads: usize) -> Result<Self> {
        let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("lamcat-cpu-{i}")).build();
        let pool = pool.map_err(|e| Error::new(ErrorKind::Device, "cannot start the engine's threads").source(e))?;
        Ok(Self { pool: Some(Arc::new(pool)), ..self })
    }

    /// The instruction set that the engine uses.
    #[must_use]
    pub fn path(&self) -> Path {
        self.path
    }

    /// Returns enough copies of the backend that the cores stay busy while the last parts of a batch are processed.
    #[must_use]
    pub fn overlapping(&self) -> Vec<Box<dyn Backend>> {
        (0..BATCHES_AT_ONCE).map(|_| Box::new(self.clone()) as Box<dyn Backend>).collect()
    }

    fn network(&self, model: &Model) -> Result<Option<Arc<Network>>> {
        let mut packed = self.packed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = packed.as_ref().filter(|last| last.hash == model.hash()) {
            return Ok(last.network.clone());
        }
        let network = Network::pack(model, self.precision)?.map(Arc::new);
        *packed = Some(PackedModel { hash: model.hash().to_owned(), network: network.clone() });
        Ok(network)
    }

    fn tile(
        &self,
        network: &Network,
        model: &Model,
        batch: &Packed,
        rows: std::ops::Range<usize>,
        requests: &Requests,
    ) -> Answers {
        let (tokens, values) = batch.slice(rows);
        let mut answers = Answers::default();
        TILE.with_borrow_mut(|tile| {
            tile.perceive(network, self.path, tokens, values, batch.context_length);
            if requests.embedding {
                tile.embeddings(network, &mut answers.embedding);
            }
            if requests.tokens.is_empty() {
                return;
            }
            let vocabulary = model.vocabulary();
            let mut token = requests.tokens.iter().cycle();
            tile.request(network, &requests.tokens, |mean, log_variance| {
                if let Some(token) = token.next() {
                    answers.mean.push(vocabulary.destandardise(*token, mean));
                    answers.sigma.push((f64::from(log_variance / 2.0).exp() * vocabulary.token(*token).scale) as f32);
                }
            });
        });
        answers
    }

    fn spread(&self, network: &Network, model: &Model, batch: &Packed, requests: &Requests) -> Answers {
        let tiles = (0..batch.rows).into_par_iter().step_by(STARS).map(|first| {
            let rows = first..(first + STARS).min(batch.rows);
            self.tile(network, model, batch, rows, requests)
        });
        let mut answers = Answers::default();
        for part in tiles.collect::<Vec<_>>() {
            answers.mean.extend(part.mean);
            answers.sigma.extend(part.sigma);
            answers.embedding.extend(part.embedding);
        }
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
        let spread = || self.spread(&network, model, batch, requests);
        Ok(match &self.pool {
            Some(pool) => pool.install(spread),
            None => spread(),
        })
    }
}
