//! Lists everything in a folder.
//!
//! Everything with a name is listed except unfinished files: other code decides which names are tables. Entries that
//! cannot be read, such as pipes, dangling links and names with line breaks, are listed too: nobody would notice if
//! they were left out, and an error here would concern files that were not asked for. Opening such an entry is an error
//! ([`unreadable`]).

use std::{
    collections::{BTreeSet, VecDeque},
    fs::Metadata,
    io,
    path::{Path as FilePath, PathBuf},
    time::SystemTime,
};

use futures::stream::{self, BoxStream, StreamExt};
use object_store::{
    Error, ListResult, ObjectMeta, Result,
    path::{Path, PathPart},
};
use walkdir::{DirEntry, WalkDir};

use super::{blocking::on_disk, is_unfinished};

/// Number of files that are examined before the first of them is passed on.
const CHUNK: usize = 1024;
/// The size reported for an entry that cannot be read; any size but 0 would do.
const ANY_SIZE: u64 = 4096;

/// Every file below a folder.
pub(super) fn files(folder: PathBuf) -> BoxStream<'static, Result<ObjectMeta>> {
    let walk = WalkDir::new(folder).min_depth(1).follow_links(true).into_iter();
    let listed = walk.filter_map(|entry| match listed(entry) {
        Ok(Some(Listed::File(object))) => Some(Ok(object)),
        Ok(_) => None,
        Err(e) => Some(Err(e)),
    });
    let chunks = stream::try_unfold((listed, VecDeque::new()), |(mut listed, mut chunk)| async move {
        if chunk.is_empty() {
            (listed, chunk) = on_disk(move || {
                chunk.extend(listed.by_ref().take(CHUNK));
                Ok((listed, chunk))
            })
            .await?;
        }
        let next: Option<Result<ObjectMeta>> = chunk.pop_front();
        next.transpose().map(|next| next.map(|object| (object, (listed, chunk))))
    });
    chunks.boxed()
}

/// Returns the files and folders in a folder.
pub(super) async fn entries(folder: PathBuf) -> Result<ListResult> {
    on_disk(move || {
        let (mut objects, mut folders) = (Vec::new(), BTreeSet::new());
        for entry in WalkDir::new(folder).min_depth(1).max_depth(1).follow_links(true) {
            match listed(entry)? {
                Some(Listed::File(object)) => objects.push(object),
                Some(Listed::Folder(path)) => drop(folders.insert(path)),
                None => {}
            }
        }
        Ok(ListResult { common_prefixes: folders.into_iter().collect(), objects })
    })
    .await
}

enum Listed {
    File(ObjectMeta),
    Folder(Path),
}

fn listed(entry: walkdir::Result<DirEntry>) -> Result<Option<Listed>> {
    let (path, metadata) = match entry {
        Ok(entry) => (entry.path().to_owned(), entry.metadata().ok()),
        // A link to a folder above: the files are listed there.
        Err(e) if e.loop_ancestor().is_some() => return Ok(None),
        Err(e) if e.io_error().is_some_and(|e| e.kind() == io::ErrorKind::NotFound) => {
            let Some(path) = e.path().map(FilePath::to_owned) else { return Ok(None) };
            // The folder itself does not exist, or the file was removed meanwhile.
            if std::fs::symlink_metadata(&path).is_err() {
                return Ok(None);
            }
            (path, None)
        }
        Err(e) => return Err(Error::Generic { store: "local files", source: Box::new(e) }),
    };
    if path.file_name().and_then(|name| name.to_str()).is_some_and(is_unfinished) {
        return Ok(None);
    }
    let location = location(&path);
    if metadata.as_ref().is_some_and(Metadata::is_dir) {
        return Ok(Some(Listed::Folder(location)));
    }
    Ok(Some(Listed::File(object(location, metadata.as_ref()))))
}

fn object(location: Path, metadata: Option<&Metadata>) -> ObjectMeta {
    let file = metadata.filter(|m| m.is_file());
    let modified = metadata.and_then(|m| m.modified().ok()).unwrap_or(SystemTime::UNIX_EPOCH);
    let (size, e_tag) = (file.map_or(ANY_SIZE, Metadata::len), None);
    ObjectMeta { location, last_modified: modified.into(), size, e_tag, version: None }
}

/// Returns a file's path in the store, or a path with another name if stores do not allow its own.
fn location(path: &FilePath) -> Path {
    Path::from_absolute_path(path).unwrap_or_else(|_| {
        let parts = path.iter().filter(|part| *part != "/").map(|part| part.to_string_lossy().into_owned());
        parts.map(PathPart::from).collect()
    })
}

/// Returns the reason why an existing path cannot be read; `None` if it can be read or does not exist.
pub(super) fn unreadable(path: &FilePath) -> Option<Error> {
    let not_found = |source: String| Error::NotFound { path: path.display().to_string(), source: source.into() };
    match std::fs::metadata(path) {
        Ok(is) if is.is_file() || is.is_dir() => None,
        Ok(_) => {
            let source =
                format!("{} is a pipe, a socket or a device, not a file: copy what it gives to one", path.display());
            Some(Error::Generic { store: "local files", source: source.into() })
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => match std::fs::read_link(path) {
            Ok(to) => Some(not_found(format!("it is a link to {}, which is not there", to.display()))),
            Err(_) if path.to_string_lossy().contains(['%', '\u{fffd}']) => Some(not_found(
                "no file has this name; files with line breaks in their names must be renamed".to_owned(),
            )),
            Err(_) => None,
        },
        Err(_) => None,
    }
}
