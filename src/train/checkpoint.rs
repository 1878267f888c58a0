//! Checkpoints: everything that a run needs to continue as if it had never stopped, in one safetensors file.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use candle_core::{Device, Tensor};
use lamcat_core::{
    error::{Error, ErrorKind, Result},
    outputs::write_whole,
    schema::Vocabulary,
};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::settings::Settings;

const HEADER_KEY: &str = "lamcat-training";
const FORMAT_VERSION: u32 = 1;
const WEIGHTS: &str = "weights/";
const FIRST: &str = "first_moment/";
const SECOND: &str = "second_moment/";

/// The progress of a run, without its tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) format: u32,
    pub(super) settings: Settings,
    /// Content hash of the training set.
    pub(super) set: String,
    pub(super) vocabulary: Vocabulary,
    /// Steps done; epoch, batch and every seed are derived from it.
    pub(super) step: u64,
    /// Seconds of training so far.
    pub(super) seconds: f64,
    /// Sum and number of the losses since the last report.
    pub(super) loss: (f64, u64),
    /// The last validation loss.
    pub(super) validation: Option<f64>,
}

impl State {
    pub(super) fn new(settings: Settings, set: &str, vocabulary: Vocabulary) -> Self {
        let format = FORMAT_VERSION;
        let set = set.to_owned();
        Self { format, settings, set, vocabulary, step: 0, seconds: 0.0, loss: (0.0, 0), validation: None }
    }

    /// Checks that a run with `other`'s settings on `other`'s set can continue from here.
    pub(super) fn continues(&self, other: &Self) -> Result<()> {
        let (mine, theirs) = (as_json(&self.settings)?, as_json(&other.settings)?);
        let mut differences = Vec::new();
        if let (Some(mine), Some(theirs)) = (mine.as_object(), theirs.as_object()) {
            let differing = mine.iter().filter(|(key, value)| theirs.get(*key) != Some(value));
            differences.extend(differing.map(|(key, value)| format!("{key} was {value}")));
        }
        if self.set != other.set {
            differences.push("the query gives another training set".to_owned());
        }
        if self.vocabulary != other.vocabulary {
            differences.push("the normalisation differs".to_owned());
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Config, format!("the run cannot go on: {}", differences.join("; ")))
            .at("steps done", self.step)
            .hint("give the same settings and query, another --dir, or --fresh to begin anew"))
    }
}

fn as_json(settings: &Settings) -> Result<serde_json::Value> {
    serde_json::to_value(settings).map_err(|e| Error::new(ErrorKind::Config, "the settings are unusable").source(e))
}

/// The tensors of a checkpoint: the weights, and the running means of the gradients and of their squares.
pub(super) struct Tensors {
    pub(super) weights: BTreeMap<String, Tensor>,
    pub(super) first: BTreeMap<String, Tensor>,
    pub(super) second: BTreeMap<String, Tensor>,
}

/// Writes a checkpoint, completely or not at all.
pub(super) fn save(path: &Path, state: &State, tensors: &Tensors) -> Result<()> {
    let mut all = BTreeMap::new();
    for (prefix, part) in [(WEIGHTS, &tensors.weights), (FIRST, &tensors.first), (SECOND, &tensors.second)] {
        for (name, tensor) in part {
            all.insert(format!("{prefix}{name}"), tensor.to_device(&Device::Cpu)?);
        }
    }
    let cannot = |e: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::Io, "the checkpoint cannot be serialised").source(e)
    };
    let header = serde_json::to_string(state).map_err(|e| cannot(e.into()))?;
    let metadata = HashMap::from([(HEADER_KEY.to_owned(), header)]);
    let bytes = safetensors::serialize(&all, Some(metadata)).map_err(|e| cannot(e.into()))?;
    write_whole(path, &bytes)
}

/// Reads a checkpoint.
pub(super) fn load(path: &Path) -> Result<(State, Tensors)> {
    let damaged = |why: &str| {
        Error::new(ErrorKind::Input, format!("the checkpoint cannot be used: {why}"))
            .at("file", path.display())
            .hint("give another --dir, or --fresh to begin anew")
    };
    let bytes = std::fs::read(path).map_err(|e| damaged("it cannot be read").source(e))?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged("it is damaged").source(e))?;
    let header = metadata.metadata().as_ref().and_then(|m| m.get(HEADER_KEY));
    let header = header.ok_or_else(|| damaged("it is no checkpoint of lamcat train"))?;
    let state: State = serde_json::from_str(header).map_err(|e| damaged("its header cannot be read").source(e))?;
    if state.format != FORMAT_VERSION {
        return Err(damaged("it has another format version").at("format", state.format));
    }
    let mut tensors = Tensors { weights: BTreeMap::new(), first: BTreeMap::new(), second: BTreeMap::new() };
    let loaded: BTreeMap<_, _> = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
        .map_err(|e| damaged("its tensors cannot be read").source(e))?
        .into_iter()
        .collect();
    for (name, tensor) in loaded {
        let parts = [(WEIGHTS, &mut tensors.weights), (FIRST, &mut tensors.first), (SECOND, &mut tensors.second)];
        for (prefix, part) in parts {
            if let Some(name) = name.strip_prefix(prefix) {
                part.insert(name.to_owned(), tensor.clone());
            }
        }
    }
    Ok((state, tensors))
}
