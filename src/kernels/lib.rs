//! The arithmetic of lamcat's CPU engine, written for each instruction set: matrix products, attention, layer norm,
//! gelu.
//!
//! It is a separate crate so that it is fast in development builds too and no other code needs `unsafe`. All numbers
//! are f32, and sizes are counted in numbers. Each result is one chain of operations that depends only on its own row,
//! so rows can be grouped in any way; results of different [`Path`]s differ by rounding.

#![allow(
    clippy::inline_always,
    reason = "instructions of a set are only used where everything between them and the dispatch is inlined"
)]
#![allow(clippy::many_single_char_names, reason = "m, n, k of products, d of heads")]
#![allow(clippy::needless_range_loop, reason = "loops of constant length over registers")]

mod attention;
mod buffer;
mod int8;
mod int8_part;
mod int8_product;
mod machine;
mod path;
mod pointwise;
mod product;
#[cfg(target_arch = "x86_64")]
mod vnni;

pub use attention::{SelfAttention, Softmax};
pub use buffer::Buffer;
pub use int8::{GROUP, Int8Rows, Int8Weights, Round};
pub use int8_product::Int8Product;
pub use path::Path;
pub use pointwise::{AddAndNorm, Embed};
pub use product::{Left, PANEL, Product, Right, Start, Weights, padded};
