//! The outputs that one query wants from one context column, from Arrow input to Arrow output.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, FixedSizeListArray, Float32Array, Int32Array},
    buffer::NullBuffer,
    datatypes::{DataType, Field},
};
use lamcat_core::{
    context::{Layout, Packed, PackedRows, flags},
    error::{Error, ErrorKind, Result},
    schema::TokenId,
};

use super::{
    backend::{Answers, Requests},
    output::Output,
};
use crate::Model;

/// The outputs wanted from a context column of one type, resolved for one model.
#[derive(Debug)]
pub struct Program {
    model: Arc<Model>,
    layout: Layout,
    outputs: Vec<Output>,
    requests: Arc<Requests>,
}

/// A batch whose contexts have been packed. [`Prepared::packed`] is the input of the device, the rest that of
/// [`Program::assemble`].
#[derive(Debug)]
pub struct Prepared {
    /// Contexts of the usable rows.
    pub packed: Packed,
    index: Vec<Option<u32>>,
    flags: Vec<i32>,
    measured: Vec<f32>,
    /// Scores of the packed rows.
    ood_scores: Vec<Option<f32>>,
}

impl Prepared {
    /// Number of rows of the batch.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.index.len()
    }

    /// Number of rows without a usable context, whose results are NULL.
    #[must_use]
    pub fn null_rows(&self) -> usize {
        self.index.iter().filter(|i| i.is_none()).count()
    }
}

impl Program {
    /// Resolves `outputs` for a context column of `context_type`.
    ///
    /// # Errors
    /// If the column cannot be a context of this model, or an output needs a list of coefficients that the context
    /// lacks.
    pub fn new(model: Arc<Model>, context_type: &DataType, outputs: Vec<Output>) -> Result<Self> {
        let layout = Layout::new(context_type, model.vocabulary(), model.architecture().context_length)?;
        if outputs.contains(&Output::Inpaint) && !layout.has_list() {
            return Err(Error::new(
                ErrorKind::Plan,
                format!("inpainting needs a context with an {} list", model.vocabulary().basis().list),
            )
            .hint("use lam_spectrum(context) to predict every coefficient"));
        }
        let requests = Arc::new(requests(&outputs, &model));
        Ok(Self { model, layout, outputs, requests })
    }

    /// The model.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The requests to the device.
    #[must_use]
    pub fn requests(&self) -> &Arc<Requests> {
        &self.requests
    }

    /// Whether any output needs the device for a batch with usable rows.
    #[must_use]
    pub fn needs_device(&self) -> bool {
        self.requests.embedding || !self.requests.tokens.is_empty()
    }

    /// Size in bytes of the answers for `rows` rows.
    #[must_use]
    pub fn answer_bytes(&self, rows: usize) -> usize {
        let width = if self.requests.embedding { self.model.architecture().width } else { 0 };
        rows * (2 * self.requests.tokens.len() + width) * size_of::<f32>()
    }

    /// Packs a batch's contexts.
    ///
    /// # Errors
    /// If the column does not have the program's type.
    pub fn prepare(&self, context: &ArrayRef) -> Result<Prepared> {
        let PackedRows { packed, index, mut flags } = self.layout.pack(context, self.model.vocabulary())?;
        let inpaint = self.outputs.contains(&Output::Inpaint);
        let measured = if inpaint { self.layout.measured(context)? } else { Vec::new() };
        let ood_scores = self.ood_scores(&packed);
        if let Some(domain) = self.model.domain() {
            for (flag, i) in flags.iter_mut().zip(&index) {
                let score = i.and_then(|i| ood_scores.get(i as usize).copied().flatten());
                *flag |= if score.is_some_and(|s| s > domain.threshold()) { flags::OUT_OF_DOMAIN } else { 0 };
            }
        }
        Ok(Prepared { packed, index, flags, measured, ood_scores })
    }

    /// Returns how unlike the training stars each packed row is; empty if no output needs it or the model has no
    /// training domain.
    fn ood_scores(&self, packed: &Packed) -> Vec<Option<f32>> {
        let asked = self.outputs.iter().any(|o| matches!(o, Output::Flags | Output::OodScore));
        let Some(domain) = self.model.domain().filter(|_| asked) else { return Vec::new() };
        let score = |row| {
            let (tokens, values) = packed.slice(row..row + 1);
            domain.score(tokens, values)
        };
        (0..packed.rows).map(score).collect()
    }

    /// Turns the device's answers into one column per output; a row without a usable context is NULL in each of them.
    #[must_use]
    pub fn assemble(&self, prepared: &Prepared, answers: &Answers) -> Vec<ArrayRef> {
        self.outputs.iter().map(|output| self.column(*output, prepared, answers)).collect()
    }

    fn column(&self, output: Output, prepared: &Prepared, answers: &Answers) -> ArrayRef {
        match output {
            Output::Value(token) => Arc::new(self.scalar(token, prepared, &answers.mean)),
            Output::Error(token) => Arc::new(self.scalar(token, prepared, &answers.sigma)),
            Output::Spectrum => self.spectrum(prepared, &answers.mean, |_, predicted| predicted),
            Output::SpectrumError => self.spectrum(prepared, &answers.sigma, |_, predicted| predicted),
            Output::Inpaint => self.spectrum(prepared, &answers.mean, |at, predicted| {
                let measured = prepared.measured[at];
                if measured.is_finite() { measured } else { predicted }
            }),
            Output::Embed => {
                let width = self.model.architecture().width;
                list(prepared, width, |_, packed, i| answers.embedding[packed * width + i])
            }
            Output::Flags => Arc::new(self.flags(prepared, answers)),
            Output::OodScore => {
                let score = |i: u32| prepared.ood_scores.get(i as usize).copied().flatten();
                Arc::new(prepared.index.iter().map(|i| i.and_then(score)).collect::<Float32Array>())
            }
        }
    }

    fn request(&self, token: TokenId) -> usize {
        self.requests.tokens.iter().position(|t| *t == token).unwrap_or_default()
    }

    fn scalar(&self, token: TokenId, prepared: &Prepared, answers: &[f32]) -> Float32Array {
        let (stride, at) = (self.requests.tokens.len(), self.request(token));
        prepared.index.iter().map(|i| i.map(|i| answers[i as usize * stride + at]).filter(|v| v.is_finite())).collect()
    }

    /// Builds a list of every coefficient; `pick` chooses between the input at `row * length + i` and the prediction.
    fn spectrum(&self, prepared: &Prepared, answers: &[f32], pick: impl Fn(usize, f32) -> f32) -> ArrayRef {
        let stride = self.requests.tokens.len();
        let at: Vec<usize> = self.model.vocabulary().coefficients().map(|t| self.request(t)).collect();
        list(prepared, at.len(), |row, packed, i| pick(row * at.len() + i, answers[packed * stride + at[i]]))
    }

    fn flags(&self, prepared: &Prepared, answers: &Answers) -> Int32Array {
        let untrained = if self.model.provenance().trained { 0 } else { flags::UNTRAINED };
        let stride = self.requests.tokens.len();
        let odd = |packed: u32| {
            let row = |width: usize| packed as usize * width..(packed as usize + 1) * width;
            let embedding = answers.embedding.get(row(self.model.architecture().width)).unwrap_or_default();
            let labels = answers.mean[row(stride)].iter().chain(&answers.sigma[row(stride)]);
            labels.chain(embedding).any(|v| !v.is_finite())
        };
        prepared
            .flags
            .iter()
            .zip(&prepared.index)
            .map(|(flag, i)| {
                let output = if i.is_some_and(odd) { flags::OUTPUT_NON_FINITE } else { 0 };
                flag | untrained | output
            })
            .collect::<Vec<_>>()
            .into()
    }
}

/// Builds a fixed-size list column; `value` returns element `i` of a row, given the row and its packed index.
fn list(prepared: &Prepared, len: usize, value: impl Fn(usize, usize, usize) -> f32) -> ArrayRef {
    let mut values = Vec::with_capacity(prepared.rows() * len);
    for (row, packed) in prepared.index.iter().enumerate() {
        values.extend((0..len).map(|i| {
            let v = packed.map(|p| value(row, p as usize, i));
            v.filter(|v| v.is_finite())
        }));
    }
    let nulls: NullBuffer = prepared.index.iter().map(Option::is_some).collect();
    let item = Arc::new(Field::new_list_field(DataType::Float32, true));
    Arc::new(FixedSizeListArray::new(item, len as i32, Arc::new(Float32Array::from(values)), Some(nulls)))
}

/// Returns every token that some output needs, each once, and whether the embedding is needed.
fn requests(outputs: &[Output], model: &Model) -> Requests {
    let mut requests = Requests::default();
    let mut want = |token: TokenId| {
        if !requests.tokens.contains(&token) {
            requests.tokens.push(token);
        }
    };
    for output in outputs {
        match output {
            Output::Value(t) | Output::Error(t) => want(*t),
            Output::Spectrum | Output::SpectrumError | Output::Inpaint => {
                model.vocabulary().coefficients().for_each(&mut want);
            }
            Output::Embed | Output::Flags | Output::OodScore => {}
        }
    }
    requests.embedding = outputs.contains(&Output::Embed);
    requests
}
