//! Arrow files from the time before their compression was standard.

use std::sync::Arc;

use datafusion::common::Result;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use crate::{
    error::{Error, ErrorKind},
    sources::display_path,
};

/// By this word Arrow 0.17 said that buffers are compressed. What does not know it takes their bytes for values.
const OLD_COMPRESSION: &[u8] = b"ARROW:experimental_compression";
/// Where the word stands at the latest: with the first batch, behind the columns' descriptions.
const LOOKED_AT: u64 = 64 << 10;
const AT_ONCE: usize = 8;

/// Refuses files whose values would be read as what they are not.
pub(super) async fn refuse(store: &Arc<dyn ObjectStore>, files: &[ObjectMeta]) -> Result<()> {
    let looks = files.iter().cloned().map(|file| {
        let store = store.clone();
        async move { look_at(&store, &file).await }
    });
    stream::iter(looks).buffered(AT_ONCE).try_collect().await
}

async fn look_at(store: &Arc<dyn ObjectStore>, file: &ObjectMeta) -> Result<()> {
    let begin = store.get_range(&file.location, 0..file.size.min(LOOKED_AT)).await?;
    if memchr::memmem::find(&begin, OLD_COMPRESSION).is_none() {
        return Ok(());
    }
    let error =
        Error::new(ErrorKind::Input, "the file is compressed as Arrow 0.17 did it, before there was a standard");
    Err(error.at("file", display_path(store, file)).hint("write it anew, e.g. with pyarrow's feather module").into())
}
