//! The choice of the device.

use std::sync::{Arc, Once};

use lamcat_core::{
    context::Packed,
    error::{Error, ErrorKind, Result},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    backend::{Answers, Backend, Precision, Requests},
    cpu::CpuBackend,
};
use crate::Model;

/// Where models compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// The GPUs where there are any and this lamcat was built for them, the CPU otherwise.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// NVIDIA GPUs, all that are visible.
    Cuda,
}

impl Precision {
    /// Whether the CPU supports this precision.
    #[must_use]
    pub fn on_cpu(self) -> bool {
        matches!(self, Self::F32 | Self::Int8)
    }

    /// Whether GPUs support this precision.
    #[must_use]
    pub fn on_gpu(self) -> bool {
        self != Self::Int8
    }
}

impl DeviceKind {
    /// Creates the backends of the device, each for a thread of its own. The CPU computes on `threads` threads, or on
    /// one per core available to the process if `None`.
    ///
    /// If `Auto` finds no GPU although lamcat was built with GPU support, a warning says so once, when something is
    /// first computed.
    ///
    /// # Errors
    /// If the device is missing or does not support `precision`, or the operating system cannot start threads.
    pub fn backends(self, precision: Precision, threads: Option<usize>) -> Result<Vec<Box<dyn Backend>>> {
        match self {
            Self::Cpu => cpu(precision, threads),
            Self::Cuda => gpus(precision),
            Self::Auto if !cfg!(feature = "cuda") || !precision.on_gpu() => cpu(precision, threads),
            Self::Auto => match gpus(precision) {
                Err(e) if precision.on_cpu() => {
                    let (why, said) = (e.to_string(), Arc::new(Once::new()));
                    let instead = |backend| FallbackBackend { backend, why: why.clone(), said: said.clone() };
                    let backends = cpu(precision, threads)?.into_iter().map(instead);
                    Ok(backends.map(|backend| Box::new(backend) as Box<dyn Backend>).collect())
                }
                found => found,
            },
        }
    }
}

/// A backend that replaces a missing GPU.
struct FallbackBackend {
    backend: Box<dyn Backend>,
    /// The error whose first line says why no GPU is used.
    why: String,
    said: Arc<Once>,
}

impl Backend for FallbackBackend {
    fn name(&self) -> &str {
        self.backend.name()
    }

    fn batch_rows(&self) -> usize {
        self.backend.batch_rows()
    }

    fn infer(&mut self, model: &Model, batch: &Packed, requests: &Requests) -> Result<Answers> {
        let why = self.why.lines().next().unwrap_or_default();
        self.said.call_once(|| tracing::warn!("computing on the CPU: {why}"));
        self.backend.infer(model, batch, requests)
    }
}

fn cpu(precision: Precision, threads: Option<usize>) -> Result<Vec<Box<dyn Backend>>> {
    if !precision.on_cpu() {
        return Err(Error::new(ErrorKind::Config, format!("the CPU does not compute in {precision}")).hint(
            if cfg!(feature = "cuda") {
                "use --precision f32 or int8, or --device cuda"
            } else {
                "use --precision f32 or int8; GPUs need a lamcat built with `--features cuda`"
            },
        ));
    }
    let backend = CpuBackend::new(precision);
    if precision == Precision::Int8 && !backend.path().has_vnni() {
        tracing::warn!("this CPU has no AVX-512 VNNI: int8 is slower than f32 on it");
    }
    Ok(match threads {
        Some(threads) => backend.on_threads(threads)?,
        None => backend,
    }
    .overlapping())
}

#[cfg(feature = "cuda")]
fn gpus(precision: Precision) -> Result<Vec<Box<dyn Backend>>> {
    let backends = super::cuda::CudaBackend::all(precision)?;
    Ok(backends.into_iter().map(|backend| Box::new(backend) as Box<dyn Backend>).collect())
}

#[cfg(not(feature = "cuda"))]
fn gpus(_: Precision) -> Result<Vec<Box<dyn Backend>>> {
    Err(Error::new(ErrorKind::Config, "this lamcat was built without support for GPUs")
        .hint("build it with `cargo build --release --features cuda`, or use --device cpu"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_says_what_it_cannot_do() {
        assert_eq!(DeviceKind::Cpu.backends(Precision::Int8, Some(1)).unwrap()[0].name(), "cpu-int8");
        let e = DeviceKind::Cpu.backends(Precision::Bf16, None).err().unwrap().to_string();
        assert!(e.contains("does not compute in bf16") && e.contains("--precision f32"), "{e}");
        assert_eq!(DeviceKind::Auto.backends(Precision::Int8, None).unwrap()[0].name(), "cpu-int8");
        #[cfg(not(feature = "cuda"))]
        assert!(DeviceKind::Cuda.backends(Precision::F32, None).err().unwrap().to_string().contains("built without"));
    }
}
