//! Training: a SQL query becomes a training set in memory, and a network learns to predict any of its tokens from any
//! others, as in Leung & Bovy (2023, section 4).

mod batches;
mod checkpoint;
mod domain;
mod dry_run;
pub mod eval;
mod factor_mixture;
mod input_sampler;
mod learner;
mod losses;
mod mix;
mod optimizer;
mod own_tokens;
mod plot;
mod query;
mod robust;
mod run;
mod sample;
mod schedule;
mod set;
mod settings;

pub use domain::DomainFit;
pub use dry_run::{DryRun, dry_run};
pub use learner::Learner;
pub use losses::LossRecord;
pub use optimizer::{AdamW, AdamWSettings};
pub use own_tokens::OwnToken;
pub use query::read_training_set;
pub use robust::{MAD_TO_SIGMA, mad_std, median};
pub use run::{Outcome, Report, Run};
pub use sample::{Batch, Sampler};
pub use schedule::{Budget, Schedule};
pub use set::{Columns, Normalisation, TrainingSet};
pub use settings::{Blank, Hiding, Requests, Settings, Size};
