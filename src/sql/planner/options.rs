//! Settings that SQL can access with `SET lamcat.…` and `SHOW lamcat.…`.

use std::{
    any::Any,
    ops::{Deref, DerefMut},
};

use datafusion::{
    common::{
        config::{ConfigEntry, ConfigExtension, ExtensionOptions},
        extensions_options,
    },
    error::Result,
};

extensions_options! {
    /// Settings of the inference operator and of the readers of files.
    pub struct LamcatSettings {
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

/// The [`LamcatSettings`] of a session, under the names by which SQL sets and shows them. DataFusion removes the prefix
/// from a name before it sets it, but expects the prefix in the list of names.
#[derive(Clone, Debug, Default)]
pub struct LamcatOptions(pub LamcatSettings);

impl Deref for LamcatOptions {
    type Target = LamcatSettings;

    fn deref(&self) -> &LamcatSettings {
        &self.0
    }
}

impl DerefMut for LamcatOptions {
    fn deref_mut(&mut self) -> &mut LamcatSettings {
        &mut self.0
    }
}

impl ExtensionOptions for LamcatOptions {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn cloned(&self) -> Box<dyn ExtensionOptions> {
        Box::new(self.clone())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        self.0.set(key, value)
    }

    fn entries(&self) -> Vec<ConfigEntry> {
        let mut entries = self.0.entries();
        for entry in &mut entries {
            entry.key = format!("{}.{}", Self::PREFIX, entry.key);
        }
        entries
    }
}

impl ConfigExtension for LamcatOptions {
    const PREFIX: &'static str = "lamcat";
}
