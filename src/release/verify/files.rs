//! The files against the manifest.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use object_store::ObjectStoreExt;
use sha2::{Digest, Sha256};

use super::{Check, Fault};
use crate::{
    error::{Error, ErrorKind, Result},
    release::{assemble::Manifest, parquet_file::Written, paths, storage::Storage},
};

/// Looks for files that are missing, too many, or have other bytes.
pub(super) async fn check(storage: &Storage, folder: &str, manifest: &Manifest, faults: &mut Vec<Fault>) -> Result<()> {
    let mut fault = |file: &str, what: String| faults.push(Fault { check: Check::Files, file: file.to_owned(), what });
    let below = |path: &str| path.strip_prefix(folder).map_or(path, |p| p.trim_start_matches('/')).to_owned();
    let listed = storage.list(folder).await?;
    let mut there: BTreeMap<String, u64> = listed.into_iter().map(|file| (below(&file.path), file.bytes)).collect();
    there.remove(paths::MANIFEST);
    for file in &manifest.files {
        match there.remove(&file.path) {
            None => fault(&file.path, "the file is missing".into()),
            Some(bytes) if bytes != file.bytes => {
                fault(&file.path, format!("the file has {bytes} bytes in place of {}", file.bytes));
            }
            Some(_) if hash(storage, folder, file).await? != file.sha256 => {
                fault(&file.path, "the file's bytes are not those that were written".into());
            }
            Some(_) => {}
        }
    }
    for file in there.keys() {
        fault(file, "the file is not of the release".into());
    }
    Ok(())
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
