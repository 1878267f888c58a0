//! Finds the files that a quoted name refers to. The rules are the same wherever a table is named: in SQL, and for
//! `ingest`, `run`, `plot`, `train` and `eval`.
//!
//! - A file is read, whatever its name is; `FILE#2` and `FILE#NAME` refer to one of its tables.
//! - An archive, tar or zip, stands for the tables in it; `ARCHIVE#NAME` selects those with a name, which may contain
//!   wildcards.
//! - `-` is standard input, whose format is recognised by its first bytes.
//! - The folder of a catalogue stands for its rows: those in the leaves of a HATS catalogue or collection, or, for a
//!   folder of releases, those of the release that `LATEST` names.
//! - Any other folder stands for every table in it and in its subfolders named `key=value`; a remark is logged if other
//!   subfolders contain tables. Names that begin with `.` or `_` are hidden, and files whose names do not have a
//!   table's suffix (checksums, texts) are not tables.
//! - A glob stands for the tables that match it, one part of the path at a time: `*` and `?` do not match across
//!   folders, `**` matches folders at any depth. Hidden files and folders match if the glob contains the dot or
//!   underscore.
//! - All files must have the same format and compression; otherwise none is read.

use std::{path::Path as FilePath, sync::Arc};

use datafusion::{
    common::{DataFusionError, Result},
    datasource::listing::ListingTableUrl,
    execution::SessionState,
};
use futures::{StreamExt, TryStreamExt};
use glob::{MatchOptions, Pattern};
use lamcat_core::error::{Error, ErrorKind};
use lamcat_formats::{ArchiveFormat, Bundle, TableChoice, remark};
use lamcat_release::{paths::LATEST, publish::Current};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};
use url::Url;

use super::{
    bundles,
    found::{Files, Lookup},
    hats,
    names::{GLOB_CHARACTERS, STDIN, is_shown, is_table, may_be_folder, of_store, url_of},
    served,
    stores::{LazyStores, is_file_server},
};

const MATCHING: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: false };
/// Number of folders that are listed at once.
const FOLDERS_AT_ONCE: usize = 8;

/// A name, split into its parts.
#[derive(Debug)]
pub(super) struct Name {
    /// The file, or the folder in which files are searched.
    pub(super) url: ListingTableUrl,
    /// The pattern that the paths of files, relative to the folder, must match.
    pub(super) pattern: Option<String>,
    pub(super) choice: TableChoice,
}

impl Name {
    /// Splits a name into its parts.
    pub(super) fn new(stores: &LazyStores, name: &str) -> Result<Self> {
        check_separators(name)?;
        let (name, choice) = match name.rsplit_once('#') {
            Some((file, table)) if has_tables(file) && !FilePath::new(name).exists() => (file, table.parse()?),
            _ => (name, TableChoice::All),
        };
        let (url, pattern) = match stores.public_url(name)? {
            Some((url, pattern)) => (of_store(ListingTableUrl::try_new(url, None)?), pattern),
            None => local(name)?,
        };
        if let Some(pattern) = &pattern {
            let bad =
                |e: glob::PatternError| Error::new(ErrorKind::Input, format!("'{pattern}' is not a glob")).source(e);
            Pattern::new(pattern).map_err(bad)?;
        }
        Ok(Self { url, pattern, choice })
    }
}

/// Splits a path of this machine into the file or folder, and the glob below it.
fn local(name: &str) -> Result<(ListingTableUrl, Option<String>)> {
    let Some(at) = name.find(GLOB_CHARACTERS) else { return Ok((ListingTableUrl::parse(name)?, None)) };
    // The name of an existing file may look like a glob.
    if FilePath::new(name).is_file() {
        let bad = || Error::new(ErrorKind::Input, format!("'{name}' is no path"));
        let path = Url::from_file_path(std::path::absolute(name)?).map_err(|()| bad())?;
        let url = Url::parse(path.as_str()).map_err(|e| bad().source(e))?;
        return Ok((ListingTableUrl::try_new(url, None)?, None));
    }
    let (base, pattern) = name.split_at(name[..at].rfind('/').map_or(0, |slash| slash + 1));
    let base = if base.is_empty() { "./" } else { base };
    Ok((ListingTableUrl::parse(base)?, Some(pattern.to_owned())))
}

/// Whether a file's format allows several tables, judging by the file's name.
fn has_tables(file: &str) -> bool {
    Bundle::of_name(file).is_some()
        || matches!(ArchiveFormat::of_name(file), Some((ArchiveFormat::Fits | ArchiveFormat::VoTable, _)))
}

fn check_separators(name: &str) -> Result<()> {
    let has_drive = matches!(name.as_bytes(), [drive, b':', b'\\' | b'/', ..] if drive.is_ascii_alphabetic());
    if cfg!(windows) || !(has_drive || name.contains('\\') && !FilePath::new(name).exists()) {
        return Ok(());
    }
    let path = name.replace('\\', "/");
    let hint = match path.split_once(":/").filter(|_| has_drive) {
        Some((drive, rest)) => {
            format!("write it as this machine knows it; under WSL that is '/mnt/{}/{rest}'", drive.to_lowercase())
        }
        None => format!("folders are separated by '/': '{path}'"),
    };
    Err(Error::new(ErrorKind::Input, format!("'{name}' is written as a path of Windows")).hint(hint).into())
}

/// Finds the files that `name` refers to.
pub(super) async fn look_up(state: &SessionState, stores: &LazyStores, name: &str) -> Result<Lookup> {
    if name == STDIN {
        return bundles::stdin(stores.unpacked()).await;
    }
    let Name { mut url, pattern, choice } = Name::new(stores, name)?;
    let store = state.runtime_env().object_store(&url)?;
    let files = if let Some(pattern) = pattern {
        let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
        Files::Listed { objects: matching(&store, url.prefix(), &parts).await?, whole: false }
    } else {
        url = released(&store, url).await?;
        if let Some((dataset, objects)) = served::leaves(&store, &url).await? {
            url = dataset;
            Files::Listed { objects, whole: false }
        } else {
            match hats::leaves(&store, &url).await? {
                Some(leaves) => Files::Leaves(leaves),
                None => below(&store, &url).await?,
            }
        }
    };
    bundles::unpacked(stores.unpacked(), Lookup { store, url, files, choice }).await
}

/// The folder of the release that the `LATEST` file of a folder names; the same folder if there is no such file.
pub(super) async fn released(store: &Arc<dyn ObjectStore>, url: ListingTableUrl) -> Result<ListingTableUrl> {
    if !may_be_folder(&url) {
        return Ok(url);
    }
    let latest = url.prefix().clone().join(LATEST);
    let text = if is_file_server(url.get_url()) {
        served::read(store, &latest).await
    } else {
        hats::read(store, &latest).await?
    };
    let Some(text) = text else { return Ok(url) };
    let Ok(current) = serde_json::from_str::<Current>(&text) else { return Ok(url) };
    let folder: Path = url.prefix().parts().chain(Path::from(current.folder).parts()).collect();
    url_of(&url, &folder, true)
}

fn failed(e: object_store::Error) -> DataFusionError {
    DataFusionError::ObjectStore(Box::new(e))
}

/// A file, or the tables in a folder.
async fn below(store: &Arc<dyn ObjectStore>, url: &ListingTableUrl) -> Result<Files> {
    if !url.is_collection() {
        match store.head(url.prefix()).await {
            Ok(object) => return Ok(Files::Listed { objects: vec![object], whole: false }),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(e) => return Err(failed(e)),
        }
    }
    let prefix = url.prefix();
    let mut objects: Vec<ObjectMeta> = store.list(Some(prefix)).try_collect().await.map_err(failed)?;
    let all = objects.len();
    objects.retain(|o| is_shown(prefix, &o.location, &[]) && is_table(&o.location));
    objects.sort_by(|a, b| a.location.cmp(&b.location));
    let is_direct = |o: &ObjectMeta| {
        let parts = o.location.prefix_match(prefix).into_iter().flatten();
        parts.filter(|part| !part.as_ref().contains('=')).count() <= 1
    };
    let tables = objects.len();
    objects.retain(is_direct);
    if objects.len() < tables {
        let deeper = tables - objects.len();
        remark(format!(
            "/{prefix}/: {deeper} tables in folders below it are not read; with ** behind the folder's name they are"
        ));
    }
    let whole = all == objects.len();
    Ok(Files::Listed { objects, whole })
}

/// The tables whose paths relative to `base` match a glob with these parts, in order.
async fn matching(store: &Arc<dyn ObjectStore>, base: &Path, parts: &[&str]) -> Result<Vec<ObjectMeta>> {
    let mut folders = vec![base.clone()];
    let mut objects = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        if *part == "**" {
            objects = below_any(store, &folders, &parts[at..]).await?;
            break;
        }
        let last = at + 1 == parts.len();
        if last && !part.contains(GLOB_CHARACTERS) {
            objects = named(store, &folders, part).await?;
        } else if last {
            let listed = list(store, &folders).await?;
            objects =
                listed.into_iter().flat_map(|l| l.objects).filter(|o| fits(o.location.filename(), part)).collect();
        } else if part.contains(GLOB_CHARACTERS) {
            let listed = list(store, &folders).await?.into_iter().flat_map(|l| l.common_prefixes);
            folders = listed.filter(|folder| fits(folder.filename(), part)).collect();
        } else {
            folders = folders.into_iter().map(|folder| folder.join(*part)).collect();
        }
    }
    objects.retain(|o| is_shown(base, &o.location, parts));
    // A glob that matches tables is not meant to match the other files beside them.
    if objects.iter().any(|o| is_table(&o.location)) {
        objects.retain(|o| is_table(&o.location));
    }
    objects.sort_by(|a, b| a.location.cmp(&b.location));
    objects.dedup_by(|a, b| a.location == b.location);
    Ok(objects)
}

fn fits(name: Option<&str>, part: &str) -> bool {
    let pattern = Pattern::new(part);
    name.zip(pattern.ok()).is_some_and(|(name, pattern)| pattern.matches_with(name, MATCHING))
}

async fn list(store: &Arc<dyn ObjectStore>, folders: &[Path]) -> Result<Vec<object_store::ListResult>> {
    let lists: Vec<_> = folders.iter().map(|folder| store.list_with_delimiter(Some(folder))).collect();
    futures::stream::iter(lists).buffered(FOLDERS_AT_ONCE).try_collect().await.map_err(failed)
}

/// The files with a name in these folders.
async fn named(store: &Arc<dyn ObjectStore>, folders: &[Path], name: &str) -> Result<Vec<ObjectMeta>> {
    let mut objects = Vec::new();
    for folder in folders {
        match store.head(&folder.clone().join(name)).await {
            Ok(object) => objects.push(object),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(e) => return Err(failed(e)),
        }
    }
    Ok(objects)
}

/// The files below these folders that match the rest of a glob, which begins with `**`.
async fn below_any(store: &Arc<dyn ObjectStore>, folders: &[Path], rest: &[&str]) -> Result<Vec<ObjectMeta>> {
    // As in a shell, a `**` at the end matches every file.
    let rest = if rest.iter().all(|part| *part == "**") { "**/*".to_owned() } else { rest.join("/") };
    let pattern =
        Pattern::new(&rest).map_err(|e| Error::new(ErrorKind::Input, format!("'{rest}' is not a glob")).source(e))?;
    let mut objects = Vec::new();
    for folder in folders {
        let listed: Vec<ObjectMeta> = store.list(Some(folder)).try_collect().await.map_err(failed)?;
        let below = |o: &ObjectMeta| {
            let parts: Vec<_> = o.location.prefix_match(folder).into_iter().flatten().collect();
            parts.iter().map(AsRef::<str>::as_ref).collect::<Vec<_>>().join("/")
        };
        objects.extend(listed.into_iter().filter(|o| pattern.matches_with(&below(o), MATCHING)));
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use object_store::{ObjectStoreExt, memory::InMemory};

    use super::*;

    async fn store(files: &[&str]) -> Arc<dyn ObjectStore> {
        let store = InMemory::new();
        for file in files {
            store.put(&Path::from(*file), "x".into()).await.unwrap();
        }
        Arc::new(store)
    }

    async fn found(files: &[&str], pattern: &str) -> Vec<String> {
        let parts: Vec<&str> = pattern.split('/').collect();
        let store = store(files).await;
        let objects = matching(&store, &Path::from("d"), &parts).await.unwrap();
        objects.iter().map(|o| o.location.as_ref().trim_start_matches("d/").to_owned()).collect()
    }

    #[tokio::test]
    async fn globs_match_part_by_part() {
        let files =
            ["d/a.csv", "d/x/b.csv", "d/x/y/c.csv", "d/_h.csv", "d/.g/e.csv", "d/readme.md", "d/x/Norder=0/Npix=4.csv"];
        let cases: [(&str, &[&str]); 9] = [
            ("*.csv", &["a.csv"]),
            ("*", &["a.csv"]),
            ("*/*.csv", &["x/b.csv"]),
            ("x/*/*.csv", &["x/Norder=0/Npix=4.csv", "x/y/c.csv"]),
            ("**/*.csv", &["a.csv", "x/Norder=0/Npix=4.csv", "x/b.csv", "x/y/c.csv"]),
            ("**", &["a.csv", "x/Norder=0/Npix=4.csv", "x/b.csv", "x/y/c.csv"]),
            ("*/Norder=*/Npix=*.csv", &["x/Norder=0/Npix=4.csv"]),
            ("_*.csv", &["_h.csv"]),
            ("*/b.csv", &["x/b.csv"]),
        ];
        for (pattern, expected) in cases {
            assert_eq!(found(&files, pattern).await, expected, "{pattern}");
        }
        assert_eq!(found(&files, "*.md").await, ["readme.md"]);
    }

    #[tokio::test]
    async fn a_folder_is_the_tables_in_it() {
        let files = ["d/a.csv", "d/x/b.csv", "d/MD5SUM.txt", "d/.hidden.csv", "d/_old/c.csv"];
        let store = store(&files).await;
        let url = ListingTableUrl::parse("s3://bucket/d/").unwrap();
        let Files::Listed { objects, whole } = below(&store, &url).await.unwrap() else { panic!("it is no catalogue") };
        let names: Vec<_> = objects.iter().map(|o| o.location.as_ref()).collect();
        assert_eq!((names, whole), (vec!["d/a.csv"], false));
    }

    #[test]
    fn names_are_taken_apart() {
        let stores = LazyStores::default();
        let name = |name: &str| Name::new(&stores, name).map_err(|e| e.strip_backtrace());
        let glob = name("s3://bucket/xp/*/part-*.parquet").unwrap();
        assert_eq!((glob.url.prefix().as_ref(), glob.pattern.as_deref()), ("xp", Some("*/part-*.parquet")));
        assert_eq!(name("a.fits.gz#2").unwrap().choice, TableChoice::Number(2));
        assert_eq!(name("a.vot#XP_SAMPLED").unwrap().choice, TableChoice::Name("XP_SAMPLED".to_owned()));
        assert_eq!(name("a#2.csv").unwrap().choice, TableChoice::All);
        assert!(name("s3://bucket/[a.parquet").unwrap_err().contains("is not a glob"));
        assert_eq!(name("https://host/a.csv?x=1").unwrap().pattern, None);
        let e = name("C:\\data\\x.csv").unwrap_err();
        assert!(e.contains("a path of Windows") && e.contains("/mnt/c/data/x.csv"), "{e}");
        assert!(name("data\\x.csv").unwrap_err().contains("'data/x.csv'"));
    }
}
