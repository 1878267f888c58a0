//! HATS catalogues (IVOA note HATS 1.0) as tables: a folder with properties whose rows are under `dataset/`.

use std::sync::Arc;

use datafusion::{
    common::{DataFusionError, Result},
    datasource::listing::ListingTableUrl,
};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};

use super::{lookup::may_be_folder, path_tables::of_store, stores::is_file_server};
use crate::error::{Error, ErrorKind};

/// Files that make a folder a catalogue; the second is the name of before HATS 0.3.
const PROPERTIES: [&str; 2] = ["hats.properties", "properties"];
const COLLECTION: &str = "collection.properties";
/// In a collection, the folder of its main catalogue.
const PRIMARY: &str = "hats_primary_table_url";
const DATASET: &str = "dataset";

/// The leaves of a catalogue.
#[derive(Debug)]
pub(super) struct Leaves {
    /// The folder `dataset`.
    pub(super) folder: Path,
    /// Its folders of leaves, one per order. What else lies there, as the thumbnail, repeats some rows.
    pub(super) orders: Vec<ListingTableUrl>,
}

/// The leaves of a catalogue or collection; `None` if the folder is neither.
pub(super) async fn leaves(store: &Arc<dyn ObjectStore>, url: &ListingTableUrl) -> Result<Option<Leaves>> {
    if !may_be_folder(url) || is_file_server(url.get_url()) {
        return Ok(None);
    }
    let mut folder = url.prefix().clone();
    if let Some(text) = read(store, &folder.clone().join(COLLECTION)).await? {
        let primary = property(&text, PRIMARY).ok_or_else(|| -> DataFusionError {
            Error::new(ErrorKind::Input, format!("the collection does not say what its catalogue is: no {PRIMARY}"))
                .at("file", format!("{folder}/{COLLECTION}"))
                .into()
        })?;
        folder = folder.parts().chain(Path::from(primary).parts()).collect();
    }
    for name in PROPERTIES {
        if read(store, &folder.clone().join(name)).await?.is_some() {
            let dataset = folder.clone().join(DATASET);
            let orders = orders(store, url, &dataset).await?;
            return Ok(Some(Leaves { folder: dataset, orders }));
        }
    }
    Ok(None)
}

/// The folders `Norder=k` of a dataset.
async fn orders(store: &Arc<dyn ObjectStore>, url: &ListingTableUrl, dataset: &Path) -> Result<Vec<ListingTableUrl>> {
    let listed = store.list_with_delimiter(Some(dataset)).await;
    let listed = listed.map_err(|e| DataFusionError::ObjectStore(Box::new(e)))?;
    let mut folders = listed.common_prefixes;
    folders.retain(|folder| folder.filename().is_some_and(|name| name.starts_with("Norder=")));
    folders.sort();
    if folders.is_empty() {
        let error = Error::new(ErrorKind::Input, "the catalogue has no leaves").at("folder", dataset);
        return Err(error.hint("a HATS catalogue has its rows in dataset/Norder=…: fetch it again").into());
    }
    let url_of = |folder: Path| {
        let mut of_order = url.get_url().clone();
        of_order.set_path(&format!("/{folder}/"));
        ListingTableUrl::try_new(of_order, None).map(of_store)
    };
    folders.into_iter().map(url_of).collect()
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

/// A value of a Java properties file.
fn property(text: &str, key: &str) -> Option<String> {
    let lines = text.lines().filter(|l| !l.trim_start().starts_with('#'));
    let mut pairs = lines.filter_map(|l| l.split_once('='));
    pairs.find(|(k, _)| k.trim() == key).map(|(_, value)| value.trim().to_owned()).filter(|v| !v.is_empty())
}
