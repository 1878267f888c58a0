//! The part of an 8-bit integer product for which there are special instructions, and the constants that both
//! implementations share.

use bytemuck::Zeroable;

use super::product::PANEL;

/// Inputs that one instruction processes together.
pub(crate) const QUAD: usize = 4;
/// Adding this to a number below 2^22 leaves the nearest integer in the low bits.
pub(crate) const ROUNDER: f32 = 8_388_608.0;

/// The weights of four inputs for each column of a panel.
#[derive(Debug, Clone, Copy, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Quads(pub(crate) [[i8; QUAD]; PANEL]);

/// The contribution of one group of inputs to some rows of a panel.
pub(crate) struct Part<'a> {
    /// Starts at the first row's first byte of the group.
    pub(crate) bytes: &'a [u8],
    pub(crate) stride: usize,
    pub(crate) quads: &'a [Quads],
    /// The scales of the rows, `groups` apart.
    pub(crate) scales: &'a [[f32; 2]],
    pub(crate) groups: usize,
    /// The value of one integer step for each column, and the sums of the columns' weights.
    pub(crate) units: &'a [f32],
    pub(crate) sums: &'a [f32],
    /// Whether the machine has AVX-512 VNNI.
    pub(crate) vnni: bool,
}

/// Rows of a panel and the distance between them, which is 0 if all rows are the same.
pub(crate) type Panels<'a> = (&'a [f32], usize);
