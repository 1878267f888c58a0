//! Claims: the records in which attempts at the tasks of a run write down what they made.

use lamcat_release::{arrange::TileClaim, parquet_file::Written, parts::PartClaim, units::UnitClaim, verify::Checked};
use serde::{Serialize, de::DeserializeOwned};

/// A claim: the record of what an attempt at a task made.
pub(super) trait Claim: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The files that it names.
    fn files(&self) -> Vec<&Written>;

    /// The files that belong to this attempt alone; they are deleted if another attempt counts.
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

    // All attempts write the same content under the same names.
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
