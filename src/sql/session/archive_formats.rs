//! The formats of archives in `CREATE EXTERNAL TABLE … STORED AS`.

use std::{collections::HashMap, sync::Arc};

use datafusion::{
    catalog::Session,
    common::{GetExt, Result},
    datasource::{
        file_format::{FileFormat, FileFormatFactory, arrow::ArrowFormatFactory, json::JsonFormatFactory},
        provider::DefaultTableFactory,
    },
    execution::SessionState,
};
use lamcat_core::error::{Error, ErrorKind};
use lamcat_formats::{ArchiveFileFormat, ArchiveFormat, CarefulParquetFactory, OnError, TableChoice};

use crate::planner::LamcatOptions;

/// The only option of such tables.
const ON_ERROR: &str = "on_error";

/// Creates a format from a table's options.
#[derive(Debug)]
struct Factory {
    format: ArchiveFormat,
    /// Its name after `STORED AS`.
    name: &'static str,
}

impl GetExt for Factory {
    fn get_ext(&self) -> String {
        self.name.to_owned()
    }
}

impl FileFormatFactory for Factory {
    fn create(&self, state: &dyn Session, options: &HashMap<String, String>) -> Result<Arc<dyn FileFormat>> {
        if let Some(writer) = writer(self.format, state, options)? {
            return Ok(Arc::new(ArchiveFileFormat::new(self.format, on_error(state)?).with_writer(writer)));
        }
        let mut setting = on_error(state)?;
        // DataFusion puts "format." before keys without a prefix.
        let keys = options.keys().map(|key| key.strip_prefix("format.").unwrap_or(key));
        if let Some(other) = keys.filter(|key| *key != ON_ERROR).min() {
            let message = format!("'{other}' is not an option of tables stored as {}", self.name);
            return Err(Error::new(ErrorKind::Config, message).hint("there is on_error: 'fail', 'null'").into());
        }
        if let Some(value) = options.values().next() {
            setting = value.to_lowercase().parse()?;
        }
        Ok(Arc::new(ArchiveFileFormat::new(self.format, setting)))
    }

    fn default(&self) -> Arc<dyn FileFormat> {
        Arc::new(ArchiveFileFormat::new(self.format, OnError::Fail))
    }
}

/// The writer for files of a format, given a table's options; `None` if lamcat does not write the format.
fn writer(
    format: ArchiveFormat,
    state: &dyn Session,
    options: &HashMap<String, String>,
) -> Result<Option<Arc<dyn FileFormat>>> {
    match format {
        ArchiveFormat::Json => JsonFormatFactory::new().create(state, options).map(Some),
        ArchiveFormat::Arrow => ArrowFormatFactory::new().create(state, options).map(Some),
        _ => Ok(None),
    }
}

/// The format of files that are named by a quoted path.
pub(super) fn of_path(format: ArchiveFormat, state: &dyn Session, choice: TableChoice) -> Result<Arc<dyn FileFormat>> {
    let mut of_files = ArchiveFileFormat::new(format, on_error(state)?).with_choice(choice);
    if let Some(writer) = writer(format, state, &HashMap::new())? {
        of_files = of_files.with_writer(writer);
    }
    Ok(Arc::new(of_files))
}

/// What happens to malformed values in this session.
fn on_error(state: &dyn Session) -> Result<OnError> {
    let options = state.config().options().extensions.get::<LamcatOptions>();
    Ok(options.map_or(Ok(OnError::Fail), |o| o.on_error.parse())?)
}

/// Adds the formats to a session.
pub(super) fn register(state: &mut SessionState) -> Result<()> {
    for (format, name) in ArchiveFormat::ENDINGS {
        // DataFusion's own reader handles STORED AS CSV.
        if name != "csv" && name != "tsv" {
            state.register_file_format(Arc::new(Factory { format, name }), true)?;
            state.table_factories_mut().insert(name.to_uppercase(), Arc::new(DefaultTableFactory::new()));
        }
    }
    state.register_file_format(Arc::new(<CarefulParquetFactory as Default>::default()), true)?;
    Ok(())
}
