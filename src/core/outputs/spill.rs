//! Files that queries spill to. They have no name: nothing is left of them, however the process ends.

use std::{
    fs::File,
    io::{self, Write},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use datafusion::{
    common::{DataFusionError, Result, runtime::SpawnedTask},
    execution::{
        SpillFile, SpillWriter, TempFileFactory,
        disk_manager::{DEFAULT_MAX_TEMP_DIRECTORY_SIZE, DiskManagerBuilder},
    },
};
use futures::Stream;

use super::cannot_write;

/// Bytes read at once.
const READ_BYTES: usize = 128 << 10;

/// Makes spill files in the folder for temporary files (`TMPDIR`).
#[derive(Debug, Clone)]
pub struct SpillFactory {
    all: Arc<All>,
}

/// The state shared by all files of a factory.
#[derive(Debug)]
struct All {
    bytes: AtomicU64,
    /// Maximum total size in bytes.
    most: AtomicU64,
}

impl Default for SpillFactory {
    fn default() -> Self {
        let most = AtomicU64::new(DEFAULT_MAX_TEMP_DIRECTORY_SIZE);
        Self { all: Arc::new(All { bytes: AtomicU64::new(0), most }) }
    }
}

impl SpillFactory {
    /// Returns a disk manager that makes such files.
    #[must_use]
    pub fn manager(&self) -> DiskManagerBuilder {
        let builder = DiskManagerBuilder::default();
        // On other systems a file without a name could not be read while it is written.
        if cfg!(unix) { builder.with_temp_file_factory(Arc::new(self.clone())) } else { builder }
    }

    /// Sets the maximum total size of its files, in bytes.
    pub fn set_most(&self, bytes: u64) {
        self.all.most.store(bytes, Ordering::Relaxed);
    }
}

impl TempFileFactory for SpillFactory {
    fn create_temp_file(&self, description: &str) -> Result<Arc<dyn SpillFile>> {
        let file = tempfile::tempfile().map_err(|e| cannot_spill(e).context(description.to_owned()))?;
        let spill = Spill { file, bytes: AtomicU64::new(0), all: self.all.clone() };
        Ok(Arc::new(Handle(Arc::new(spill))))
    }
}

fn cannot_spill(e: io::Error) -> DataFusionError {
    let folder = std::env::temp_dir();
    let error = cannot_write(folder.join("(a query's temporary rows)").display(), e);
    error.hint("make room there, or name another folder for temporary files in TMPDIR").into()
}

/// A file without a name.
#[derive(Debug)]
struct Spill {
    file: File,
    bytes: AtomicU64,
    all: Arc<All>,
}

impl Drop for Spill {
    fn drop(&mut self) {
        self.all.bytes.fetch_sub(self.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl Spill {
    #[cfg(unix)]
    fn read(&self, at: u64) -> io::Result<Bytes> {
        use std::os::unix::fs::FileExt;
        let mut bytes = vec![0; READ_BYTES];
        let length = self.file.read_at(&mut bytes, at)?;
        bytes.truncate(length);
        Ok(bytes.into())
    }

    #[cfg(not(unix))]
    fn read(&self, _: u64) -> io::Result<Bytes> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[derive(Debug)]
struct Handle(Arc<Spill>);

impl SpillFile for Handle {
    fn size(&self) -> Option<u64> {
        Some(self.0.bytes.load(Ordering::Relaxed))
    }

    fn read_stream(&self) -> Result<Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>> {
        let read = |(spill, at): (Arc<Spill>, u64)| async move {
            let of = spill.clone();
            let read = SpawnedTask::spawn_blocking(move || of.read(at)).join().await;
            let bytes = read.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)))??;
            let next = at + bytes.len() as u64;
            Ok((!bytes.is_empty()).then_some((bytes, (spill, next))))
        };
        Ok(Box::pin(futures::stream::try_unfold((self.0.clone(), 0), read)))
    }

    fn open_writer(&self) -> Result<Box<dyn SpillWriter>> {
        Ok(Box::new(Writer(self.0.clone())))
    }
}

/// A writer that appends to a file.
struct Writer(Arc<Spill>);

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = bytes.len() as u64;
        let all = self.0.all.bytes.fetch_add(length, Ordering::Relaxed) + length;
        let most = self.0.all.most.load(Ordering::Relaxed);
        self.0.bytes.fetch_add(length, Ordering::Relaxed);
        if all > most {
            return Err(io::Error::other(format!(
                "the query's temporary rows are more than {most} bytes\nhint: SET datafusion.runtime.max_temp_directory_size = \
                 '1000G' allows more"
            )));
        }
        (&self.0.file).write_all(bytes).map_err(|e| io::Error::new(e.kind(), cannot_spill(e)))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SpillWriter for Writer {
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    async fn whole(stream: impl Stream<Item = Result<Bytes>>) -> Vec<u8> {
        let parts: Vec<Bytes> = stream.try_collect().await.unwrap();
        parts.concat()
    }

    #[tokio::test]
    async fn what_is_spilled_is_read_again_and_has_no_name() {
        let factory = SpillFactory::default();
        let file = factory.create_temp_file("sorting").unwrap();
        let rows: Vec<u8> = (0..300_000_u32).map(|i| (i % 251) as u8).collect();
        let mut writer = file.open_writer().unwrap();
        writer.write_all(&rows[..100]).unwrap();
        let mut early = file.read_stream().unwrap();
        assert_eq!(early.try_next().await.unwrap().unwrap(), rows[..100]);
        writer.write_all(&rows[100..]).unwrap();
        assert_eq!(whole(early).await, rows[100..]);
        assert_eq!(whole(file.read_stream().unwrap()).await, rows);
        assert_eq!((file.size(), file.path()), (Some(300_000), None));
        assert_eq!(factory.all.bytes.load(Ordering::Relaxed), 300_000);
        drop((file, writer));
        assert_eq!(factory.all.bytes.load(Ordering::Relaxed), 0);
    }
}
