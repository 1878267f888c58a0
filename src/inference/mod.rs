//! Running models: a [`Backend`] computes, a [`Device`] owns it on a thread of its own behind a bounded queue, and an
//! [`Engine`] holds the device and the registered models.

mod backend;
mod candle;
mod device;
mod engine;

pub use backend::{Answers, Backend, Requests};
pub use candle::CandleBackend;
pub use device::{Completed, Device};
pub use engine::{Engine, EngineOptions};
