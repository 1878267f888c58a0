//! The types of the columns of a table without an ECSV header. A column has the type that a survey gives to its name if
//! the values fit; otherwise its type follows from the first records. The type of a column depends only on its own name and
//! values.
//!
//! The possible types are 64-bit integers, signed or unsigned; floats, unless an integer among them would lose digits;
//! logicals, written `true` and `false` in upper or lower case; dates and times; and lists of numbers in brackets;
//! everything else is text. NaN, an empty cell and the words for "no value" do not determine a type, except that NaN
//! makes floats more likely than integers.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, TimeUnit};
use lamcat_core::error::Result;

use super::{
    chunks::{Chunk, Chunks},
    header::{Header, archive_field},
};
use crate::cells::{CellBuilder, guessed_builder, null_word};

/// Maximum number of significant digits of a number that was written from a 32-bit float.
const FLOAT_DIGITS: usize = 9;

/// Returns the columns of a file: as described in its header, or guessed from its first records, which remain to be
/// read.
///
/// # Errors
/// If the first records cannot be read.
pub fn infer_schema(header: &Header, chunks: &mut Chunks) -> Result<Schema> {
    Ok(settled(&open_schema(header, chunks)?))
}

/// Replaces the type of columns that no value has determined by text.
pub(crate) fn settled(schema: &Schema) -> Schema {
    let settled = |field: &FieldRef| match field.data_type() {
        DataType::Null => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8)),
        _ => field.clone(),
    };
    Schema::new(schema.fields().iter().map(settled).collect::<Vec<_>>())
}

/// Like [`infer_schema`], except that a column without a value has the type Null: another file may determine its type.
pub(crate) fn open_schema(header: &Header, chunks: &mut Chunks) -> Result<Schema> {
    if let Some(fields) = &header.fields {
        return Ok(Schema::new(fields.clone()));
    }
    let sample = chunks.next().transpose()?.unwrap_or_else(|| Chunk { first_line: 1, text: Vec::new() });
    let schema = Schema::new(guess(header, &sample));
    if !sample.text.is_empty() {
        chunks.put_back(sample);
    }
    Ok(schema)
}

fn guess(header: &Header, sample: &Chunk) -> Vec<Field> {
    let mut columns: Vec<Guess> = header.names.iter().map(|n| Guess::new(n)).collect();
    let mut scan = header.scan(&sample.text);
    while scan.begin_record() {
        for column in &mut columns {
            let cell = scan.cell();
            column.look_at(&cell.value());
            if cell.last {
                break;
            }
        }
    }
    columns.into_iter().map(Guess::field).collect()
}

/// The types that a column may still have, the best first; text is always possible.
struct Guess {
    name: String,
    candidates: Vec<(Field, Box<dyn CellBuilder>)>,
    seen: bool,
    seen_nan: bool,
}

impl Guess {
    fn new(name: &str) -> Self {
        let times = [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond];
        let plain =
            [DataType::Int64, DataType::UInt64, DataType::Float64, DataType::Boolean, DataType::Date32].into_iter();
        let plain = plain.chain(times.map(|unit| DataType::Timestamp(unit, None)));
        let plain = plain.chain([DataType::new_list(DataType::Float64, true)]);
        let named = archive_field(name).into_iter().flat_map(|field| {
            // A user's own magnitudes may have more digits than the archive's.
            let wide =
                (field.data_type() == &DataType::Float32).then(|| field.clone().with_data_type(DataType::Float64));
            [Some(field), wide].into_iter().flatten()
        });
        let fields = named.chain(plain.map(|t| Field::new(name, t, true)));
        let candidates = fields.filter_map(|f| guessed_builder(f.data_type()).map(|b| (f, b))).collect();
        Self { name: name.to_owned(), candidates, seen: false, seen_nan: false }
    }

    fn look_at(&mut self, value: &[u8]) {
        let trimmed = value.trim_ascii();
        self.seen_nan |= trimmed.eq_ignore_ascii_case(b"nan");
        if trimmed.is_empty() || null_word(trimmed) == Some(trimmed.len()) {
            return;
        }
        self.seen = true;
        let named = archive_field(&self.name).is_some();
        let mut first = true;
        self.candidates.retain_mut(|(field, builder)| {
            let by_name = std::mem::take(&mut first) && named;
            let fits = builder.append(value).is_ok() && looks_like(trimmed, field.data_type(), by_name);
            drop(builder.finish());
            fits
        });
    }

    fn field(self) -> Field {
        if !self.seen && !self.seen_nan {
            return archive_field(&self.name).unwrap_or_else(|| Field::new(self.name, DataType::Null, true));
        }
        let mut left = self.candidates.iter().map(|(field, _)| field);
        let named = left.clone().next().filter(|field| Some(*field) == archive_field(&self.name).as_ref());
        let best = if self.seen_nan && named.is_none() {
            let floating = left.clone().find(|field| field.data_type().is_floating());
            let numeric = || left.clone().find(|field| field.data_type().is_numeric());
            floating.or_else(numeric).or_else(|| left.next())
        } else {
            left.next()
        };
        best.cloned().unwrap_or_else(|| Field::new(self.name, DataType::Utf8, true))
    }
}

/// Whether a value that can be parsed as a type was also meant as one.
fn looks_like(value: &[u8], data_type: &DataType, by_name: bool) -> bool {
    match data_type {
        // T, F, 0 and 1 may be spectral types, or numbers.
        DataType::Boolean if !by_name => [&b"true"[..], b"false"].iter().any(|word| value.eq_ignore_ascii_case(word)),
        // Without the brackets a list would match any number or numeric words.
        DataType::List(_) | DataType::FixedSizeList(..) => matches!(value.first(), Some(b'[' | b'(')),
        DataType::Float32 => significant_digits(value) <= FLOAT_DIGITS,
        _ => true,
    }
}

fn significant_digits(value: &[u8]) -> usize {
    let mantissa = value.split(|b| matches!(b, b'e' | b'E')).next().unwrap_or_default();
    let digits: Vec<u8> = mantissa.iter().copied().filter(u8::is_ascii_digit).collect();
    let leading = digits.iter().take_while(|d| **d == b'0').count();
    let trailing = digits[leading..].iter().rev().take_while(|d| **d == b'0').count();
    digits.len() - leading - trailing
}

#[cfg(test)]
mod tests {
    use lamcat_core::{
        schema::Basis,
        survey::{Survey, SurveyColumn},
        udf::FunctionSpec,
    };

    use super::*;

    fn type_of(name: &str, cells: &[&str]) -> DataType {
        let mut guess = Guess::new(name);
        for cell in cells {
            guess.look_at(cell.as_bytes());
        }
        guess.field().data_type().clone()
    }

    #[test]
    fn types_follow_from_the_values() {
        let seconds = DataType::Timestamp(TimeUnit::Second, None);
        let cases: [(&[&str], DataType); 24] = [
            (&["1", "", "null"], DataType::Int64),
            (&["1", "1.5"], DataType::Float64),
            (&["1", "NaN"], DataType::Float64),
            (&["nan"], DataType::Float64),
            (&["NaN", "true"], DataType::Boolean),
            (&["2016-01-01", "nan"], DataType::Date32),
            (&["[1,2]", "NaN"], DataType::new_list(DataType::Float64, true)),
            (&["nan", "Sirius"], DataType::Utf8),
            (&["F", "T"], DataType::Utf8),
            (&["True", "false", "NULL"], DataType::Boolean),
            (&["0", "1"], DataType::Int64),
            (&["", "None"], DataType::Null),
            (&["18446744073709551615"], DataType::UInt64),
            (&["18446744073709551617"], DataType::Utf8),
            (&["100000000000000000000"], DataType::Float64),
            (&["5853498713190525697", "0.5"], DataType::Utf8),
            (&["5853498713190525697", "NaN"], DataType::Int64),
            (&["-5853498713190525697"], DataType::Int64),
            (&["5.85e18"], DataType::Float64),
            (&["2016-01-01"], DataType::Date32),
            (&["2016-01-01T12:00:00", "2016-01-01"], seconds),
            (&["2016-01-01 12:00:00", "2016-01-01 12:00:00.25"], DataType::Timestamp(TimeUnit::Millisecond, None)),
            (&["[1,2]", "[]"], DataType::new_list(DataType::Float64, true)),
            (&["1 2"], DataType::Utf8),
        ];
        for (cells, expected) in cases {
            assert_eq!(type_of("x", cells), expected, "{cells:?}");
        }
    }

    struct Gaia;

    lamcat_core::survey!(Gaia);

    impl Survey for Gaia {
        fn name(&self) -> &'static str {
            "Gaia"
        }

        fn bases(&self) -> Vec<Basis> {
            Vec::new()
        }

        fn column(&self, name: &str) -> Option<SurveyColumn> {
            let type_name = match name {
                "phot_g_mean_mag" => "float32",
                "source_id" => "int64",
                "ra" => "float64",
                _ => return None,
            };
            Some(SurveyColumn { type_name, unit: "", ucd: "", description: "" })
        }

        fn functions(&self) -> Vec<&'static FunctionSpec> {
            Vec::new()
        }
    }

    #[test]
    fn a_column_of_a_survey_has_its_type_where_the_values_fit() {
        assert_eq!(type_of("phot_g_mean_mag", &["15.283843"]), DataType::Float32);
        assert_eq!(type_of("phot_g_mean_mag", &["15.28384312345"]), DataType::Float64);
        assert_eq!(type_of("source_id", &["5853498713190525696"]), DataType::Int64);
        assert_eq!(type_of("source_id", &["Gaia DR3 5853498713190525696"]), DataType::Utf8);
        assert_eq!(type_of("source_id", &["1", "NaN"]), DataType::Int64);
        assert_eq!(type_of("ra", &["12"]), DataType::Float64);
    }
}
