//! Outputs that are whole or not there, on disks and in object stores.
//!
//! A writer that fails, is interrupted or is killed leaves what was under the output's name before, or nothing:
//!
//! - [`NewFile`] is a file of this machine on its way: it has a hidden name of its own beside the one it will have, is
//!   flushed to the disk at its end, and only then gets its name. [`write_whole`] does so with bytes that are there.
//! - [`LocalStore`] is the object store of local files; it writes everything in this way.
//! - [`EndedUploads`] is any other store: an upload in parts that is dropped before its end is aborted, or it would stay,
//!   unseen and billed. [`settle`] waits for that before the process ends.
//! - [`WholeOutputs`] makes a query's sink (`COPY`, `INSERT`, `lamcat sql -o`) put its files in place after the last row:
//!   DataFusion's own sinks finish the files that they have begun also when the query fails.
//! - [`SpillFactory`] makes the files that large queries spill to; they have no name, so that they end with the process.
//! - [`with_floats`] and its kin say how Parquet files of ours have their floats.
//!
//! What a process leaves that was killed has a name that says so ([`is_unfinished`]) and is never listed as data;
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
