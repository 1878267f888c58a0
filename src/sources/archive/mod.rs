//! The archive's formats as DataFusion file formats: `STORED AS ECSV`, `FITS`, `VOTABLE`, and behind quoted paths.
//!
//! A file is read in blocking threads, one that fetches, inflates and cuts, and, for ECSV, several that parse; batches
//! come in the file's order through bounded channels, so memory does not depend on the file's length.

mod bytes;
mod conform;
mod format;
mod open;
mod source;

use std::path::Path;

use arrow::datatypes::Schema;
use datafusion::common::Result as DfResult;
pub use format::{ArchiveFileFormat, display_path};
use object_store::{ObjectMeta, ObjectStore};
pub use source::MALFORMED;

use super::{FitsTable, VoTable, ecsv};
use crate::error::Result;

/// A format of the Gaia archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ArchiveFormat {
    /// ECSV and CSV, plain or gzip.
    Ecsv,
    /// FITS binary tables.
    Fits,
    /// VOTable, plain or gzip.
    VoTable,
}

impl ArchiveFormat {
    /// Every format with the endings of its files; `.gz` may follow those of ECSV and VOTable.
    pub const ENDINGS: [(Self, &'static str); 7] = [
        (Self::Ecsv, "ecsv"),
        (Self::Ecsv, "csv"),
        (Self::Fits, "fits"),
        (Self::Fits, "fit"),
        (Self::VoTable, "vot"),
        (Self::VoTable, "votable"),
        (Self::VoTable, "xml"),
    ];

    /// Its name in SQL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ecsv => "ecsv",
            Self::Fits => "fits",
            Self::VoTable => "votable",
        }
    }

    /// The format and ending of a file by its name, e.g. `.csv.gz`; `None` if it is none of the archive's.
    #[must_use]
    pub fn of_name(name: &str) -> Option<(Self, String)> {
        let lower = name.to_lowercase();
        let (stem, gz) = lower.strip_suffix(".gz").map_or((lower.as_str(), ""), |stem| (stem, ".gz"));
        let ending = Path::new(stem).extension()?.to_str()?;
        let (format, ending) = Self::ENDINGS.into_iter().find(|(_, e)| *e == ending)?;
        if format == Self::Fits && !gz.is_empty() {
            return None;
        }
        // As written, since listings compare endings with their case.
        Some((format, name[name.len() - ending.len() - gz.len() - 1..].to_owned()))
    }

    /// The columns of a file.
    fn infer(self, bytes: bytes::FileBytes, path: &str) -> Result<Schema> {
        match self {
            Self::Ecsv => {
                let (header, mut chunks) = ecsv::open(bytes)?;
                ecsv::infer_schema(&header, &mut chunks)
            }
            Self::Fits => Ok(FitsTable::read(bytes, path)?.schema().as_ref().clone()),
            Self::VoTable => Ok(VoTable::read(bytes)?.schema().as_ref().clone()),
        }
    }
}

/// Whether a file whose name ends in `.csv` is one that this reader should read rather than a general reader of CSV:
/// it has an ECSV header, a column `source_id` (so that Gaia's columns get their types and units), or cells that are
/// arrays.
///
/// # Errors
/// If the file cannot be opened.
pub async fn is_archive_csv(store: &std::sync::Arc<dyn ObjectStore>, object: &ObjectMeta) -> DfResult<bool> {
    let bytes = bytes::open(store, object, None).await?;
    let look = move || {
        let (header, mut chunks) = ecsv::open(bytes)?;
        let has_lists = |schema: Schema| schema.fields().iter().any(|f| f.data_type().is_list());
        let of_gaia = header.fields.is_some() || header.names.iter().any(|n| n == "source_id");
        Ok(of_gaia || ecsv::infer_schema(&header, &mut chunks).is_ok_and(has_lists))
    };
    let looked: Result<bool> = bytes::blocking(look).await?;
    // This reader's messages say more of a damaged file.
    Ok(looked.unwrap_or(true))
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
        for other in ["a.fits.gz", "a.parquet", "csv", "a.gz", "dir/"] {
            assert!(of(other).is_none(), "{other}");
        }
    }
}
