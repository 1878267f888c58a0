//! HATS catalogues on file servers. Their folders cannot be listed, so the leaves are those named by the catalogue's
//! own list, `partition_info.csv`.

use std::sync::Arc;

use datafusion::{
    common::{DataFusionError, Result},
    datasource::listing::ListingTableUrl,
};
use futures::{StreamExt, TryStreamExt, stream};
use lamcat_core::error::{Error, ErrorKind};
use lamcat_release::properties;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};

use super::{
    hats::{COLLECTION, DATASET, KIND, PRIMARY, PROPERTIES, SUFFIX, primary},
    names::{may_be_folder, url_of},
    stores::is_file_server,
};

/// The list of leaves, with the columns [`ORDER`] and [`PIXEL`].
const LIST: &str = "partition_info.csv";
const ORDER: &str = "Norder";
const PIXEL: &str = "Npix";
/// The key that was used instead of [`KIND`] before HATS 0.3.
const OLD_KIND: &str = "catalog_type";
/// Number of pixels in one folder `Dir`.
const PIXELS_OF_FOLDER: u64 = 10_000;
/// Number of files that are requested at once.
const AT_ONCE: usize = 16;

/// The folder with the rows, and the leaves in it; `None` if the address is not that of a catalogue on a file server.
pub(super) async fn leaves(
    store: &Arc<dyn ObjectStore>,
    url: &ListingTableUrl,
) -> Result<Option<(ListingTableUrl, Vec<ObjectMeta>)>> {
    if !may_be_folder(url) || !is_file_server(url.get_url()) {
        return Ok(None);
    }
    let mut folder = url.prefix().clone();
    if let Some(text) = read(store, &folder.clone().join(COLLECTION)).await
        && properties::value(&text, PRIMARY).is_some()
    {
        folder = primary(&folder, &text)?;
    }
    for name in PROPERTIES {
        let Some(text) = read(store, &folder.clone().join(name)).await else { continue };
        // A server may answer with an error page for a name that it does not know.
        if properties::value(&text, KIND).or_else(|| properties::value(&text, OLD_KIND)).is_none() {
            continue;
        }
        let suffix = properties::value(&text, SUFFIX.0).unwrap_or_else(|| SUFFIX.1.to_owned());
        let objects = listed(store, &folder, &suffix).await?;
        return Ok(Some((url_of(url, &folder.join(DATASET), true)?, objects)));
    }
    Ok(None)
}

/// The leaves that the list of a catalogue names.
async fn listed(store: &Arc<dyn ObjectStore>, folder: &Path, suffix: &str) -> Result<Vec<ObjectMeta>> {
    let cannot = |what: String| {
        let error = Error::new(ErrorKind::Input, what).at("catalogue", format!("/{folder}"));
        error.hint("a server of files cannot be listed: copy the catalogue, or read it from its bucket; a leaf is read by its address")
    };
    if suffix == "/" {
        return Err(cannot("the leaves of the catalogue are folders".to_owned()).into());
    }
    let list = folder.clone().join(LIST);
    let text = read(store, &list).await.ok_or_else(|| cannot(format!("the catalogue has no {LIST}")))?;
    let leaves = parse(&text).ok_or_else(|| cannot(format!("{LIST} does not name leaves by {ORDER} and {PIXEL}")))?;
    let heads = leaves.into_iter().map(|(order, pixel)| {
        let first = pixel / PIXELS_OF_FOLDER * PIXELS_OF_FOLDER;
        let dataset = folder.clone().join(DATASET).join(format!("Norder={order}")).join(format!("Dir={first}"));
        let path = dataset.join(format!("Npix={pixel}{suffix}"));
        async move { store.head(&path).await.map_err(|e| DataFusionError::ObjectStore(Box::new(e))) }
    });
    let mut objects: Vec<ObjectMeta> = stream::iter(heads).buffered(AT_ONCE).try_collect().await?;
    objects.sort_by(|a, b| a.location.cmp(&b.location));
    Ok(objects)
}

/// The orders and pixels in a list; `None` if the text is not such a list.
fn parse(text: &str) -> Option<Vec<(u8, u64)>> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let names: Vec<&str> = lines.next()?.split(',').map(str::trim).collect();
    let place = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
    let (order, pixel) = (place(ORDER)?, place(PIXEL)?);
    let leaf = |line: &str| {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        Some((cells.get(order)?.parse().ok()?, cells.get(pixel)?.parse().ok()?))
    };
    lines.map(leaf).collect::<Option<Vec<_>>>().filter(|leaves| !leaves.is_empty())
}

/// A text from a server; `None` if the server does not return one, for whatever reason. Its answers for unknown names
/// are not reliable.
pub(super) async fn read(store: &Arc<dyn ObjectStore>, path: &Path) -> Option<String> {
    let got = store.get(path).await.ok()?;
    Some(String::from_utf8_lossy(&got.bytes().await.ok()?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_name_their_columns_in_any_order() {
        assert_eq!(parse("Norder,Dir,Npix\n1,0,45\n 10 , 10000 , 12345 \n"), Some(vec![(1, 45), (10, 12_345)]));
        assert_eq!(parse("Npix,num_rows,Norder\r\n7,5,0\r\n"), Some(vec![(0, 7)]));
        for other in ["", "Norder,Npix\n", "a,b\n1,2\n", "Norder,Npix\n1,x\n", "<html>"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
