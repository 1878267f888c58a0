//! Outputs that are either complete or absent, on disks and in object stores.
//!
//! A writer that fails, is interrupted or is killed leaves what the output's name referred to before, or nothing:
//!
//! - [`NewFile`] is a local file that is being written: it has a hidden name of its own beside its final one, is
//!   flushed to the disk at the end, and only then gets its final name. [`write_whole`] does this for given bytes.
//! - [`LocalStore`] is the object store of local files; it writes everything in this way.
//! - [`EndedUploads`] wraps any other store: a multipart upload that is dropped before its end is aborted, because its
//!   parts would otherwise remain, hidden and billed. [`settle`] waits for that before the process ends.
//! - [`WholeOutputs`] makes a query's sink (`COPY`, `INSERT`, `lamcat sql -o`) publish its files after the last row:
//!   DataFusion's own sinks also complete the files that they have begun if the query fails.
//! - [`SpillFactory`] makes the files that large queries spill to; they have no name, so they vanish with the process.
//! - [`with_floats`] and related functions define the encoding of floats in lamcat's Parquet files.
//!
//! A file left by a killed process has a recognisable name ([`is_unfinished`]) and is never listed as data;
//! [`remove_leftovers`] removes it.

mod blocking;
mod floats;
mod full;
mod listing;
mod local;
mod new_file;
mod sink;
mod spill;
mod together;
mod uploads;

pub use floats::{is_float, options_with_floats, with_floats, with_floats_split};
pub use full::{cannot_write, is_disk_full};
pub use local::LocalStore;
pub use new_file::{NewFile, abandon_all, is_unfinished, remove_leftovers, write_whole};
pub use sink::WholeOutputs;
pub use spill::SpillFactory;
pub use uploads::{EndedUploads, settle};
