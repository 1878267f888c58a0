//! The adapter to DataFusion's file formats: it provides schema and plan.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::{
    catalog::Session,
    common::{Result, Statistics, not_impl_err},
    datasource::{
        file_format::{FileFormat, file_compression_type::FileCompressionType, json::JsonFormat},
        physical_plan::{FileScanConfig, FileSinkConfig, FileSource},
        source::DataSourceExec,
        table_schema::TableSchema,
    },
    physical_expr::LexRequirement,
    physical_plan::ExecutionPlan,
};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, ObjectStore};

use super::{
    ArchiveFormat,
    bytes::{self, display_path},
    source::ArchiveSource,
};
use crate::{FileColumns, OnError, TableChoice, ecsv, merged};

/// Number of files whose headers are read at once.
const HEADERS_AT_ONCE: usize = 8;

/// A format of the archive, with the treatment of malformed values.
#[derive(Debug, Clone)]
pub struct ArchiveFileFormat {
    format: ArchiveFormat,
    on_error: OnError,
    choice: TableChoice,
    /// The writer of such files, if they can be written.
    writer: Option<Arc<dyn FileFormat>>,
}

impl ArchiveFileFormat {
    /// Creates a format with these settings.
    #[must_use]
    pub fn new(format: ArchiveFormat, on_error: OnError) -> Self {
        Self { format, on_error, choice: TableChoice::All, writer: None }
    }

    /// Sets which tables of each file are read.
    #[must_use]
    pub fn with_choice(self, choice: TableChoice) -> Self {
        Self { choice, ..self }
    }

    /// Sets the writer of such files.
    #[must_use]
    pub fn with_writer(self, writer: Arc<dyn FileFormat>) -> Self {
        Self { writer: Some(writer), ..self }
    }

    /// The number of JSON rows from which the columns are derived. By default it is all of them, because a type derived
    /// from the first rows only could misread later values.
    fn sample_rows(&self) -> usize {
        let json = self.writer.as_ref().and_then(|writer| writer.downcast_ref::<JsonFormat>());
        json.and_then(|json| json.options().schema_infer_max_rec).unwrap_or(usize::MAX)
    }

    async fn file_schema(&self, store: &Arc<dyn ObjectStore>, object: &ObjectMeta) -> Result<FileColumns> {
        let (format, choice, sample) = (self.format, self.choice.clone(), self.sample_rows());
        let path = display_path(store, object);
        let bytes = bytes::open(store, object, None).await?;
        let infer = {
            let path = path.clone();
            move || format.infer(bytes, &path, &choice, sample)
        };
        match bytes::blocking(infer).await? {
            Ok(schema) => Ok((path, schema)),
            Err(e) => Err(e.within("file", path).into()),
        }
    }
}

#[async_trait]
impl FileFormat for ArchiveFileFormat {
    fn get_ext(&self) -> String {
        self.format.name().to_owned()
    }

    fn get_ext_with_compression(&self, compression: &FileCompressionType) -> Result<String> {
        if let Some(writer) = &self.writer {
            return writer.get_ext_with_compression(compression);
        }
        let ending = if compression.is_compressed() { ".gz" } else { "" };
        Ok(format!("{}{ending}", self.get_ext()))
    }

    fn compression_type(&self) -> Option<FileCompressionType> {
        self.writer.as_ref().and_then(|writer| writer.compression_type())
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
        // Without a header the types are guesses from some values, and each value is checked when it is read.
        let guessed = matches!(self.format, ArchiveFormat::Ecsv | ArchiveFormat::Json);
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

    async fn create_writer_physical_plan(
        &self,
        input: Arc<dyn ExecutionPlan>,
        state: &dyn Session,
        conf: FileSinkConfig,
        order: Option<LexRequirement>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(writer) = &self.writer else {
            return not_impl_err!("lamcat does not write {} files", self.format.name());
        };
        writer.create_writer_physical_plan(input, state, conf, order).await
    }

    fn file_source(&self, table_schema: TableSchema) -> Arc<dyn FileSource> {
        Arc::new(ArchiveSource::new(self.format, self.on_error, self.choice.clone(), table_schema))
    }
}
