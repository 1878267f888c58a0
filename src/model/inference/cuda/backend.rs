//! The backend for one stream of one GPU. Several of them share a GPU, so that one batch is copied while another is
//! computed.

use std::{fmt, sync::Arc};

use cudarc::driver::CudaStream;
use lamcat_core::{
    context::Packed,
    error::{Error, ErrorKind, Result},
};

use super::{
    gpu::{Gpu, Loaded, failed, out_of_memory},
    lane::Lane,
    numbers::Numbers,
    sizes::BatchLimits,
};
use crate::{
    Model,
    inference::{Answers, Backend, CpuBackend, Precision, Requests},
};

/// Number of streams of each GPU, and thus of batches in flight.
const STREAMS: usize = 3;
/// Maximum number of stars that a GPU processes at once.
const MOST_STARS: usize = 16384;
/// Minimum number of stars for which memory is allocated.
const FEWEST_STARS: usize = 64;
/// Maximum number of requests of all stars at once: in the widest layers of the published model each takes 15 kB.
const MOST_REQUESTS: usize = 65536;
/// Number of combinations of batch size and number of requests whose memory stays allocated.
const LANES: usize = 3;

/// One stream of a GPU.
pub struct CudaBackend {
    gpu: Arc<Gpu>,
    stream: Arc<CudaStream>,
    /// Number of stars for which there is memory; halved whenever an allocation fails.
    most_stars: usize,
    /// The lane that was used last is at the end.
    lanes: Vec<Lane>,
    /// The backend for models that the kernels cannot run.
    instead: CpuBackend,
    said: bool,
}

#[expect(unsafe_code, reason = "a graph is a bare pointer in cudarc")]
// SAFETY: a graph may be used by one thread at a time, and so is everything in a backend.
unsafe impl Send for CudaBackend {}

impl fmt::Debug for CudaBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CudaBackend({:?})", self.gpu)
    }
}

impl CudaBackend {
    /// Creates some backends for every visible GPU, each for a thread of its own.
    ///
    /// # Errors
    /// If there is no usable GPU, or GPUs do not support `precision`.
    pub fn all(precision: Precision) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for gpu in Gpu::all(Numbers::of(precision)?)? {
            for _ in 0..STREAMS {
                let stream = gpu.context.new_stream().map_err(|e| failed("the GPU gives no stream", e))?;
                let instead = CpuBackend::default();
                let gpu = gpu.clone();
                all.push(Self { gpu, stream, most_stars: MOST_STARS, lanes: Vec::new(), instead, said: false });
            }
        }
        Ok(all)
    }

    /// Returns a lane for at least `stars` stars; `None` if there is not enough memory, after which fewer stars will be
    /// requested.
    fn lane(&mut self, loaded: &Arc<Loaded>, requests: &Requests, stars: usize) -> Result<Option<&mut Lane>> {
        let stars = stars.next_power_of_two().max(FEWEST_STARS);
        let most = BatchLimits { stars, asked: requests.tokens.len(), embedding: requests.embedding };
        let fits = |lane: &Lane| lane.most() == most && Arc::ptr_eq(&lane.loaded, loaded);
        let lane = if let Some(i) = self.lanes.iter().position(fits) {
            self.lanes.remove(i)
        } else {
            if self.lanes.len() >= LANES {
                self.lanes.remove(0);
            }
            match Lane::new(loaded.clone(), &self.stream, most) {
                Ok(lane) => lane,
                Err(e) if out_of_memory(e) => {
                    self.lanes.clear();
                    self.less_memory(stars, e)?;
                    return Ok(None);
                }
                Err(e) => return Err(failed("the GPU gives no memory", e)),
            }
        };
        self.lanes.push(lane);
        Ok(self.lanes.last_mut())
    }

    fn less_memory(&mut self, stars: usize, e: cudarc::driver::DriverError) -> Result<()> {
        if stars <= FEWEST_STARS {
            return Err(failed("the GPU's memory is used up", e)
                .hint("other programs hold it: see what nvidia-smi says, or use --device cpu"));
        }
        self.most_stars = stars / 2;
        tracing::warn!("{}: too little memory for {stars} stars at once, going on with {}", self.gpu.name, stars / 2);
        Ok(())
    }

    fn say_once(&mut self, why: &str) {
        if !std::mem::replace(&mut self.said, true) {
            tracing::warn!("computing on the CPU in f32: the GPU engine does not run a model with {why}");
        }
    }
}

impl Backend for CudaBackend {
    fn name(&self) -> &str {
        &self.gpu.name
    }

    fn batch_rows(&self) -> usize {
        MOST_STARS / 2
    }

    fn infer(&mut self, model: &Model, batch: &Packed, requests: &Requests) -> Result<Answers> {
        let bound = self.gpu.context.bind_to_thread();
        bound.map_err(|e| failed("the GPU cannot be used", e))?;
        let loaded = match self.gpu.model(model)? {
            Ok(loaded) => loaded,
            Err(why) => {
                self.say_once(&why);
                return self.instead.infer(model, batch, requests);
            }
        };
        if batch.context_length > loaded.network.shape.slots {
            return Err(Error::new(ErrorKind::Device, "a context has more slots than the model's"));
        }
        let mut answers = Answers::default();
        let mut first = 0;
        while first < batch.rows {
            let of_requests = (MOST_REQUESTS / requests.tokens.len().max(1)).max(1);
            let stars = self.most_stars.min(of_requests.next_power_of_two()).min(batch.rows - first);
            let Some(lane) = self.lane(&loaded, requests, stars)? else { continue };
            if let Err(e) = lane.infer(model, batch, first..first + stars, requests, &mut answers) {
                // Nothing that was involved in the failure is used again.
                self.lanes.clear();
                return Err(e);
            }
            first += stars;
        }
        Ok(answers)
    }
}
