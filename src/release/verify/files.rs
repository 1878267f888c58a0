//! The files against the manifest.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use sha2::{Digest, Sha256};

use super::{Check, Fault};
use crate::{
    error::{Error, ErrorKind, Result},
    release::{assemble::Manifest, parquet_file::Written, paths, publish, storage::Storage},
};

/// Looks for files that are missing, too many, or have other bytes.
pub(super) async fn check(storage: &Storage, folder: &str, manifest: &Manifest, faults: &mut Vec<Fault>) -> Result<()> {
    let too_many = sizes(storage, folder, manifest, faults).await?;
    for file in &manifest.files {
        let known = faults.iter().any(|fault| fault.file == file.path);
        if !known && hash(storage, folder, file).await? != file.sha256 {
            faults.push(fault(&file.path, "the file's bytes are not those that were written"));
        }
    }
    faults.extend(too_many.iter().map(|file| fault(file, "the file is not of the release")));
    published(storage, folder, faults).await
}

/// Looks for files that are missing or have another size; gives those that the manifest does not name.
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

/// Whether the manifest is the one that was published, if the release was.
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

async fn hash(storage: &Storage, folder: &str, file: &Written) -> Result<String> {
    let path = format!("{folder}/{}", file.path);
    let failed = |e| Error::new(ErrorKind::Io, "cannot read the file").at("file", storage.shown(&path)).source(e);
    let mut bytes = storage.store().get(&storage.path(&path)).await.map_err(failed)?.into_stream();
    let mut hash = Sha256::new();
    while let Some(part) = bytes.try_next().await.map_err(failed)? {
        hash.update(&part);
    }
    Ok(format!("{:x}", hash.finalize()))
}
