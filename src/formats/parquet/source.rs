//! The scan of Parquet files, which gets only filters that never match NaN.

use std::{fmt, sync::Arc};

use datafusion::{
    common::{Result, tree_node::TreeNodeRecursion},
    config::ConfigOptions,
    datasource::{
        listing::PartitionedFile,
        physical_plan::{FileOpener, FileScanConfig, FileSource, ParquetSource},
        table_schema::TableSchema,
    },
    physical_expr::{EquivalenceProperties, LexOrdering, PhysicalSortExpr},
    physical_plan::{
        DisplayFormatType, PhysicalExpr, SortOrderPushdownResult,
        filter_pushdown::{FilterPushdownPropagation, PushedDown},
        metrics::ExecutionPlanMetricsSet,
        projection::ProjectionExprs,
    },
};
use datafusion_datasource::morsel::Morselizer;
use object_store::ObjectStore;

use super::{
    footers::CarefulReaders,
    nan::{has_float_columns, is_one_of_two_bounds, is_safe},
};

/// Returns a scan that is correct for NaN.
pub(super) fn careful(source: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
    let Some(parquet) = source.downcast_ref::<ParquetSource>() else { return Arc::new(CarefulSource(source)) };
    let Some(readers) = parquet.parquet_file_reader_factory().cloned() else { return Arc::new(CarefulSource(source)) };
    let readers = Arc::new(CarefulReaders(readers));
    Arc::new(CarefulSource(Arc::new(parquet.clone().with_parquet_file_reader_factory(readers))))
}

/// Returns the scan inside a careful one, or otherwise the scan itself.
pub(super) fn inner(source: &Arc<dyn FileSource>) -> Arc<dyn FileSource> {
    source.downcast_ref::<CarefulSource>().map_or_else(|| source.clone(), |careful| careful.0.clone())
}

/// Whether a scan is a careful one.
pub(super) fn is_careful(source: &Arc<dyn FileSource>) -> bool {
    source.is::<CarefulSource>()
}

fn wrapped(source: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
    Arc::new(CarefulSource(source))
}

/// A scan that passes on only filters that never match NaN.
#[derive(Clone)]
struct CarefulSource(Arc<dyn FileSource>);

impl FileSource for CarefulSource {
    fn create_file_opener(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        self.0.create_file_opener(store, config, partition)
    }

    fn create_morselizer(
        &self,
        store: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        partition: usize,
    ) -> Result<Box<dyn Morselizer>> {
        self.0.create_morselizer(store, config, partition)
    }

    fn table_schema(&self) -> &TableSchema {
        self.0.table_schema()
    }

    fn with_batch_size(&self, rows: usize) -> Arc<dyn FileSource> {
        wrapped(self.0.with_batch_size(rows))
    }

    fn filter(&self) -> Option<Arc<dyn PhysicalExpr>> {
        self.0.filter()
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        self.0.projection()
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        self.0.metrics()
    }

    fn file_type(&self) -> &str {
        self.0.file_type()
    }

    fn fmt_extra(&self, t: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt_extra(t, f)
    }

    fn supports_repartitioning(&self) -> bool {
        self.0.supports_repartitioning()
    }

    fn repartitioned(
        &self,
        partitions: usize,
        min_bytes: usize,
        ordering: Option<LexOrdering>,
        config: &FileScanConfig,
    ) -> Result<Option<FileScanConfig>> {
        self.0.repartitioned(partitions, min_bytes, ordering, config)
    }

    fn try_pushdown_filters(
        &self,
        filters: Vec<Arc<dyn PhysicalExpr>>,
        config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn FileSource>>> {
        let schema = self.table_schema().table_schema();
        let told: Vec<bool> = filters.iter().map(|f| is_safe(f, schema) || is_one_of_two_bounds(f, &filters)).collect();
        let safe: Vec<_> = filters.iter().zip(&told).filter(|(_, told)| **told).map(|(f, _)| f.clone()).collect();
        if safe.is_empty() {
            return Ok(FilterPushdownPropagation::with_parent_pushdown_result(vec![PushedDown::No; filters.len()]));
        }
        let inner = self.0.try_pushdown_filters(safe, config)?;
        let mut answers = inner.filters.into_iter();
        // A row group may contain a NaN although its minimum and maximum match a filter, so the rows are filtered
        // again.
        let answers = filters.iter().zip(&told).map(|(filter, told)| {
            let answer = if *told { answers.next().unwrap_or(PushedDown::No) } else { PushedDown::No };
            if has_float_columns(filter, schema) { PushedDown::No } else { answer }
        });
        let result = FilterPushdownPropagation::with_parent_pushdown_result(answers.collect());
        Ok(match inner.updated_node {
            Some(node) => result.with_updated_node(wrapped(node)),
            None => result,
        })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        Ok(self.0.try_pushdown_sort(order, properties)?.map(wrapped))
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.0.reorder_files(files)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        Ok(self.0.try_pushdown_projection(projection)?.map(wrapped))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.0.apply_expressions(f)
    }
}
