//! Integration tests, one binary.

mod npz;
mod parity;
mod shared;
