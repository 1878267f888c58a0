//! Parquet files, read with care for NaN.
//!
//! The least and greatest value that a Parquet file gives for a column of floats leave NaN out, while in comparisons of SQL it is
//! greater than every number. So files, row groups and pages are not skipped by such values where a NaN among the rows would
//! be found, nor is a column taken to be constant by them: no bound of one side is looked up in them, but `=`, `IN` and bounds
//! on both sides are, which no NaN meets.

mod nan;

use std::{any::Any, collections::HashMap, fmt, sync::Arc};

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::Session,
    common::{DataFusionError, GetExt, Result, Statistics, stats::Precision, tree_node::TreeNodeRecursion},
    config::ConfigOptions,
    datasource::{
        file_format::{
            FileFormat, FileFormatFactory, FileMeta,
            file_compression_type::FileCompressionType,
            parquet::{ParquetFormat, ParquetFormatFactory},
        },
        listing::PartitionedFile,
        physical_plan::{
            FileOpener, FileScanConfig, FileScanConfigBuilder, FileSinkConfig, FileSource,
            parquet::metadata::DFParquetMetadata,
        },
        source::DataSourceExec,
        table_schema::TableSchema,
    },
    physical_expr::{EquivalenceProperties, LexOrdering, LexRequirement, PhysicalSortExpr},
    physical_plan::{
        DisplayFormatType, ExecutionPlan, PhysicalExpr, SortOrderPushdownResult,
        filter_pushdown::{FilterPushdownPropagation, PushedDown},
        metrics::ExecutionPlanMetricsSet,
        projection::ProjectionExprs,
    },
};
use datafusion_datasource::morsel::Morselizer;
use futures::{StreamExt, TryStreamExt, stream};
use nan::{is_one_of_two_bounds, is_safe};
use object_store::{ObjectMeta, ObjectStore};

use super::{
    archive::display_path,
    merge::{check_unique, merged},
};

/// DataFusion's format of Parquet, with care for NaN.
#[derive(Debug)]
pub struct CarefulParquet(Arc<dyn FileFormat>);

impl CarefulParquet {
    /// Reads and writes as `format` does, but for what NaN asks for.
    #[must_use]
    pub fn new(format: ParquetFormat) -> Self {
        Self(Arc::new(format))
    }
}

/// Whether a format is Parquet.
#[must_use]
pub fn is_parquet(format: &dyn FileFormat) -> bool {
    format.is::<CarefulParquet>() || format.is::<ParquetFormat>()
}

/// Makes the format from a table's options.
#[derive(Debug, Default)]
pub struct CarefulParquetFactory(ParquetFormatFactory);

impl GetExt for CarefulParquetFactory {
    fn get_ext(&self) -> String {
        self.0.get_ext()
    }
}

impl FileFormatFactory for CarefulParquetFactory {
    fn create(&self, state: &dyn Session, options: &HashMap<String, String>) -> Result<Arc<dyn FileFormat>> {
        Ok(Arc::new(CarefulParquet(self.0.create(state, options)?)))
    }

    fn default(&self) -> Arc<dyn FileFormat> {
        Arc::new(CarefulParquet(FileFormatFactory::default(&self.0)))
    }
}

impl CarefulParquet {
    /// The columns of a file.
    async fn file_schema(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        file: &ObjectMeta,
    ) -> Result<Schema> {
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let metadata = DFParquetMetadata::new(store.as_ref(), file).with_file_metadata_cache(Some(cache));
        let name = display_path(store, file);
        let whole = metadata.fetch_schema().await.map_err(|e| e.context(format!("file {name}")))?;
        check_unique(&name, &whole)?;
        let schema = self.0.infer_schema(state, store, std::slice::from_ref(file)).await?;
        Ok(schema.as_ref().clone())
    }
}

/// Statistics without what they say of the values of floats.
fn without_floats(mut statistics: Statistics, schema: &Schema) -> Statistics {
    for (column, field) in statistics.column_statistics.iter_mut().zip(schema.fields()) {
        if field.data_type().is_floating() {
            column.min_value = Precision::Absent;
            column.max_value = Precision::Absent;
            column.sum_value = Precision::Absent;
        }
    }
    statistics
}

#[async_trait]
impl FileFormat for CarefulParquet {
    fn get_ext(&self) -> String {
        self.0.get_ext()
    }

    fn get_ext_with_compression(&self, compression: &FileCompressionType) -> Result<String> {
        self.0.get_ext_with_compression(compression)
    }

    fn compression_type(&self) -> Option<FileCompressionType> {
        self.0.compression_type()
    }

    async fn infer_schema(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        objects: &[ObjectMeta],
    ) -> Result<SchemaRef> {
        let at_once = state.config_options().execution.meta_fetch_concurrency.get();
        let read = objects.iter().map(|file| async move {
            Ok::<_, DataFusionError>((display_path(store, file), self.file_schema(state, store, file).await?))
        });
        let mut files: Vec<_> = stream::iter(read).boxed().buffered(at_once).try_collect().await?;
        files.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Arc::new(merged(&files, false)?))
    }

    async fn infer_stats(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        schema: SchemaRef,
        object: &ObjectMeta,
    ) -> Result<Statistics> {
        Ok(without_floats(self.0.infer_stats(state, store, schema.clone(), object).await?, &schema))
    }

    async fn infer_ordering(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        schema: SchemaRef,
        object: &ObjectMeta,
    ) -> Result<Option<LexOrdering>> {
        self.0.infer_ordering(state, store, schema, object).await
    }

    async fn infer_stats_and_ordering(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        schema: SchemaRef,
        object: &ObjectMeta,
    ) -> Result<FileMeta> {
        let mut meta = self.0.infer_stats_and_ordering(state, store, schema.clone(), object).await?;
        meta.statistics = without_floats(meta.statistics, &schema);
        Ok(meta)
    }

    async fn create_physical_plan(&self, state: &dyn Session, conf: FileScanConfig) -> Result<Arc<dyn ExecutionPlan>> {
        let source = conf.file_source().clone();
        let inner = source.downcast_ref::<CarefulSource>().map_or_else(|| source.clone(), |careful| careful.0.clone());
        let conf = FileScanConfigBuilder::from(conf).with_source(inner).build();
        let plan = self.0.create_physical_plan(state, conf).await?;
        let exec: &dyn Any = plan.as_ref();
        let Some(conf) =
            exec.downcast_ref::<DataSourceExec>().and_then(|e| e.data_source().downcast_ref::<FileScanConfig>())
        else {
            return Ok(plan);
        };
        let careful = careful(conf.file_source().clone());
        Ok(DataSourceExec::from_data_source(FileScanConfigBuilder::from(conf.clone()).with_source(careful).build()))
    }

    async fn create_writer_physical_plan(
        &self,
        input: Arc<dyn ExecutionPlan>,
        state: &dyn Session,
        conf: FileSinkConfig,
        order: Option<LexRequirement>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.0.create_writer_physical_plan(input, state, conf, order).await
    }

    fn file_source(&self, table_schema: TableSchema) -> Arc<dyn FileSource> {
        careful(self.0.file_source(table_schema))
    }
}

fn careful(source: Arc<dyn FileSource>) -> Arc<dyn FileSource> {
    Arc::new(CarefulSource(source))
}

/// A scan that is told only of filters which no NaN meets.
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
        careful(self.0.with_batch_size(rows))
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
        let answers =
            told.iter().map(|told| if *told { answers.next().unwrap_or(PushedDown::No) } else { PushedDown::No });
        let result = FilterPushdownPropagation::with_parent_pushdown_result(answers.collect());
        Ok(match inner.updated_node {
            Some(node) => result.with_updated_node(careful(node)),
            None => result,
        })
    }

    fn try_pushdown_sort(
        &self,
        order: &[PhysicalSortExpr],
        properties: &EquivalenceProperties,
    ) -> Result<SortOrderPushdownResult<Arc<dyn FileSource>>> {
        Ok(self.0.try_pushdown_sort(order, properties)?.map(careful))
    }

    fn reorder_files(&self, files: Vec<PartitionedFile>) -> Vec<PartitionedFile> {
        self.0.reorder_files(files)
    }

    fn try_pushdown_projection(&self, projection: &ProjectionExprs) -> Result<Option<Arc<dyn FileSource>>> {
        Ok(self.0.try_pushdown_projection(projection)?.map(careful))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        self.0.apply_expressions(f)
    }
}
