//! Computes the model's answers for the planned stars, on the device that also answers queries.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use lamcat_core::{
    context::Packed,
    error::Result,
    schema::{Basis, PADDING, TokenId},
};
use lamcat_model::{
    Model,
    inference::{Answers, Device, Requests},
};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    derived::Derived,
    inpainting::{Coefficient, Inpainting, LEAST_STARS},
    inputs::InputSet,
    metrics::Metrics,
    plan::{Given, LeftOut, Pass, Plan},
    predictions::Predictions,
    stars::Stars,
};

/// Number of batches that are packed ahead of the device.
const IN_FLIGHT: usize = 2;

/// The results for one label and one set of inputs.
#[derive(Debug, Clone)]
pub struct LabelResult {
    /// The label's token, or the quantity derived from it.
    pub label: String,
    /// The label's unit; empty if it has none.
    pub unit: String,
    /// The inputs.
    pub inputs: InputSet,
    /// Whether the labels' own errors are part of `sigma_total`.
    pub with_label_errors: bool,
    /// Mean number of tokens shown per star that has the label.
    pub tokens: f64,
    /// The stars.
    pub predictions: Predictions,
    /// Their statistics.
    pub metrics: Metrics,
}

/// All results.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// The basis of the model's spectra.
    pub basis: Basis,
    /// Results for labels, sorted by label and then by inputs.
    pub labels: Vec<LabelResult>,
    /// Results for the quantities derived from them: E(B-V) in mag as `ebv`, and the distance in percent of the true
    /// one as `distance`.
    pub derived: Vec<LabelResult>,
    /// Results for blocks predicted from other blocks.
    pub inpainting: Vec<Inpainting>,
    /// The requested parts that could not be evaluated.
    pub left_out: Vec<LeftOut>,
}

impl LabelResult {
    /// Returns the label with its unit.
    #[must_use]
    pub fn with_unit(&self) -> String {
        if self.unit.is_empty() { self.label.clone() } else { format!("{} [{}]", self.label, self.unit) }
    }

    /// Returns the result for the quantity derived from the label, if there is one and a star has it.
    fn derived(&self) -> Option<Self> {
        let Derived { name, unit, of } = Derived::from_label(&self.label)?;
        let predictions = of(&self.predictions);
        let metrics = Metrics::new(&predictions)?;
        Some(Self { label: name.to_owned(), unit: unit.to_owned(), predictions, metrics, ..self.clone() })
    }
}

/// The answers for one batch of stars, and the number of tokens shown for each.
struct Answered {
    answers: Answers,
    shown: Vec<usize>,
}

/// Evaluates `model` as planned on `device`, `batch_rows` stars at a time; `progress` is called with the work done so
/// far, in the units of [`Plan::work`].
///
/// # Errors
/// If the device fails.
pub async fn evaluate(
    device: &Device,
    model: &Arc<Model>,
    stars: &Stars,
    plan: &Plan,
    batch_rows: usize,
    progress: &mut (dyn FnMut(&InputSet, u64) + Send),
) -> Result<Evaluation> {
    let mut result = Evaluation {
        basis: model.vocabulary().basis().clone(),
        labels: Vec::new(),
        derived: Vec::new(),
        inpainting: Vec::new(),
        left_out: plan.left_out().to_vec(),
    };
    let mut done = 0;
    for pass in &plan.passes {
        let requests = Arc::new(Requests { tokens: pass.asked.iter().map(|g| g.token).collect(), embedding: false });
        let batches = pass.stars.chunks(batch_rows.max(1));
        let asked = batches.clone().map(|batch| ask(device, model, stars, plan.seed, pass, batch, &requests));
        let mut answers = stream::iter(asked).buffered(IN_FLIGHT);
        let mut collected = Collected::new(pass);
        for batch in batches {
            if let Some(answered) = answers.try_next().await? {
                collected.add(model, stars, pass, batch, &answered);
            }
            done += batch.len() as u64 * pass.cost();
            progress(&pass.inputs, done);
        }
        collected.finish(model, stars, pass, &mut result);
    }
    let sets = InputSet::all(&result.basis);
    let order = |inputs: &InputSet| sets.iter().position(|set| set == inputs);
    result.labels.sort_by_key(|r| (model.vocabulary().id(&r.label), order(&r.inputs)));
    result.derived = result.labels.iter().filter_map(LabelResult::derived).collect();
    Ok(result)
}

async fn ask(
    device: &Device,
    model: &Arc<Model>,
    stars: &Stars,
    seed: u64,
    pass: &Pass,
    batch: &[u32],
    requests: &Arc<Requests>,
) -> Result<Answered> {
    let slots = model.architecture().context_length;
    let mut packed = Packed::with_capacity(batch.len(), slots);
    for star in batch {
        let shown = context(stars, seed, pass, *star, slots);
        packed.push(model.vocabulary(), shown.into_iter())?;
    }
    let known = |star: &[TokenId]| star.iter().filter(|t| **t != PADDING).count();
    let shown = packed.tokens.chunks(slots).map(known).collect();
    let answers = device.infer(model.clone(), packed, requests.clone()).await?.answers;
    Ok(Answered { answers, shown })
}

/// Returns the tokens that a star shows in a pass, NaN where missing.
fn context(stars: &Stars, seed: u64, pass: &Pass, star: u32, slots: usize) -> Vec<(TokenId, f32)> {
    let mut shown: Vec<(TokenId, f32)> = pass.shown.iter().map(|g| (g.token, stars.value(star, g.place))).collect();
    if pass.inputs == InputSet::Random {
        shown.retain(|(_, value)| !value.is_nan());
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(u64::from(star));
        return shown.partial_shuffle(&mut rng, slots).0.to_vec();
    }
    shown
}

/// The results of a pass so far, for each requested token.
struct Collected(Vec<Asked>);

/// One token's answers: in the label's unit, or standardised for a coefficient.
#[derive(Clone, Default)]
struct Asked {
    predictions: Predictions,
    /// Total number of tokens shown over all stars that have the token.
    shown: usize,
}

impl Asked {
    /// Returns the mean number of tokens shown per star.
    fn tokens(&self) -> f64 {
        self.shown as f64 / (self.predictions.len() + self.predictions.not_finite) as f64
    }
}

impl Collected {
    fn new(pass: &Pass) -> Self {
        Self(vec![Asked::default(); pass.asked.len()])
    }

    fn add(&mut self, model: &Model, stars: &Stars, pass: &Pass, batch: &[u32], answered: &Answered) {
        let width = pass.asked.len();
        let inpaints = pass.inputs.inpaints().is_some();
        for ((row, star), shown) in batch.iter().enumerate().zip(&answered.shown) {
            for (i, Given { token, place }) in pass.asked.iter().enumerate() {
                let truth = f64::from(stars.value(*star, *place));
                if truth.is_nan() {
                    continue;
                }
                let error = f64::from(stars.error(*star, *place));
                let mean = f64::from(answered.answers.mean[row * width + i]);
                let sigma = f64::from(answered.answers.sigma[row * width + i]);
                let asked = &mut self.0[i];
                asked.shown += shown;
                if inpaints {
                    let scaling = model.vocabulary().token(*token);
                    let standard = |value: f64| (value - scaling.median) / scaling.scale;
                    let (error, sigma) = (error / scaling.scale, sigma / scaling.scale);
                    asked.predictions.push(standard(truth), error, standard(mean), sigma);
                } else {
                    asked.predictions.push(truth, error, mean, sigma);
                }
            }
        }
    }

    fn finish(self, model: &Model, stars: &Stars, pass: &Pass, result: &mut Evaluation) {
        let inputs = &pass.inputs;
        let mut coefficients = Vec::new();
        let mut too_few = Vec::new();
        for (asked, given) in self.0.into_iter().zip(&pass.asked) {
            let label = model.vocabulary().token(given.token).name.clone();
            let with_label_errors = stars.has_errors(given.place);
            if inputs.inpaints().is_some() {
                match Coefficient::new(&label, with_label_errors, &asked.predictions) {
                    Some(coefficient) => coefficients.push(coefficient),
                    None => too_few.push(label),
                }
                continue;
            }
            let Some(metrics) = Metrics::new(&asked.predictions) else {
                let why = "no answer of the model was finite".to_owned();
                result.left_out.push(LeftOut { inputs: inputs.clone(), labels: vec![label], why });
                continue;
            };
            result.labels.push(LabelResult {
                unit: model.vocabulary().described(given.token).unit,
                label,
                inputs: inputs.clone(),
                with_label_errors,
                tokens: asked.tokens(),
                predictions: asked.predictions,
                metrics,
            });
        }
        if !coefficients.is_empty() {
            result.inpainting.push(Inpainting { inputs: inputs.clone(), stars: pass.stars.len(), coefficients });
        }
        if !too_few.is_empty() {
            let why = format!("fewer than {LEAST_STARS} stars have the coefficient and a finite answer");
            result.left_out.push(LeftOut { inputs: inputs.clone(), labels: too_few, why });
        }
    }
}
