//! Reads Parquet files in a way that is correct for NaN.
//!
//! The minimum and maximum that a Parquet file gives for a column of floats leave NaN out, while SQL compares NaN as
//! greater than every number. Therefore files, row groups and pages are not skipped because of these values if a NaN
//! among the rows would match, and a column is not considered constant because of them. One-sided bounds do not use
//! them; `=`, `IN` and bounds on both sides do, because NaN never matches those. Files that lamcat writes have no such
//! values for floats, so that other readers are not misled.

mod footers;
mod nan;
mod source;

use std::{any::Any, collections::HashMap, sync::Arc};

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::Session,
    common::{DataFusionError, GetExt, Result, Statistics, stats::Precision},
    datasource::{
        file_format::{
            FileFormat, FileFormatFactory, FileMeta,
            file_compression_type::FileCompressionType,
            parquet::{ParquetFormat, ParquetFormatFactory},
        },
        physical_plan::{
            FileScanConfig, FileScanConfigBuilder, FileSinkConfig, FileSource, parquet::metadata::DFParquetMetadata,
        },
        source::DataSourceExec,
        table_schema::TableSchema,
    },
    physical_expr::{LexOrdering, LexRequirement},
    physical_plan::ExecutionPlan,
};
use futures::{StreamExt, TryStreamExt, stream};
use lamcat_core::outputs::options_with_floats;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use source::{careful, inner, is_careful};

use super::{
    archive::display_path,
    markup::refuse_web_page,
    merge::{check_unique, merged},
};

/// Number of bytes that are examined to recognise a file that is not Parquet.
const LOOKED_AT: u64 = 2048;

/// DataFusion's Parquet format, made correct for NaN.
#[derive(Debug)]
pub struct CarefulParquet(Arc<dyn FileFormat>);

impl CarefulParquet {
    /// Wraps `format`, from which it differs only in the treatment of NaN.
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

/// Creates the format from a table's options.
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
    /// Returns the columns of a file.
    async fn file_schema(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        file: &ObjectMeta,
    ) -> Result<Schema> {
        let cache = state.runtime_env().cache_manager.get_file_metadata_cache();
        let metadata = DFParquetMetadata::new(store.as_ref(), file).with_file_metadata_cache(Some(cache));
        let name = display_path(store, file);
        let whole = match metadata.fetch_schema().await {
            Ok(whole) => whole,
            Err(e) => {
                let start = store.get_range(&file.location, 0..file.size.min(LOOKED_AT)).await;
                start.map_or(Ok(()), |start| refuse_web_page(&start)).map_err(|e| e.at("file", &name))?;
                return Err(e.context(format!("file {name}")));
            }
        };
        check_unique(&name, &whole)?;
        let schema = self.0.infer_schema(state, store, std::slice::from_ref(file)).await?;
        Ok(schema.as_ref().clone())
    }
}

/// Returns DataFusion's own scan inside a careful one, for a plan that is sent to another process; `None` if the
/// configuration is not that of a careful scan.
#[must_use]
pub fn plain_scan(scan: &FileScanConfig) -> Option<FileScanConfig> {
    let source = scan.file_source();
    is_careful(source).then(|| FileScanConfigBuilder::from(scan.clone()).with_source(inner(source)).build())
}

/// Returns the careful scan around DataFusion's own, the inverse of [`plain_scan`].
#[must_use]
pub fn careful_scan(scan: &FileScanConfig) -> FileScanConfig {
    FileScanConfigBuilder::from(scan.clone()).with_source(careful(scan.file_source().clone())).build()
}

/// Returns statistics without minimum and maximum of floats.
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
        let source = inner(conf.file_source());
        let conf = FileScanConfigBuilder::from(conf).with_source(source).build();
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
        let Some(parquet) = self.0.downcast_ref::<ParquetFormat>() else {
            return self.0.create_writer_physical_plan(input, state, conf, order).await;
        };
        let options = options_with_floats(parquet.options(), conf.output_schema())?;
        ParquetFormat::default().with_options(options).create_writer_physical_plan(input, state, conf, order).await
    }

    fn file_source(&self, table_schema: TableSchema) -> Arc<dyn FileSource> {
        careful(self.0.file_source(table_schema))
    }
}
