//! Properties of the machine, other than its vectors, that operations depend on.

/// An operation, and whether the machine has AVX-512 VNNI.
pub(crate) struct WithVnni<T>(pub(crate) T, pub(crate) bool);
