//! A pipeline file as it was typed. The documentation of these types is that of the file format.

use std::collections::BTreeMap;

use lamcat_model::inference::{DeviceKind, Precision};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pipeline: from inputs, through one SQL query, to a catalogue in HATS.
///
/// Relative paths are relative to the folder of this file.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PipelineFile {
    /// Name of the catalogue and of its folder: lower-case letters, digits and underscores.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_]*$"))]
    pub name: String,
    /// Version of the release by semantic versioning, e.g. 1.0.0.
    pub version: String,
    /// One line that a reader of a list of catalogues understands.
    pub title: String,
    /// What the catalogue holds, how it was made, and what it is good for.
    pub description: String,
    /// Who made it.
    pub creator: String,
    /// License of the catalogue, e.g. CC-BY-4.0.
    pub license: String,
    /// DOI of the catalogue, e.g. 10.5281/zenodo.123.
    #[schemars(regex(pattern = r"^10\.[0-9]{4,9}/\S+$"))]
    pub doi: Option<String>,
    /// What to cite: bibcodes of 19 characters or URLs.
    #[serde(default)]
    pub references: Vec<String>,
    /// Columns that readers load unless told otherwise, besides source_id, ra and dec; none means all.
    #[serde(default)]
    pub default_columns: Vec<String>,
    /// File with the query: one SELECT, which reads the inputs by their names.
    pub sql: String,
    /// Model file, path or URL, or the name of the one that lamcat carries [default: that one].
    pub model: Option<String>,
    /// Precision in which the model computes.
    #[serde(default)]
    pub precision: Precision,
    /// The tables that the query reads, by name.
    pub inputs: BTreeMap<String, InputSpec>,
    /// Where the catalogue goes.
    pub output: OutputSpec,
    /// The units of work.
    #[serde(default)]
    pub units: Units,
    /// How the catalogue is laid out on the sky.
    #[serde(default)]
    pub tiling: Tiling,
    /// Unit, UCD and description of output columns, where lamcat does not know them.
    #[serde(default)]
    pub columns: BTreeMap<String, ColumnText>,
    /// Cuts on quality by name: conditions on output columns in SQL, which readers of the catalogue can use. The release
    /// has them in its properties, its VOTable and its page, with the rows that pass each.
    #[serde(default)]
    pub cuts: BTreeMap<String, String>,
    /// What a release must satisfy to become the current one.
    #[serde(default)]
    pub gates: Gates,
    /// When the pipeline runs by itself.
    pub schedule: Option<ScheduleSpec>,
    /// What a run may use.
    #[serde(default)]
    pub resources: Resources,
}

/// A table that the query reads.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Path, glob, folder or URL: Parquet, HATS, ECSV, CSV, FITS, VOTable.
    pub path: String,
    /// Whether this is the input that is cut into units of work; exactly one is. The others are whole in each unit.
    /// An only input is cut.
    pub cut: Option<bool>,
}

/// Where the catalogue goes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputSpec {
    /// Folder or URL of an object store; the catalogue is a folder of its name in it.
    pub store: String,
}

/// The units of work: what is computed, kept and repeated as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Units {
    /// Rows of the cut input in a unit at most.
    #[schemars(range(min = 1))]
    pub rows: u64,
}

impl Default for Units {
    fn default() -> Self {
        Self { rows: 200_000 }
    }
}

/// How the catalogue is laid out on the sky: its tiles are pixels of HEALPix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tiling {
    /// Rows of a tile at most, unless it is of the highest order.
    #[schemars(range(min = 1))]
    pub max_rows: u64,
    /// Order of the largest tiles.
    #[schemars(range(max = 29))]
    pub lowest_order: u8,
    /// Order of the smallest tiles.
    #[schemars(range(max = 29))]
    pub highest_order: u8,
    /// Width in arcseconds of the margin of neighbouring rows that each tile gets for crossmatches; 0 for none.
    #[schemars(range(min = 0.0))]
    pub margin_arcsec: f64,
    /// Columns by whose values rows can be found, of integers or text: each gets an index catalogue; none for [].
    pub index: Vec<String>,
}

impl Default for Tiling {
    fn default() -> Self {
        Self {
            max_rows: 1_000_000,
            lowest_order: 0,
            highest_order: 7,
            margin_arcsec: 10.0,
            index: vec!["source_id".to_owned()],
        }
    }
}

/// What an output column is. A key that is left out is taken from what lamcat knows of the column.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnText {
    /// Unit (VOUnit), e.g. K, mag, mas.yr**-1; empty for none.
    pub unit: Option<String>,
    /// What it is in words of the IVOA's UCD1+, e.g. phys.temperature.effective.
    pub ucd: Option<String>,
    /// One sentence for readers of the catalogue.
    pub description: Option<String>,
}

/// What a release must satisfy; when it does not, the one before stays current.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Gates {
    /// Rows at least.
    pub min_rows: u64,
    /// Largest share of NULL and NaN, by column.
    pub max_null_fraction: BTreeMap<String, f64>,
    /// Largest share of rows whose quality_flags has a bit other than those that say which inputs were there
    /// (input_missing, bp_missing, rp_missing).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub max_flag_fraction: Option<f64>,
    /// Largest change of the number of rows against the release before, as a share of that.
    #[schemars(range(min = 0.0))]
    pub max_row_change: Option<f64>,
    /// Largest change of the median against the release before, by column, in its unit.
    pub max_shift: BTreeMap<String, f64>,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            min_rows: 1,
            max_null_fraction: BTreeMap::new(),
            max_flag_fraction: None,
            max_row_change: None,
            max_shift: BTreeMap::new(),
        }
    }
}

/// When the pipeline runs by itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSpec {
    /// Minute, hour, day of the month, month and day of the week, as cron has them: "0 3 * * 1" is Mondays at 3:00.
    pub cron: String,
    /// Time zone of that by its IANA name, e.g. Europe/Berlin.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// What becomes of runs that were missed, as when the machine was off.
    #[serde(default)]
    pub misfire: Misfire,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// What becomes of runs that were missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Misfire {
    /// One run makes up for all of them.
    #[default]
    Once,
    /// None does.
    Skip,
}

/// What a run may use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// Where the model computes.
    pub device: DeviceKind,
    /// Partitions that a query is split into [default: one per core].
    #[schemars(range(min = 1))]
    pub threads: Option<usize>,
    /// Memory in GiB that queries may hold [default: no limit].
    #[schemars(range(min = 0.0))]
    pub memory_gib: Option<f64>,
    /// Units that are computed at the same time.
    #[schemars(range(min = 1))]
    pub units_at_once: usize,
}

impl Default for Resources {
    fn default() -> Self {
        Self { device: DeviceKind::default(), threads: None, memory_gib: None, units_at_once: 1 }
    }
}
