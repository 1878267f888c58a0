//! Settings that SQL reaches as `SET lamcat.…`.

use datafusion::{common::config::ConfigExtension, common::extensions_options};

extensions_options! {
    /// Settings of the inference operator and of the readers of files.
    pub struct LamcatOptions {
        /// Rows the operator gathers for the device at once, whatever the scan's batch size.
        pub batch_rows: usize, default = 512
        /// Batches of one partition that may be in flight at once; more hides more latency and takes more memory.
        pub batches_in_flight: usize, default = 3
        /// Whether calls that cannot be hoisted (a context that spans both sides of a join) run in place, batch by
        /// batch of the scan; false makes them a planning error.
        pub unplaced_calls: bool, default = true
        /// What becomes of malformed values in ECSV, CSV and VOTable files: 'fail' ends the query with their place,
        /// 'null' makes them NULL and counts them.
        pub on_error: String, default = "fail".to_owned()
    }
}

impl ConfigExtension for LamcatOptions {
    const PREFIX: &'static str = "lamcat";
}
