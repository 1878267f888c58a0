//! Reference answers: the outputs of the authors' implementation for some contexts, in files beside a published
//! checkpoint.

use std::{fs::File, path::Path};

use lamcat_core::{
    context::Packed,
    error::{Error, ErrorKind, Result},
};
use ndarray::{ArrayD, IxDyn, OwnedRepr};
use ndarray_npy::NpzReader;
use serde::Deserialize;

use super::backend::{Answers, Requests};
use crate::Model;

/// Some contexts with the answers to some requests.
#[derive(Debug, Clone)]
pub struct ReferenceCase {
    /// Name of the files, without extension.
    pub name: String,
    /// The contexts.
    pub packed: Packed,
    /// The requests.
    pub requests: Requests,
    /// The answers, in physical units.
    pub answers: Answers,
}

/// The content of `NAME.json`: the tokens of each row, or of all rows, and the requests.
#[derive(Deserialize)]
struct Names {
    input_tokens: Tokens,
    requests: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Tokens {
    OfAll(Vec<String>),
    OfEach(Vec<Vec<String>>),
}

impl ReferenceCase {
    /// Reads every case in a folder, `NAME.json` with token names and `NAME.npz` with `inputs`, `prediction` and
    /// `prediction_error`, sorted by name.
    ///
    /// # Errors
    /// If the folder or a case cannot be read, or a token is not in the model's vocabulary.
    pub fn read_all(folder: &Path, model: &Model) -> Result<Vec<Self>> {
        let unreadable =
            |e| Error::new(ErrorKind::Io, "cannot read the folder").at("folder", folder.display()).source(e);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|e| e == "npz") && path.with_extension("json").exists() {
                names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
            }
        }
        names.sort();
        names.iter().map(|name| Self::read(folder, name, model)).collect()
    }

    fn read(folder: &Path, name: &str, model: &Model) -> Result<Self> {
        let json = folder.join(format!("{name}.json"));
        let text = std::fs::read(&json)
            .map_err(|e| Error::new(ErrorKind::Io, "cannot read the case").at("file", json.display()).source(e))?;
        let names: Names = serde_json::from_slice(&text).map_err(|e| {
            Error::new(ErrorKind::Input, "the case does not name its tokens").at("file", json.display()).source(e)
        })?;
        let vocabulary = model.vocabulary();
        let npz = folder.join(format!("{name}.npz"));
        let inputs = array(&npz, "inputs")?;
        let mut packed = Packed::with_capacity(inputs.shape()[0], model.architecture().context_length);
        for (row, values) in inputs.outer_iter().enumerate() {
            let own = match &names.input_tokens {
                Tokens::OfAll(names) => Some(names),
                Tokens::OfEach(rows) => rows.get(row),
            };
            let own = own.ok_or_else(|| unlike(&npz, "inputs"))?;
            let ids = own.iter().map(|name| vocabulary.require(name)).collect::<Result<Vec<_>>>()?;
            packed.push(vocabulary, ids.into_iter().zip(values.iter().map(|x| *x as f32)))?;
        }
        let tokens = names.requests.iter().map(|name| vocabulary.require(name)).collect::<Result<Vec<_>>>()?;
        let answers = Answers {
            mean: array(&npz, "prediction")?.iter().map(|x| *x as f32).collect(),
            sigma: array(&npz, "prediction_error")?.iter().map(|x| *x as f32).collect(),
            embedding: Vec::new(),
        };
        if answers.mean.len() != packed.rows * tokens.len() || answers.sigma.len() != answers.mean.len() {
            return Err(unlike(&npz, "prediction"));
        }
        Ok(Self { name: name.to_owned(), packed, requests: Requests { tokens, embedding: false }, answers })
    }
}

fn unlike(file: &Path, array: &str) -> Error {
    Error::new(ErrorKind::Input, "an array of the case has another size than the others")
        .at("file", file.display())
        .at("array", array)
}

fn array(file: &Path, name: &str) -> Result<ArrayD<f64>> {
    let unreadable = |e: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::Input, "cannot read the case").at("file", file.display()).at("array", name).source(e)
    };
    let opened = File::open(file).map_err(|e| unreadable(e.into()))?;
    let mut npz = NpzReader::new(opened).map_err(|e| unreadable(e.into()))?;
    if let Ok(array) = npz.by_name::<OwnedRepr<f64>, IxDyn>(name) {
        return Ok(array);
    }
    let array: ArrayD<f32> = npz.by_name::<OwnedRepr<f32>, IxDyn>(name).map_err(|e| unreadable(e.into()))?;
    Ok(array.mapv(f64::from))
}

/// The difference between two sets of answers: the largest and the root mean square difference, in units of each
/// token's scale.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Difference {
    /// Largest difference of the means.
    pub worst_mean: f64,
    /// Root mean square difference of the means.
    pub rms_mean: f64,
    /// Largest difference of the predicted errors.
    pub worst_sigma: f64,
}

impl Difference {
    /// Returns the difference of `got` from `wanted`, both answers to `requests`. It is not finite if an answer is
    /// finite on one side only.
    #[must_use]
    pub fn of(model: &Model, requests: &Requests, got: &Answers, wanted: &Answers) -> Self {
        let off = |got: &[f32], wanted: &[f32]| {
            let tokens = requests.tokens.iter().cycle().map(|token| model.vocabulary().token(*token).scale);
            let pairs = got.iter().zip(wanted).zip(tokens);
            let apart = pairs.map(|((got, wanted), scale)| match (got.is_finite(), wanted.is_finite()) {
                (false, false) => 0.0,
                (true, true) => (f64::from(*got) - f64::from(*wanted)).abs() / scale,
                _ => f64::INFINITY,
            });
            let missing = if got.len() == wanted.len() { None } else { Some(f64::INFINITY) };
            apart.chain(missing).collect::<Vec<_>>()
        };
        let (mean, sigma) = (off(&got.mean, &wanted.mean), off(&got.sigma, &wanted.sigma));
        let worst = |all: &[f64]| all.iter().copied().fold(0.0, f64::max);
        let squares: f64 = mean.iter().map(|x| x * x).sum();
        Self {
            worst_mean: worst(&mean),
            rms_mean: (squares / mean.len().max(1) as f64).sqrt(),
            worst_sigma: worst(&sigma),
        }
    }
}
