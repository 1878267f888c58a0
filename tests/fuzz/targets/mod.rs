//! The readers.

mod csv;
mod ecsv;
mod fits;
mod pipeline;
mod safetensors;
mod sql;
mod votable;
mod weights;

use std::{cell::LazyCell, path::Path};

use arrow::array::{Array, RecordBatch};

use super::Target;

pub const ALL: [Target; 8] = [
    Target { name: "ecsv", run: ecsv::run },
    Target { name: "csv", run: csv::run },
    Target { name: "votable", run: votable::run },
    Target { name: "fits", run: fits::run },
    Target { name: "pipeline", run: pipeline::run },
    Target { name: "safetensors", run: safetensors::run },
    Target { name: "weights", run: weights::run },
    Target { name: "sql", run: sql::run },
];

/// Batches of an input that are read: what is inflated may be a thousand times as long.
const BATCHES: usize = 8;
/// Between the parts of an input that is not one file as it stands.
const BETWEEN: &[u8] = b"\n==\n";

/// The parts of an input.
fn parts(mut data: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some(at) = memchr::memmem::find(data, BETWEEN) {
        parts.push(&data[..at]);
        data = &data[at + BETWEEN.len()..];
    }
    parts.push(data);
    parts
}

/// Rows of a batch, whose arrays must be what they say.
fn rows(batch: &RecordBatch) -> usize {
    for (column, field) in batch.columns().iter().zip(batch.schema().fields()) {
        assert_eq!(column.data_type(), field.data_type());
        column.to_data().validate_full().expect("an array is what it says");
    }
    batch.num_rows()
}

/// Files of an input that are opened by their paths: a folder in memory where there is one.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        Self(tempfile::tempdir_in(place).expect("a folder can be made"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), bytes).expect("a file can be written");
    }
}

thread_local! {
    /// The folder of all inputs, one after the other.
    static FOLDER: LazyCell<Folder> = const { LazyCell::new(Folder::new) };
}
