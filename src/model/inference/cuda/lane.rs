//! The resources for batches on a GPU: GPU memory, page-locked host memory, and the launches as one graph.

use std::{ops::Range, sync::Arc};

use cudarc::driver::{
    CudaGraph, CudaSlice, CudaStream, DevicePtr, DeviceRepr, DriverError, LaunchConfig, PinnedHostSlice, PushKernelArg,
    ValidAsZeroBits,
    result::{memcpy_dtoh_async, memcpy_htod_async},
    sys::{CUgraphInstantiate_flags, CUstreamCaptureMode},
};
use lamcat_core::{context::Packed, error::Result};

use super::{
    batch::{self, BatchMemory},
    gpu::{Loaded, failed},
    plan::{Argument, Launch, Plan},
    sizes::{BatchLimits, Lengths},
};
use crate::{
    Model,
    inference::{Answers, Requests},
};

/// The resources of one stream for batches of a model up to some size.
pub(super) struct Lane {
    pub(super) loaded: Arc<Loaded>,
    plan: Plan,
    stream: Arc<CudaStream>,
    graph: Option<CudaGraph>,
    /// Address of a batch's memory.
    address: u64,
    numbers: PinnedHostSlice<i32>,
    tokens: PinnedHostSlice<u16>,
    values: PinnedHostSlice<f32>,
    taken: PinnedHostSlice<f32>,
    _memory: CudaSlice<u8>,
}

/// The value of an argument at the launch of a kernel.
enum Value {
    Address(u64),
    Int(i32),
}

impl Lane {
    /// Allocates memory and records the launches.
    ///
    /// # Errors
    /// The driver's errors, including that of exhausted memory.
    pub(super) fn new(loaded: Arc<Loaded>, stream: &Arc<CudaStream>, most: BatchLimits) -> Result<Self, DriverError> {
        let plan = Plan::new(&loaded.network, most);
        let shape = &loaded.network.shape;
        // Kernels never write the padding, which must be zero.
        let memory = stream.alloc_zeros::<u8>(plan.memory)?;
        let address = memory.device_ptr(stream).0;
        let answers = most.stars * (2 * most.asked + if most.embedding { shape.width } else { 0 });
        let lengths = Lengths::of(most, shape.slots);
        let numbers = locked(stream, lengths.numbers)?;
        let tokens = locked(stream, lengths.tokens)?;
        let values = locked(stream, lengths.tokens)?;
        let taken = locked(stream, answers)?;
        let stream = stream.clone();
        stream.synchronize()?;
        let graph = None;
        let mut lane = Self { loaded, plan, stream, graph, address, numbers, tokens, values, taken, _memory: memory };
        lane.record()?;
        Ok(lane)
    }

    /// The largest batch that the lane can hold.
    pub(super) fn most(&self) -> BatchLimits {
        self.plan.most
    }

    /// Records all launches as one graph.
    fn record(&mut self) -> Result<(), DriverError> {
        self.stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)?;
        let launched = self.plan.launches.iter().try_for_each(|launch| self.launch(launch));
        // The capture is ended in any case, because the stream could not be used again otherwise.
        let graph = self.stream.end_capture(CUgraphInstantiate_flags(0));
        launched?;
        self.graph = graph?;
        self.graph.as_ref().map_or(Ok(()), CudaGraph::upload)
    }

    fn launch(&self, launch: &Launch) -> Result<(), DriverError> {
        let values: Vec<Value> = launch
            .arguments
            .iter()
            .map(|argument| match argument {
                Argument::Weight(at) => Value::Address(self.loaded.weights + *at as u64),
                Argument::Memory(at) => Value::Address(self.address + *at as u64),
                Argument::Int(value) => Value::Int(*value),
            })
            .collect();
        // Every kernel of a plan was loaded with the model.
        let Ok(kernel) = self.loaded.kernel(launch.kernel) else { return Ok(()) };
        let mut builder = self.stream.launch_builder(kernel);
        for value in &values {
            match value {
                Value::Address(address) => builder.arg(address),
                Value::Int(value) => builder.arg(value),
            };
        }
        let [x, y] = launch.grid;
        let config =
            LaunchConfig { grid_dim: (x, y, 1), block_dim: (launch.threads, 1, 1), shared_mem_bytes: launch.shared };
        #[expect(unsafe_code, reason = "nobody but the kernel knows its arguments")]
        // SAFETY: the plan gives each kernel the arguments that it takes, at offsets within the weights and the memory
        // of the batch; the same launches run in the tests.
        unsafe { builder.launch(config) }.map(drop)
    }

    /// Answers rows `rows` of `batch`, at most as many stars as the lane can hold.
    ///
    /// # Errors
    /// If the GPU fails.
    pub(super) fn infer(
        &mut self,
        model: &Model,
        batch: &Packed,
        rows: Range<usize>,
        requests: &Requests,
        answers: &mut Answers,
    ) -> Result<()> {
        let count = rows.len();
        let broken = |e| failed("the GPU failed", e).hint("the next query starts afresh; see what nvidia-smi says");
        let mut given = BatchMemory {
            numbers: self.numbers.as_mut_slice().map_err(broken)?,
            tokens: self.tokens.as_mut_slice().map_err(broken)?,
            values: self.values.as_mut_slice().map_err(broken)?,
        };
        let used = batch::write(batch, rows, requests, &mut given);
        self.run(used, count).map_err(broken)?;
        let (pairs, means) = self.parts(count);
        let taken = self.taken.as_slice().map_err(broken)?;
        batch::read(model, requests, &taken[pairs], &taken[means], answers);
        Ok(())
    }

    /// Returns the ranges of numbers that hold the answers of `stars` stars and, after them, their mean tokens.
    fn parts(&self, stars: usize) -> (Range<usize>, Range<usize>) {
        let most = self.plan.most;
        let pairs = 2 * stars * most.asked;
        let means = if most.embedding { stars * self.loaded.network.shape.width } else { 0 };
        (0..pairs, pairs..pairs + means)
    }

    /// Copies the batch to the GPU, computes, copies the results back, and waits.
    fn run(&mut self, used: Lengths, stars: usize) -> Result<(), DriverError> {
        let (pairs, means) = self.parts(stars);
        let (stream, places) = (self.stream.cu_stream(), self.plan.places);
        let (numbers, tokens, values) = (self.numbers.as_slice()?, self.tokens.as_slice()?, self.values.as_slice()?);
        #[expect(unsafe_code, reason = "copies go on while this thread does")]
        // SAFETY: both memories live until the stream was waited for below, and nobody else uses them meanwhile.
        unsafe {
            memcpy_htod_async(self.address + places.sizes as u64, &numbers[..used.numbers], stream)?;
            if used.tokens > 0 {
                memcpy_htod_async(self.address + places.tokens as u64, &tokens[..used.tokens], stream)?;
                memcpy_htod_async(self.address + places.values as u64, &values[..used.tokens], stream)?;
            }
        }
        if let Some(graph) = &self.graph {
            graph.launch()?;
        }
        let taken = self.taken.as_mut_slice()?;
        #[expect(unsafe_code, reason = "copies go on while this thread does")]
        // SAFETY: as above.
        unsafe {
            for (to, from) in [(pairs, places.answers), (means, places.means)] {
                if !to.is_empty() {
                    memcpy_dtoh_async(&mut taken[to], self.address + from as u64, stream)?;
                }
            }
        }
        self.stream.synchronize()
    }
}

/// Allocates page-locked memory for the given number of elements, but at least one.
fn locked<T: DeviceRepr + ValidAsZeroBits>(
    stream: &Arc<CudaStream>,
    numbers: usize,
) -> Result<PinnedHostSlice<T>, DriverError> {
    #[expect(unsafe_code, reason = "page-locked memory comes as it is")]
    // SAFETY: it is only read after it has been written.
    unsafe {
        stream.context().alloc_pinned_with_flags(numbers.max(1), 0)
    }
}
