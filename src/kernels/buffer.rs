//! Memory that starts at a cache line.

use std::ops::{Deref, DerefMut};

use bytemuck::{Pod, Zeroable};

/// Numbers in a cache line.
const LINE: usize = 16;

#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Numbers that start at a cache line; they keep their place and grow as needed.
#[derive(Debug, Clone, Default)]
pub struct Buffer {
    lines: Vec<Line>,
}

impl Buffer {
    /// `len` zeros.
    #[must_use]
    pub fn zeros(len: usize) -> Self {
        Self { lines: vec![Line::default(); len.div_ceil(LINE)] }
    }

    /// At least `len` numbers; what they are is not said.
    pub fn at_least(&mut self, len: usize) -> &mut [f32] {
        if self.len() < len {
            self.lines.resize(len.div_ceil(LINE), Line::default());
        }
        self
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        bytemuck::cast_slice(&self.lines)
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        bytemuck::cast_slice_mut(&mut self.lines)
    }
}
