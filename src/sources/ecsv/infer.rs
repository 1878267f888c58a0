//! Types of the columns of a table without an ECSV header: the Gaia archive's where the name is one of its columns and
//! the values fit, else what the first records look like.

use arrow::datatypes::{DataType, Field, Schema};

use super::{
    chunks::{Chunk, Chunks},
    header::{Header, archive_field},
    scan::Scan,
};
use crate::{
    error::Result,
    sources::cells::{CellBuilder, cell_builder},
};

/// The columns of a file: as its header says, or guessed from its first records, which stay to be read.
///
/// # Errors
/// If the first records cannot be read.
pub fn infer_schema(header: &Header, chunks: &mut Chunks) -> Result<Schema> {
    if let Some(fields) = &header.fields {
        return Ok(Schema::new(fields.clone()));
    }
    let Some(sample) = chunks.next().transpose()? else {
        let fields =
            header.names.iter().map(|n| archive_field(n).unwrap_or_else(|| Field::new(n, DataType::Utf8, true)));
        return Ok(Schema::new(fields.collect::<Vec<_>>()));
    };
    let schema = Schema::new(guess(header, &sample));
    chunks.put_back(sample);
    Ok(schema)
}

fn guess(header: &Header, sample: &Chunk) -> Vec<Field> {
    let mut columns: Vec<Guess> = header.names.iter().map(|n| Guess::new(n)).collect();
    let mut scan = Scan::new(&sample.text, header.delimiter);
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

/// What a column may still be, best first; text is always possible.
struct Guess {
    name: String,
    candidates: Vec<(Field, Box<dyn CellBuilder>)>,
    seen: bool,
}

impl Guess {
    fn new(name: &str) -> Self {
        let plain =
            [DataType::Int64, DataType::Float64, DataType::Boolean, DataType::new_list(DataType::Float64, true)];
        let fields = archive_field(name).into_iter().chain(plain.map(|t| Field::new(name, t, true)));
        let candidates = fields.filter_map(|f| cell_builder(f.data_type()).map(|b| (f, b))).collect();
        Self { name: name.to_owned(), candidates, seen: false }
    }

    fn look_at(&mut self, value: &[u8]) {
        if value.trim_ascii().is_empty() {
            return;
        }
        self.seen = true;
        if value.trim_ascii().eq_ignore_ascii_case(b"nan") {
            self.candidates.retain(|(field, _)| field.data_type().is_floating());
        }
        // A list without brackets would take any number or words of numbers.
        let bracket = matches!(value.trim_ascii_start().first(), Some(b'[' | b'('));
        self.candidates.retain_mut(|(field, builder)| {
            let fits = builder.append(value).is_ok();
            drop(builder.finish());
            fits && (bracket || !field.data_type().is_list())
        });
    }

    fn field(self) -> Field {
        let named = archive_field(&self.name);
        if !self.seen {
            return named.unwrap_or_else(|| Field::new(self.name, DataType::Utf8, true));
        }
        let best = self.candidates.into_iter().map(|(field, _)| field).next();
        best.unwrap_or_else(|| Field::new(self.name, DataType::Utf8, true))
    }
}
