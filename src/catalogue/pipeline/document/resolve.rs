//! A resolved pipeline: defaults are filled in, paths are absolute, the query is read, and every value is checked that
//! can be checked without data.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use lamcat_core::{
    error::{Error, ErrorKind, Result, without_secrets},
    schema::nearest,
};
use lamcat_formats::read_text;
use lamcat_model::{
    default,
    inference::{DeviceKind, Precision},
};
use lamcat_sql::session::Location;
use semver::Version;
use sha2::{Digest, Sha256};

use super::{
    base_path::BasePath,
    cron::Schedule,
    rules,
    spec::{ColumnText, Gates, Resources, Tiling, Units},
    text::Document,
};

/// Values from the command line that replace those of the file. Relative paths refer to the working directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Inputs by name, with the path or URL to read.
    pub inputs: Vec<(String, Location)>,
    /// Folder or URL for the catalogue.
    pub store: Option<Location>,
    /// Version of the release.
    pub version: Option<Version>,
    /// Model file, path or URL, or the name of the embedded one.
    pub model: Option<Location>,
    /// The device that runs the model.
    pub device: Option<DeviceKind>,
}

/// A resolved pipeline.
#[derive(Debug, Clone)]
pub struct Pipeline {
    /// Its file.
    pub file: PathBuf,
    /// Name of the catalogue and of its folder.
    pub name: String,
    /// Version of the release.
    pub version: Version,
    /// A title of one line.
    pub title: String,
    /// A description of what the catalogue holds.
    pub description: String,
    /// The people who made it.
    pub creator: String,
    /// The license of the catalogue.
    pub license: String,
    /// The DOI of the catalogue.
    pub doi: Option<String>,
    /// Bibcodes and URLs to cite.
    pub references: Vec<String>,
    /// Columns that readers load by default; empty means all.
    pub default_columns: Vec<String>,
    /// The query.
    pub sql: Sql,
    /// The model.
    pub model: ModelChoice,
    /// The precision of the model's computation.
    pub precision: Precision,
    /// The tables that the query reads, sorted by name; exactly one is divided into units.
    pub inputs: Vec<Input>,
    /// Absolute folder or URL; the catalogue is a folder of its name in it.
    pub store: Location,
    /// The size of the units.
    pub units: Units,
    /// The layout of the catalogue on the sky.
    pub tiling: Tiling,
    /// The texts that the file gives for output columns, by the column's name.
    pub columns: BTreeMap<String, ColumnText>,
    /// Conditions on output columns, by name.
    pub cuts: BTreeMap<String, String>,
    /// The gates that a release must pass.
    pub gates: Gates,
    /// The schedule on which the pipeline runs.
    pub schedule: Option<Schedule>,
    /// The resources that a run may use.
    pub resources: Resources,
}

/// The query of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sql {
    /// Its file.
    pub path: PathBuf,
    /// The text of the query.
    pub text: String,
    /// SHA-256 of the text, in hexadecimal.
    pub sha256: String,
}

/// The model of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelChoice {
    /// The model that is embedded in lamcat.
    Embedded,
    /// A model file: absolute path or URL.
    File(Location),
}

/// A table that the query reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The name of the table in the query.
    pub name: String,
    /// Absolute path, glob or URL.
    pub path: Location,
    /// Whether it is divided into units.
    pub cut: bool,
}

impl Pipeline {
    /// Reads and resolves a pipeline file.
    ///
    /// # Errors
    /// If the file or its query cannot be read, is not valid TOML, has an unknown key or lacks one, or a value is not
    /// allowed; the error says the file, line, column and key.
    pub fn load(path: impl AsRef<Path>, overrides: &Overrides) -> Result<Self> {
        let path = path.as_ref();
        let unreadable = |path: &Path, e: std::io::Error| {
            Error::new(ErrorKind::Io, "cannot read the file").at("file", path.display()).source(e)
        };
        let text = read_text(path).map_err(|e| unreadable(path, e))?;
        let document = Document::new(path, &text);
        let typed = document.read()?;
        let file = path.canonicalize().map_err(|e| unreadable(path, e))?;
        let base = BasePath::folder_of(&file);
        let here = BasePath::working_directory()?;

        let version = Version::parse(&typed.version).map_err(|e| {
            document
                .error("version", format!("'{}' is not a version", typed.version))
                .source(e)
                .hint("write e.g. 1.0.0")
        })?;
        let sql_path = PathBuf::from(base.absolute(&typed.sql));
        let sql = read_text(&sql_path)
            .map_err(|e| document.error("sql", format!("cannot read the query {}", sql_path.display())).source(e))?;
        let model = match (&overrides.model, &typed.model) {
            (Some(model), _) => model_choice(model.exposed(), &here),
            (None, Some(model)) => model_choice(model, &base),
            (None, None) => ModelChoice::Embedded,
        };
        let cut = rules::cut_input(&document, &typed.inputs)?.to_owned();
        let mut inputs: Vec<Input> = typed
            .inputs
            .iter()
            .map(|(name, i)| Input { name: name.clone(), path: base.absolute(&i.path).into(), cut: *name == cut })
            .collect();
        override_inputs(&mut inputs, &overrides.inputs, &here)?;
        let store = match &overrides.store {
            Some(store) => here.absolute(store.exposed()),
            None => base.absolute(&typed.output.store),
        };
        let store = Location::from(store);
        rules::check(&document, &typed)?;
        let schedule = typed.schedule.as_ref().map(|s| rules::schedule(&document, s)).transpose()?;
        Ok(Self {
            file,
            name: typed.name,
            version: overrides.version.clone().unwrap_or(version),
            title: typed.title,
            description: typed.description,
            creator: typed.creator,
            license: typed.license,
            doi: typed.doi,
            references: typed.references,
            default_columns: typed.default_columns,
            sql: Sql { path: sql_path, sha256: format!("{:x}", Sha256::digest(sql.as_bytes())), text: sql },
            model,
            precision: typed.precision,
            inputs,
            store,
            units: typed.units,
            tiling: typed.tiling,
            columns: typed.columns,
            cuts: typed.cuts,
            gates: typed.gates,
            schedule,
            resources: Resources { device: overrides.device.unwrap_or(typed.resources.device), ..typed.resources },
        })
    }

    /// The input that is divided into units.
    ///
    /// # Panics
    /// Never: a pipeline without such an input is refused when it is loaded.
    #[must_use]
    #[expect(clippy::expect_used, reason = "loading checks it")]
    pub fn cut_input(&self) -> &Input {
        self.inputs.iter().find(|i| i.cut).expect("one input is cut")
    }

    /// Folder or URL of the catalogue.
    #[must_use]
    pub fn root(&self) -> Location {
        self.store.join(&self.name)
    }

    /// An error about a key of this pipeline's file.
    pub(super) fn error(&self, key: &str, message: impl Into<String>) -> Error {
        match fs::read_to_string(&self.file) {
            Ok(text) => Document::new(&self.file, &text).error(key, message),
            Err(_) => Error::new(ErrorKind::Config, message).at("file", self.file.display()).at("key", key),
        }
    }
}

fn model_choice(model: &str, base: &BasePath) -> ModelChoice {
    if model == default::NAME { ModelChoice::Embedded } else { ModelChoice::File(base.absolute(model).into()) }
}

fn override_inputs(inputs: &mut [Input], overrides: &[(String, Location)], here: &BasePath) -> Result<()> {
    let names: Vec<String> = inputs.iter().map(|i| i.name.clone()).collect();
    for (name, path) in overrides {
        let Some(input) = inputs.iter_mut().find(|i| i.name == *name) else {
            let known: Vec<&str> = names.iter().map(String::as_str).collect();
            let near = nearest(name, &known).map_or_else(String::new, |near| format!("did you mean '{near}'? "));
            let message = format!("the pipeline has no input '{}'", without_secrets(name));
            return Err(Error::new(ErrorKind::Config, message).hint(format!("{near}its inputs: {}", known.join(", "))));
        };
        input.path = here.absolute(path.exposed()).into();
    }
    Ok(())
}
