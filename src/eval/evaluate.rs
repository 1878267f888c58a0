//! The model's answers for the planned stars, through the device that answers queries.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::{
    inpainting::{Inpainting, Standardised},
    inputs::InputSet,
    metrics::Metrics,
    plan::{Given, LeftOut, Pass, Plan},
    predictions::Predictions,
    stars::Stars,
};
use crate::{
    context::Packed,
    error::Result,
    inference::{Answers, Device, Requests},
    model::Model,
    schema::TokenId,
};

/// Batches that are packed ahead of the device.
const IN_FLIGHT: usize = 2;

/// One label from one set of inputs.
#[derive(Debug, Clone)]
pub struct LabelResult {
    /// The label's token.
    pub label: String,
    /// The inputs.
    pub inputs: InputSet,
    /// Whether the labels' own errors are part of `sigma_total`.
    pub with_label_errors: bool,
    /// Tokens shown per star, in the mean.
    pub tokens: f64,
    /// The stars.
    pub predictions: Predictions,
    /// Their statistics.
    pub metrics: Metrics,
}

/// All results.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Labels, by label and then inputs.
    pub labels: Vec<LabelResult>,
    /// Bands.
    pub inpainting: Vec<Inpainting>,
    /// What could not be evaluated.
    pub left_out: Vec<LeftOut>,
}

/// Answers of one batch of stars, and the tokens that they were shown.
struct Answered {
    answers: Answers,
    shown: usize,
}

/// Evaluates `model` as planned on `device`, `batch_rows` stars at a time; `progress` is told the work done so far, of
/// [`Plan::work`].
///
/// # Errors
/// If the device fails.
pub async fn evaluate(
    device: &Device,
    model: &Arc<Model>,
    stars: &Stars,
    plan: &Plan,
    batch_rows: usize,
    progress: &mut (dyn FnMut(InputSet, u64) + Send),
) -> Result<Evaluation> {
    let mut result = Evaluation { labels: Vec::new(), inpainting: Vec::new(), left_out: plan.left_out().to_vec() };
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
            progress(pass.inputs, done);
        }
        collected.finish(model, stars, pass, &mut result);
    }
    result.labels.sort_by_key(|r| (model.vocabulary().id(&r.label), order(r.inputs)));
    Ok(result)
}

fn order(inputs: InputSet) -> Option<usize> {
    InputSet::ALL.iter().position(|set| *set == inputs)
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
    let shown = packed.tokens.iter().filter(|t| **t != crate::schema::PADDING).count();
    let answers = device.infer(model.clone(), packed, requests.clone()).await?.answers;
    Ok(Answered { answers, shown })
}

/// What a star shows of itself, NaN where missing.
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

/// What a pass has given so far.
struct Collected {
    labels: Vec<Predictions>,
    coefficients: Vec<Standardised>,
    shown: usize,
}

impl Collected {
    fn new(pass: &Pass) -> Self {
        let (labels, coefficients) =
            if pass.inputs.inpaints().is_some() { (0, pass.asked.len()) } else { (pass.asked.len(), 0) };
        Self {
            labels: vec![Predictions::default(); labels],
            coefficients: vec![Standardised::default(); coefficients],
            shown: 0,
        }
    }

    fn add(&mut self, model: &Model, stars: &Stars, pass: &Pass, batch: &[u32], answered: &Answered) {
        self.shown += answered.shown;
        let width = pass.asked.len();
        for (row, star) in batch.iter().enumerate() {
            for (i, Given { token, place }) in pass.asked.iter().enumerate() {
                let truth = f64::from(stars.value(*star, *place));
                if truth.is_nan() {
                    continue;
                }
                let mean = f64::from(answered.answers.mean[row * width + i]);
                let sigma = f64::from(answered.answers.sigma[row * width + i]);
                if let Some(label) = self.labels.get_mut(i) {
                    label.push(truth, f64::from(stars.error(*star, *place)), mean, sigma);
                } else {
                    let scaling = model.vocabulary().token(*token);
                    let standard = |value: f64| (value - scaling.median) / scaling.scale;
                    self.coefficients[i].push(standard(truth), standard(mean), sigma / scaling.scale);
                }
            }
        }
    }

    fn finish(self, model: &Model, stars: &Stars, pass: &Pass, result: &mut Evaluation) {
        let name = |g: &Given| model.vocabulary().token(g.token).name.clone();
        if pass.inputs.inpaints().is_some() {
            let judged = self.coefficients.into_iter().zip(&pass.asked).filter_map(|(c, g)| c.judge(&name(g)));
            let coefficients = judged.collect();
            result.inpainting.push(Inpainting { inputs: pass.inputs, stars: pass.stars.len(), coefficients });
        }
        for (predictions, asked) in self.labels.into_iter().zip(&pass.asked) {
            let label = name(asked);
            match Metrics::new(&predictions) {
                Some(metrics) => result.labels.push(LabelResult {
                    label,
                    inputs: pass.inputs,
                    with_label_errors: stars.has_errors(asked.place),
                    tokens: self.shown as f64 / pass.stars.len() as f64,
                    predictions,
                    metrics,
                }),
                None => result.left_out.push(LeftOut {
                    inputs: pass.inputs,
                    labels: vec![label],
                    why: "no answer of the model was finite".to_owned(),
                }),
            }
        }
    }
}
