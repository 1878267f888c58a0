//! What operations are told of the machine, beyond its vectors.

/// An operation, and whether the machine has AVX-512 VNNI.
pub(crate) struct WithVnni<T>(pub(crate) T, pub(crate) bool);
