//! Converts one input file to one Parquet file.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arrow::{
    array::{AsArray, RecordBatch},
    compute::BatchCoalescer,
    datatypes::Schema,
};
use datafusion::{
    common::runtime::SpawnedTask,
    execution::SendableRecordBatchStream,
    physical_plan::{ExecutionPlan, execute_stream},
};
use futures::{Stream, StreamExt};
use lamcat_core::error::{Error, ErrorKind};
use lamcat_formats::{Fold, MALFORMED};
use lamcat_sql::session::Session;
use tokio::sync::mpsc;

use super::{
    checksums,
    job::{FileJob, IngestOptions},
    output::{self, Existing},
    query::{self, UNMATCHED},
    shape::{Learnt, Shape, Surprise, lengths},
};

/// At most this many bytes of rows are examined to find the lengths of lists.
const PEEK_BYTES: usize = 32 << 20;
/// Number of batches that may wait for the writer.
const BATCHES_WAITING: usize = 2;

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It was converted and written.
    Written,
    /// Its output already existed, made from the same input in the same way.
    Skipped,
}

/// The result for a file.
#[derive(Debug, Clone)]
pub struct Done {
    /// What happened to it.
    pub status: Status,
    /// Rows of the output.
    pub rows: u64,
    /// Bytes of the output.
    pub bytes: u64,
    /// Malformed values that became NULL.
    pub malformed: u64,
    /// Rows without a partner in the join; their joined columns are NULL.
    pub unmatched: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// Progress of a file's conversion, for progress displays.
#[derive(Debug, Default)]
pub struct Progress {
    bytes: AtomicU64,
    rows: AtomicU64,
}

impl Progress {
    /// Bytes of the input read so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Rows written so far.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }
}

/// Converts one file; skips it if its output already exists.
///
/// # Errors
/// If the input is damaged, an output exists that was made from something else, or either cannot be accessed.
pub async fn ingest_file(
    session: &Session,
    job: &FileJob,
    options: &IngestOptions,
    progress: &Arc<Progress>,
) -> anyhow::Result<Done> {
    let started = Instant::now();
    let fingerprint = output::fingerprint(job, options);
    let mut done =
        Done { status: Status::Skipped, rows: 0, bytes: 0, malformed: 0, unmatched: 0, elapsed: Duration::ZERO };
    match output::existing(&job.output, &fingerprint).await? {
        Existing::Same { rows, bytes } if !options.overwrite => return Ok(Done { rows, bytes, ..done }),
        Existing::Other if !options.overwrite => {
            return Err(Error::new(
                ErrorKind::Config,
                format!("{} exists and was made of something else or in another way", job.output_name),
            )
            .hint("--overwrite replaces it; -o names another place")
            .into());
        }
        _ => {}
    }
    output::remove_leftovers(&job.output);
    if let Some(md5) = job.md5.as_ref().filter(|_| !options.no_verify) {
        checksums::verify(&job.input, md5).await?;
    }
    let mut learnt = Learnt::default();
    loop {
        done.unmatched = 0;
        match attempt(session, job, options, &learnt, &fingerprint, progress, &mut done).await? {
            None => break,
            Some(surprise) => learnt.learn(surprise),
        }
    }
    let object = object_store::ObjectStoreExt::head(job.output.store.as_ref(), &job.output.path).await?;
    Ok(Done { status: Status::Written, bytes: object.size, elapsed: started.elapsed(), ..done })
}

/// The columns of a file's output. Lists that will have a fixed size still have a variable one here.
///
/// # Errors
/// If the input cannot be read or lacks a column.
pub async fn output_schema(session: &Session, job: &FileJob, options: &IngestOptions) -> anyhow::Result<Schema> {
    let frame = query::plan(session, job, options, false).await?;
    Ok(output_columns(frame.schema().as_arrow(), options).0)
}

/// The columns of the output and how to fold them.
fn output_columns(schema: &Schema, options: &IngestOptions) -> (Schema, Option<Fold>) {
    let fields: Vec<_> = schema.fields().iter().filter(|f| f.name() != UNMATCHED).cloned().collect();
    let schema = Schema::new(fields);
    let fold = (!options.no_fold).then(|| Fold::new(&schema));
    (fold.as_ref().map_or(schema, |f| f.schema().as_ref().clone()), fold)
}

/// Tries to write the file with what has been learnt about it. Returns the assumption that turned out wrong, if any.
async fn attempt(
    session: &Session,
    job: &FileJob,
    options: &IngestOptions,
    learnt: &Learnt,
    fingerprint: &str,
    progress: &Arc<Progress>,
    done: &mut Done,
) -> anyhow::Result<Option<Surprise>> {
    let frame = query::plan(session, job, options, learnt.unsorted).await?;
    let task = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await?;
    let rows = execute_stream(plan.clone(), task)?;
    let mut rows = Rows::new(rows, plan.schema().as_ref(), options);
    let (first, lengths) = rows.peek().await?;
    let mut shape = Shape::new(&rows.schema, &lengths, learnt, job.partner.is_some());
    let schema = shape.schema().clone();
    let (sender, receiver) = mpsc::channel(BATCHES_WAITING);
    let writer = output::writer(&job.output, &schema, fingerprint.to_owned(), options.compression_level)?;
    let writing = SpawnedTask::spawn(write(writer, receiver, progress.clone()));
    progress.rows.store(0, Ordering::Relaxed);
    let batches = futures::stream::iter(first.into_iter().map(Ok)).chain(rows.stream());
    let fed = feed(batches, &mut shape, sender, |unmatched| {
        done.unmatched += unmatched;
        progress.bytes.store(scanned(plan.as_ref()), Ordering::Relaxed);
    });
    let fed = fed.await;
    // Whatever the outcome, the writer ends first: it deletes what it wrote of a file that is given up.
    let written = writing.join().await?;
    if let Some(surprise) = fed? {
        return Ok(Some(surprise));
    }
    done.rows = written?;
    done.malformed = summed(plan.as_ref(), MALFORMED);
    Ok(None)
}

/// Sends rows to a writer in the form of its file, then an end marker. Returns the assumption that turned out wrong, if
/// any.
async fn feed(
    batches: impl Stream<Item = anyhow::Result<(RecordBatch, u64)>>,
    shape: &mut Shape,
    sender: mpsc::Sender<Option<RecordBatch>>,
    mut seen: impl FnMut(u64),
) -> anyhow::Result<Option<Surprise>> {
    let mut batches = std::pin::pin!(batches);
    let schema = shape.schema().clone();
    let mut coalescer = BatchCoalescer::new(schema.clone(), output::batch_rows(&schema));
    loop {
        let next = batches.next().await.transpose()?;
        let is_end = next.is_none();
        match next {
            Some((batch, unmatched)) => {
                seen(unmatched);
                match shape.apply(&batch)? {
                    Ok(batch) => coalescer.push_batch(batch)?,
                    Err(surprise) => return Ok(Some(surprise)),
                }
            }
            None => coalescer.finish_buffered_batch()?,
        }
        while let Some(batch) = coalescer.next_completed_batch() {
            if sender.send(Some(batch)).await.is_err() {
                // If nobody receives the rows, the writer has failed, and its error says why.
                return Ok(None);
            }
        }
        if is_end {
            let _ = sender.send(None).await;
            return Ok(None);
        }
    }
}

/// Writes batches until the end marker arrives; without one, the file is given up.
async fn write(
    mut writer: datafusion::parquet::arrow::AsyncArrowWriter<object_store::buffered::BufWriter>,
    mut batches: mpsc::Receiver<Option<RecordBatch>>,
    progress: Arc<Progress>,
) -> anyhow::Result<u64> {
    let mut rows = 0;
    while let Some(batch) = batches.recv().await {
        let Some(batch) = batch else {
            writer.close().await?;
            return Ok(rows);
        };
        writer.write(&batch).await?;
        rows += batch.num_rows() as u64;
        progress.rows.store(rows, Ordering::Relaxed);
    }
    writer.into_inner().abort().await?;
    anyhow::bail!("the rows ended early")
}

/// The rows of a query, with series of columns folded and without the helper column for unmatched rows.
struct Rows {
    stream: SendableRecordBatchStream,
    unmatched: Option<usize>,
    fold: Option<Fold>,
    schema: Schema,
}

impl Rows {
    fn new(stream: SendableRecordBatchStream, schema: &Schema, options: &IngestOptions) -> Self {
        let unmatched = schema.index_of(UNMATCHED).ok();
        let (schema, fold) = output_columns(schema, options);
        Self { stream, unmatched, fold, schema }
    }

    fn shaped(&self, mut batch: RecordBatch) -> anyhow::Result<(RecordBatch, u64)> {
        let mut unmatched = 0;
        if let Some(i) = self.unmatched {
            unmatched = batch.remove_column(i).as_boolean().true_count() as u64;
        }
        let batch = self.fold.as_ref().map_or_else(|| Ok(batch.clone()), |f| f.apply(&batch))?;
        Ok((batch, unmatched))
    }

    /// The first rows, as many as are needed to find the lengths of the lists.
    async fn peek(&mut self) -> anyhow::Result<(Vec<(RecordBatch, u64)>, Vec<Option<i32>>)> {
        let mut known = vec![None; self.schema.fields().len()];
        let lists: Vec<_> = self.schema.fields().iter().map(|f| f.data_type().is_list()).collect();
        let mut first = Vec::new();
        let mut bytes = 0;
        while bytes < PEEK_BYTES && lists.iter().zip(&known).any(|(list, known)| *list && known.is_none()) {
            let Some(batch) = self.stream.next().await.transpose()? else { break };
            let (batch, unmatched) = self.shaped(batch)?;
            bytes += batch.get_array_memory_size();
            lengths(&batch, &mut known);
            first.push((batch, unmatched));
        }
        Ok((first, known))
    }

    fn stream(self) -> impl Stream<Item = anyhow::Result<(RecordBatch, u64)>> {
        futures::stream::unfold(self, |mut rows| async move {
            let batch = rows.stream.next().await?;
            let batch = batch.map_err(anyhow::Error::from).and_then(|batch| rows.shaped(batch));
            Some((batch, rows))
        })
    }
}

/// Number of file bytes that a physical plan has read.
fn scanned(plan: &dyn ExecutionPlan) -> u64 {
    summed(plan, "bytes_scanned")
}

fn summed(plan: &dyn ExecutionPlan, metric: &str) -> u64 {
    let own = plan.metrics().and_then(|m| m.sum_by_name(metric)).map_or(0, |v| v.as_usize() as u64);
    own + plan.children().into_iter().map(|child| summed(child.as_ref(), metric)).sum::<u64>()
}
