//! Verifies a release in parts: several runners each check some of its files, and the runner that combines the results
//! trusts what the others found to be good. Files that were not good are checked again by every runner, which then
//! reports the faults.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use lamcat_core::error::Result;
use serde::{Deserialize, Serialize};

use super::{
    Verifier,
    index::Read,
    rows::{Leaves, Part, Sums},
};
use crate::{assemble::Manifest, damage::hash, parquet_file::Written, paths, storage::Storage, tiles::Tile};

/// Bytes of the files of a group, as long as there are not too many groups.
const GROUP_BYTES: u64 = 8 << 20;
/// Number of groups in a large release.
const GROUPS: u64 = 64;

/// What was found to be good in a release: files with the right bytes, and leaves and indices without faults. It is
/// valid as long as these files are not written again.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Checked {
    /// The time at which each checked file had been written.
    files: BTreeMap<String, DateTime<Utc>>,
    leaves: BTreeMap<String, Sums>,
    indices: BTreeMap<String, Read>,
}

impl Checked {
    /// Adds the results of another runner.
    pub fn merge(&mut self, other: Self) {
        self.files.extend(other.files);
        self.leaves.extend(other.leaves);
        self.indices.extend(other.indices);
    }

    /// Whether all results are about the files that are there now.
    #[must_use]
    pub fn is_of(&self, now: &Times) -> bool {
        self.files.iter().all(|(file, written)| now.get(file) == Some(written))
    }

    /// The results that are about the files that are there now.
    pub(super) fn of(mut self, now: &Times) -> Self {
        self.files.retain(|file, written| now.get(file) == Some(written));
        let files = &self.files;
        self.leaves.retain(|file, _| files.contains_key(file));
        self.indices.retain(|name, _| {
            let folder = format!("{name}/");
            let mut parts = now.keys().filter(|file| file.starts_with(&folder) && paths::is_table(file));
            parts.all(|file| files.contains_key(file))
        });
        self
    }

    /// Whether a file is known to have the right bytes.
    pub(super) fn has_bytes(&self, file: &str) -> bool {
        self.files.contains_key(file)
    }

    /// The sums of a leaf, if it was found without faults.
    pub(super) fn leaf(&self, file: &str) -> Option<Sums> {
        self.leaves.get(file).cloned()
    }

    /// The content of an index, if it was found without faults.
    pub(super) fn index(&self, name: &str) -> Option<Read> {
        self.indices.get(name).copied()
    }
}

/// When each file of a release was written, by its path relative to the release's folder.
pub type Times = HashMap<String, DateTime<Utc>>;

/// Looks up when the files of the release in `folder` were written.
///
/// # Errors
/// If the store fails.
pub async fn times(storage: &Storage, folder: &str) -> Result<Times> {
    let below = |path: &str| path.strip_prefix(folder).map_or(path, |p| p.trim_start_matches('/')).to_owned();
    Ok(storage.list(folder).await?.into_iter().map(|file| (below(&file.path), file.modified)).collect())
}

/// Divides the tables of a release into groups of about the same size. The other files are small, and the runner that
/// finishes a release writes them again.
#[must_use]
pub fn groups(manifest: &Manifest) -> Vec<Vec<Written>> {
    let tables = || manifest.files.iter().filter(|file| paths::is_table(&file.path));
    let bytes: u64 = tables().map(|file| file.bytes).sum();
    let most = (bytes / GROUPS).max(GROUP_BYTES);
    let (mut groups, mut in_group) = (vec![Vec::new()], 0);
    for file in tables() {
        if in_group > 0 && in_group + file.bytes > most {
            groups.push(Vec::new());
            in_group = 0;
        }
        in_group += file.bytes;
        if let Some(group) = groups.last_mut() {
            group.push(file.clone());
        }
    }
    groups
}

/// Checks some files of the release in `folder`.
///
/// # Errors
/// If the store fails; faults of a file are not an error.
pub async fn check_group(storage: &Storage, folder: &str, manifest: &Manifest, group: &[Written]) -> Result<Checked> {
    let verifier = Verifier::new(storage, folder, manifest, Checked::default());
    let (mut checked, written) = (Checked::default(), times(storage, folder).await?);
    let declared = verifier.declared(manifest).await?;
    let main = Part::Main(declared.margin, declared.indices.iter().map(|(column, _)| column.clone()).collect());
    // Faults of a schema are reported by the runner that combines the results.
    let main = verifier.leaves_of(&manifest.name, main, &mut Vec::new()).await?;
    let margin_name = declared.margin_name.unwrap_or_default();
    let margin = verifier.leaves_of(&margin_name, Part::Margin, &mut Vec::new()).await?;
    for file in group {
        let Some(written) = written.get(&file.path) else { continue };
        if hash(storage, &format!("{folder}/{}", file.path)).await.is_ok_and(|hash| hash == file.sha256) {
            checked.files.insert(file.path.clone(), *written);
        }
        if let Some(tile) = tile_of(&manifest.name, file) {
            checked.leaf_of(&main, tile, file).await?;
        } else if let Some(tile) = tile_of(&margin_name, file) {
            checked.leaf_of(&margin, tile, file).await?;
        }
        for (column, name) in &declared.indices {
            if file.path == format!("{name}/{}", paths::index_part(0)) {
                let (read, faults) = verifier.read_index(manifest, column, name, &declared.tiling).await?;
                checked.indices.extend(faults.is_empty().then(|| (name.clone(), read)));
            }
        }
    }
    Ok(checked)
}

impl Checked {
    async fn leaf_of(&mut self, leaves: &Leaves, tile: Tile, file: &Written) -> Result<()> {
        let (sums, faults) = leaves.check(tile, &file.path).await?;
        self.leaves.extend(faults.is_empty().then(|| (file.path.clone(), sums)));
        Ok(())
    }
}

/// The tile of a file, if the file is a leaf of the catalogue.
fn tile_of(catalogue: &str, file: &Written) -> Option<Tile> {
    paths::tile_of_leaf(file.path.strip_prefix(catalogue)?.strip_prefix('/')?)
}
