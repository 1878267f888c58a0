//! Converts archive files to Parquet, many files in parallel, each to one Parquet file. A run can be interrupted at any
//! moment; when it is started again, it does only what is missing.
//!
//! Each input file becomes one query (columns, condition, join with the file of the same suffix), whose rows are
//! written in order of `source_id`, with lists of fixed size. An output appears under its name only when it is
//! complete. Its footer says what it was made from and how ([`FINGERPRINT`]), so that a second run skips it, or reports
//! an error if the input or the options differ.

mod checksums;
mod file;
mod job;
mod output;
mod query;
mod shape;

pub use checksums::{Checksums, MD5SUM};
pub use file::{Done, Progress, Status, ingest_file, output_schema};
pub use job::{FileJob, IngestOptions, work_list};
pub use output::FINGERPRINT;
