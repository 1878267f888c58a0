//! The files that were found for a name.

use std::sync::Arc;

use datafusion::datasource::listing::ListingTableUrl;
use lamcat_formats::TableChoice;
use object_store::{ObjectMeta, ObjectStore};

use super::hats;

/// The files that a name refers to.
pub(super) struct Lookup {
    pub(super) store: Arc<dyn ObjectStore>,
    /// The folder that was searched, or the file.
    pub(super) url: ListingTableUrl,
    pub(super) files: Files,
    pub(super) choice: TableChoice,
}

/// Found files.
pub(super) enum Files {
    /// The leaves of a HATS catalogue.
    Leaves(hats::Leaves),
    /// These files, in order. If `whole`, they are all files in the folder except hidden ones and those that are not
    /// tables.
    Listed { objects: Vec<ObjectMeta>, whole: bool },
}
