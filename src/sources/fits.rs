//! FITS binary tables (FITS Standard 4.0, section 7.3) as Arrow batches.
//!
//! Integers, floats, logicals and strings, scalar or of fixed length. TNULL and NaN become NULL; TSCAL and TZERO are
//! applied; TUNIT and TUCD become field metadata. Variable-length, complex and bit columns are refused by name.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::{
        ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array,
        RecordBatch, StringArray, UInt64Array,
    },
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use fitsrs::{
    Fits, HDU,
    card::Value,
    hdu::header::{Header, extension::bintable::BinTable},
};

use crate::error::{Error, ErrorKind, Result};

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// Element type of a column as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Logical,
    Byte,
    Short,
    Int,
    Long,
    Char,
    Float,
    Double,
}

impl Element {
    fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            b'L' => Self::Logical,
            b'B' => Self::Byte,
            b'I' => Self::Short,
            b'J' => Self::Int,
            b'K' => Self::Long,
            b'A' => Self::Char,
            b'E' => Self::Float,
            b'D' => Self::Double,
            _ => return None,
        })
    }

    /// TZERO by which the standard stores unsigned integers, or signed bytes, in this type (section 5.2.5).
    fn unsigned_offset(self) -> Option<f64> {
        match self {
            Self::Byte => Some(-128.0),
            Self::Short => Some(32_768.0),
            Self::Int => Some(2_147_483_648.0),
            Self::Long => Some(9_223_372_036_854_775_808.0),
            _ => None,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Logical | Self::Byte | Self::Char => 1,
            Self::Short => 2,
            Self::Int | Self::Float => 4,
            Self::Long | Self::Double => 8,
        }
    }
}

/// Linear scaling of a column, `zero + scale * stored`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scaling {
    scale: f64,
    zero: f64,
}

impl Scaling {
    const NONE: Self = Self { scale: 1.0, zero: 0.0 };
}

#[derive(Debug, Clone)]
struct Column {
    field: Field,
    element: Element,
    repeat: usize,
    offset: usize,
    null: Option<i64>,
    /// Stored with the standard's offset for integers of the other signedness.
    unsigned: bool,
    scaling: Option<Scaling>,
}

/// The first binary table of a FITS file, read batch by batch.
#[derive(Debug)]
pub struct FitsTable {
    path: String,
    bytes: BufReader<std::io::Take<File>>,
    columns: Vec<Column>,
    schema: SchemaRef,
    row_bytes: usize,
    rows: usize,
    rows_read: usize,
}

impl FitsTable {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// If it is not a FITS file with a binary table, or a column has a type that is not supported.
    pub fn open(path: &Path) -> Result<Self> {
        let name = path.display().to_string();
        let bad =
            |why: &str| Error::new(ErrorKind::Input, format!("cannot read the FITS table: {why}")).at("file", &name);
        let open = || File::open(path).map_err(|e| bad("the file cannot be opened").source(e));
        let mut hdus = Fits::from_reader(BufReader::new(open()?));
        let table = loop {
            match hdus.next() {
                Some(Ok(HDU::XBinaryTable(table))) => break table,
                Some(Ok(_)) => {}
                Some(Err(e)) => return Err(bad("it is not a FITS file, or its header is damaged").source(e)),
                None => return Err(bad("it holds no binary table").hint("FITS images and ASCII tables are not read")),
            }
        };
        let header = table.get_header();
        let (columns, row_bytes) = columns(header).map_err(|e| e.at("file", &name))?;
        let rows = header.get_xtension().get_num_rows();
        let declared = integer(header, "NAXIS1").and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        if declared != row_bytes {
            return Err(bad(&format!("its columns take {row_bytes} bytes a row, its header says {declared}")));
        }
        let mut file = open()?;
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(table.get_data_unit_byte_offset()))
            .map_err(|e| bad("it is shorter than its header").source(e))?;
        let bytes = BufReader::with_capacity(1 << 20, file.take((rows * row_bytes) as u64));
        let schema = Arc::new(Schema::new(columns.iter().map(|c| c.field.clone()).collect::<Vec<_>>()));
        Ok(Self { path: name, bytes, columns, schema, row_bytes, rows, rows_read: 0 })
    }

    /// The columns.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows of the table.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    fn read_batch(&mut self) -> Result<RecordBatch> {
        let rows = BATCH_ROWS.min(self.rows - self.rows_read);
        let mut block = vec![0; rows * self.row_bytes];
        self.bytes.read_exact(&mut block).map_err(|e| {
            Error::new(ErrorKind::Input, format!("the FITS table ends before its {} rows", self.rows))
                .at("file", &self.path)
                .at("row", self.rows_read)
                .source(e)
                .hint("the file is truncated: fetch it again")
        })?;
        let arrays = self
            .columns
            .iter()
            .map(|c| {
                let cells = block.chunks_exact(self.row_bytes).map(|row| &row[c.offset..c.offset + c.bytes()]);
                c.decode(cells).map_err(|e| e.at("file", &self.path).at("column", c.field.name()))
            })
            .collect::<Result<Vec<_>>>()?;
        self.rows_read += rows;
        RecordBatch::try_new(self.schema.clone(), arrays)
            .map_err(|e| Error::new(ErrorKind::Input, "inconsistent FITS columns").at("file", &self.path).source(e))
    }
}

impl Iterator for FitsTable {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rows_read == self.rows {
            return None;
        }
        let batch = self.read_batch();
        if batch.is_err() {
            self.rows_read = self.rows;
        }
        Some(batch)
    }
}

fn columns(header: &Header<BinTable>) -> Result<(Vec<Column>, usize)> {
    let mut columns = Vec::new();
    let mut offset = 0;
    for i in 1..=header.get_xtension().get_num_cols() {
        let name = text(header, &format!("TTYPE{i}")).unwrap_or_else(|| format!("col{i}"));
        let column = column(header, i, name, offset)?;
        offset += column.bytes();
        columns.push(column);
    }
    Ok((columns, offset))
}

fn column(header: &Header<BinTable>, i: usize, name: String, offset: usize) -> Result<Column> {
    let form = text(header, &format!("TFORM{i}")).unwrap_or_default();
    let unsupported = || {
        Error::new(ErrorKind::Input, format!("the column has a type lamcat does not read: TFORM '{form}'"))
            .at("column", &name)
            .hint("remove the column first, e.g. with astropy or TOPCAT")
    };
    let digits = form.bytes().take_while(u8::is_ascii_digit).count();
    let repeat = if digits == 0 { 1 } else { form[..digits].parse().map_err(|_| unsupported())? };
    let element = form.as_bytes().get(digits).and_then(|c| Element::from_code(*c)).ok_or_else(unsupported)?;
    let scaling = Scaling {
        scale: number(header, &format!("TSCAL{i}")).unwrap_or(Scaling::NONE.scale),
        zero: number(header, &format!("TZERO{i}")).unwrap_or(Scaling::NONE.zero),
    };
    let unsigned = element.unsigned_offset().is_some_and(|zero| scaling == Scaling { scale: 1.0, zero });
    let numeric = !matches!(element, Element::Logical | Element::Char);
    if repeat == 0 {
        return Err(unsupported());
    }
    let mut column = Column {
        field: Field::new(&name, DataType::Null, true),
        element,
        repeat,
        offset,
        null: integer(header, &format!("TNULL{i}")),
        unsigned,
        scaling: (numeric && !unsigned && scaling != Scaling::NONE).then_some(scaling),
    };
    let metadata = [("unit", "TUNIT"), ("ucd", "TUCD"), ("description", "TCOMM")]
        .into_iter()
        .filter_map(|(key, card)| Some((key.to_owned(), text(header, &format!("{card}{i}"))?)))
        .collect();
    column.field = Field::new(name, column.data_type(), true).with_metadata(metadata);
    Ok(column)
}

impl Column {
    fn bytes(&self) -> usize {
        self.repeat * self.element.bytes()
    }

    /// Type of one value.
    fn item_type(&self) -> DataType {
        match (self.element, self.scaling) {
            (Element::Logical, _) => DataType::Boolean,
            (Element::Char, _) => DataType::Utf8,
            (Element::Double, _) | (_, Some(_)) => DataType::Float64,
            (Element::Float, None) => DataType::Float32,
            (Element::Long, None) if self.unsigned => DataType::UInt64,
            (Element::Int, None) if self.unsigned => DataType::Int64,
            (Element::Short, None) if self.unsigned => DataType::Int32,
            (Element::Byte | Element::Short, None) => DataType::Int16,
            (Element::Int, None) => DataType::Int32,
            (Element::Long, None) => DataType::Int64,
        }
    }

    fn data_type(&self) -> DataType {
        let item = self.item_type();
        if self.repeat == 1 || self.element == Element::Char {
            return item;
        }
        DataType::FixedSizeList(Arc::new(Field::new_list_field(item, true)), self.repeat as i32)
    }

    fn decode<'a>(&self, cells: impl Iterator<Item = &'a [u8]>) -> Result<ArrayRef> {
        if self.element == Element::Char {
            let strings = cells.map(|cell| {
                let end = cell.iter().position(|b| *b == 0).unwrap_or(cell.len());
                String::from_utf8_lossy(&cell[..end]).trim_end().to_owned()
            });
            return Ok(Arc::new(strings.map(|s| (!s.is_empty()).then_some(s)).collect::<StringArray>()));
        }
        let items = self.items(cells.flat_map(|cell| cell.chunks_exact(self.element.bytes())));
        if self.repeat == 1 {
            return Ok(items);
        }
        let item = Arc::new(Field::new_list_field(self.item_type(), true));
        let list = FixedSizeListArray::try_new(item, self.repeat as i32, items, None);
        Ok(Arc::new(list.map_err(|e| Error::new(ErrorKind::Input, "an array column cannot be read").source(e))?))
    }

    fn items<'a>(&self, items: impl Iterator<Item = &'a [u8]>) -> ArrayRef {
        if let Some(s) = self.scaling {
            return Arc::new(items.map(|b| self.stored(b).map(|v| s.zero + s.scale * v)).collect::<Float64Array>());
        }
        match self.item_type() {
            DataType::Boolean => Arc::new(
                items
                    .map(|b| match b[0] {
                        b'T' => Some(true),
                        b'F' => Some(false),
                        _ => None,
                    })
                    .collect::<BooleanArray>(),
            ),
            DataType::Int16 => Arc::new(items.map(|b| self.integer(b).map(|v| v as i16)).collect::<Int16Array>()),
            DataType::Int32 => Arc::new(items.map(|b| self.integer(b).map(|v| v as i32)).collect::<Int32Array>()),
            DataType::Int64 => Arc::new(items.map(|b| self.integer(b)).collect::<Int64Array>()),
            // Adding 2^63 to a stored integer flips its sign bit.
            DataType::UInt64 => {
                Arc::new(items.map(|b| self.integer(b).map(|v| v as u64 ^ (1 << 63))).collect::<UInt64Array>())
            }
            DataType::Float32 => Arc::new(items.map(|b| self.stored(b).map(|v| v as f32)).collect::<Float32Array>()),
            _ => Arc::new(items.map(|b| self.stored(b)).collect::<Float64Array>()),
        }
    }

    /// The stored integer; `None` where it is the column's TNULL.
    fn integer(&self, bytes: &[u8]) -> Option<i64> {
        let value = match (self.element, bytes) {
            (Element::Short, &[a, b]) => i64::from(i16::from_be_bytes([a, b])),
            (Element::Int, &[a, b, c, d]) => i64::from(i32::from_be_bytes([a, b, c, d])),
            (Element::Long, bytes) => i64::from_be_bytes(bytes.try_into().ok()?),
            (_, bytes) => i64::from(*bytes.first()?),
        };
        if Some(value) == self.null {
            return None;
        }
        let offset = match self.element.unsigned_offset() {
            Some(zero) if self.unsigned && self.element != Element::Long => zero as i64,
            _ => 0,
        };
        Some(value + offset)
    }

    /// The stored number; `None` where it is NaN or the column's TNULL.
    fn stored(&self, bytes: &[u8]) -> Option<f64> {
        match self.element {
            Element::Float => Some(f64::from(f32::from_be_bytes(bytes.try_into().ok()?))),
            Element::Double => Some(f64::from_be_bytes(bytes.try_into().ok()?)),
            _ => self.integer(bytes).map(|v| v as f64),
        }
        .filter(|v| !v.is_nan())
    }
}

fn text(header: &Header<BinTable>, key: &str) -> Option<String> {
    match header.get(key)? {
        Value::String { value, .. } => Some(value.trim().to_owned()).filter(|s| !s.is_empty()),
        _ => None,
    }
}

fn integer(header: &Header<BinTable>, key: &str) -> Option<i64> {
    match header.get(key)? {
        Value::Integer { value, .. } => Some(*value),
        _ => None,
    }
}

fn number(header: &Header<BinTable>, key: &str) -> Option<f64> {
    match header.get(key)? {
        Value::Integer { value, .. } => Some(*value as f64),
        Value::Float { value, .. } => Some(*value),
        _ => None,
    }
}
