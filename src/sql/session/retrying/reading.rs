//! Response bodies that continue where they broke off.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{
    TryStreamExt,
    stream::{BoxStream, StreamExt, try_unfold},
};
use object_store::{Error, GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta, Result, path::Path};

use super::{Remote, policy::Patience};

/// A body that is being read.
struct Body {
    remote: Arc<Remote>,
    path: Path,
    options: GetOptions,
    /// The file that the first request found.
    meta: ObjectMeta,
    /// Bytes that have not arrived yet.
    left: Range<u64>,
    bytes: BoxStream<'static, Result<Bytes>>,
}

/// The same bytes; if the body breaks off, the rest is requested again.
pub(super) fn resumed(remote: Arc<Remote>, path: &Path, options: &GetOptions, got: GetResult) -> GetResult {
    let GetResultPayload::Stream(bytes) = got.payload else { return got };
    let body = Body {
        remote,
        path: path.clone(),
        options: options.clone(),
        meta: got.meta.clone(),
        left: got.range.clone(),
        bytes,
    };
    let bytes = try_unfold(body, |mut body| async move { Ok(body.next().await?.map(|bytes| (bytes, body))) });
    GetResult { payload: GetResultPayload::Stream(bytes.boxed()), ..got }
}

impl Body {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.left.is_empty() {
            return Ok(None);
        }
        let mut patience = self.remote.patience("reading on in", Some(&self.path));
        loop {
            let e = match self.bytes.try_next().await {
                Ok(Some(bytes)) if bytes.is_empty() => continue,
                Ok(Some(bytes)) => {
                    self.left.start += bytes.len() as u64;
                    return Ok(Some(bytes));
                }
                Ok(None) => self.cut_short(),
                Err(e) => e,
            };
            self.reopen(&mut patience, e).await?;
        }
    }

    /// Requests the remaining bytes after the body broke off with `e`.
    async fn reopen(&mut self, patience: &mut Patience, mut e: Error) -> Result<()> {
        while patience.allows(&e).await {
            match self.remote.store.get_opts(&self.path, self.rest()).await {
                Ok(got) if self.is_the_same(&got) => {
                    self.bytes = got.into_stream();
                    return Ok(());
                }
                Ok(_) => return Err(self.changed()),
                Err(again) => e = again,
            }
        }
        Err(e)
    }

    /// The request for the remaining bytes of the same file.
    fn rest(&self) -> GetOptions {
        // Weak tags never match.
        let tag = self.meta.e_tag.clone().filter(|tag| !tag.starts_with("W/"));
        GetOptions {
            range: Some(GetRange::Bounded(self.left.clone())),
            if_match: tag.or_else(|| self.options.if_match.clone()),
            if_none_match: None,
            if_modified_since: None,
            version: self.meta.version.clone().or_else(|| self.options.version.clone()),
            ..self.options.clone()
        }
    }

    fn is_the_same(&self, got: &GetResult) -> bool {
        let (before, now) = (&self.meta, &got.meta);
        let tagged = before.e_tag.is_some() && before.e_tag == now.e_tag;
        let dated = before.e_tag.is_none() && before.last_modified == now.last_modified;
        before.size == now.size && got.range == self.left && (tagged || dated)
    }

    fn cut_short(&self) -> Error {
        let cut = format!("{} ended {} bytes early", self.path, self.left.end - self.left.start);
        let cut = std::io::Error::new(std::io::ErrorKind::ConnectionAborted, cut);
        Error::Generic { store: "remote", source: Box::new(cut) }
    }

    fn changed(&self) -> Error {
        let source = "the file was changed while it was read; read it again".into();
        Error::Precondition { path: self.path.to_string(), source }
    }
}
