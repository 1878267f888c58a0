//! Operations with gradients for training on the CPU, each in one pass over its elements.
//!
//! candle's fused softmax and layer norm have no gradient, and its other gradients pass over the data many times. On
//! devices other than the CPU [`Pass`](super::Pass) uses candle's own operations.

mod attention;
mod bias;
mod dropout;
mod exp;
mod gelu;
mod norm;
mod softmax;

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, bail};

pub(super) use attention::Attend;
pub(super) use bias::AddBias;
pub use dropout::Dropout;
pub(super) use gelu::Gelu;
pub(super) use norm::Normalise;

/// Returns the elements of a contiguous f32 storage.
fn elements<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match (storage, layout.contiguous_offsets()) {
        (CpuStorage::F32(all), Some((start, end))) => Ok(&all[start..end]),
        _ => bail!("the training operations take contiguous f32 tensors"),
    }
}

/// Returns the result of `f` for a host tensor's elements in row-major order.
fn with_elements<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(f(elements(storage, layout)?)),
        _ => bail!("the training operations run on the CPU"),
    }
}
