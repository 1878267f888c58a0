//! The GPU engine: the whole network in specialised kernels, in f32, tf32, f16 or bf16.
//!
//! ```text
//!  Model ── network ──> weights, packed     plan ──> launches ──> driver: a GPU
//!  Packed ── batch ───> tokens without empty slots         └────> emulated: plain C++, for tests
//! ```
//!
//! The kernels in `kernels/` are compiled for a model's sizes by CUDA's runtime compiler when the model is first used;
//! they need no header and no library of CUDA. `plan` decides what is launched and does not depend on a GPU, so the
//! same launches run in the tests without one.

#[cfg(feature = "cuda")]
mod backend;
mod batch;
#[cfg(feature = "cuda")]
mod gpu;
#[cfg(feature = "cuda")]
mod lane;
mod network;
mod numbers;
mod plan;
mod shape;
mod sizes;
#[cfg(feature = "cuda")]
mod source;

#[cfg(test)]
mod emulated;
#[cfg(test)]
mod tests;

#[cfg(feature = "cuda")]
pub use backend::CudaBackend;
