//! The folder of forward-model data, and readers for the formats of its files.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Float32Type},
};
use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_formats::FitsTable;

/// A folder with the source files of the simulator, in the subfolders `forward_model`, `labels` and `xp_continuous`.
#[derive(Debug, Clone)]
pub struct DataFolder(PathBuf);

impl DataFolder {
    /// Refers to the folder at `path`; its files are not opened before they are read.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Returns the path of a file below the folder, e.g. `forward_model/payne_xp/payne_cool_gaiaxp.npz`; `origin` says
    /// where to obtain it.
    ///
    /// # Errors
    /// If the file does not exist; the hint names its origin.
    pub fn file(&self, name: &str, origin: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        if path.is_file() {
            return Ok(path);
        }
        Err(Error::new(ErrorKind::Io, "a file of the simulator's data is missing")
            .at("file", path.display())
            .hint(format!("get it from {origin}, name the folder that has it with --data, or leave --data out")))
    }
}

/// An error about a file whose content is not as expected.
pub(super) fn malformed(path: &Path, what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Input, what)
        .at("file", path.display())
        .hint("the file is damaged or of another version: fetch it again")
}

pub(super) fn open(path: &Path) -> Result<File> {
    File::open(path)
        .map_err(|e| Error::new(ErrorKind::Io, "the file cannot be opened").at("file", path.display()).source(e))
}

/// Returns the columns of a FITS table that are `wanted`, as f32 (NaN where missing), with their names.
pub(super) fn fits_floats(path: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<(String, Vec<f32>)>> {
    let table = FitsTable::open(path)?.select(wanted);
    let mut columns: Vec<(String, Vec<f32>)> =
        table.schema().fields().iter().map(|f| (f.name().clone(), Vec::new())).collect();
    for batch in table {
        append(&mut columns, &batch?).map_err(|e| malformed(path, "a column is no number").source(e))?;
    }
    Ok(columns)
}

fn append(columns: &mut [(String, Vec<f32>)], batch: &RecordBatch) -> Result<(), arrow::error::ArrowError> {
    for ((_, values), column) in columns.iter_mut().zip(batch.columns()) {
        let floats = arrow::compute::cast(column, &DataType::Float32)?;
        let floats = floats.as_primitive::<Float32Type>();
        values.extend((0..floats.len()).map(|i| if floats.is_valid(i) { floats.value(i) } else { f32::NAN }));
    }
    Ok(())
}

/// Returns the column with this name among those of [`fits_floats`].
pub(super) fn column<'a>(path: &Path, columns: &'a [(String, Vec<f32>)], name: &str) -> Result<&'a [f32]> {
    let found = columns.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
    found.map(|(_, v)| v.as_slice()).ok_or_else(|| malformed(path, "a column is missing").at("column", name))
}
