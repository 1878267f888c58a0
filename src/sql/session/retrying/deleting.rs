//! Deletes files, and repeats requests until the files are gone.

use std::sync::Arc;

use futures::{
    TryStreamExt,
    stream::{self, BoxStream, StreamExt},
};
use lamcat_core::error::is_transient;
use object_store::{Error, Result, path::Path};

use super::Remote;

/// Number of files that are deleted by one request: the greatest number that every store accepts.
const TOGETHER: usize = 250;
/// Number of requests at once.
const AT_ONCE: usize = 10;

/// Deletes `paths`, and returns each path that is gone.
pub(super) fn deleted(
    remote: Arc<Remote>,
    paths: BoxStream<'static, Result<Path>>,
) -> BoxStream<'static, Result<Path>> {
    let chunks = paths.try_chunks(TOGETHER).map(move |chunk| {
        let remote = remote.clone();
        async move {
            let chunk = chunk.map_err(|e| e.1)?;
            Ok::<_, Error>(stream::iter(delete(&remote, chunk).await))
        }
    });
    chunks.buffered(AT_ONCE).try_flatten().boxed()
}

/// Deletes `paths`; returns the result for each of them, or one error for all.
async fn delete(remote: &Remote, mut paths: Vec<Path>) -> Vec<Result<Path>> {
    let mut patience = remote.patience("DELETE", paths.first());
    let mut done = Vec::with_capacity(paths.len());
    loop {
        let request = stream::iter(paths.clone().into_iter().map(Ok)).boxed();
        let answers: Vec<Result<Path>> = remote.store.delete_stream(request).collect().await;
        let answered = sorted(answers, paths, patience.attempts() > 1);
        done.extend(answered.done);
        let Some((e, left)) = answered.left else { return done };
        if !patience.allows(&e).await {
            done.push(Err(e));
            return done;
        }
        paths = left;
    }
}

/// The answer of the store.
struct Answered {
    /// The final results.
    done: Vec<Result<Path>>,
    /// The paths to request again, and the reason.
    left: Option<(Error, Vec<Path>)>,
}

/// Sorts the answers to a request to delete `paths`. If the request was repeated (`again`), files that are not found
/// had been deleted before.
fn sorted(answers: Vec<Result<Path>>, paths: Vec<Path>, again: bool) -> Answered {
    if answers.len() != paths.len() {
        // A request that fails as a whole has a single answer for all paths.
        return match answers.into_iter().find_map(Result::err) {
            Some(e) if is_transient(&e) => Answered { done: Vec::new(), left: Some((e, paths)) },
            Some(e) => Answered { done: vec![Err(e)], left: None },
            None => Answered { done: paths.into_iter().map(Ok).collect(), left: None },
        };
    }
    let (mut done, mut left, mut why) = (Vec::new(), Vec::new(), None);
    for (path, answer) in paths.into_iter().zip(answers) {
        match answer {
            Err(Error::NotFound { .. }) if again => done.push(Ok(path)),
            Err(e) if is_transient(&e) => {
                left.push(path);
                why.get_or_insert(e);
            }
            answer => done.push(answer),
        }
    }
    Answered { done, left: why.map(|e| (e, left)) }
}
