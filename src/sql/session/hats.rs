//! HATS catalogues (IVOA note HATS 1.0) as tables: a folder with properties whose rows are under `dataset/`.

use std::sync::Arc;

use datafusion::{
    common::{DataFusionError, Result},
    datasource::listing::ListingTableUrl,
};
use futures::TryStreamExt;
use lamcat_core::error::{Error, ErrorKind, without_secrets};
use lamcat_release::properties;
use object_store::{
    ObjectStore, ObjectStoreExt,
    path::{Path, PathPart},
};

use super::{
    names::{may_be_folder, of_store},
    stores::is_file_server,
};

/// Files that mark a folder as a catalogue; the second is the name used before HATS 0.3.
pub(super) const PROPERTIES: [&str; 2] = ["hats.properties", "properties"];
pub(super) const COLLECTION: &str = "collection.properties";
/// Key in the properties of a collection: the folder of its main catalogue.
pub(super) const PRIMARY: &str = "hats_primary_table_url";
/// What follows the number of the pixel in the name of a leaf: a suffix, or `/` if each leaf is a folder of files.
pub(super) const SUFFIX: (&str, &str) = ("hats_npix_suffix", ".parquet");
/// Key of the catalogue's type, which matters because an index stores its rows in a folder of its own.
pub(super) const KIND: &str = "dataproduct_type";
pub(super) const DATASET: &str = "dataset";
const INDEX: &str = "index";

/// The leaves of a catalogue.
#[derive(Debug)]
pub(super) struct Leaves {
    /// The folder `dataset`.
    pub(super) folder: Path,
    /// Its folders of leaves, one per order. Other files beside them, such as the thumbnail, repeat some of the rows.
    pub(super) orders: Vec<ListingTableUrl>,
    /// The suffix of the names of files with rows.
    pub(super) ending: String,
}

/// The leaves of a catalogue or collection; `None` if the folder is neither.
pub(super) async fn leaves(store: &Arc<dyn ObjectStore>, url: &ListingTableUrl) -> Result<Option<Leaves>> {
    if !may_be_folder(url) || is_file_server(url.get_url()) {
        return Ok(None);
    }
    let mut folder = url.prefix().clone();
    if let Some(text) = read(store, &folder.clone().join(COLLECTION)).await? {
        folder = primary(&folder, &text)?;
    }
    for name in PROPERTIES {
        if let Some(text) = read(store, &folder.clone().join(name)).await? {
            let dataset = folder.clone().join(DATASET);
            let is_index = properties::value(&text, KIND).is_some_and(|kind| kind == INDEX);
            let orders = if is_index { vec![dataset.clone().join(INDEX)] } else { orders(store, &dataset).await? };
            let suffix = properties::value(&text, SUFFIX.0).unwrap_or_else(|| SUFFIX.1.to_owned());
            let ending = ending(store, &orders, &suffix).await?;
            let orders = orders.into_iter().map(|folder| folder_url(url, &folder)).collect::<Result<_>>()?;
            return Ok(Some(Leaves { folder: dataset, orders, ending }));
        }
    }
    Ok(None)
}

/// The folder of a collection's main catalogue, according to the collection's properties.
pub(super) fn primary(collection: &Path, text: &str) -> Result<Path> {
    let wrong =
        |message: String| Error::new(ErrorKind::Input, message).at("file", format!("{collection}/{COLLECTION}"));
    let Some(primary) = properties::value(text, PRIMARY) else {
        return Err(wrong(format!("the collection does not say what its catalogue is: no {PRIMARY}")).into());
    };
    if primary.starts_with('/') || primary.contains("://") {
        let error = wrong(format!("the collection's catalogue is elsewhere: {}", without_secrets(&primary)));
        return Err(error.hint("open that catalogue itself").into());
    }
    let mut parts: Vec<PathPart<'_>> = collection.parts().collect();
    for part in primary.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(PathPart::from(part)),
        }
    }
    Ok(parts.into_iter().collect())
}

/// The folders `Norder=k` of a dataset.
async fn orders(store: &Arc<dyn ObjectStore>, dataset: &Path) -> Result<Vec<Path>> {
    let listed = store.list_with_delimiter(Some(dataset)).await;
    let listed = listed.map_err(|e| DataFusionError::ObjectStore(Box::new(e)))?;
    let mut folders = listed.common_prefixes;
    folders.retain(|folder| folder.filename().is_some_and(|name| name.starts_with("Norder=")));
    folders.sort();
    if folders.is_empty() { Err(no_leaves(dataset, "dataset/Norder=…")) } else { Ok(folders) }
}

fn no_leaves(dataset: &Path, place: &str) -> DataFusionError {
    let error = Error::new(ErrorKind::Input, "the catalogue has no leaves").at("folder", dataset);
    error.hint(format!("by its properties a catalogue has its rows in {place}: fetch it again")).into()
}

fn folder_url(url: &ListingTableUrl, folder: &Path) -> Result<ListingTableUrl> {
    let mut of_folder = url.get_url().clone();
    of_folder.set_path(&format!("/{folder}/"));
    ListingTableUrl::try_new(of_folder, None).map(of_store)
}

/// The suffix of the names of files with rows: the given suffix or, if leaves are folders, that of the first file in
/// one of them. It is an error if no file in the first folder has the suffix.
async fn ending(store: &Arc<dyn ObjectStore>, folders: &[Path], suffix: &str) -> Result<String> {
    let Some(first) = folders.first() else { return Ok(suffix.to_owned()) };
    let mut files = store.list(Some(first));
    while let Some(file) = files.try_next().await.map_err(|e| DataFusionError::ObjectStore(Box::new(e)))? {
        let name = file.location.filename().unwrap_or_default();
        if suffix != "/" && name.ends_with(suffix) {
            return Ok(suffix.to_owned());
        }
        let extension = name.rsplit_once('.').filter(|_| suffix == "/" && !name.starts_with(['_', '.']));
        if let Some((_, extension)) = extension {
            return Ok(format!(".{extension}"));
        }
    }
    Err(no_leaves(first, &format!("files Npix=…{suffix}")))
}

pub(super) async fn read(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<Option<String>> {
    match store.get(path).await {
        Ok(got) => {
            let bytes = got.bytes().await.map_err(|e| DataFusionError::ObjectStore(Box::new(e)))?;
            Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
        }
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(e) => Err(DataFusionError::ObjectStore(Box::new(e))),
    }
}
