//! HATS catalogues (IVOA note HATS 1.0) as tables: a folder with properties whose rows are under `dataset/`.

use std::sync::Arc;

use datafusion::{
    common::{DataFusionError, Result},
    datasource::listing::ListingTableUrl,
};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};

use crate::error::{Error, ErrorKind};

/// Files that make a folder a catalogue; the second is the name of before HATS 0.3.
const PROPERTIES: [&str; 2] = ["hats.properties", "properties"];
const COLLECTION: &str = "collection.properties";
/// In a collection, the folder of its main catalogue.
const PRIMARY: &str = "hats_primary_table_url";
const DATASET: &str = "dataset";

/// The rows of a catalogue or collection; `None` if the folder is neither.
pub(super) async fn dataset(store: &Arc<dyn ObjectStore>, url: &ListingTableUrl) -> Result<Option<ListingTableUrl>> {
    let is_file = url.prefix().filename().is_some_and(|name| name.contains('.'));
    if url.get_glob().is_some() || (is_file && !url.is_collection()) || url.scheme().starts_with("http") {
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
            let mut of_dataset = url.get_url().clone();
            of_dataset.set_path(&format!("/{folder}/{DATASET}/"));
            return ListingTableUrl::try_new(of_dataset, None).map(Some);
        }
    }
    Ok(None)
}

async fn read(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<Option<String>> {
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
