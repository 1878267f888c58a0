//! Storage of numbers on a GPU.

#[cfg(feature = "cuda")]
use crate::inference::Precision;
#[cfg(feature = "cuda")]
use lamcat_core::error::{Error, ErrorKind, Result};

/// The storage type of weights and activations; the kernels' `PRECISION`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Numbers {
    F32,
    Tf32,
    F16,
    Bf16,
}

impl Numbers {
    /// Returns the storage type for a precision.
    ///
    /// # Errors
    /// If GPUs do not support it.
    #[cfg(feature = "cuda")]
    pub(super) fn of(precision: Precision) -> Result<Self> {
        Ok(match precision {
            Precision::F32 => Self::F32,
            Precision::Tf32 => Self::Tf32,
            Precision::F16 => Self::F16,
            Precision::Bf16 => Self::Bf16,
            Precision::Int8 => {
                return Err(Error::new(ErrorKind::Config, "GPUs do not compute in int8 here")
                    .hint("use --precision bf16, or --device cpu"));
            }
        })
    }

    /// The value of the kernels' `PRECISION`.
    pub(super) fn code(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::Tf32 => 1,
            Self::F16 => 2,
            Self::Bf16 => 3,
        }
    }

    pub(super) fn bytes(self) -> usize {
        match self {
            Self::F32 | Self::Tf32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Number of elements in a row of a tile in shared memory, which has 128 bytes.
    pub(super) fn per_line(self) -> usize {
        128 / self.bytes()
    }

    /// Number of elements along k in one tensor-core instruction.
    pub(super) fn k_step(self) -> usize {
        32 / self.bytes()
    }

    /// Appends `x` in its storage type.
    pub(super) fn write(self, x: f32, to: &mut Vec<u8>) {
        match self {
            Self::F32 => to.extend(x.to_le_bytes()),
            Self::Tf32 => to.extend(round_tf32(x).to_le_bytes()),
            Self::F16 => to.extend(half::f16::from_f32(x).to_le_bytes()),
            Self::Bf16 => to.extend(half::bf16::from_f32(x).to_le_bytes()),
        }
    }
}

/// Rounds to the 11 bits of tf32, ties away from zero.
fn round_tf32(x: f32) -> f32 {
    if x.is_finite() { f32::from_bits(x.to_bits().wrapping_add(0x1000) & 0xffff_e000) } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tf32_has_eleven_bits() {
        let bits = |x: f32| round_tf32(x).to_bits();
        assert_eq!(bits(1.0), 1f32.to_bits());
        assert_eq!(bits(1.0 + f32::EPSILON), 1f32.to_bits());
        assert_eq!(bits(-1.0 - 1.0 / 2048.0), (-1.0f32 - 1.0 / 1024.0).to_bits());
        assert!(round_tf32(f32::NAN).is_nan());
    }
}
