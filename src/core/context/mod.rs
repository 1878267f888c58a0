//! Turns rows into contexts: values are assigned to slots, standardised, masked and packed for the model.
//!
//! A context column is either a list of all coefficients on the model's basis, block after block (an `xp` list: BP,
//! then RP), or a struct whose fields are tokens; a field with the list's name may hold such a list. [`Layout`] assigns
//! the slots once per query; [`pack`](Layout::pack) fills them per batch. A missing value becomes padding in its own
//! slot, as in the reference implementation.

pub mod flags;
mod layout;
mod pack;

pub use layout::{Layout, XP_FIELD};
pub use pack::{Packed, PackedRows};
