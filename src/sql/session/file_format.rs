//! Finds the format of a table's files by their names or, for a file without a suffix, by its first bytes; and reads
//! what Parquet files say about their columns.

use std::{collections::HashMap, path::Path, sync::Arc};

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::{
    common::Result,
    datasource::file_format::{FileFormat, parquet::ParquetFormat},
    execution::SessionState,
};
use lamcat_core::error::{Error, ErrorKind};
use lamcat_formats::{ArchiveFormat, COMPRESSED, TableChoice, display_path, refuse_web_page};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

use super::archive_formats;

/// Number of bytes that are examined.
const LOOKED_AT: u64 = 2048;

/// A format, as the file's name or its first bytes indicate it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    Archive(ArchiveFormat),
    /// One of DataFusion's own formats, by its name in DataFusion.
    Other(&'static str),
}

/// The schema, with the units, UCDs and descriptions of the columns of a Parquet file.
pub(super) async fn described(
    state: &SessionState,
    store: &Arc<dyn ObjectStore>,
    file: &ObjectMeta,
    schema: &Schema,
) -> Result<SchemaRef> {
    let format = ParquetFormat::default().with_skip_metadata(false);
    let described = format.infer_schema(state, store, std::slice::from_ref(file)).await?;
    let fields = schema.fields().iter().map(|field| match described.field_with_name(field.name()) {
        Ok(known) => field.as_ref().clone().with_metadata(known.metadata().clone()),
        Err(_) => field.as_ref().clone(),
    });
    Ok(Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())))
}

/// The format of the files; they must all have the same format.
pub(super) async fn format_of(
    state: &SessionState,
    store: &Arc<dyn ObjectStore>,
    files: &[ObjectMeta],
    choice: TableChoice,
) -> Result<Arc<dyn FileFormat>> {
    let Some(first) = files.first() else {
        return Err(Error::new(ErrorKind::Input, "there is no file").into());
    };
    let by_name = of_name(first.location.filename().unwrap_or_default());
    let other = files.iter().find(|f| of_name(f.location.filename().unwrap_or_default()) != by_name);
    if let Some(other) = other {
        let (first, other) = (display_path(store, first), display_path(store, other));
        return Err(Error::new(ErrorKind::Input, format!("the files are not of one format: {first} and {other}"))
            .hint("name those of one format with a glob, e.g. 'folder/*.csv.gz'")
            .into());
    }
    let (said, compression) = match by_name {
        Some((said, compression)) => (said, compression),
        None => (of_bytes(store, first).await?, String::new()),
    };
    match said {
        Said::Archive(format) => archive_formats::of_path(format, state, choice),
        Said::Other(name) => {
            let unknown = || {
                Error::new(ErrorKind::Input, format!("lamcat does not read {name} files"))
                    .at("file", display_path(store, first))
            };
            let factory = state.get_file_format_factory(name).ok_or_else(unknown)?;
            let mut options = HashMap::new();
            if !compression.is_empty() {
                options.insert("format.compression".to_owned(), compression);
            }
            factory.create(state, &options)
        }
    }
}

/// The format and compression that a name indicates.
fn of_name(name: &str) -> Option<(Said, String)> {
    if let Some((format, ending)) = ArchiveFormat::of_name(name) {
        return Some((Said::Archive(format), ending.to_lowercase()));
    }
    let lower = name.to_lowercase();
    let compression = COMPRESSED.into_iter().find(|ending| lower.ends_with(ending)).unwrap_or_default();
    let stem = &lower[..lower.len() - compression.len()];
    let format = match Path::new(stem).extension()?.to_str()? {
        "parquet" | "parq" | "pq" => "parquet",
        "avro" => "avro",
        _ => return None,
    };
    let compression = match compression {
        ".gz" | ".gzip" => "gzip",
        ".bz2" => "bzip2",
        ".zst" | ".zstd" => "zstd",
        ".xz" => "xz",
        _ => "",
    };
    Some((Said::Other(format), compression.to_owned()))
}

/// The format that a file's first bytes indicate, used if its name does not indicate one.
async fn of_bytes(store: &Arc<dyn ObjectStore>, file: &ObjectMeta) -> Result<Said> {
    const BEGINS: [(&[u8], Said); 8] = [
        (b"PAR1", Said::Other("parquet")),
        (b"ARROW1", Said::Archive(ArchiveFormat::Arrow)),
        (b"\xff\xff\xff\xff", Said::Archive(ArchiveFormat::Arrow)),
        (b"{\"", Said::Archive(ArchiveFormat::Json)),
        (b"SIMPLE  =", Said::Archive(ArchiveFormat::Fits)),
        (b"# %ECSV", Said::Archive(ArchiveFormat::Ecsv)),
        (b"<VOTABLE", Said::Archive(ArchiveFormat::VoTable)),
        (b"<?xml", Said::Archive(ArchiveFormat::VoTable)),
    ];
    let begin = store.get_range(&file.location, 0..file.size.min(LOOKED_AT)).await?;
    refuse_web_page(&begin).map_err(|e| e.at("file", display_path(store, file)))?;
    let begin = begin.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&begin);
    if let Some((_, said)) = BEGINS.into_iter().find(|(begins, _)| begin.starts_with(begins)) {
        return Ok(said);
    }
    let message = "neither the name of the file nor its first bytes say its format";
    Err(Error::new(ErrorKind::Input, message)
        .at("file", display_path(store, file))
        .hint("end its name in .csv, .csv.gz, .fits, .vot, .parquet, …; or CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '…'")
        .into())
}
