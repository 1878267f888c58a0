//! Releases: catalogues in HATS (IVOA note HATS 1.0), made tile by tile from the rows of units, verified, and published
//! in one atomic step.
//!
//! ```text
//! units ──> arrange ──> assemble ──> verify ──> publish
//! (rows     (leaves,    (margin,     (every     (the log,
//!  sorted)   borders)    index,       row)       LATEST)
//!                        manifest)
//! ```
//!
//! All files are in a [`Storage`], a folder or a bucket, under the names of [`paths`]. Work is *claimed* by creating a
//! file that only one process can create, after the files that it names were written completely. So a process that dies
//! leaves nothing behind that counts, and if two do the same work, the result of one is used.

pub mod arrange;
pub mod assemble;
pub mod attempt;
mod bounded_context;
pub mod catalogue;
pub mod clock;
pub mod commit;
pub mod cuts;
mod damage;
pub mod dataset;
pub mod diff;
pub mod garbage;
mod index;
mod job_users;
mod jobs;
pub mod margin;
pub mod parquet_file;
pub mod parquet_reader;
pub mod parts;
pub mod paths;
pub mod properties;
pub mod publish;
pub mod quantiles;
pub mod recount;
pub mod releases;
mod row_groups;
mod sky;
pub mod storage;
mod store_contents;
pub mod summary;
pub mod sums;
pub mod tiles;
pub mod units;
#[cfg(any(test, feature = "testing"))]
pub mod unsure;
mod upload;
pub mod verify;
pub mod votable;

pub use catalogue::Catalogue;
pub use storage::{Storage, StoredFile, json};
