//! Rows to contexts: which token stands in which slot, standardised, masked and packed for the model.
//!
//! A context column is a list of all coefficients on the model's basis, block after block (an `xp` list: BP, then RP), or a
//! struct whose fields are tokens, one of which may be such a list by its name. [`Layout`] decides the slots once per
//! query; [`pack`](Layout::pack) fills them per batch. A missing value pads its own slot, as in the reference.

pub mod flags;
mod layout;
mod pack;

pub use layout::{Layout, XP_FIELD};
pub use pack::{Packed, PackedRows};
