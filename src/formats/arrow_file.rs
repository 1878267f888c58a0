//! Arrow's own files (IPC): either with a footer, which is the usual form of `.arrow` and `.feather` files, or as a
//! stream of batches.

use std::{
    fmt,
    io::{BufReader, ErrorKind as ErrorKindOfIo, Seek, SeekFrom},
    sync::Arc,
};

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
    ipc::reader::{FileReader, StreamReader},
};
use lamcat_core::error::{Error, ErrorKind, Result};

use super::{
    inflate::{ReadSeek, beginning, inflated_file},
    markup::refuse_markup,
};

/// The first and last bytes of a file with a footer.
const FOOTED: &[u8] = b"ARROW1";
/// The first bytes of Feather files from before Arrow's own format.
const FEATHER: &[u8] = b"FEA1";
/// With this word Arrow 0.17 marked compressed buffers. A reader that does not know it takes their bytes for values.
const OLD_COMPRESSION: &[u8] = b"ARROW:experimental_compression";
/// Number of bytes within which this word occurs: at the latest with the first batch, after the descriptions of the
/// columns.
const LOOKED_AT: u64 = 64 << 10;

/// A table in an Arrow file.
pub struct ArrowTable {
    bytes: Box<dyn ReadSeek>,
    has_footer: bool,
    schema: SchemaRef,
}

impl fmt::Debug for ArrowTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArrowTable").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl ArrowTable {
    /// Opens a file, which may be compressed.
    ///
    /// # Errors
    /// If it is not an Arrow file, or is damaged.
    pub fn read(bytes: impl ReadSeek + 'static) -> Result<Self> {
        let unreadable = |e| Error::new(ErrorKind::Io, "cannot read the file").source(e);
        let mut bytes = inflated_file(Box::new(bytes)).map_err(unreadable)?;
        let start = beginning(bytes.as_mut(), LOOKED_AT).map_err(unreadable)?;
        refuse_markup(&start)?;
        if start.starts_with(FEATHER) {
            return Err(Error::new(ErrorKind::Input, "the file is of version 1 of Feather")
                .hint("write it anew as Feather of version 2, which is Arrow's own format, or as Parquet"));
        }
        if memchr::memmem::find(&start, OLD_COMPRESSION).is_some() {
            let message = "the file is compressed as Arrow 0.17 did it, before there was a standard";
            return Err(Error::new(ErrorKind::Input, message).hint("write it anew, e.g. with pyarrow's feather module"));
        }
        let has_footer = start.starts_with(FOOTED);
        let schema = if has_footer {
            FileReader::try_new(&mut bytes, None).map_err(damaged)?.schema()
        } else {
            StreamReader::try_new(&mut bytes, None).map_err(damaged)?.schema()
        };
        bytes.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        Ok(Self { bytes, has_footer, schema })
    }

    /// Its columns.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Returns the rows with the columns that are `wanted`, one batch at a time.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn batches(self, wanted: impl Fn(&str) -> bool) -> Result<impl Iterator<Item = Result<RecordBatch>>> {
        let places = projection(&self.schema, wanted);
        let batches: Box<dyn Iterator<Item = std::result::Result<RecordBatch, ArrowError>>> = if self.has_footer {
            Box::new(FileReader::try_new(self.bytes, Some(places)).map_err(damaged)?)
        } else {
            Box::new(StreamReader::try_new(BufReader::new(self.bytes), Some(places)).map_err(damaged)?)
        };
        Ok(batches.map(|batch| batch.map_err(damaged)))
    }
}

fn projection(schema: &Arc<Schema>, wanted: impl Fn(&str) -> bool) -> Vec<usize> {
    let fields = schema.fields().iter().enumerate();
    fields.filter(|(_, field)| wanted(field.name())).map(|(place, _)| place).collect()
}

fn damaged(e: ArrowError) -> Error {
    match e {
        ArrowError::IoError(_, e) if e.kind() != ErrorKindOfIo::UnexpectedEof => {
            Error::new(ErrorKind::Io, "cannot read the file").source(e)
        }
        other => Error::new(ErrorKind::Input, "the file is no Arrow file, or damaged")
            .source(other)
            .hint("fetch it again, and check that it is what its name says"),
    }
}
