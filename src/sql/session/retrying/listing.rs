//! Listings that continue after the last name received when a request fails.

use std::sync::Arc;

use futures::{
    TryStreamExt,
    stream::{BoxStream, StreamExt, try_unfold},
};
use object_store::{ObjectMeta, Result, path::Path};

use super::Remote;

/// A listing in progress.
struct Listing {
    remote: Arc<Remote>,
    prefix: Option<Path>,
    /// The last name received, or the point where the listing starts.
    last: Option<Path>,
    /// Whether names arrive in order; otherwise the listing cannot be continued.
    ordered: bool,
    objects: BoxStream<'static, Result<ObjectMeta>>,
}

/// The names that the store lists below `prefix`, after `offset`.
pub(super) fn listed(
    remote: Arc<Remote>,
    prefix: Option<Path>,
    offset: Option<Path>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let objects = open(&remote, prefix.as_ref(), offset.as_ref());
    let listing = Listing { remote, prefix, last: offset, ordered: true, objects };
    try_unfold(listing, |mut listing| async move { Ok(listing.next().await?.map(|object| (object, listing))) }).boxed()
}

fn open(remote: &Remote, prefix: Option<&Path>, after: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
    match after {
        Some(after) => remote.store.list_with_offset(prefix, after),
        None => remote.store.list(prefix),
    }
}

impl Listing {
    async fn next(&mut self) -> Result<Option<ObjectMeta>> {
        let mut patience = self.remote.patience("LIST", self.prefix.as_ref());
        loop {
            match self.objects.try_next().await {
                Ok(None) => return Ok(None),
                Ok(Some(object)) => {
                    self.ordered &= self.last.as_ref().is_none_or(|last| *last < object.location);
                    self.last = Some(object.location.clone());
                    return Ok(Some(object));
                }
                Err(e) if self.ordered && patience.allows(&e).await => {
                    self.objects = open(&self.remote, self.prefix.as_ref(), self.last.as_ref());
                }
                Err(e) => return Err(e),
            }
        }
    }
}
