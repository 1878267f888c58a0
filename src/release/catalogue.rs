//! What a catalogue is, and what its properties files say about it.

use std::{collections::BTreeMap, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use super::{
    paths,
    properties::text,
    tiles::{HEALPIX_ORDER, Tile},
};

/// The column that says where a row lies: the HEALPix pixel of order 29, NESTED, of its `ra` and `dec`.
pub const HEALPIX_COLUMN: &str = "_healpix_29";
/// Column of identifiers.
pub const ID_COLUMN: &str = "source_id";
/// Columns of positions, in degrees (ICRS).
pub const POSITION_COLUMNS: [&str; 2] = ["ra", "dec"];
/// Version of HATS, and the date of that version.
const HATS: (&str, &str) = ("v1.0", "2025-08-22");
/// Prefix of the keys of cuts in properties files; the name of the cut follows.
pub const CUT_KEY: &str = "lamcat_cut_";
const SOFTWARE: &str = concat!("lamcat v", env!("CARGO_PKG_VERSION"));

/// A catalogue to be published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Catalogue {
    /// The name of the catalogue, and of its folder.
    pub name: String,
    /// A title of one line.
    pub title: String,
    /// A description, with what a reader must know.
    pub description: String,
    /// Version of the data (semver).
    pub version: String,
    /// Who publishes it.
    pub creator: String,
    /// The licence of the catalogue (SPDX).
    pub license: String,
    /// The DOI of the catalogue, if it has one.
    pub doi: Option<String>,
    /// Bibcodes and URLs of the works that it builds on.
    pub references: Vec<String>,
    /// When its job was created: `2026-12-02T10:00UTC`.
    pub created: String,
    /// Hashes of the model and the query, in hexadecimal.
    pub model_sha256: String,
    /// See `model_sha256`.
    pub sql_sha256: String,
    /// Precision of the model's computation: `f32` or `int8`.
    #[serde(default)]
    pub precision: String,
    /// Identity of the job that makes it.
    pub job: String,
    /// Maximum number of rows of a tile.
    pub max_rows: u64,
    /// Order of the largest tiles allowed.
    pub lowest_order: u8,
    /// Order of the smallest tiles allowed.
    pub highest_order: u8,
    /// Order of the map of the sky.
    pub skymap_order: u8,
    /// Threshold of the margin in arcseconds; `None` if the catalogue has no margin.
    pub margin_arcsec: Option<f64>,
    /// Columns that lsdb loads by default; empty means all.
    pub default_columns: Vec<String>,
    /// Columns that have an index catalogue, by which rows can be looked up.
    #[serde(default)]
    pub index: Vec<String>,
    /// Named cuts: conditions on columns, in SQL.
    #[serde(default)]
    pub cuts: BTreeMap<String, String>,
}

/// Rows, bytes and tiles of one of a collection's catalogues.
#[derive(Debug, Clone, Default)]
pub struct Extent {
    /// Rows of all leaves.
    pub rows: u64,
    /// Bytes of all leaves.
    pub bytes: u64,
    /// The tiles of the catalogue.
    pub tiles: Vec<Tile>,
}

impl Extent {
    fn sky_fraction(&self) -> f64 {
        self.tiles.iter().map(|tile| 1.0 / super::tiles::pixels(tile.order) as f64).sum()
    }

    fn order(&self) -> String {
        self.tiles.iter().map(|tile| tile.order).max().unwrap_or(0).to_string()
    }
}

/// The columns of a leaf: [`HEALPIX_COLUMN`], then those of the query.
#[must_use]
pub fn leaf_schema(query: &Schema) -> SchemaRef {
    let described = [("ucd", "pos.healpix"), ("description", "HEALPix pixel of order 29, NESTED, of the position")];
    let described = described.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let healpix = Field::new(HEALPIX_COLUMN, DataType::Int64, true).with_metadata(described);
    let rest = query.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(std::iter::once(healpix).chain(rest).collect::<Vec<_>>()))
}

impl Catalogue {
    /// Name of the margin catalogue, if there is one.
    #[must_use]
    pub fn margin(&self) -> Option<String> {
        self.margin_arcsec.map(|arcsec| paths::margin_name(&self.name, arcsec))
    }

    /// The index that readers use by default: that of the identifiers if there is one.
    fn default_index(&self) -> String {
        let first = self.index.iter().find(|column| *column == ID_COLUMN).or(self.index.first());
        first.cloned().unwrap_or_default()
    }

    fn collection_name(&self) -> String {
        format!("{}_collection", self.name)
    }

    /// `collection.properties`.
    #[must_use]
    pub fn collection_properties(&self) -> String {
        let margin = self.margin().unwrap_or_default();
        let indices = self.index.iter().map(|column| format!("{column} {}", paths::index_name(&self.name, column)));
        let mut pairs = vec![
            ("obs_collection", self.collection_name()),
            ("hats_primary_table_url", self.name.clone()),
            ("all_margins", margin.clone()),
            ("default_margin", margin),
            ("all_indexes", indices.collect::<Vec<_>>().join(" ")),
            ("default_index", self.default_index()),
        ];
        pairs.extend(self.common());
        self.text(pairs)
    }

    /// `hats.properties` of the main catalogue.
    #[must_use]
    pub fn main_properties(&self, extent: &Extent) -> String {
        let mut pairs = vec![
            ("obs_collection", self.name.clone()),
            ("dataproduct_type", "object".to_owned()),
            ("hats_cols_default", self.default_columns.join(" ")),
            ("hats_skymap_order", self.skymap_order.to_string()),
            ("hats_max_rows", self.max_rows.to_string()),
        ];
        pairs.extend(placed(extent));
        pairs.extend(self.common());
        self.text(pairs)
    }

    /// `hats.properties` of the margin.
    #[must_use]
    pub fn margin_properties(&self, extent: &Extent, name: &str, arcsec: f64) -> String {
        let mut pairs = vec![
            ("obs_collection", name.to_owned()),
            ("dataproduct_type", "margin".to_owned()),
            ("hats_primary_table_url", format!("../{}", self.name)),
            ("hats_margin_threshold", format!("{arcsec:?}")),
        ];
        pairs.extend(placed(extent));
        pairs.extend(self.common());
        self.text(pairs)
    }

    /// `hats.properties` of the index of a column.
    #[must_use]
    pub fn index_properties(&self, column: &str, extent: &Extent) -> String {
        let mut pairs = vec![
            ("obs_collection", paths::index_name(&self.name, column)),
            ("dataproduct_type", "index".to_owned()),
            ("hats_primary_table_url", format!("../{}", self.name)),
            ("hats_index_column", column.to_owned()),
        ];
        pairs.extend(sized(extent));
        pairs.extend(self.common());
        self.text(pairs)
    }

    /// The text of a properties file, with the properties of the cuts appended.
    fn text(&self, pairs: Vec<(&str, String)>) -> String {
        let cuts = self.cuts.iter().map(|(name, condition)| (format!("{CUT_KEY}{name}"), condition.clone()));
        let cuts: Vec<(String, String)> = cuts.collect();
        let cuts = cuts.iter().map(|(key, condition)| (key.as_str(), condition.clone()));
        text(&pairs.into_iter().chain(cuts).collect::<Vec<_>>())
    }

    fn common(&self) -> Vec<(&'static str, String)> {
        vec![
            ("obs_title", self.title.clone()),
            ("obs_description", self.description.clone()),
            ("prov_creator", self.creator.clone()),
            ("obs_copyright", self.license.clone()),
            ("obs_doi", self.doi.clone().unwrap_or_default()),
            ("bib_reference", self.references.join(" ")),
            ("hats_data_semver", self.version.clone()),
            ("hats_builder", SOFTWARE.to_owned()),
            ("hats_creation_date", self.created.clone()),
            ("hats_release_date", HATS.1.to_owned()),
            ("hats_version", HATS.0.to_owned()),
            ("lamcat_job", self.job.clone()),
            ("lamcat_model_sha256", self.model_sha256.clone()),
            ("lamcat_precision", self.precision.clone()),
            ("lamcat_sql_sha256", self.sql_sha256.clone()),
        ]
    }
}

fn placed(extent: &Extent) -> Vec<(&'static str, String)> {
    let mut pairs = vec![
        ("hats_col_ra", POSITION_COLUMNS[0].to_owned()),
        ("hats_col_dec", POSITION_COLUMNS[1].to_owned()),
        ("hats_col_healpix", HEALPIX_COLUMN.to_owned()),
        ("hats_col_healpix_order", HEALPIX_ORDER.to_string()),
        ("hats_order", extent.order()),
        ("moc_sky_fraction", format!("{:.5}", extent.sky_fraction())),
    ];
    pairs.extend(sized(extent));
    pairs
}

fn sized(extent: &Extent) -> Vec<(&'static str, String)> {
    vec![
        ("hats_nrows", extent.rows.to_string()),
        ("hats_estsize", (extent.bytes / 1024).to_string()),
        ("hats_npix_suffix", ".parquet".to_owned()),
    ]
}

/// `partition_info.csv`.
#[must_use]
pub fn partition_info(tiles: &[Tile]) -> String {
    let lines = tiles.iter().map(|tile| format!("{},{}\n", tile.order, tile.pixel));
    std::iter::once("Norder,Npix\n".to_owned()).chain(lines).collect()
}
