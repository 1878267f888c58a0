//! Archive files to Parquet: many files side by side, each to one Parquet file, so that a run that ends at any moment
//! can be run again and does only what is missing.
//!
//! Each input file becomes one query (columns, condition, join with the file of the same suffix), whose rows are
//! written in order of `source_id` with lists of fixed size. An output appears under its name when it is whole; its
//! footer says what it was made of and how ([`FINGERPRINT`]), so that a second run skips it, or refuses to mix.

mod checksums;
mod file;
mod job;
mod output;
mod query;
mod shape;

pub use checksums::{Checksums, MD5SUM};
pub use file::{Done, Progress, Status, ingest_file, output_schema};
pub use job::{FileJob, IngestOptions, plan_jobs};
pub use output::FINGERPRINT;
