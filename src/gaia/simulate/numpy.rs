//! Reads arrays from NumPy's files `.npy` and `.npz`. Their headers are checked before memory is allocated for the
//! claimed size.

use std::{
    fs::File,
    io::{Cursor, Read, Seek},
    path::{Path, PathBuf},
};

use lamcat_core::error::Result;
use ndarray::ArrayD;
use ndarray_npy::{ReadNpyExt, ReadableElement};
use zip::ZipArchive;

use super::data::{malformed, open};

/// Maximum size in bytes of an array in an `.npz` file.
const ARRAY_BYTES: u64 = 1 << 30;

/// Returns the size of the whole file in bytes according to the header of an `.npy` file; `None` if it is not such a
/// header.
fn claimed_bytes(begin: &[u8]) -> Option<u64> {
    let version = *begin.strip_prefix(b"\x93NUMPY")?.first()?;
    let (length, at) = match version {
        1 => (u64::from(u16::from_le_bytes(begin.get(8..10)?.try_into().ok()?)), 10),
        _ => (u64::from(u32::from_le_bytes(begin.get(8..12)?.try_into().ok()?)), 12),
    };
    let end = usize::try_from(length).ok()?.checked_add(at)?.min(begin.len());
    let header = String::from_utf8_lossy(begin.get(at..end)?).into_owned();
    let value =
        |key: &str| header.split_once(key).map(|(_, rest)| rest.trim_start_matches(['\'', '"', ':', ' ']).to_owned());
    let type_name = value("descr")?;
    let width: u64 = type_name.chars().skip(2).take_while(char::is_ascii_digit).collect::<String>().parse().ok()?;
    let shape = value("shape")?;
    let sizes = shape.strip_prefix('(')?.split(')').next()?.split(',').map(str::trim).filter(|size| !size.is_empty());
    let elements = sizes.map(|size| size.parse().ok()).try_fold(1u64, |n, size: Option<u64>| n.checked_mul(size?))?;
    elements.checked_mul(width)?.checked_add(length)?.checked_add(at as u64)
}

/// Whether a file with this beginning and length is as long as its header claims.
fn holds(begin: &[u8], length: u64) -> bool {
    claimed_bytes(begin).is_some_and(|claimed| claimed <= length)
}

/// Returns the rows of a two-dimensional `.npy` file of f32 with at least `columns` columns.
pub(super) fn npy_rows(path: &Path, columns: usize) -> Result<ndarray::Array2<f32>> {
    let mut file = open(path)?;
    let unreadable = |e: std::io::Error| malformed(path, "it cannot be read").source(e);
    let mut begin = Vec::new();
    file.by_ref().take(4096).read_to_end(&mut begin).map_err(unreadable)?;
    if !holds(&begin, file.metadata().map_err(unreadable)?.len()) {
        return Err(malformed(path, "it is not an .npy file, or has fewer numbers than its header says"));
    }
    file.rewind().map_err(unreadable)?;
    let array = ndarray::Array2::<f32>::read_npy(file)
        .map_err(|e| malformed(path, "it is not a table of 32-bit floats").source(e))?;
    if array.ncols() < columns {
        return Err(malformed(path, format!("it has {} columns, not {columns}", array.ncols())));
    }
    Ok(array)
}

/// The arrays in an `.npz` file, or in bytes with the content of one.
pub(super) struct Npz<R> {
    path: PathBuf,
    archive: ZipArchive<R>,
}

impl Npz<File> {
    pub(super) fn open(path: &Path) -> Result<Self> {
        Self::new(path, open(path)?)
    }
}

impl<R: Read + Seek> Npz<R> {
    /// Opens the arrays; `path` is the name used in errors.
    pub(super) fn new(path: &Path, bytes: R) -> Result<Self> {
        let archive = ZipArchive::new(bytes);
        let archive = archive.map_err(|e| malformed(path, "it is not an .npz archive").source(e))?;
        Ok(Self { path: path.to_owned(), archive })
    }

    /// Returns an array with element type `T` as f32 in row-major order; it must have `shape`, where 0 means any
    /// length.
    pub(super) fn array<T: ReadableElement + Copy + Into<f64>>(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<Vec<f32>> {
        Ok(self.elements::<T>(name, shape)?.into_iter().map(|x| x.into() as f32).collect())
    }

    /// Returns an array with element type `T` in row-major order; it must have `shape`, where 0 means any length.
    pub(super) fn elements<T: ReadableElement + Copy>(&mut self, name: &str, shape: &[usize]) -> Result<Vec<T>> {
        let bytes = self.member(name)?;
        let bad = |what: String| malformed(&self.path, what).at("array", name);
        if !holds(&bytes, bytes.len() as u64) {
            return Err(bad("an array has fewer numbers than its header says".to_owned()));
        }
        let array = ArrayD::<T>::read_npy(Cursor::new(bytes));
        let array = array.map_err(|e| bad("an array cannot be read".to_owned()).source(e))?;
        let fits = array.ndim() == shape.len() && array.shape().iter().zip(shape).all(|(n, s)| *s == 0 || n == s);
        if !fits {
            return Err(bad(format!("an array has shape {:?}, not {shape:?}", array.shape())));
        }
        Ok(array.iter().copied().collect())
    }

    fn member(&mut self, name: &str) -> Result<Vec<u8>> {
        let index = [name.to_owned(), format!("{name}.npy")].iter().find_map(|name| self.archive.index_for_name(name));
        let bad = |what: &str| malformed(&self.path, what).at("array", name);
        let index = index.ok_or_else(|| bad("an array is missing"))?;
        let file = self.archive.by_index(index).map_err(|e| bad("an array cannot be read").source(e))?;
        let mut bytes = Vec::new();
        let read = file.take(ARRAY_BYTES).read_to_end(&mut bytes);
        read.map_err(|e| bad("an array cannot be read").source(e))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(shape: &str, floats: usize) -> Vec<u8> {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + 4 * floats, 0);
        bytes
    }

    #[test]
    fn what_a_header_claims_is_held_against_the_length() {
        for (shape, floats, fits) in [("(2, 3)", 6, true), ("(2, 3)", 5, false), ("(4000000000, 4000000000)", 6, false)]
        {
            let bytes = npy(shape, floats);
            assert_eq!(holds(&bytes, bytes.len() as u64), fits, "{shape}");
        }
        assert!(!holds(b"PK", 2));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        std::fs::write(&path, npy("(9223372036854775807, 110)", 4)).unwrap();
        let e = npy_rows(&path, 110).unwrap_err().to_string();
        assert!(e.contains("fewer numbers than its header says"), "{e}");
        std::fs::write(&path, npy("(2, 3)", 6)).unwrap();
        assert_eq!(npy_rows(&path, 3).unwrap().dim(), (2, 3));
    }
}
