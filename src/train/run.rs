//! A training run in its own folder.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};

use candle_core::{Device, Tensor};
use lamcat_core::{
    error::{Error, ErrorKind, Result},
    outputs::write_whole,
};
use lamcat_model::{Model, Provenance, init};

use super::{
    batches::batches,
    checkpoint::{self, State, Tensors},
    domain::DomainFit,
    learner::Learner,
    losses::{LossRecord, Losses},
    optimizer::{AdamW, AdamWSettings},
    plot::losses_svg,
    sample::{Batch, Sampler, dropout_key},
    set::TrainingSet,
    settings::Settings,
};

/// Maximum number of validation stars per report.
const VALIDATION_STARS: usize = 2048;
/// Steps with a report before the first regular one.
const EARLY_REPORTS: [u64; 2] = [1, 10];

const CHECKPOINT: &str = "checkpoint.safetensors";
const LOSSES: &str = "losses.csv";
const PLOT: &str = "losses.svg";
const MODEL: &str = "model.safetensors";

/// The result of a step.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    /// Steps done.
    pub step: u64,
    /// Share of the budget spent, in [0, 1].
    pub spent: f64,
    /// Loss of the step's batch.
    pub loss: f64,
    /// Line of `losses.csv` written after the step, if any.
    pub record: Option<LossRecord>,
}

/// The ways in which a run ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The budget is spent; the model is in this file, without a training domain (see [`Run::add_domain`]).
    Finished(PathBuf),
    /// The run was stopped and can continue from its checkpoint.
    Stopped,
}

/// A training run: its folder holds `checkpoint.safetensors`, `losses.csv`, `losses.svg` and, at the end,
/// `model.safetensors`.
#[derive(Debug)]
pub struct Run<'a> {
    folder: PathBuf,
    set: &'a TrainingSet,
    sampler: Sampler,
    validation: Batch,
    state: State,
    learner: Learner,
    losses: Losses,
    checkpoint_every: u64,
    resumed_at: u64,
}

impl<'a> Run<'a> {
    /// Opens a run in `folder`. It continues from its checkpoint if there is one and `fresh` is false; otherwise it
    /// begins with the weights of `start`, or with random ones.
    ///
    /// # Errors
    /// If the settings are out of range or differ from those of the checkpoint, the set has fewer stars than a batch,
    /// or the folder cannot be written.
    pub fn open(
        folder: &Path,
        set: &'a TrainingSet,
        settings: Settings,
        start: Option<&BTreeMap<String, Tensor>>,
        fresh: bool,
        checkpoint_every: u64,
        device: &Device,
    ) -> Result<Self> {
        settings.validate()?;
        let sampler = Sampler::new(set, &settings)?;
        std::fs::create_dir_all(folder).map_err(|e| {
            Error::new(ErrorKind::Io, "cannot make the folder").at("folder", folder.display()).source(e)
        })?;
        let state = State::new(settings, set.hash(), set.vocabulary().clone());
        let path = folder.join(CHECKPOINT);
        let (state, learner) = if path.exists() && !fresh {
            resume(&path, &state, device)?
        } else {
            let weights = start.map_or_else(|| first_weights(&state), |weights| Ok(weights.clone()))?;
            let learner = Learner::new(&weights, &state.settings.architecture, set.tokens(), None, device)?;
            (state, learner)
        };
        Ok(Self {
            folder: folder.to_owned(),
            set,
            validation: sampler.validation(set, VALIDATION_STARS),
            sampler,
            losses: Losses::open(&folder.join(LOSSES), state.step)?,
            resumed_at: state.step,
            state,
            learner,
            checkpoint_every: checkpoint_every.max(1),
        })
    }

    /// The number of steps that were done when the run was opened.
    #[must_use]
    pub fn resumed_at(&self) -> u64 {
        self.resumed_at
    }

    /// Number of steps per epoch.
    #[must_use]
    pub fn steps_per_epoch(&self) -> u64 {
        self.sampler.steps_per_epoch()
    }

    /// Trains until the budget is spent or `stop` is set; `report` is called after every step. `query` describes the
    /// set in the model's provenance.
    ///
    /// # Errors
    /// If a loss is not finite or a file cannot be written.
    pub fn train(
        &mut self,
        name: &str,
        query: &str,
        stop: &AtomicBool,
        report: &mut dyn FnMut(&Report),
    ) -> Result<Outcome> {
        let clock = Clock { before: self.state.seconds, started: Instant::now() };
        let (set, sampler, first) = (self.set, self.sampler.clone(), self.state.step);
        let outcome = std::thread::scope(|scope| {
            let batches = batches(scope, &sampler, set, first);
            self.steps(&batches, &clock, stop, report)
        });
        let finished = outcome?;
        self.save_checkpoint()?;
        write_whole(&self.folder.join(PLOT), losses_svg(self.losses.records())?)?;
        if !finished {
            return Ok(Outcome::Stopped);
        }
        let path = self.folder.join(MODEL);
        self.model(name, query)?.save(&path)?;
        Ok(Outcome::Finished(path))
    }

    /// Adds the domain of the training set to the finished model in `file`; `None` if the set has too few spectra.
    ///
    /// # Errors
    /// If the domain cannot be fitted, or the file cannot be read or written; the file is unchanged then.
    pub fn add_domain(&self, file: &Path) -> Result<Option<DomainFit>> {
        let model = Model::open(file)?;
        let context_length = model.architecture().context_length;
        let seed = self.state.settings.seed;
        let fit = DomainFit::new(self.set, model.vocabulary(), context_length, DomainFit::OUTSIDE, seed)?;
        if let Some(fit) = &fit {
            model.with_domain(fit.domain.clone())?.save(file)?;
        }
        Ok(fit)
    }

    /// Trains step by step; returns whether the budget was spent.
    fn steps(
        &mut self,
        batches: &std::sync::mpsc::Receiver<Batch>,
        clock: &Clock,
        stop: &AtomicBool,
        report: &mut dyn FnMut(&Report),
    ) -> Result<bool> {
        let per_epoch = self.sampler.steps_per_epoch();
        let (mut stars, mut seconds) = (0, 0.0);
        loop {
            let schedule = self.state.settings.schedule;
            let spent = schedule.budget.spent(self.state.step, per_epoch, self.state.seconds);
            if spent >= 1.0 {
                return Ok(true);
            }
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let Ok(batch) = batches.recv() else { return Ok(false) };
            let begun = Instant::now();
            let rate = schedule.learning_rate(spent);
            let key = dropout_key(self.state.settings.seed, self.state.step);
            let loss = self.learner.step(&batch, rate, self.state.settings.dropout, key)?;
            stars += batch.stars;
            seconds += begun.elapsed().as_secs_f64();
            self.state.step += 1;
            self.state.loss = (self.state.loss.0 + loss, self.state.loss.1 + 1);
            self.state.seconds = clock.seconds();
            let spent = schedule.budget.spent(self.state.step, per_epoch, self.state.seconds);
            let record = self.due(spent).then(|| self.record(rate, stars as f64 / seconds)).transpose()?;
            if record.is_some() {
                (stars, seconds) = (0, 0.0);
            }
            report(&Report { step: self.state.step, spent, loss, record });
            if self.state.step.is_multiple_of(self.checkpoint_every) {
                self.save_checkpoint()?;
            }
        }
    }

    fn due(&self, spent: f64) -> bool {
        let step = self.state.step;
        spent >= 1.0 || EARLY_REPORTS.contains(&step) || step.is_multiple_of(self.state.settings.report_every)
    }

    fn record(&mut self, learning_rate: f64, stars_per_second: f64) -> Result<LossRecord> {
        let (sum, count) = std::mem::take(&mut self.state.loss);
        let validate = !self.validation.requests.is_empty();
        self.state.validation = validate.then(|| self.learner.loss(&self.validation)).transpose()?;
        let record = LossRecord {
            step: self.state.step,
            epoch: (self.state.step - 1) / self.sampler.steps_per_epoch(),
            learning_rate,
            train_loss: sum / count as f64,
            validation_loss: self.state.validation,
            stars_per_second,
        };
        self.losses.add(record)?;
        Ok(record)
    }

    fn save_checkpoint(&self) -> Result<()> {
        let (first, second) = self.learner.optimizer().moments();
        let tensors = Tensors { weights: self.learner.weights()?, first: first.clone(), second: second.clone() };
        checkpoint::save(&self.folder.join(CHECKPOINT), &self.state, &tensors)
    }

    fn model(&self, name: &str, query: &str) -> Result<Model> {
        let s = &self.state;
        let validation = s.validation.map_or_else(|| "none".to_owned(), |v| format!("{v:.4}"));
        let origin = format!(
            "trained on {} stars of {query} (set {}), {}{} steps of {} stars, seed {}, validation loss {validation}",
            self.set.rows(),
            &self.set.hash()[..12],
            s.settings.from.as_ref().map_or_else(String::new, |hash| format!("from model {hash:.8}, ")),
            s.step,
            s.settings.batch,
            s.settings.seed,
        );
        let weights = self.learner.weights()?;
        let provenance = Provenance::new(true, origin);
        Model::new(name, s.settings.architecture.clone(), s.vocabulary.clone(), provenance, weights)
    }
}

struct Clock {
    before: f64,
    started: Instant,
}

impl Clock {
    fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }
}

/// Returns random weights, with the biases of the dense layers at zero so that no output is preferred at first.
fn first_weights(state: &State) -> Result<BTreeMap<String, Tensor>> {
    let s = &state.settings;
    let model = init::random("initial", s.architecture.clone(), state.vocabulary.clone(), s.seed)?;
    let weight = |(name, t): (&String, &Tensor)| -> Result<_> {
        let bias = name.ends_with("bias") && !name.starts_with("embedding_layer");
        Ok((name.clone(), if bias { t.zeros_like()? } else { t.clone() }))
    };
    model.tensors().iter().map(weight).collect()
}

fn resume(path: &Path, wanted: &State, device: &Device) -> Result<(State, Learner)> {
    let (state, tensors) = checkpoint::load(path)?;
    state.continues(wanted)?;
    let on_device = |part: BTreeMap<String, Tensor>| -> Result<BTreeMap<String, Tensor>> {
        part.into_iter().map(|(name, t)| Ok((name, t.to_device(device)?))).collect()
    };
    let (first, second) = (on_device(tensors.first)?, on_device(tensors.second)?);
    let optimizer = AdamW::resumed(AdamWSettings::default(), state.step, first, second);
    let architecture = &state.settings.architecture;
    let learner = Learner::new(&tensors.weights, architecture, state.vocabulary.len(), Some(optimizer), device)?;
    Ok((state, learner))
}
