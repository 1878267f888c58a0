//! The specification of what computes the rows of units. Two jobs with equal specifications share their units: a
//! release with another title, DOI, version, tiling or margin reuses the rows of the previous one, and so does a
//! release whose input only has additional files.

use arrow::datatypes::Schema;
use lamcat_model::Model;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{cut_input::CutInput, partitioning::InputRange};
use crate::pipeline::document::Pipeline;

/// Must change whenever the same work would give other rows, or write them differently.
const FORMAT: u32 = 2;
/// Number of characters of an identity.
const ID_LENGTH: usize = 16;

/// What computes the rows of units, apart from the input rows that each unit reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InferenceSpec {
    /// Version of the format of units.
    pub format: u32,
    /// Version of lamcat.
    pub software: String,
    /// The query.
    pub sql: String,
    /// Name of the input that is divided into units.
    pub cut: String,
    /// Files of the other inputs, which every unit reads.
    pub others: Vec<InputFiles>,
    /// Name of the model.
    pub model: String,
    /// Hash of the model, in hexadecimal.
    pub model_sha256: String,
    /// Precision of the model's computation.
    pub precision: String,
    /// Maximum number of rows of a unit. It matters because rows go through the model in the batches of their unit.
    pub unit_rows: u64,
    /// The columns of the rows: name and type.
    pub columns: Vec<[String; 2]>,
}

/// The files of an input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputFiles {
    /// The name of the input in the query.
    pub name: String,
    /// Path or URL as the pipeline has it, without secrets.
    pub path: String,
    /// Path, size, and a text that changes with the file, for each file.
    pub files: Vec<(String, u64, String)>,
}

impl InferenceSpec {
    /// The specification for a pipeline whose query returns the columns of `schema`.
    pub(super) fn new(pipeline: &Pipeline, model: &Model, schema: &Schema, others: Vec<InputFiles>) -> Self {
        let columns = schema.fields().iter().map(|field| [field.name().clone(), field.data_type().to_string()]);
        Self {
            format: FORMAT,
            software: env!("CARGO_PKG_VERSION").to_owned(),
            sql: pipeline.sql.text.clone(),
            cut: pipeline.cut_input().name.clone(),
            others,
            model: model.name().to_owned(),
            model_sha256: model.hash().to_owned(),
            precision: pipeline.precision.to_string(),
            unit_rows: pipeline.units.rows,
            columns: columns.collect(),
        }
    }

    /// The identity of this specification; different specifications have different identities.
    pub(super) fn id(&self) -> String {
        identity(&serde_json::json!(self))
    }
}

/// Identity of the unit of an inference that reads the given part of a file, or the given small files.
pub(super) fn unit_id(inference: &str, input: &CutInput, range: InputRange) -> String {
    let files: Vec<_> = range.file_numbers().map(|file| input.state(file)).collect();
    identity(&serde_json::json!([inference, input.store(), files, range.before, range.rows]))
}

/// An identity for a value, which no other value has.
pub(super) fn identity(value: &serde_json::Value) -> String {
    format!("{:x}", Sha256::digest(value.to_string()))[..ID_LENGTH].to_owned()
}
