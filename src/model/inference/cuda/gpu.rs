//! A GPU, and the models on it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use cudarc::{
    driver::{
        CudaContext, CudaFunction, CudaModule, CudaSlice, DevicePtr, DriverError,
        sys::{CUdevice_attribute, CUfunction_attribute, CUresult},
    },
    nvrtc::{self, CompileError, CompileOptions},
};
use lamcat_core::error::{Error, ErrorKind, Result};

use super::{network::Network, numbers::Numbers, plan::Plan, shape::Shape, sizes::BatchLimits, source::source};
use crate::Model;

/// The minimum compute capability: from it on GPUs have bf16, tf32 and asynchronous copies.
const LEAST_CAPABILITY: (i32, i32) = (8, 0);
/// Maximum number of models whose weights stay on a GPU.
const MODELS: usize = 8;
/// Shared memory that a block may use without requesting more.
const PLAIN_SHARED: u32 = 48 * 1024;

/// A GPU, shared by several threads.
pub(super) struct Gpu {
    pub(super) context: Arc<CudaContext>,
    /// The GPU's name in messages.
    pub(super) name: String,
    numbers: Numbers,
    capability: (i32, i32),
    /// Models by their hash; for a model that the kernels cannot run, the reason.
    models: Mutex<BTreeMap<String, Result<Arc<Loaded>, String>>>,
}

/// A model on a GPU.
pub(super) struct Loaded {
    pub(super) network: Network,
    /// Address of the weights.
    pub(super) weights: u64,
    kernels: BTreeMap<&'static str, CudaFunction>,
    /// Owns the memory and the code.
    _memory: CudaSlice<u8>,
    _module: Arc<CudaModule>,
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Gpu {
    /// Returns every visible GPU.
    ///
    /// # Errors
    /// If there is no driver, no compiler, or no GPU with the minimum capability.
    pub(super) fn all(numbers: Numbers) -> Result<Vec<Arc<Self>>> {
        libraries()?;
        let none = |e: DriverError| {
            missing("no GPU was found").source(e).hint("see what nvidia-smi says, or use --device cpu")
        };
        let count = CudaContext::device_count().map_err(none)?;
        let mut all = Vec::new();
        for ordinal in 0..count {
            all.extend(Self::open(ordinal as usize, numbers)?);
        }
        if all.is_empty() {
            return Err(missing("no GPU of compute capability 8.0 or later was found").at("GPUs", count));
        }
        Ok(all)
    }

    /// Returns the GPU with an ordinal; `None` if it is too old.
    fn open(ordinal: usize, numbers: Numbers) -> Result<Option<Arc<Self>>> {
        let context = CudaContext::new(ordinal).map_err(|e| failed("the GPU cannot be used", e))?;
        let capability = context.compute_capability().map_err(|e| failed("the GPU does not answer", e))?;
        if capability < LEAST_CAPABILITY {
            return Ok(None);
        }
        // A thread that waits for the GPU leaves its core to decoding threads; if the driver refuses this, it spins.
        let _ = context.set_blocking_synchronize();
        #[expect(unsafe_code, reason = "cudarc cannot know that every stream here waits for its own work")]
        // SAFETY: memory is used on one stream only, or the stream was waited for before another one reads it.
        unsafe {
            context.disable_event_tracking();
        }
        let name = context.name().unwrap_or_else(|_| "GPU".to_owned());
        let name = format!("cuda:{ordinal} {name}");
        Ok(Some(Arc::new(Self { context, name, numbers, capability, models: Mutex::default() })))
    }

    /// Returns the model on this GPU, where the first call puts it; the inner result says why the kernels cannot run
    /// it.
    ///
    /// # Errors
    /// If the kernels do not compile or the weights do not fit into the memory.
    pub(super) fn model(&self, model: &Model) -> Result<Result<Arc<Loaded>, String>> {
        let mut models = self.models.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = models.get(model.hash()) {
            return Ok(known.clone());
        }
        let loaded = match Shape::of(model, self.numbers) {
            Ok(shape) => self.load(model, shape)?,
            Err(why) => Err(why),
        };
        if models.len() >= MODELS {
            models.clear();
        }
        models.insert(model.hash().to_owned(), loaded.clone());
        Ok(loaded)
    }

    fn load(&self, model: &Model, shape: Shape) -> Result<Result<Arc<Loaded>, String>> {
        let network = Network::pack(model, shape)?;
        let plan = Plan::new(&network, BatchLimits { stars: 1, asked: 1, embedding: true });
        let needed = plan.launches.iter().map(|launch| launch.shared).max().unwrap_or_default();
        let attribute = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
        let there = self.context.attribute(attribute).map_err(|e| failed("the GPU does not answer", e))?;
        if needed as i32 > there {
            return Ok(Err(format!("{needed} bytes of shared memory, where the GPU has {there}")));
        }
        let module = self.compile(&network.shape)?;
        let mut kernels = BTreeMap::new();
        for launch in &plan.launches {
            let function = module.load_function(launch.kernel).map_err(|e| failed("a kernel is missing", e))?;
            if launch.shared > PLAIN_SHARED {
                let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
                let set = function.set_attribute(attribute, launch.shared as i32);
                set.map_err(|e| failed("a kernel cannot have its shared memory", e))?;
            }
            kernels.insert(launch.kernel, function);
        }
        let stream = self.context.new_stream().map_err(|e| failed("the GPU gives no stream", e))?;
        let memory = stream.clone_htod(&network.bytes).map_err(|e| failed("the model does not fit the GPU", e))?;
        let (weights, _) = memory.device_ptr(&stream);
        stream.synchronize().map_err(|e| failed("the model cannot be copied to the GPU", e))?;
        let weights = { weights };
        let network = Network { bytes: Vec::new(), ..network };
        Ok(Ok(Arc::new(Loaded { network, weights, kernels, _memory: memory, _module: module })))
    }

    /// Compiles the kernels for a shape.
    fn compile(&self, shape: &Shape) -> Result<Arc<CudaModule>> {
        let (major, minor) = self.capability;
        let mut options = vec![format!("--gpu-architecture=compute_{major}{minor}"), "--std=c++17".to_owned()];
        options.extend(shape.defines());
        let options = CompileOptions { options, name: Some("lamcat.cu".to_owned()), ..CompileOptions::default() };
        let ptx = nvrtc::compile_ptx_with_opts(source(), options).map_err(|e| {
            let why = match e {
                CompileError::CompileError { log, .. } => log.to_string_lossy().into_owned(),
                other => format!("{other:?}"),
            };
            Error::new(ErrorKind::Device, "the kernels do not compile").source(why).hint(
                "the compiler of CUDA 12 or later is needed, and its libnvrtc-builtins beside it in LD_LIBRARY_PATH",
            )
        })?;
        self.context.load_module(ptx).map_err(|e| {
            failed("the driver does not take the kernels", e)
                .hint("a driver older than the compiler: update it, or put an older libnvrtc in LD_LIBRARY_PATH")
        })
    }
}

impl Loaded {
    /// Returns a kernel of the plan.
    pub(super) fn kernel(&self, name: &str) -> Result<&CudaFunction> {
        self.kernels.get(name).ok_or_else(|| Error::new(ErrorKind::Device, "a kernel is missing").at("kernel", name))
    }
}

/// Checks that driver and compiler are installed. This comes first because cudarc panics without them.
fn libraries() -> Result<()> {
    #[expect(unsafe_code, reason = "opening a library runs code of it")]
    // SAFETY: opening the driver and the compiler has no effect on lamcat.
    let (driver, compiler) =
        unsafe { (cudarc::driver::sys::is_culib_present(), cudarc::nvrtc::sys::is_culib_present()) };
    if !driver {
        return Err(missing("there is no NVIDIA driver (libcuda.so.1)")
            .hint("use --device cpu, or auto with --precision f32, which computes on the CPU where there is no GPU"));
    }
    if !compiler {
        return Err(missing("the runtime compiler of CUDA (libnvrtc.so) was not found").hint(
            "install the CUDA toolkit, or the Python package nvidia-cuda-nvrtc, and put its folder in LD_LIBRARY_PATH",
        ));
    }
    Ok(())
}

fn missing(what: &str) -> Error {
    Error::new(ErrorKind::Device, what)
}

/// The error for a failure that the driver reported.
pub(super) fn failed(what: &str, e: DriverError) -> Error {
    Error::new(ErrorKind::Device, what).source(e)
}

/// Whether the GPU is out of memory.
pub(super) fn out_of_memory(e: DriverError) -> bool {
    e.0 == CUresult::CUDA_ERROR_OUT_OF_MEMORY
}
