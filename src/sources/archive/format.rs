//! The adapter to DataFusion's file formats: schema and plan.

use std::{collections::HashSet, sync::Arc};

use arrow::datatypes::{DataType, FieldRef, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::{
    catalog::Session,
    common::{DataFusionError, Result, Statistics},
    datasource::{
        file_format::{FileFormat, file_compression_type::FileCompressionType},
        physical_plan::{FileScanConfig, FileSource},
        source::DataSourceExec,
        table_schema::TableSchema,
    },
    physical_plan::ExecutionPlan,
};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStore};

use super::{ArchiveFormat, bytes, source::ArchiveSource};
use crate::{
    error::{Error, ErrorKind},
    sources::OnError,
};

/// Files whose headers are read at once.
const HEADERS_AT_ONCE: usize = 8;

/// A format of the archive, with what becomes of malformed values.
#[derive(Debug, Clone)]
pub struct ArchiveFileFormat {
    format: ArchiveFormat,
    on_error: OnError,
}

impl ArchiveFileFormat {
    /// A format with settings.
    #[must_use]
    pub fn new(format: ArchiveFormat, on_error: OnError) -> Self {
        Self { format, on_error }
    }

    async fn file_schema(&self, store: &Arc<dyn ObjectStore>, object: &ObjectMeta) -> Result<Schema> {
        let format = self.format;
        let path = display_path(store, object);
        let bytes = bytes::open(store, object, None).await?;
        let infer = {
            let path = path.clone();
            move || format.infer(bytes, &path)
        };
        bytes::blocking(infer).await?.map_err(|e| e.within("file", path).into())
    }
}

/// A file's path as its user would write it.
#[must_use]
pub fn display_path(store: &Arc<dyn ObjectStore>, object: &ObjectMeta) -> String {
    let root = if store.to_string().starts_with("LocalFileSystem") { "/" } else { "" };
    format!("{root}{}", object.location)
}

/// The schemas with a column of floats wherever another file has one: which of the two a file seems to have depends on
/// its values where no header says it.
fn widened(schemas: &[Schema]) -> Vec<Schema> {
    let of_type = |t: DataType| {
        let fields = schemas.iter().flat_map(|s| s.fields().iter()).filter(|f| f.data_type() == &t);
        fields.map(|f| f.name().clone()).collect::<HashSet<_>>()
    };
    let both: HashSet<_> = of_type(DataType::Float64).intersection(&of_type(DataType::Int64)).cloned().collect();
    let widen = |field: &FieldRef| {
        let wide = both.contains(field.name()) && field.data_type() == &DataType::Int64;
        if wide { Arc::new(field.as_ref().clone().with_data_type(DataType::Float64)) } else { field.clone() }
    };
    schemas.iter().map(|s| Schema::new(s.fields().iter().map(widen).collect::<Vec<_>>())).collect()
}

#[async_trait]
impl FileFormat for ArchiveFileFormat {
    fn get_ext(&self) -> String {
        self.format.name().to_owned()
    }

    fn get_ext_with_compression(&self, compression: &FileCompressionType) -> Result<String> {
        let ending = if compression.is_compressed() { ".gz" } else { "" };
        Ok(format!("{}{ending}", self.get_ext()))
    }

    fn compression_type(&self) -> Option<FileCompressionType> {
        None
    }

    async fn infer_schema(
        &self,
        _: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        objects: &[ObjectMeta],
    ) -> Result<SchemaRef> {
        let read = objects.iter().cloned().map(|object| {
            let (format, store) = (self.clone(), store.clone());
            async move { format.file_schema(&store, &object).await }
        });
        let schemas: Vec<Schema> = stream::iter(read).buffered(HEADERS_AT_ONCE).try_collect().await?;
        let merged = Schema::try_merge(widened(&schemas)).map_err(|e| -> DataFusionError {
            Error::new(ErrorKind::Input, "the files' columns differ")
                .source(e)
                .hint("read them one by one, or declare the columns: CREATE EXTERNAL TABLE stars (source_id BIGINT, …)")
                .into()
        })?;
        Ok(Arc::new(merged))
    }

    async fn infer_stats(
        &self,
        _: &dyn Session,
        _: &Arc<dyn ObjectStore>,
        table_schema: SchemaRef,
        _: &ObjectMeta,
    ) -> Result<Statistics> {
        Ok(Statistics::new_unknown(&table_schema))
    }

    async fn create_physical_plan(&self, _: &dyn Session, conf: FileScanConfig) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(DataSourceExec::from_data_source(conf))
    }

    fn file_source(&self, table_schema: TableSchema) -> Arc<dyn FileSource> {
        Arc::new(ArchiveSource::new(self.format, self.on_error, table_schema))
    }
}
