//! The adapter to DataFusion's scans: projection, metrics and the opening of each file.

use std::{fmt, sync::Arc};

use datafusion::{
    common::{Result, tree_node::TreeNodeRecursion},
    datasource::{
        listing::PartitionedFile,
        physical_plan::{FileOpenFuture, FileOpener, FileScanConfig, FileSource},
        projection::{ProjectionOpener, SplitProjection},
        table_schema::TableSchema,
    },
    physical_plan::{
        DisplayFormatType, PhysicalExpr,
        metrics::{ExecutionPlanMetricsSet, MetricBuilder},
        projection::ProjectionExprs,
    },
};
use object_store::ObjectStore;

use super::{
    ArchiveFormat,
    open::{FileRead, open},
};
use crate::{OnError, TableChoice};

/// A scan of files of one format.
#[derive(Debug, Clone)]
pub(super) struct ArchiveSource {
    format: ArchiveFormat,
    on_error: OnError,
    choice: TableChoice,
    table_schema: TableSchema,
    projection: SplitProjection,
    batch_rows: usize,
    metrics: ExecutionPlanMetricsSet,
}

/// Default number of rows per batch.
const BATCH_ROWS: usize = 8192;

impl ArchiveSource {
    pub(super) fn new(
        format: ArchiveFormat,
        on_error: OnError,
        choice: TableChoice,
        table_schema: TableSchema,
    ) -> Self {
        let projection = SplitProjection::unprojected(&table_schema);
        let metrics = ExecutionPlanMetricsSet::new();
        Self { format, on_error, choice, table_schema, projection, batch_rows: BATCH_ROWS, metrics }
    }
}

/// What distinguishes a scan of files of the archive from others of the same files and columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveScan {
    /// The format of the files.
    pub format: ArchiveFormat,
    /// What becomes of malformed values.
    pub on_error: OnError,
    /// Which tables of each file are read.
    pub choice: TableChoice,
}

impl ArchiveScan {
    /// Returns what distinguishes a scan; `None` if it does not read a format of the archive.
    #[must_use]
    pub fn of(source: &Arc<dyn FileSource>) -> Option<Self> {
        let source = source.downcast_ref::<ArchiveSource>()?;
        Some(Self { format: source.format, on_error: source.on_error, choice: source.choice.clone() })
    }

    /// Returns a scan of all columns of `table_schema`.
    #[must_use]
    pub fn source(self, table_schema: TableSchema) -> Arc<dyn FileSource> {
        Arc::new(ArchiveSource::new(self.format, self.on_error, self.choice, table_schema))
    }
}

impl FileSource for ArchiveSource {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        _: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let file_schema = self.table_schema.file_schema();
        let schema = Arc::new(file_schema.project(&self.projection.file_indices)?);
        let read = FileRead {
            format: self.format,
            on_error: self.on_error,
            choice: self.choice.clone(),
            schema,
            batch_rows: self.batch_rows,
            bytes: MetricBuilder::new(&self.metrics).counter("bytes_scanned", partition),
            malformed: MetricBuilder::new(&self.metrics).counter(MALFORMED, partition),
        };
        ProjectionOpener::try_new(self.projection.clone(), Arc::new(ArchiveOpener { read, store }), file_schema)
    }

    fn table_schema(&self) -> &TableSchema {
        &self.table_schema
    }

    fn with_batch_size(&self, batch_rows: usize) -> Arc<dyn FileSource> {
        Arc::new(Self { batch_rows, ..self.clone() })
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        let merged = self.projection.source.try_merge(projection)?;
        let projection = SplitProjection::new(self.table_schema.file_schema(), &merged);
        Ok(Some(Arc::new(Self { projection, ..self.clone() })))
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        self.format.name()
    }

    fn supports_repartitioning(&self) -> bool {
        false
    }

    fn fmt_extra(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        if self.on_error == OnError::Null { write!(f, ", on_error=null") } else { Ok(()) }
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        datafusion::physical_plan::apply_expression_roots(self.projection.source.iter(), f)
    }
}

/// Name of the metric that counts malformed values that became NULL.
pub const MALFORMED: &str = "malformed_values";

struct ArchiveOpener {
    read: FileRead,
    store: Arc<dyn ObjectStore>,
}

impl FileOpener for ArchiveOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let (read, store) = (self.read.clone(), self.store.clone());
        Ok(Box::pin(async move { open(read, &store, &file.object_meta).await }))
    }
}
