//! The allowed ranges of numeric settings, the same on the command line, in pipeline files and in SQL.
//!
//! A value outside them would not make a run slow but impossible: an allocation panics, or threads fill the machine.

use std::ops::RangeInclusive;

/// Threads that models compute on, partitions of a query, and units processed at once.
pub const THREADS: RangeInclusive<u64> = 1..=1024;
/// Rows gathered for the inference device at once.
pub const BATCH_ROWS: RangeInclusive<u64> = 1..=1_000_000;
/// Batches per partition that may be in flight at once.
pub const BATCHES_IN_FLIGHT: RangeInclusive<u64> = 1..=1024;
/// Bytes that queries may use: up to one pebibyte.
pub const MEMORY_BYTES: RangeInclusive<u64> = 1..=1 << 50;
/// Rows of a unit, of a tile, or of a simulation.
pub const ROWS: RangeInclusive<u64> = 1..=1_000_000_000_000;
/// Lines of a printed list.
pub const LINES: RangeInclusive<u64> = 1..=100_000;
/// Steps and epochs of a training run.
pub const STEPS: RangeInclusive<u64> = 1..=1_000_000_000;
/// Stars per training step.
pub const STEP_STARS: RangeInclusive<u64> = 1..=100_000;

/// The SQL settings (`SET name = value`) whose numbers have a range.
const SETTINGS: [(&str, RangeInclusive<u64>); 9] = [
    ("lamcat.batch_rows", BATCH_ROWS),
    ("lamcat.batches_in_flight", BATCHES_IN_FLIGHT),
    ("datafusion.execution.batch_size", BATCH_ROWS),
    ("datafusion.execution.target_partitions", THREADS),
    ("datafusion.execution.planning_concurrency", THREADS),
    ("datafusion.execution.meta_fetch_concurrency", THREADS),
    ("datafusion.execution.minimum_parallel_output_files", THREADS),
    ("datafusion.execution.max_buffered_batches_per_output_file", 2..=100_000),
    ("datafusion.execution.parquet.max_row_group_size", ROWS),
];

/// Returns the range of a setting, if it has one.
#[must_use]
pub fn of_setting(name: &str) -> Option<RangeInclusive<u64>> {
    SETTINGS.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, range)| range)
}

/// Describes a range: `from 1 to 1024`.
#[must_use]
pub fn in_words(range: &RangeInclusive<u64>) -> String {
    format!("from {} to {}", range.start(), range.end())
}
