//! The files that were found for a name.

use std::sync::Arc;

use datafusion::datasource::listing::ListingTableUrl;
use lamcat_formats::TableChoice;
use object_store::{ObjectMeta, ObjectStore};

use super::hats;

/// The files that a name stands for.
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
    /// These, in order. All that lie in the folder but are not tables or hidden, if `whole`.
    Listed { objects: Vec<ObjectMeta>, whole: bool },
}
