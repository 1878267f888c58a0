//! The adapter to DataFusion's file formats: schema and plan.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::{
    catalog::Session,
    common::{Result, Statistics},
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
use crate::sources::{FileColumns, OnError, TableChoice, ecsv, merged};

/// Files whose headers are read at once.
const HEADERS_AT_ONCE: usize = 8;

/// A format of the archive, with what becomes of malformed values.
#[derive(Debug, Clone)]
pub struct ArchiveFileFormat {
    format: ArchiveFormat,
    on_error: OnError,
    choice: TableChoice,
}

impl ArchiveFileFormat {
    /// A format with settings.
    #[must_use]
    pub fn new(format: ArchiveFormat, on_error: OnError) -> Self {
        Self { format, on_error, choice: TableChoice::All }
    }

    /// The same with the tables of each file that are read.
    #[must_use]
    pub fn with_choice(self, choice: TableChoice) -> Self {
        Self { choice, ..self }
    }

    async fn file_schema(&self, store: &Arc<dyn ObjectStore>, object: &ObjectMeta) -> Result<FileColumns> {
        let (format, choice) = (self.format, self.choice.clone());
        let path = display_path(store, object);
        let bytes = bytes::open(store, object, None).await?;
        let infer = {
            let path = path.clone();
            move || format.infer(bytes, &path, &choice)
        };
        match bytes::blocking(infer).await? {
            Ok(schema) => Ok((path, schema)),
            Err(e) => Err(e.within("file", path).into()),
        }
    }
}

/// A file's path as its user would write it.
#[must_use]
pub fn display_path(store: &Arc<dyn ObjectStore>, object: &ObjectMeta) -> String {
    let root = if store.to_string().starts_with("LocalFileSystem") { "/" } else { "" };
    format!("{root}{}", object.location)
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
        let files: Vec<FileColumns> = stream::iter(read).buffered(HEADERS_AT_ONCE).try_collect().await?;
        // What no header says was guessed from some values, and each value is looked at when it is read.
        let guessed = self.format == ArchiveFormat::Ecsv;
        Ok(Arc::new(ecsv::settled(&merged(&files, guessed)?)))
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
        Arc::new(ArchiveSource::new(self.format, self.on_error, self.choice.clone(), table_schema))
    }
}
