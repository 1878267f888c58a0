//! Reads one file as a stream of batches.

use std::{sync::Arc, thread::available_parallelism};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    common::{DataFusionError, Result, runtime::SpawnedTask},
    physical_plan::metrics::Count,
};
use futures::{Stream, StreamExt, TryStreamExt, stream, stream::BoxStream};
use lamcat_core::error::{Error, Result as OwnResult};
use object_store::{ObjectMeta, ObjectStore};
use tokio::sync::mpsc;

use super::{
    ArchiveFormat,
    bytes::{self, FileBytes, display_path},
    conform::conform,
};
use crate::{ArrowTable, FitsTable, OnError, TableChoice, VoTable, ecsv, json, remark};

/// Number of chunks that wait between the thread that reads and those that parse.
const CHUNKS_WAITING: usize = 2;

/// The parts of a file to read, and how to read them.
#[derive(Debug, Clone)]
pub(super) struct FileRead {
    pub(super) format: ArchiveFormat,
    pub(super) on_error: OnError,
    pub(super) choice: TableChoice,
    /// The requested columns.
    pub(super) schema: SchemaRef,
    pub(super) batch_rows: usize,
    /// Number of bytes read from the file.
    pub(super) bytes: Count,
    /// Number of malformed values that became NULL.
    pub(super) malformed: Count,
}

/// Opens a file.
pub(super) async fn open(
    read: FileRead,
    store: &Arc<dyn ObjectStore>,
    object: &ObjectMeta,
) -> Result<BoxStream<'static, Result<RecordBatch>>> {
    let path = display_path(store, object);
    let bytes = bytes::open(store, object, Some(read.bytes.clone())).await?;
    Ok(match read.format {
        ArchiveFormat::Ecsv => records(&read, path, bytes).boxed(),
        _ => table(read, path, bytes).boxed(),
    })
}

/// Returns the results of a blocking thread as a stream; the thread ends when the stream is dropped.
fn produced<T: Send + 'static>(
    produce: impl FnOnce(&mpsc::Sender<OwnResult<T>>) -> OwnResult<()> + Send + 'static,
) -> impl Stream<Item = Result<OwnResult<T>>> {
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
    let thread = SpawnedTask::spawn_blocking(move || {
        if let Err(e) = produce(&sender) {
            // The receiver is gone, so nobody misses the error.
            let _ = sender.blocking_send(Err(e));
        }
    });
    stream::unfold((receiver, Some(thread)), |(mut receiver, mut thread)| async move {
        if let Some(item) = receiver.recv().await {
            return Some((Ok(item), (receiver, thread)));
        }
        // A thread that panicked must not look like the end of the file.
        let ended = thread.take()?.join().await;
        ended.err().map(|e| (Err(DataFusionError::ExecutionJoin(Box::new(e))), (receiver, None)))
    })
}

/// Returns the records of an ECSV table, parsed in parallel and returned in order.
fn records(read: &FileRead, path: String, bytes: FileBytes) -> impl Stream<Item = Result<RecordBatch>> + use<> {
    let (schema, on_error, malformed) = (read.schema.clone(), read.on_error, read.malformed.clone());
    let chunks = produced(move |sender| {
        let (header, chunks) = ecsv::open(bytes)?;
        let parser = Arc::new(ecsv::RecordParser::new(&header, schema, on_error));
        for chunk in chunks.with_most_lines(parser.most_lines()) {
            if sender.blocking_send(Ok((parser.clone(), chunk?))).is_err() {
                break;
            }
        }
        Ok(())
    });
    let path: Arc<str> = path.into();
    let parsed = chunks.map(move |work| {
        let path = path.clone();
        async move {
            let in_file = |e: Error| DataFusionError::from(e.within("file", &path));
            let (parser, chunk) = work?.map_err(in_file)?;
            bytes::blocking(move || parser.parse(&chunk)).await?.map_err(in_file)
        }
    });
    let parsed = parsed.buffered(available_parallelism().map_or(1, usize::from));
    let batches = parsed.map_ok(move |parsed| {
        malformed.add(parsed.malformed);
        parsed.batch
    });
    sliced(batches, read.batch_rows)
}

/// Sends all batches, as long as the receiver takes them.
fn all(
    batches: impl Iterator<Item = OwnResult<RecordBatch>>,
    send: impl Fn(OwnResult<RecordBatch>) -> OwnResult<bool>,
) -> OwnResult<()> {
    for batch in batches {
        if !send(batch)? {
            break;
        }
    }
    Ok(())
}

/// Returns the rows of a table in another format.
fn table(read: FileRead, path: String, bytes: FileBytes) -> impl Stream<Item = Result<RecordBatch>> {
    let (schema, malformed, name) = (read.schema, read.malformed, path.clone());
    let (on_error, format, choice, batch_rows) = (read.on_error, read.format, read.choice, read.batch_rows);
    let batches = produced(move |sender| {
        let wanted = |column: &str| schema.index_of(column).is_ok();
        let send = |batch: OwnResult<RecordBatch>| {
            let batch = batch.and_then(|batch| conform(&batch, &schema, on_error))?;
            Ok::<_, Error>(sender.blocking_send(Ok(batch)).is_ok())
        };
        let table = match format {
            ArchiveFormat::Fits => return all(FitsTable::read(bytes, &name, &choice)?.select(wanted), send),
            ArchiveFormat::Arrow => return all(ArrowTable::read(bytes)?.batches(wanted)?, send),
            ArchiveFormat::Json => return all(json::batches(bytes, &schema, batch_rows)?, send),
            ArchiveFormat::VoTable | ArchiveFormat::Ecsv => VoTable::read(bytes, &choice)?,
        };
        let mut table = table.on_error(on_error).select(wanted);
        all(table.by_ref(), send)?;
        malformed.add(table.malformed());
        if let Some(overflow) = table.overflow() {
            remark(format!("{name}: {overflow}"));
        }
        Ok(())
    });
    let batches = batches.map(move |batch| Ok(batch?.map_err(|e| e.within("file", &path))?));
    sliced(batches, read.batch_rows)
}

/// Splits the batches into batches of at most `rows`.
fn sliced(batches: impl Stream<Item = Result<RecordBatch>>, rows: usize) -> impl Stream<Item = Result<RecordBatch>> {
    batches
        .map_ok(move |batch| {
            let starts = (0..batch.num_rows()).step_by(rows.max(1));
            let slices: Vec<_> = starts.map(|at| batch.slice(at, rows.min(batch.num_rows() - at))).collect();
            stream::iter(slices.into_iter().map(Ok))
        })
        .try_flatten()
}
