//! Divides the files of an input into units.

use std::ops::Range;

use arrow::datatypes::Schema;
use datafusion::{
    datasource::physical_plan::parquet::ParquetRowSelection,
    parquet::{
        arrow::arrow_reader::{RowSelection, RowSelector},
        file::metadata::ParquetMetaDataReader,
    },
};
use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_release::parquet_reader::StoreReader;
use object_store::ObjectMeta;

/// Number of bytes at the end of a Parquet file that are read first; most footers are no longer.
const FOOTER_BYTES: usize = 16 << 10;

/// The part of an input that a unit reads: consecutive rows of one file, or several consecutive small files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputRange {
    /// Index of the file among those of the input; of the first file if there are several.
    pub file: usize,
    /// Number of consecutive files; if there are several, all of them are read completely.
    pub files: usize,
    /// Rows of the file that come before those of the unit.
    pub before: u64,
    /// Rows of the unit; `None` for whole files that do not say how many rows they have.
    pub rows: Option<u64>,
    /// Rows of the file that come after those of the unit.
    pub after: u64,
    /// Bytes that the rows take in the files, approximately.
    pub bytes: u64,
}

impl InputRange {
    /// Indices of the files among those of the input.
    #[must_use]
    pub fn file_numbers(&self) -> Range<usize> {
        self.file..self.file + self.files
    }

    /// The first `most` rows of this range; all of it if it has several files or an unknown number of rows.
    #[must_use]
    pub(super) fn first(self, most: u64) -> Self {
        match self.rows {
            Some(rows) if self.files == 1 && rows > most => {
                Self { rows: Some(most), after: self.after + (rows - most), ..self }
            }
            _ => self,
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.before == 0 && self.after == 0
    }

    /// The rows that the reader of a Parquet file must return; `None` means all. A reader that finds another number of
    /// rows in the file reports an error.
    pub(super) fn selection(&self) -> Option<ParquetRowSelection> {
        if self.files > 1 {
            return None;
        }
        let part = [RowSelector::skip(self.before as usize), RowSelector::select(self.rows? as usize)];
        let selectors = part.into_iter().chain([RowSelector::skip(self.after as usize)]);
        Some(RowSelection::from(selectors.filter(|s| s.row_count > 0).collect::<Vec<_>>()).into())
    }
}

/// The number of rows of a row group, and the bytes that they take.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowGroup {
    rows: u64,
    bytes: u64,
}

/// The row groups of a file; nothing else of its footer is kept in memory. All columns of the file must be those of the
/// table.
pub(super) async fn row_groups(object: &ObjectMeta, mut reader: StoreReader, table: &Schema) -> Result<Vec<RowGroup>> {
    let footer = ParquetMetaDataReader::new().with_prefetch_hint(Some(FOOTER_BYTES));
    let metadata = footer.load_and_finish(&mut reader, object.size).await.map_err(|e| {
        Error::new(ErrorKind::Input, "the footer cannot be read").at("file", &object.location).source(e)
    })?;
    let columns = metadata.file_metadata().schema_descr().root_schema().get_fields();
    if let Some(other) = columns.iter().find(|column| table.field_with_name(column.name()).is_err()) {
        let message =
            format!("the file has a column '{}', which the first files of the table do not have", other.name());
        let error = Error::new(ErrorKind::Input, message).at("file", &object.location);
        return Err(error.hint("give the files with other columns as an input of their own, by a glob"));
    }
    let groups = metadata.row_groups().iter();
    let groups = groups
        .map(|group| RowGroup { rows: group.num_rows().max(0) as u64, bytes: group.compressed_size().max(0) as u64 });
    Ok(groups.collect())
}

/// Divides a file: consecutive row groups are joined up to `most` rows, and a larger row group is divided into equal
/// parts.
pub(super) fn file_ranges(file: usize, groups: &[RowGroup], most: u64) -> Vec<InputRange> {
    let total: u64 = groups.iter().map(|group| group.rows).sum();
    let mut ranges: Vec<InputRange> = Vec::new();
    let mut before = 0;
    for group in groups.iter().filter(|group| group.rows > 0) {
        let parts = group.rows.div_ceil(most.max(1));
        for part in 0..parts {
            let share = |whole: u64| whole * (part + 1) / parts - whole * part / parts;
            let (rows, bytes) = (share(group.rows), share(group.bytes));
            if let Some(last) = ranges.last_mut().filter(|last| last.rows.unwrap_or(0) + rows <= most) {
                last.rows = last.rows.map(|own| own + rows);
                last.bytes += bytes;
                last.after -= rows;
            } else {
                let after = total - before - rows;
                ranges.push(InputRange { file, files: 1, before, rows: Some(rows), after, bytes });
            }
            before += rows;
        }
    }
    ranges
}

/// Joins consecutive whole files up to `most` rows. `rows` returns the greatest number of rows that the files of a
/// range may have.
pub(super) fn joined(
    ranges: impl Iterator<Item = InputRange>,
    most: u64,
    rows: impl Fn(&InputRange) -> u64,
) -> Vec<InputRange> {
    let mut all: Vec<InputRange> = Vec::new();
    let mut room = 0;
    for range in ranges {
        let own = rows(&range);
        if let Some(last) = all.last_mut().filter(|last| last.is_whole() && range.is_whole() && own <= room) {
            last.files = range.file + 1 - last.file;
            last.rows = last.rows.zip(range.rows).map(|(some, more)| some + more);
            last.bytes += range.bytes;
            room -= own;
        } else {
            all.push(range);
            room = most.saturating_sub(own);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(group_rows: &[u64], most: u64) -> Vec<(u64, Option<u64>, u64)> {
        let groups: Vec<RowGroup> = group_rows.iter().map(|rows| RowGroup { rows: *rows, bytes: 10 * rows }).collect();
        let ranges = file_ranges(0, &groups, most);
        assert_eq!(ranges.iter().map(|range| range.bytes).sum::<u64>(), 10 * group_rows.iter().sum::<u64>());
        ranges.iter().map(|range| (range.before, range.rows, range.after)).collect()
    }

    #[test]
    fn row_groups_are_joined_up_to_the_rows_of_a_unit_and_larger_ones_are_cut() {
        assert_eq!(shape(&[40, 40, 40, 1], 100), [(0, Some(80), 41), (80, Some(41), 0)]);
        assert_eq!(shape(&[250], 100), [(0, Some(83), 167), (83, Some(83), 84), (166, Some(84), 0)]);
        assert_eq!(shape(&[30, 0, 101, 49], 100), [(0, Some(80), 100), (80, Some(100), 0)]);
        assert_eq!(shape(&[], 100), []);
    }

    #[test]
    fn small_files_share_a_unit_and_large_ones_do_not() {
        let rows = [30, 30, 0, 40, 250, 60, 50, 7];
        let files = rows
            .iter()
            .enumerate()
            .flat_map(|(file, rows)| file_ranges(file, &[RowGroup { rows: *rows, bytes: 1 }], 100));
        let units = joined(files, 100, |range| range.rows.unwrap());
        let shape: Vec<_> = units.iter().map(|unit| (unit.file_numbers(), unit.before, unit.rows.unwrap())).collect();
        let expected = [(0..4, 0, 100), (4..5, 0, 83), (4..5, 83, 83), (4..5, 166, 84), (5..6, 0, 60), (6..8, 0, 57)];
        assert_eq!(shape, expected);
        assert_eq!(units.iter().map(|unit| unit.rows.unwrap()).sum::<u64>(), rows.iter().sum::<u64>());
    }
}
