//! Writes a simulation to a Parquet file; stars are made on all cores and written in the order of their rows.

use std::path::Path;

use datafusion::parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::properties::WriterProperties,
};
use lamcat_core::{
    error::{Error, ErrorKind, Result},
    outputs::{NewFile, cannot_write, remove_leftovers, with_floats},
};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::{
    simulator::Simulator,
    table::{schema, table},
};

/// Number of rows that are made and encoded at once. Equal batches make equal files, however many threads there are.
const BATCH_ROWS: u64 = 1024;
/// Number of batches per thread that are being made.
const AHEAD: u64 = 4;
/// Rows per row group.
const GROUP_ROWS: usize = 1 << 17;
const ZSTD_LEVEL: i32 = 3;

/// The settings of a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimulateOptions {
    /// Number of stars.
    pub rows: u64,
    /// Seed: equal seeds give equal stars, and a shorter simulation is the beginning of a longer one with the same
    /// seed.
    pub seed: u64,
    /// Number of threads; all cores if `None`.
    pub threads: Option<usize>,
}

/// Simulates stars and writes them to a Parquet file at `output`, which appears under its name once it is complete;
/// `progress` is called with the number of rows written so far.
///
/// # Errors
/// If a star cannot be made or the file cannot be written.
pub fn simulate(
    simulator: &Simulator,
    options: &SimulateOptions,
    output: &Path,
    progress: impl FnMut(u64),
) -> Result<()> {
    remove_leftovers(output);
    let file = NewFile::create(output).map_err(|e| cannot_write(output.display(), e))?;
    let file = write(simulator, options, file, output, progress)?;
    file.finish().map_err(|e| cannot_write(output.display(), e))
}

fn write(
    simulator: &Simulator,
    options: &SimulateOptions,
    file: NewFile,
    path: &Path,
    mut progress: impl FnMut(u64),
) -> Result<NewFile> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads.unwrap_or(0))
        .build()
        .map_err(|e| Error::new(ErrorKind::Config, "the threads cannot be started").source(e))?;
    let failed = |e: ParquetError| cannot_write(path.display(), e);
    let properties = properties().map_err(failed)?;
    let mut writer = ArrowWriter::try_new(file, schema(), Some(properties)).map_err(failed)?;
    let window = BATCH_ROWS * AHEAD * pool.current_num_threads() as u64;
    let mut done = 0;
    while done < options.rows {
        let end = options.rows.min(done + window);
        let first_rows: Vec<u64> = (done..end).step_by(BATCH_ROWS as usize).collect();
        let batch = |first: u64| {
            let stars = (first..end.min(first + BATCH_ROWS)).map(|row| simulator.star(options.seed, row));
            table(&stars.collect::<Result<Vec<_>>>()?)
        };
        let batches: Vec<_> = pool.install(|| first_rows.into_par_iter().map(batch).collect());
        for batch in batches {
            writer.write(&batch?).map_err(failed)?;
        }
        done = end;
        progress(done);
    }
    writer.into_inner().map_err(failed)
}

fn properties() -> Result<WriterProperties, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_created_by(format!("lamcat {}", env!("CARGO_PKG_VERSION")))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_dictionary_enabled(false);
    Ok(with_floats(properties, &schema())?.build())
}
