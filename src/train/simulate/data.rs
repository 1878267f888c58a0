//! The folder of forward-model data, and the formats of its files.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Float32Type},
};
use ndarray::{ArrayD, IxDyn, OwnedRepr};
use ndarray_npy::{NpzReader, ReadNpyExt, ReadableElement};

use crate::{
    error::{Error, ErrorKind, Result},
    sources::FitsTable,
};

/// A folder with the files that the simulator is made of, in subfolders `forward_model`, `labels` and `xp_continuous`.
#[derive(Debug, Clone)]
pub struct DataFolder(PathBuf);

impl DataFolder {
    /// The folder at `path`; its files are looked for when they are read.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Path of a file below the folder, e.g. `forward_model/payne_xp/payne_cool_gaiaxp.npz`; `origin` says where it
    /// is to be had.
    ///
    /// # Errors
    /// If there is no such file; the hint names its origin.
    pub fn file(&self, name: &str, origin: &str) -> Result<PathBuf> {
        let path = self.0.join(name);
        if path.is_file() {
            return Ok(path);
        }
        Err(Error::new(ErrorKind::Io, "a file of the simulator's data is missing")
            .at("file", path.display())
            .hint(format!("get it from {origin}, or name the folder that has it with --data")))
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

/// Rows of a two-dimensional `.npy` file of f32 with at least `columns` columns.
pub(super) fn npy_rows(path: &Path, columns: usize) -> Result<ndarray::Array2<f32>> {
    let array = ndarray::Array2::<f32>::read_npy(open(path)?)
        .map_err(|e| malformed(path, "it is not a table of 32-bit floats").source(e))?;
    if array.ncols() < columns {
        return Err(malformed(path, format!("it has {} columns, not {columns}", array.ncols())));
    }
    Ok(array)
}

/// The arrays of an `.npz` file.
pub(super) struct Npz {
    path: PathBuf,
    reader: NpzReader<File>,
}

impl Npz {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let reader = NpzReader::new(open(path)?).map_err(|e| malformed(path, "it is not an .npz archive").source(e))?;
        Ok(Self { path: path.to_owned(), reader })
    }

    /// An array of element type `T` as f32 in row-major order, which must have `shape`; 0 stands for any length.
    pub(super) fn array<T: ReadableElement + Copy + Into<f64>>(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<Vec<f32>> {
        let array: ArrayD<T> = self
            .reader
            .by_name::<OwnedRepr<T>, IxDyn>(name)
            .map_err(|e| malformed(&self.path, "an array cannot be read").at("array", name).source(e))?;
        let fits = array.ndim() == shape.len() && array.shape().iter().zip(shape).all(|(n, s)| *s == 0 || n == s);
        if !fits {
            let shapes = format!("an array has shape {:?}, not {shape:?}", array.shape());
            return Err(malformed(&self.path, shapes).at("array", name));
        }
        Ok(array.iter().map(|x| (*x).into() as f32).collect())
    }
}

/// The columns of a FITS table that `wanted` names, as f32 (NaN where there is none), with their names.
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

/// The column of a name among those of [`fits_floats`].
pub(super) fn column<'a>(path: &Path, columns: &'a [(String, Vec<f32>)], name: &str) -> Result<&'a [f32]> {
    let found = columns.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
    found.map(|(_, v)| v.as_slice()).ok_or_else(|| malformed(path, "a column is missing").at("column", name))
}
