//! Predicts the size and cost of a run before it starts.

use std::time::Instant;

use candle_core::{Device, Tensor};
use lamcat_core::error::Result;
use lamcat_model::{Model, init};

use super::{learner::Learner, sample::Sampler, set::TrainingSet, settings::Settings};

/// The size and cost of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct DryRun {
    /// Number of stars in the set.
    pub stars: usize,
    /// Number of stars to train on.
    pub training_stars: usize,
    /// Number of stars reserved for validation.
    pub validation_stars: usize,
    /// Number of weights of the network.
    pub parameters: usize,
    /// Number of steps per epoch.
    pub steps_per_epoch: u64,
    /// Stars trained on per second, measured on one batch.
    pub stars_per_second: f64,
    /// Loss of the network on that batch before training.
    pub loss: f64,
}

/// Measures one step of a run that begins with the weights of `start`, or with random ones, without writing anything.
///
/// # Errors
/// The errors of [`super::Run::open`].
pub fn dry_run(set: &TrainingSet, settings: &Settings, start: Option<&Model>, device: &Device) -> Result<DryRun> {
    settings.validate()?;
    let sampler = Sampler::new(set, settings)?;
    let random = || init::random("initial", settings.architecture.clone(), set.vocabulary().clone(), settings.seed);
    let model = start.map_or_else(random, |model| Ok(model.clone()))?;
    let mut learner = Learner::new(model.tensors(), model.architecture(), set.tokens(), None, device)?;
    let batch = sampler.draw(set, &sampler.order(0), 0, 0);
    let loss = learner.step(&batch, settings.schedule.rate, settings.dropout, 0)?;
    let begun = Instant::now();
    learner.step(&batch, settings.schedule.rate, settings.dropout, 1)?;
    Ok(DryRun {
        stars: set.rows(),
        training_stars: sampler.training_stars(),
        validation_stars: sampler.validation_stars(),
        parameters: model.tensors().values().map(Tensor::elem_count).sum(),
        steps_per_epoch: sampler.steps_per_epoch(),
        stars_per_second: settings.batch as f64 / begun.elapsed().as_secs_f64(),
        loss,
    })
}
