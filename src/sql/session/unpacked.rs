//! Unpacked data: standard input, and the tables in archives.

use std::{
    fs::File,
    io::{IsTerminal, Read, Seek, SeekFrom},
    sync::Arc,
};

use chrono::Utc;
use datafusion::common::{DataFusionError, Result, runtime::SpawnedTask};
use lamcat_core::error::{Error, ErrorKind, Result as OwnResult};
use lamcat_formats::{Bundle, Member, display_path, file_bytes, inflated};
use object_store::{ObjectMeta, ObjectStore, path::Path};
use tokio::sync::OnceCell;

use super::{
    names::{is_shown, is_table},
    spool::Spool,
};

/// Number of bytes at the start of a file that are examined to find its format.
const LOOKED_AT: u64 = 2048;
/// The file name of standard input, before the suffix of its format.
const STDIN_STEM: &str = "stdin";

/// Unpacked data and its origin; it is unpacked again if the origin has changed.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    pub(super) spool: Arc<Spool>,
    known: tokio::sync::Mutex<Vec<(Path, ObjectMeta)>>,
    stdin: OnceCell<Vec<ObjectMeta>>,
}

impl Unpacked {
    /// The tables from standard input, which is read to its end when it is first used.
    pub(super) async fn stdin(&self) -> Result<&[ObjectMeta]> {
        let objects = self.stdin.get_or_try_init(|| read_stdin(&self.spool)).await?;
        Ok(objects)
    }

    /// The tables in an archive, below `folder`.
    pub(super) async fn unpack(
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

/// The first bytes of a file, decompressed if necessary.
fn start(file: &File) -> std::io::Result<Vec<u8>> {
    let mut file = file.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    let mut start = Vec::new();
    inflated(file)?.take(LOOKED_AT).read_to_end(&mut start)?;
    Ok(start)
}

/// The suffix for files that begin with `start`. If it is of no other format and has no zero bytes, it is CSV.
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
        let message = "standard input is not in a format that lamcat can read";
        return Err(Error::new(ErrorKind::Input, message).hint(
            "it may be CSV, ECSV, JSON, FITS, VOTable, Parquet, Arrow, or an archive of such files, compressed or not",
        ));
    }
    Ok("csv")
}

/// Whether a member of an archive is a table, judging by its path.
fn is_wanted(path: &str) -> bool {
    let path = Path::from(path);
    is_table(&path) && is_shown(&Path::default(), &path, &[])
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> OwnResult<T> + Send + 'static) -> Result<T> {
    let done = SpawnedTask::spawn_blocking(work).join().await;
    Ok(done.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??)
}
