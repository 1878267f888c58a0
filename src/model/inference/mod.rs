//! Runs models: a [`Backend`] computes; a [`Device`] owns one or several of them, on threads of their own behind a
//! bounded queue; and an [`Engine`] holds the device and the registered models. A [`Program`] is the set of outputs
//! that one query wants from one context column: it prepares batches for the device and turns the answers into columns.

mod backend;
mod candle;
mod cpu;
#[cfg(any(feature = "cuda", test))]
mod cuda;
mod device;
mod device_kind;
mod engine;
mod output;
mod program;
mod reference;

pub use backend::{Answers, Backend, Precision, Requests};
pub use candle::CandleBackend;
pub use cpu::CpuBackend;
#[cfg(feature = "cuda")]
pub use cuda::CudaBackend;
pub use device::{Completed, Device};
pub use device_kind::DeviceKind;
pub use engine::{Engine, EngineOptions};
pub use lamcat_kernels::Path as CpuPath;
pub use output::{MODEL_KEY, Output};
pub use program::{Prepared, Program};
pub use reference::{Difference, ReferenceCase};
