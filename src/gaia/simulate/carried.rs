//! The embedded data, `models/models.npz`, which `models/make.py` makes from the files of a
//! [`DataFolder`](super::DataFolder). `models/NOTICE.txt` names their authors.

use std::{io::Cursor, path::Path};

use lamcat_core::error::Result;

use super::numpy::Npz;

const FILE: &[u8] = include_bytes!("models/models.npz");
/// The integer that means NaN.
const NONE: i16 = i16::MIN;

/// The arrays of the embedded data; shapes are given as in [`Npz::elements`].
pub(super) struct Carried(Npz<Cursor<&'static [u8]>>);

impl Carried {
    pub(super) fn open() -> Result<Self> {
        Ok(Self(Npz::new(Path::new("models.npz"), Cursor::new(FILE))?))
    }

    pub(super) fn floats(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.0.elements(name, shape)
    }

    pub(super) fn doubles(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f64>> {
        self.0.elements(name, shape)
    }

    pub(super) fn integers(&mut self, name: &str, shape: &[usize]) -> Result<Vec<i16>> {
        self.0.elements(name, shape)
    }

    /// Returns values that are stored in 16 bits with their own offset and step; missing ones are NaN.
    pub(super) fn scaled(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let integers = self.integers(name, shape)?;
        self.values(name, &integers)
    }

    /// Returns values of this kind that are stored as differences of neighbours on the last axis.
    pub(super) fn scaled_differences(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let mut integers = self.integers(name, shape)?;
        for row in integers.chunks_mut(shape.last().copied().unwrap_or_default().max(1)) {
            let mut sum = 0i16;
            for value in row {
                sum = sum.wrapping_add(*value);
                *value = sum;
            }
        }
        self.values(name, &integers)
    }

    fn values(&mut self, name: &str, integers: &[i16]) -> Result<Vec<f32>> {
        let scale = self.doubles(&format!("{name}_scale"), &[2])?;
        let value = |q: &i16| if *q == NONE { f32::NAN } else { (scale[0] + scale[1] * f64::from(*q)) as f32 };
        Ok(integers.iter().map(value).collect())
    }
}
