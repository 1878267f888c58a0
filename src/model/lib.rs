//! The Transformer of Leung & Bovy (2023): architecture, weights, files, and the [engines](inference) that run it.
//!
//! A row of a table becomes a *context*: up to `context_length` pairs of a token id and a standardised value. The
//! [`Encoder`] turns it into a *perception* `(rows, context, width)`; the [`Decoder`] answers each *request*, a token
//! id, with a mean and a log variance. [`Transformer`] holds both; [`Model`] adds vocabulary, provenance and the
//! content hash; [`mod@file`] reads and writes models; [`import`] reads the authors' checkpoint. A model may include
//! its training [`Domain`], which measures how unlike the training stars a spectrum is.

mod attention;
mod block;
mod checkpoint;
mod decoder;
pub mod default;
mod domain;
mod embedding;
mod encoder;
mod factors;
pub mod families;
pub mod file;
pub mod import;
pub mod inference;
pub mod init;
mod ops;
mod pass;
mod pickle;
mod transformer;
pub mod weights;

pub use decoder::Decoder;
pub use domain::{Domain, soften};
pub use encoder::Encoder;
pub use factors::Factors;
pub use families::Architecture;
pub use file::{Model, Provenance};
pub use ops::Dropout;
pub use pass::Pass;
pub use transformer::{Perception, Prediction, Transformer};
pub use weights::LAYER_NORM_EPSILON;
