//! What a model learns from, and how.

pub mod simulate;
