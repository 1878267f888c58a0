//! The stream of one partition's rows: gathers them into device batches, packs their contexts, sends them to the engine
//! and appends the answers.

use std::sync::Arc;

use arrow::{array::RecordBatch, compute::BatchCoalescer, datatypes::SchemaRef};
use datafusion::{
    common::Result,
    execution::{SendableRecordBatchStream, memory_pool::MemoryReservation},
    physical_expr::PhysicalExpr,
    physical_plan::metrics::{
        BaselineMetrics, Count, ExecutionPlanMetricsSet, MetricBuilder, RatioMetrics, RecordOutput, Time,
    },
};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use lamcat_core::context::Packed;
use lamcat_model::inference::{Answers, Device, Prepared, Program};

use super::options::LamcatOptions;

/// The metrics of the operator for one partition.
#[derive(Clone)]
pub(super) struct Gauges {
    baseline: BaselineMetrics,
    inferred_rows: Count,
    null_rows: Count,
    device_batches: Count,
    batch_fill: RatioMetrics,
    device_time: Time,
    queue_wait: Time,
    pack_time: Time,
}

impl Gauges {
    pub(super) fn new(metrics: &ExecutionPlanMetricsSet, partition: usize) -> Self {
        let counter = |name: &'static str| MetricBuilder::new(metrics).counter(name, partition);
        let time = |name: &'static str| MetricBuilder::new(metrics).subset_time(name, partition);
        Self {
            baseline: BaselineMetrics::new(metrics, partition),
            inferred_rows: counter("inferred_rows"),
            null_rows: counter("null_rows"),
            device_batches: counter("device_batches"),
            batch_fill: MetricBuilder::new(metrics).ratio_metrics("batch_fill", partition),
            device_time: time("device_time"),
            queue_wait: time("queue_wait"),
            pack_time: time("pack_time"),
        }
    }
}

/// What all batches of a partition share.
struct Batches {
    context: Arc<dyn PhysicalExpr>,
    program: Arc<Program>,
    device: Device,
    schema: SchemaRef,
    batch_rows: usize,
    memory: MemoryReservation,
    gauges: Gauges,
}

/// The batches of the input with the outputs appended, in order.
#[expect(clippy::too_many_arguments, reason = "the one place where an operator's parts come together")]
pub(super) fn infer_stream(
    input: SendableRecordBatchStream,
    context: Arc<dyn PhysicalExpr>,
    program: Arc<Program>,
    device: Device,
    schema: SchemaRef,
    options: &LamcatOptions,
    memory: MemoryReservation,
    gauges: Gauges,
) -> impl Stream<Item = Result<RecordBatch>> + Send + use<> {
    let batch_rows = options.batch_rows.max(1);
    let baseline = gauges.baseline.clone();
    let batches = Arc::new(Batches { context, program, device, schema, batch_rows, memory, gauges });
    gather(input, batch_rows)
        .map(move |batch| {
            let batches = batches.clone();
            async move { batches.infer(batch?).await }
        })
        .buffered(options.batches_in_flight.max(1))
        .inspect_ok(move |batch| {
            let _ = batch.record_output(&baseline);
        })
}

/// Gathers rows into batches of `batch_rows`; the last one may be shorter.
fn gather(input: SendableRecordBatchStream, batch_rows: usize) -> impl Stream<Item = Result<RecordBatch>> + Send {
    let coalescer = BatchCoalescer::new(input.schema(), batch_rows);
    stream::try_unfold((input, coalescer, false), |(mut input, mut coalescer, mut done)| async move {
        loop {
            if let Some(batch) = coalescer.next_completed_batch() {
                return Ok(Some((batch, (input, coalescer, done))));
            }
            if done {
                return Ok(None);
            }
            if let Some(batch) = input.next().await.transpose()? {
                coalescer.push_batch(batch)?;
            } else {
                coalescer.finish_buffered_batch()?;
                done = true;
            }
        }
    })
}

impl Batches {
    async fn infer(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let mut prepared = self.pack(&batch)?;
        let rows = batch.num_rows();
        let memory = self.memory.new_empty();
        let packed_bytes = prepared.packed.tokens.len() * (size_of::<u32>() + size_of::<f32>());
        memory.try_grow(batch.get_array_memory_size() + packed_bytes + self.program.answer_bytes(rows))?;

        self.gauges.null_rows.add(prepared.null_rows());
        let answers = self.ask(std::mem::take(&mut prepared.packed)).await?;
        let mut columns = batch.columns().to_vec();
        columns.extend(self.program.assemble(&prepared, &answers));
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    fn pack(&self, batch: &RecordBatch) -> Result<Prepared> {
        let _pack = self.gauges.pack_time.timer();
        let _compute = self.gauges.baseline.elapsed_compute().timer();
        let context = self.context.evaluate(batch)?.into_array(batch.num_rows())?;
        Ok(self.program.prepare(&context)?)
    }

    async fn ask(&self, packed: Packed) -> Result<Answers> {
        let rows = packed.rows;
        if rows == 0 || !self.program.needs_device() {
            return Ok(Answers::default());
        }
        let (model, requests) = (self.program.model().clone(), self.program.requests().clone());
        let done = self.device.infer(model, packed, requests).await?;
        self.gauges.inferred_rows.add(rows);
        self.gauges.device_batches.add(1);
        self.gauges.batch_fill.add_part(rows);
        self.gauges.batch_fill.add_total(self.batch_rows);
        self.gauges.device_time.add_duration(done.device_time);
        self.gauges.queue_wait.add_duration(done.queue_wait);
        Ok(done.answers)
    }
}
