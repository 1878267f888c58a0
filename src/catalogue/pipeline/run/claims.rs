//! Claims: what attempts at the tasks of a run write down of what they made.

use lamcat_release::{arrange::TileClaim, parquet_file::Written, parts::PartClaim, units::UnitClaim, verify::Checked};
use serde::{Serialize, de::DeserializeOwned};

/// A claim: what an attempt at a task made.
pub(super) trait Claim: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The files that it names.
    fn files(&self) -> Vec<&Written>;

    /// Files that are this attempt's alone, to be deleted if another one counts.
    fn own_files(&self) -> Vec<&str>;
}

impl Claim for UnitClaim {
    fn files(&self) -> Vec<&Written> {
        self.rows.iter().collect()
    }

    fn own_files(&self) -> Vec<&str> {
        self.rows.iter().map(|file| file.path.as_str()).collect()
    }
}

impl Claim for TileClaim {
    fn files(&self) -> Vec<&Written> {
        self.border.iter().chain([&self.leaf]).collect()
    }

    fn own_files(&self) -> Vec<&str> {
        self.border.iter().map(|file| file.path.as_str()).collect()
    }
}

impl Claim for PartClaim {
    fn files(&self) -> Vec<&Written> {
        self.files.iter().collect()
    }

    // Everybody writes the same under the same names.
    fn own_files(&self) -> Vec<&str> {
        Vec::new()
    }
}

impl Claim for Checked {
    fn files(&self) -> Vec<&Written> {
        Vec::new()
    }

    fn own_files(&self) -> Vec<&str> {
        Vec::new()
    }
}
