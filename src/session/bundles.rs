//! What stands for files that are nowhere by themselves: `-` for standard input, and archives for the tables in them.

use std::{
    fs::File,
    io::{IsTerminal, Read, Seek, SeekFrom},
    sync::Arc,
};

use chrono::Utc;
use datafusion::{
    common::{DataFusionError, Result, runtime::SpawnedTask},
    datasource::listing::ListingTableUrl,
};
use glob::Pattern;
use object_store::{ObjectMeta, ObjectStore, path::Path};
use tokio::sync::OnceCell;
use url::Url;

use super::{
    lookup::{Files, Lookup, is_shown, is_table, url_of},
    spool::{SCHEME, Spool},
    stores::LazyStores,
};
use crate::{
    error::{Error, ErrorKind, Result as OwnResult},
    sources::{Bundle, Member, TableChoice, display_path, file_bytes, inflated},
};

/// What stands for standard input.
pub(super) const STDIN: &str = "-";
/// Bytes in which a file says what it is.
const LOOKED_AT: u64 = 2048;
/// The name that standard input gets, before the ending of its format.
const STDIN_STEM: &str = "stdin";

/// What was unpacked, and of what: it is unpacked anew if that has changed.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    pub(super) spool: Arc<Spool>,
    known: tokio::sync::Mutex<Vec<(Path, ObjectMeta)>>,
    stdin: OnceCell<Vec<ObjectMeta>>,
}

/// The tables that come on standard input, which is read to its end when it is first asked for.
pub(super) async fn stdin(stores: &LazyStores) -> Result<Lookup> {
    let unpacked = stores.unpacked();
    let objects = unpacked.stdin.get_or_try_init(|| read_stdin(&unpacked.spool)).await?;
    lookup(&unpacked.spool, &Path::default(), objects, &TableChoice::All)
}

async fn read_stdin(spool: &Arc<Spool>) -> Result<Vec<ObjectMeta>> {
    let members = blocking(|| {
        let mut stdin = std::io::stdin();
        if stdin.is_terminal() {
            return Err(Error::new(ErrorKind::Input, "nothing comes on standard input")
                .hint("'-' stands for what is piped in: cat stars.csv | lamcat sql -c \"SELECT * FROM '-'\""));
        }
        let failed = |e| Error::new(ErrorKind::Io, "cannot read standard input").source(e);
        let mut file = tempfile::tempfile().map_err(failed)?;
        let size = std::io::copy(&mut stdin, &mut file).map_err(failed)?;
        let start = start(&file).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        match Bundle::of_bytes(&start) {
            Some(bundle) => bundle.unpack(file, is_wanted),
            None => Ok(vec![Member { path: format!("{STDIN_STEM}.{}", ending(&start)?), file, size }]),
        }
    });
    let now = Utc::now();
    let keep = |member: Member| spool.keep(member.path.as_str().into(), member.file, member.size, now);
    Ok(members.await?.into_iter().map(keep).collect())
}

/// The first bytes of a file, inflated if they are compressed.
fn start(file: &File) -> std::io::Result<Vec<u8>> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    let mut start = Vec::new();
    inflated(file)?.take(LOOKED_AT).read_to_end(&mut start)?;
    Ok(start)
}

/// The ending of files that begin so. What is no other format and has no zero bytes is lines of values.
fn ending(start: &[u8]) -> OwnResult<&'static str> {
    const BEGINS: [(&[u8], &str); 9] = [
        (b"PAR1", "parquet"),
        (b"ARROW1", "arrow"),
        (b"\xff\xff\xff\xff", "arrow"),
        (b"SIMPLE  =", "fits"),
        (b"<VOTABLE", "vot"),
        (b"<?xml", "vot"),
        (b"<", "vot"),
        (b"{", "json"),
        (b"[", "json"),
    ];
    let text = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start).trim_ascii_start();
    if let Some((_, ending)) = BEGINS.into_iter().find(|(begins, _)| text.starts_with(begins)) {
        return Ok(ending);
    }
    if start.contains(&0) {
        let message = "what comes on standard input is of no format that lamcat knows";
        return Err(Error::new(ErrorKind::Input, message).hint(
            "it may be CSV, ECSV, JSON, FITS, VOTable, Parquet, Arrow, or an archive of such files, compressed or not",
        ));
    }
    Ok("csv")
}

/// Archives as the tables in them; anything else as it is.
pub(super) async fn unpacked(stores: &LazyStores, found: Lookup) -> Result<Lookup> {
    let Files::Listed { objects, .. } = &found.files else { return Ok(found) };
    let bundle = |object: &ObjectMeta| object.location.filename().and_then(Bundle::of_name);
    if objects.is_empty() || !objects.iter().all(|object| bundle(object).is_some()) {
        return Ok(found);
    }
    let unpacked = stores.unpacked();
    let server: Path = found.url.get_url().host_str().unwrap_or_default().into();
    let mut tables = Vec::new();
    for object in objects {
        let Some(bundle) = bundle(object) else { continue };
        let folder: Path = server.parts().chain(object.location.parts()).collect();
        tables.extend(unpacked.unpack(&found.store, object, bundle, folder).await?);
    }
    let folder = match objects.as_slice() {
        [only] => server.parts().chain(only.location.parts()).collect(),
        _ => server.parts().chain(found.url.prefix().parts()).collect(),
    };
    lookup(&unpacked.spool, &folder, &tables, &found.choice)
}

impl Unpacked {
    async fn unpack(
        &self,
        store: &Arc<dyn ObjectStore>,
        object: &ObjectMeta,
        bundle: Bundle,
        folder: Path,
    ) -> Result<Vec<ObjectMeta>> {
        let mut known = self.known.lock().await;
        if known.iter().any(|(of, was)| *of == folder && was == object) {
            return Ok(self.spool.below(&folder));
        }
        let shown = display_path(store, object);
        let bytes = file_bytes(store, object).await?;
        let members = blocking(move || bundle.unpack(bytes, is_wanted).map_err(|e| e.within("file", shown))).await?;
        known.retain(|(of, _)| *of != folder);
        self.spool.forget(&folder);
        let kept = members.into_iter().map(|member| {
            let path = folder.parts().chain(Path::from(member.path).parts()).collect();
            self.spool.keep(path, member.file, member.size, object.last_modified)
        });
        let kept = kept.collect();
        known.push((folder, object.clone()));
        Ok(kept)
    }
}

/// Whether a member of an archive is a table, by its path.
fn is_wanted(path: &str) -> bool {
    let path = Path::from(path);
    is_table(&path) && is_shown(&Path::default(), &path, &[])
}

/// The chosen tables of those in a folder.
fn lookup(spool: &Arc<Spool>, folder: &Path, tables: &[ObjectMeta], choice: &TableChoice) -> Result<Lookup> {
    let root = Url::parse(&format!("{SCHEME}:///")).map_err(|e| DataFusionError::External(Box::new(e)))?;
    let root = ListingTableUrl::try_new(root, None)?;
    let objects = chosen(folder, tables, choice)?;
    let url = match objects.as_slice() {
        [only] => url_of(&root, &only.location, false)?,
        _ => url_of(&root, folder, true)?,
    };
    let files = Files::Listed { objects, whole: false };
    Ok(Lookup { store: spool.clone(), url, files, choice: TableChoice::All })
}

fn chosen(folder: &Path, tables: &[ObjectMeta], choice: &TableChoice) -> OwnResult<Vec<ObjectMeta>> {
    let path = |object: &ObjectMeta| {
        let rest = object.location.prefix_match(folder).into_iter().flatten();
        rest.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/")
    };
    let names = || tables.iter().map(path).collect::<Vec<_>>().join(", ");
    let none = |what: String| Err(Error::new(ErrorKind::Input, what).hint(format!("the archive has {}", names())));
    let found: Vec<ObjectMeta> = match choice {
        TableChoice::All => tables.to_vec(),
        TableChoice::First => tables.iter().take(1).cloned().collect(),
        TableChoice::Number(number) => {
            number.checked_sub(1).and_then(|at| tables.get(at)).cloned().into_iter().collect()
        }
        TableChoice::Name(name) => {
            let fits = |text: &str| text == name || Pattern::new(name).is_ok_and(|pattern| pattern.matches(text));
            let is_meant = |object: &&ObjectMeta| fits(&path(object)) || object.location.filename().is_some_and(fits);
            tables.iter().filter(is_meant).cloned().collect()
        }
    };
    if found.is_empty() { none(format!("the archive has no table '{choice}'")) } else { Ok(found) }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> OwnResult<T> + Send + 'static) -> Result<T> {
    let done = SpawnedTask::spawn_blocking(work).join().await;
    Ok(done.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??)
}
