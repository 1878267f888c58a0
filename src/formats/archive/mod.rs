//! The archive's formats, JSON and Arrow's files as DataFusion file formats: `STORED AS ECSV`, `FITS`, `VOTABLE`,
//! `JSON`, `ARROW`, and quoted paths.
//!
//! A file is read on blocking threads, one that fetches, inflates and splits it, and, for ECSV, several that parse.
//! Batches arrive in the file's order through bounded channels, so memory use does not depend on the file's length.

mod bytes;
mod conform;
mod format;
mod open;
mod source;

use std::{path::Path, sync::Arc};

use arrow::datatypes::Schema;
pub use bytes::display_path;
use datafusion::common::Result as EngineResult;
pub use format::ArchiveFileFormat;
pub use source::{ArchiveScan, MALFORMED};

use lamcat_core::error::Result;
use object_store::{ObjectMeta, ObjectStore};

use super::{
    ArrowTable, FitsTable, TableChoice, VoTable, ecsv,
    inflate::{COMPRESSED, ReadSeek},
    json, remark,
};

/// Opens a file in any store; its bytes are to be read on a thread that may block.
///
/// # Errors
/// If it cannot be opened.
pub async fn file_bytes(store: &Arc<dyn ObjectStore>, object: &ObjectMeta) -> EngineResult<impl ReadSeek + 'static> {
    bytes::open(store, object, None).await
}

/// A format of the Gaia archive, or another one that lamcat reads in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArchiveFormat {
    /// ECSV and CSV.
    Ecsv,
    /// FITS binary tables.
    Fits,
    /// VOTable.
    VoTable,
    /// JSON, one object per row.
    Json,
    /// Arrow's own files.
    Arrow,
}

impl ArchiveFormat {
    /// The endings of every format's files; the ending of a compression may follow.
    pub const ENDINGS: [(Self, &'static str); 15] = [
        (Self::Ecsv, "ecsv"),
        (Self::Ecsv, "csv"),
        (Self::Ecsv, "tsv"),
        (Self::Fits, "fits"),
        (Self::Fits, "fit"),
        (Self::Fits, "fts"),
        (Self::VoTable, "vot"),
        (Self::VoTable, "votable"),
        (Self::VoTable, "vo"),
        (Self::VoTable, "xml"),
        (Self::Json, "json"),
        (Self::Json, "jsonl"),
        (Self::Json, "ndjson"),
        (Self::Arrow, "arrow"),
        (Self::Arrow, "feather"),
    ];

    /// Returns the format that has this name in SQL.
    #[must_use]
    pub fn of_sql_name(name: &str) -> Option<Self> {
        [Self::Ecsv, Self::Fits, Self::VoTable, Self::Json, Self::Arrow]
            .into_iter()
            .find(|format| format.name() == name)
    }

    /// Its name in SQL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ecsv => "ecsv",
            Self::Fits => "fits",
            Self::VoTable => "votable",
            Self::Json => "json",
            Self::Arrow => "arrow",
        }
    }

    /// Recognises the format and ending of a file by its name, e.g. `.csv.gz`; `None` if it is not one of the
    /// archive's.
    #[must_use]
    pub fn of_name(name: &str) -> Option<(Self, String)> {
        let lower = name.to_lowercase();
        let stem = COMPRESSED.iter().find_map(|ending| lower.strip_suffix(ending)).unwrap_or(&lower);
        let ending = Path::new(stem).extension()?.to_str()?;
        let (format, ending) = Self::ENDINGS.into_iter().find(|(_, e)| *e == ending)?;
        // The ending is returned as written, because listings compare endings case-sensitively.
        Some((format, name[stem.len() - ending.len() - 1..].to_owned()))
    }

    /// Returns the columns of a file, with type Null if the file does not determine it. For JSON the first `sample`
    /// rows do.
    fn infer(self, bytes: bytes::FileBytes, path: &str, choice: &TableChoice, sample: usize) -> Result<Schema> {
        let (schema, left_out) = match self {
            Self::Ecsv => {
                let (header, mut chunks) = ecsv::open(bytes)?;
                (ecsv::open_schema(&header, &mut chunks)?, Vec::new())
            }
            Self::Fits => {
                let table = FitsTable::read(bytes, path, choice)?;
                (table.schema().as_ref().clone(), table.left_out())
            }
            Self::VoTable => {
                let table = VoTable::read(bytes, choice)?;
                (table.schema().as_ref().clone(), table.left_out())
            }
            Self::Json => (json::infer(bytes, sample)?, Vec::new()),
            Self::Arrow => (ArrowTable::read(bytes)?.schema().as_ref().clone(), Vec::new()),
        };
        for (column, type_name) in left_out {
            remark(format!("{path}: column {column} is left out, as lamcat has no type for {type_name}"));
        }
        Ok(schema)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_follow_from_names() {
        let of = |name: &str| ArchiveFormat::of_name(name).map(|(f, e)| (f.name(), e));
        assert_eq!(of("a/b.c.csv.gz"), Some(("ecsv", ".csv.gz".to_owned())));
        assert_eq!(of("a.ECSV"), Some(("ecsv", ".ECSV".to_owned())));
        assert_eq!(of("*.xml"), Some(("votable", ".xml".to_owned())));
        assert_eq!(of("a.fits"), Some(("fits", ".fits".to_owned())));
        assert_eq!(of("a.FITS.bz2"), Some(("fits", ".FITS.bz2".to_owned())));
        assert_eq!(of("a.vot.xz"), Some(("votable", ".vot.xz".to_owned())));
        assert_eq!(of("a.csv.zst"), Some(("ecsv", ".csv.zst".to_owned())));
        assert_eq!(of("a.jsonl.gz"), Some(("json", ".jsonl.gz".to_owned())));
        assert_eq!(of("a.feather"), Some(("arrow", ".feather".to_owned())));
        for other in ["a.parquet", "csv", "a.gz", "dir/"] {
            assert!(of(other).is_none(), "{other}");
        }
    }
}
