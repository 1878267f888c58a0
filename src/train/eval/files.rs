//! The files in which an evaluation stores its results for other programs.

use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_model::Model;
use serde_json::{Value, json};

use super::{
    evaluate::{Evaluation, LabelResult},
    inpainting::{Coefficient, Inpainting},
    inputs::InputSet,
    metrics::{Metrics, PIT_BINS},
};

/// Numbers of leading coefficients of a band over which the inpainting factor is given; those beyond are mostly noise.
const LEADING: [usize; 3] = [10, 30, 55];

/// The origin of an evaluation's numbers. It holds no date, so that a rerun gives the same bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct About {
    /// Facts with their names, in display order.
    pub facts: Vec<(&'static str, String)>,
}

impl About {
    /// The model's provenance, the query and the stars.
    #[must_use]
    pub fn new(model: &Model, query_sha256: &str, stars: usize, stars_sha256: &str, seed: u64) -> Self {
        let a = model.architecture();
        let sizes = format!("width {}, context {}, {} weights", a.width, a.context_length, model.parameters());
        let facts = vec![
            ("model", model.label()),
            ("model origin", model.provenance().origin.clone()),
            ("model written by", model.provenance().created_by.clone()),
            ("model sizes", sizes),
            ("model SHA-256", model.hash().to_owned()),
            ("query SHA-256", query_sha256.to_owned()),
            ("stars", stars.to_string()),
            ("stars SHA-256", stars_sha256.to_owned()),
            ("seed of the random inputs", seed.to_string()),
            ("evaluated by", concat!("lamcat ", env!("CARGO_PKG_VERSION")).to_owned()),
        ];
        Self { facts }
    }
}

const LABEL_COLUMNS: &str = "label,unit,inputs,stars,tokens,mad_std,bias,p2_5,p16,p84,p97_5,median_sigma,within_1_sigma,\
                             within_2_sigma,pull_mad_std,label_errors,not_finite";
const COEFFICIENT_COLUMNS: &str = "coefficient,inputs,stars,mad_std,mad_std_of_median,factor,\
                                   median_sigma,within_1_sigma,label_errors,not_finite";

/// One line per label and set of inputs, followed by lines for the derived quantities. Numbers are in the line's unit;
/// residuals are truth minus prediction.
#[must_use]
pub fn metrics_csv(evaluation: &Evaluation) -> String {
    let line = |result: &LabelResult| {
        let m = &result.metrics;
        let mut numbers = vec![result.tokens, m.mad_std, m.bias];
        numbers.extend(m.percentiles.into_iter().chain([m.median_sigma]).chain(m.within).chain([m.pull_mad_std]));
        let (errors, not_finite) = (result.with_label_errors, result.predictions.not_finite);
        let (label, unit) = (&result.label, &result.unit);
        format!("{label},{unit},{},{},{},{errors},{not_finite}", result.inputs, m.stars, joined(&numbers))
    };
    lines(LABEL_COLUMNS, evaluation.labels.iter().chain(&evaluation.derived).map(line))
}

/// One line per coefficient that was predicted from the other band, standardised.
#[must_use]
pub fn coefficients_csv(evaluation: &Evaluation) -> String {
    let line = |inputs: &InputSet, c: &Coefficient| {
        let numbers = [c.mad_std, c.mad_std_of_median, c.factor(), c.median_sigma, c.within_1_sigma];
        format!("{},{inputs},{},{},{},{}", c.name, c.stars, joined(&numbers), c.with_label_errors, c.not_finite)
    };
    let bands = evaluation.inpainting.iter();
    lines(COEFFICIENT_COLUMNS, bands.flat_map(|band| band.coefficients.iter().map(move |c| line(&band.inputs, c))))
}

fn lines(header: &str, lines: impl Iterator<Item = String>) -> String {
    std::iter::once(header.to_owned()).chain(lines).collect::<Vec<_>>().join("\n") + "\n"
}

/// All results in one JSON object, with the histograms.
///
/// # Errors
/// If it cannot be serialised.
pub fn metrics_json(evaluation: &Evaluation, about: &About) -> Result<String> {
    let facts: serde_json::Map<String, Value> =
        about.facts.iter().map(|(name, fact)| ((*name).to_owned(), json!(fact))).collect();
    let left_out: Vec<Value> = evaluation
        .left_out
        .iter()
        .map(|l| json!({"inputs": l.inputs.name(), "labels": l.labels, "why": l.why}))
        .collect();
    let value = json!({
        "about": facts,
        "residual": "truth - prediction",
        "pit_bins": PIT_BINS,
        "labels": evaluation.labels.iter().map(label).collect::<Vec<_>>(),
        "derived": evaluation.derived.iter().map(label).collect::<Vec<_>>(),
        "inpainting": evaluation.inpainting.iter().map(inpainting).collect::<Vec<_>>(),
        "left_out": left_out,
    });
    let text = serde_json::to_string_pretty(&value);
    text.map_err(|e| Error::new(ErrorKind::Io, "the metrics cannot be written as JSON").source(e))
}

fn label(result: &LabelResult) -> Value {
    let m = &result.metrics;
    let percentiles: Vec<Value> =
        Metrics::PERCENTILES.iter().zip(m.percentiles).map(|(p, v)| json!([p, rounded(v)])).collect();
    json!({
        "label": result.label,
        "unit": result.unit,
        "inputs": result.inputs.name(),
        "stars": m.stars,
        "tokens": rounded(result.tokens),
        "mad_std": rounded(m.mad_std),
        "bias": rounded(m.bias),
        "percentiles": percentiles,
        "median_sigma": rounded(m.median_sigma),
        "within_1_sigma": rounded(m.within[0]),
        "within_2_sigma": rounded(m.within[1]),
        "pull_mad_std": rounded(m.pull_mad_std),
        "label_errors": result.with_label_errors,
        "not_finite": result.predictions.not_finite,
        "pit": m.pit,
    })
}

fn inpainting(band: &Inpainting) -> Value {
    let factors: Vec<Value> = LEADING.iter().map(|n| json!([n, rounded(band.factor(*n))])).collect();
    let coefficient = |c: &Coefficient| {
        json!({
            "name": c.name,
            "stars": c.stars,
            "mad_std": rounded(c.mad_std),
            "mad_std_of_median": rounded(c.mad_std_of_median),
            "median_sigma": rounded(c.median_sigma),
            "within_1_sigma": rounded(c.within_1_sigma),
            "label_errors": c.with_label_errors,
            "not_finite": c.not_finite,
        })
    };
    let coefficients: Vec<Value> = band.coefficients.iter().map(coefficient).collect();
    json!({"inputs": band.inputs.name(), "stars": band.stars, "factors": factors, "coefficients": coefficients})
}

fn joined(numbers: &[f64]) -> String {
    numbers.iter().map(|n| rounded(*n).to_string()).collect::<Vec<_>>().join(",")
}

/// Rounds the number to 7 significant digits, all that single precision provides.
fn rounded(value: f64) -> f64 {
    format!("{value:.6e}").parse().unwrap_or(value)
}
