//! Compares the files with the manifest.

use std::collections::BTreeMap;

use datafusion::common::runtime::SpawnedTask;
use futures::{StreamExt, TryStreamExt};
use lamcat_core::error::{Error, ErrorKind, Result};
use sha2::{Digest, Sha256};

use super::{Check, Checked, Fault};
use crate::{assemble::Manifest, damage::hash, dataset::tables_at_once, paths, publish, storage::Storage};

/// Reports files that are missing, unlisted or changed.
pub(super) async fn check(
    storage: &Storage,
    folder: &str,
    manifest: &Manifest,
    known: &Checked,
    faults: &mut Vec<Fault>,
) -> Result<()> {
    let too_many = sizes(storage, folder, manifest, faults).await?;
    let whole = manifest.files.iter().filter(|file| faults.iter().all(|fault| fault.file != file.path));
    let whole = whole.filter(|file| !known.has_bytes(&file.path));
    let hashes: Vec<_> = whole
        .map(|file| {
            let (storage, path, file) = (storage.clone(), format!("{folder}/{}", file.path), file.clone());
            async move {
                let hash = SpawnedTask::spawn(async move { hash(&storage, &path).await }).join().await;
                hash.map(|hash| (file, hash))
            }
        })
        .collect();
    let lost = |e| Error::new(ErrorKind::Internal, "a check ended before its time").source(e);
    let mut hashes = futures::stream::iter(hashes).buffered(tables_at_once());
    while let Some((file, hash)) = hashes.try_next().await.map_err(lost)? {
        if hash? != file.sha256 {
            faults.push(fault(&file.path, "the file's bytes are not those that were written"));
        }
    }
    faults.extend(too_many.iter().map(|file| fault(file, "the file is not in the release's manifest")));
    published(storage, folder, faults).await
}

/// Reports files that are missing or have another size; returns those that the manifest does not name.
pub(super) async fn sizes(
    storage: &Storage,
    folder: &str,
    manifest: &Manifest,
    faults: &mut Vec<Fault>,
) -> Result<Vec<String>> {
    let below = |path: &str| path.strip_prefix(folder).map_or(path, |p| p.trim_start_matches('/')).to_owned();
    let listed = storage.list(folder).await?;
    let mut there: BTreeMap<String, u64> = listed.into_iter().map(|file| (below(&file.path), file.bytes)).collect();
    there.remove(paths::MANIFEST);
    for file in &manifest.files {
        match there.remove(&file.path) {
            None => faults.push(fault(&file.path, "the file is missing")),
            Some(bytes) if bytes != file.bytes => {
                faults.push(fault(&file.path, format!("the file has {bytes} bytes in place of {}", file.bytes)));
            }
            Some(_) => {}
        }
    }
    Ok(there.into_keys().collect())
}

/// If the release was published, checks that its manifest is the one that was published.
async fn published(storage: &Storage, folder: &str, faults: &mut Vec<Fault>) -> Result<()> {
    let log = publish::log(storage).await?;
    let Some(entry) = log.iter().rfind(|entry| entry.folder == folder) else { return Ok(()) };
    let bytes = storage.require(&format!("{folder}/{}", paths::MANIFEST)).await?;
    if format!("{:x}", Sha256::digest(&bytes)) != entry.manifest_sha256 {
        faults.push(fault(paths::MANIFEST, "the manifest is not the one that was published"));
    }
    Ok(())
}

fn fault(file: &str, what: impl Into<String>) -> Fault {
    Fault { check: Check::Files, file: file.to_owned(), what: what.into() }
}
