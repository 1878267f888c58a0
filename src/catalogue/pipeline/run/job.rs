//! A job: the work for a pipeline on its inputs as they are now. The same pipeline on the same inputs is the same job,
//! whoever runs it and whenever. This is how runs can be continued and share work.

use std::{collections::HashSet, sync::Arc};

use arrow::datatypes::{Field, Schema, SchemaRef};
use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_model::Model;
use lamcat_release::{
    Storage,
    catalogue::{Catalogue, ID_COLUMN, POSITION_COLUMNS, leaf_schema},
    clock,
    commit::{self, Commit},
    paths::{self, JobPaths},
};
use lamcat_sql::session::Session;
use serde::{Deserialize, Serialize};

use super::{
    cut_input::CutInput,
    inference_spec::{InferenceSpec, InputFiles, identity, unit_id},
    partitioning::InputRange,
};
use crate::pipeline::document::Pipeline;

/// Must change whenever the same job would write other bytes.
const FORMAT: u32 = 3;
/// Order of the map of the sky; it is also the highest order that tiles can have.
const SKYMAP_ORDER: u8 = 8;

/// A job that is ready to run.
#[derive(Debug)]
pub struct Job {
    /// Identity.
    pub id: String,
    /// The paths of its files.
    pub paths: JobPaths,
    /// What computes the rows of its units.
    pub inference: InferenceSpec,
    /// The paths of its units, which other jobs may use too.
    pub units_paths: JobPaths,
    /// The record of the job, as it is stored.
    pub spec: JobSpec,
    /// Columns of a leaf.
    pub schema: SchemaRef,
    /// The units.
    pub units: Vec<Unit>,
    /// The input that is divided into units.
    pub input: CutInput,
    /// The other inputs, which every unit reads.
    pub others: Vec<CutInput>,
}

/// A unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Identity.
    pub id: String,
    /// The part of the input that the unit reads.
    pub range: InputRange,
    /// The file, or the first of several, for use in messages.
    pub file: String,
}

/// The record of a job, which is sufficient to identify it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    /// Version of this record.
    pub format: u32,
    /// The catalogue that is to be published, with the time at which the job was created.
    pub catalogue: Catalogue,
    /// Identity of the inference that computes its units.
    pub inference: String,
    /// The query.
    pub sql: String,
    /// Name of the model.
    pub model: String,
    /// Files of the inputs.
    pub inputs: Vec<InputFiles>,
    /// Maximum number of rows of a unit.
    pub unit_rows: u64,
    /// Columns of a leaf: name, type, unit, UCD, description.
    pub columns: Vec<[String; 5]>,
}

impl Job {
    /// Prepares the job of `pipeline`, whose query returns the columns `columns`.
    ///
    /// # Errors
    /// If an input cannot be read.
    pub async fn prepare(session: &Session, pipeline: &Pipeline, model: &Model, columns: &Schema) -> Result<Self> {
        let input = CutInput::open(session, &pipeline.cut_input().path).await?;
        let ranges = input.partition(session, pipeline.units.rows).await?;
        let schema = leaf_schema(columns);
        let (mut inputs, mut others) = (Vec::new(), Vec::new());
        for other in &pipeline.inputs {
            let files = if other.cut {
                input.states()
            } else {
                let opened = CutInput::open(session, &other.path).await?;
                let files = opened.states();
                others.push(opened);
                files
            };
            inputs.push(InputFiles { name: other.name.clone(), path: other.path.to_string(), files });
        }
        let cut_input = pipeline.cut_input().name.as_str();
        let joined = inputs.iter().filter(|input: &&InputFiles| input.name != cut_input).cloned().collect();
        let inference = InferenceSpec::new(pipeline, model, &schema, joined);
        let units_of = inference.id();
        let mut spec = JobSpec {
            format: FORMAT,
            catalogue: catalogue(pipeline, model),
            inference: units_of.clone(),
            sql: pipeline.sql.text.clone(),
            model: model.name().to_owned(),
            inputs,
            unit_rows: pipeline.units.rows,
            columns: described(&schema),
        };
        let id = identity(&serde_json::json!([spec, env!("CARGO_PKG_VERSION")]));
        id.clone_into(&mut spec.catalogue.job);
        let units = ranges.into_iter().map(|range| {
            let file = shown(&range, input.state(range.file).0);
            Unit { id: unit_id(&units_of, &input, range), range, file }
        });
        let units: Vec<Unit> = units.collect();
        let mut seen = HashSet::new();
        if let Some(twice) = units.iter().find(|unit| !seen.insert(&unit.id)) {
            let error = Error::new(ErrorKind::Input, "the input has a file twice").at("file", &twice.file);
            return Err(error.hint("name each file once, or its rows would be in the catalogue twice"));
        }
        let (paths, units_paths) = (JobPaths::new(&id), JobPaths::new(&units_of));
        Ok(Self { id, paths, inference, units_paths, spec, schema, units, input, others })
    }

    /// Checks that the inputs which every unit reads have not changed since the job was prepared. The cut input is
    /// checked unit by unit.
    ///
    /// # Errors
    /// If a file is missing or was replaced.
    pub async fn check_inputs(&self, session: &Session) -> Result<()> {
        for input in &self.others {
            input.check_unchanged(session, 0..input.files().count()).await?;
        }
        Ok(())
    }

    /// Writes the job's record, unless it exists; afterwards the job has the time that the record says.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn record(&mut self, storage: &Storage) -> Result<()> {
        self.spec.catalogue.created = clock::now_hats();
        let path = self.paths.spec();
        if let Commit::Lost(before) = commit::create(storage, &path, &self.spec).await? {
            self.spec = before;
        }
        // This comes after the job's record, since files that no job refers to may be removed as garbage.
        commit::create(storage, &self.units_paths.inference(), &self.inference).await?;
        Ok(())
    }

    /// The catalogue that is to be published.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.spec.catalogue
    }

    /// Folder of the release that the job makes.
    #[must_use]
    pub fn release_folder(&self) -> String {
        paths::release(&self.spec.catalogue.version, &self.id)
    }
}

/// The files of a unit, for use in messages.
fn shown(range: &InputRange, first: String) -> String {
    if range.files > 1 { format!("{first} and {} after it", range.files - 1) } else { first }
}

fn catalogue(pipeline: &Pipeline, model: &Model) -> Catalogue {
    let margin = pipeline.tiling.margin_arcsec;
    Catalogue {
        name: pipeline.name.clone(),
        title: pipeline.title.clone(),
        description: pipeline.description.clone(),
        version: pipeline.version.to_string(),
        creator: pipeline.creator.clone(),
        license: pipeline.license.clone(),
        doi: pipeline.doi.clone(),
        references: pipeline.references.clone(),
        created: String::new(),
        model_sha256: model.hash().to_owned(),
        sql_sha256: pipeline.sql.sha256.clone(),
        precision: pipeline.precision.to_string(),
        job: String::new(),
        max_rows: pipeline.tiling.max_rows,
        lowest_order: pipeline.tiling.lowest_order,
        highest_order: pipeline.tiling.highest_order,
        skymap_order: SKYMAP_ORDER.max(pipeline.tiling.highest_order),
        margin_arcsec: (margin > 0.0).then_some(margin),
        default_columns: default_columns(&pipeline.default_columns),
        index: pipeline.tiling.index.clone(),
        cuts: pipeline.cuts.clone(),
    }
}

/// The columns that readers load by default. They always include identifiers and positions, as searches need them.
fn default_columns(named: &[String]) -> Vec<String> {
    let needed = [ID_COLUMN, POSITION_COLUMNS[0], POSITION_COLUMNS[1]].map(str::to_owned);
    let needed = needed.into_iter().filter(|name| !named.is_empty() && !named.contains(name));
    needed.chain(named.iter().cloned()).collect()
}

fn described(schema: &Schema) -> Vec<[String; 5]> {
    let of = |field: &Field, key: &str| field.metadata().get(key).cloned().unwrap_or_default();
    let columns = schema.fields().iter();
    let described = |f: &Arc<Field>| {
        [f.name().clone(), f.data_type().to_string(), of(f, "unit"), of(f, "ucd"), of(f, "description")]
    };
    columns.map(described).collect()
}
