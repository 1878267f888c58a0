//! Rows to contexts: which token stands in which slot, standardised, masked and packed for the model.
//!
//! A context column is an `xp` list (all BP then all RP coefficients), or a struct whose fields are tokens, one of
//! which may be such a list named `xp`. [`Layout`] decides the slots once per query; [`pack`](Layout::pack) fills
//! them per batch. A missing value pads its own slot, as in the reference.

pub mod flags;
mod layout;
mod pack;

pub use layout::{Layout, XP_FIELD};
pub use pack::{Packed, PackedRows};
