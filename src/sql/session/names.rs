//! What the name of a file or folder says about it: whether it is a table, is hidden, or may be a folder.

use std::path::Path as FilePath;

use datafusion::{
    common::{Result, TableReference},
    datasource::listing::ListingTableUrl,
};
use lamcat_formats::{ArchiveFormat, Bundle, COMPRESSED};
use object_store::path::Path;

/// The name of standard input.
pub(super) const STDIN: &str = "-";
/// Characters that make a path a glob.
pub(super) const GLOB_CHARACTERS: [char; 3] = ['*', '?', '['];
/// Suffixes of table files that are not among the archive formats.
const OTHER_ENDINGS: [&str; 4] = ["parquet", "parq", "pq", "avro"];

/// Whether a URL may be that of a folder, judging by its name.
pub(super) fn may_be_folder(url: &ListingTableUrl) -> bool {
    let is_file = url.prefix().filename().is_some_and(|name| is_table_name(name) || Bundle::of_name(name).is_some());
    let is_local_file = url.scheme() == "file" && !url.is_collection() && FilePath::new(url.get_url().path()).is_file();
    url.is_collection() || !(is_file || is_local_file)
}

/// The URL of a file or folder in the same store as `url`.
pub(super) fn url_of(url: &ListingTableUrl, path: &Path, is_folder: bool) -> Result<ListingTableUrl> {
    let mut of_path = url.get_url().clone();
    of_path.set_query(None);
    if let Ok(mut segments) = of_path.path_segments_mut() {
        segments.clear();
        segments.extend(path.parts().map(|part| part.as_ref().to_owned()));
        if is_folder {
            segments.push("");
        }
    }
    Ok(of_store(ListingTableUrl::try_new(of_path, None)?))
}

/// The URL with the name of its store. DataFusion caches listings and statistics by this name and the path, and two
/// stores may have files with the same path.
pub(super) fn of_store(url: ListingTableUrl) -> ListingTableUrl {
    if url.scheme() == "file" {
        return url;
    }
    let store = TableReference::bare(url.object_store().as_str());
    url.with_table_ref(store)
}

/// Whether no part of a path below `base` is hidden, apart from those that `parts` of a glob name.
pub(super) fn is_shown(base: &Path, path: &Path, parts: &[&str]) -> bool {
    let named = |first: char| parts.iter().any(|part| part.starts_with(first));
    let mut below = path.prefix_match(base).into_iter().flatten();
    below.all(|part| !part.as_ref().starts_with(['_', '.']) || part.as_ref().starts_with(named))
}

/// Whether a file is a table, judging by its name.
pub(super) fn is_table(path: &Path) -> bool {
    path.filename().is_some_and(is_table_name)
}

fn is_table_name(name: &str) -> bool {
    table_ending(name).is_some()
}

/// The suffix of a table's name, including that of its compression; `None` if it does not have a table's name.
#[must_use]
pub fn table_ending(name: &str) -> Option<&str> {
    if let Some((_, ending)) = ArchiveFormat::of_name(name) {
        return Some(&name[name.len() - ending.len()..]);
    }
    let lower = name.to_lowercase();
    let stem = COMPRESSED.iter().find_map(|ending| lower.strip_suffix(ending)).unwrap_or(&lower);
    let ending = FilePath::new(stem).extension()?.to_str()?;
    OTHER_ENDINGS.contains(&ending).then(|| &name[stem.len() - ending.len() - 1..])
}
