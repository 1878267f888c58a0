//! The part of a product of 8-bit integers that instructions of their own can do, and the numbers that both share.

use bytemuck::Zeroable;

use super::product::PANEL;

/// Inputs that one instruction takes together.
pub(crate) const QUAD: usize = 4;
/// Adding it to a number below 2^22 leaves the nearest integer in the low bits.
pub(crate) const ROUNDER: f32 = 8_388_608.0;

/// Four inputs' weights for each column of a panel.
#[derive(Debug, Clone, Copy, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Quads(pub(crate) [[i8; QUAD]; PANEL]);

/// What one group of inputs adds to some rows of a panel.
pub(crate) struct Part<'a> {
    /// From the first row's first byte of the group.
    pub(crate) bytes: &'a [u8],
    pub(crate) stride: usize,
    pub(crate) quads: &'a [Quads],
    /// Of the rows, `groups` apart.
    pub(crate) scales: &'a [[f32; 2]],
    pub(crate) groups: usize,
    /// What an integer of each column stands for, and the sums of the columns' weights.
    pub(crate) units: &'a [f32],
    pub(crate) sums: &'a [f32],
    /// Whether the machine has AVX-512 VNNI.
    pub(crate) vnni: bool,
}

/// Rows of a panel and the distance from one to the next, 0 if all are one.
pub(crate) type Panels<'a> = (&'a [f32], usize);
