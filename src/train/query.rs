//! Turns a query's rows into columns of stars, for training or for evaluation.

use arrow::{
    array::{Array, ArrayRef, AsArray, RecordBatch},
    compute::cast,
    datatypes::{DataType, Field, Float32Type, Schema},
};
use datafusion::dataframe::DataFrame;
use futures::StreamExt;
use lamcat_core::{
    error::{Error, ErrorKind, Result},
    schema::{Basis, ERROR_SUFFIX, TokenId, Vocabulary},
    survey,
};

use super::set::Columns;

/// The content of a column of the query.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Content {
    /// All coefficients, as a list, or their errors.
    Xp { error: bool },
    /// One token, by its index in the set, or its error.
    Token { place: usize, error: bool },
}

/// Reads a query whose columns are `xp` (a list of all coefficients), tokens of the vocabulary `known`, and their
/// errors (`xp_error`, `teff_error`). NULL and NaN mean missing. `memory` limits the size of the set in bytes.
///
/// # Errors
/// If a column is unknown or not numeric, a list has the wrong length, a value is infinite or an error negative, the
/// set does not fit into the memory, or the query fails.
pub async fn read_training_set(frame: DataFrame, known: &Vocabulary, memory: Option<usize>) -> Result<Columns> {
    let schema = frame.schema().as_arrow().clone();
    let mut reader = Reader::new(&schema, known)?;
    let mut batches = frame.execute_stream().await.map_err(|e| failed(&e))?;
    while let Some(batch) = batches.next().await {
        reader.add(&batch.map_err(|e| failed(&e))?)?;
        let bytes = reader.bytes();
        if let Some(limit) = memory.filter(|limit| bytes > *limit) {
            return Err(Error::new(ErrorKind::Input, "the stars do not fit the memory")
                .at("rows so far", reader.rows)
                .at("bytes so far", bytes)
                .at("limit", limit)
                .hint("give more --memory, fewer columns or fewer rows"));
        }
    }
    Ok(reader.columns)
}

fn failed(e: &datafusion::error::DataFusionError) -> Error {
    Error::from_datafusion("the query of the stars failed", e)
}

struct Reader {
    columns: Columns,
    contents: Vec<Content>,
    /// Index in the set of each element of an `xp` list.
    xp: Vec<usize>,
    basis: Basis,
    rows: usize,
}

impl Reader {
    fn new(schema: &Schema, known: &Vocabulary) -> Result<Self> {
        let present = tokens(schema, known)?;
        let place = |id: TokenId| present.iter().position(|t| *t == id);
        let xp: Vec<usize> = known.coefficients().filter_map(place).collect();
        let mut errors = vec![None; present.len()];
        let mut contents = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let (base, error) = base_name(field.name());
            let is_list = base == known.basis().list;
            check_type(field, is_list)?;
            if is_list {
                contents.push(Content::Xp { error });
                if error {
                    for i in &xp {
                        errors[*i] = Some(Vec::new());
                    }
                }
            } else if let Some(place) = place(known.require(base)?) {
                contents.push(Content::Token { place, error });
                if error {
                    errors[place] = Some(Vec::new());
                }
            }
        }
        let tokens = present.iter().map(|id| known.token(*id).name.clone()).collect();
        Ok(Self {
            columns: Columns { tokens, values: Vec::new(), errors },
            contents,
            xp,
            basis: known.basis().clone(),
            rows: 0,
        })
    }

    fn bytes(&self) -> usize {
        let errors: usize = self.columns.errors.iter().flatten().map(Vec::len).sum();
        (self.columns.values.len() + errors) * size_of::<f32>()
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let width = self.columns.tokens.len();
        let start = self.rows;
        self.rows += batch.num_rows();
        if u32::try_from(self.rows).is_err() {
            return Err(Error::new(ErrorKind::Input, "there are more than 4 billion rows"));
        }
        self.columns.values.resize(self.rows * width, f32::NAN);
        for errors in self.columns.errors.iter_mut().flatten() {
            errors.resize(self.rows, 0.0);
        }
        for (i, content) in self.contents.clone().into_iter().enumerate() {
            let (name, column) = (batch.schema_ref().field(i).name().as_str(), batch.column(i));
            let place = |e: Error| e.at("column", name);
            match content {
                Content::Token { place: token, error } => self.scalars(column, start, token, error).map_err(place)?,
                Content::Xp { error } => self.lists(column, start, error).map_err(place)?,
            }
        }
        Ok(())
    }

    fn scalars(&mut self, column: &ArrayRef, start: usize, token: usize, error: bool) -> Result<()> {
        let values = as_f32(column, &DataType::Float32)?;
        for (row, value) in values.as_primitive::<Float32Type>().iter().enumerate() {
            self.put(start + row, token, value, error)?;
        }
        Ok(())
    }

    fn lists(&mut self, column: &ArrayRef, start: usize, error: bool) -> Result<()> {
        let lists = as_f32(column, &DataType::new_list(DataType::Float32, true))?;
        let lists = lists.as_list::<i32>();
        let all = lists.values().as_primitive::<Float32Type>();
        for row in 0..lists.len() {
            if lists.is_null(row) {
                continue;
            }
            let first = lists.value_offsets()[row] as usize;
            let length = lists.value_length(row) as usize;
            if length != self.xp.len() {
                survey::check_length(&self.basis, length)?;
                return Err(Error::new(ErrorKind::Input, format!("a list of {length} has the wrong length"))
                    .at("row", start + row + 1)
                    .hint(format!("an xp list holds {} coefficients; see xp(bp, rp, g)", self.xp.len())));
            }
            for i in 0..length {
                let value = all.is_valid(first + i).then(|| all.value(first + i));
                self.put(start + row, self.xp[i], value, error)?;
            }
        }
        Ok(())
    }

    fn put(&mut self, row: usize, token: usize, value: Option<f32>, error: bool) -> Result<()> {
        let Some(value) = value.filter(|v| !v.is_nan()) else { return Ok(()) };
        if value.is_infinite() || (error && value < 0.0) {
            let what = if error { "error" } else { "value" };
            return Err(Error::new(ErrorKind::Input, format!("the {what} {value} is unusable"))
                .at("token", &self.columns.tokens[token])
                .at("row", row + 1)
                .hint("values must be finite and errors not negative; NULL stands for a missing one"));
        }
        let width = self.columns.tokens.len();
        match (&mut self.columns.errors[token], error) {
            (Some(errors), true) => errors[row] = value,
            _ => self.columns.values[row * width + token] = value,
        }
        Ok(())
    }
}

/// Returns the ids of the tokens in the columns, in the order of the vocabulary.
fn tokens(schema: &Schema, known: &Vocabulary) -> Result<Vec<TokenId>> {
    let mut present = Vec::new();
    for field in schema.fields() {
        let (base, error) = base_name(field.name());
        if base == known.basis().list {
            present.extend(known.coefficients().filter(|_| !error));
            continue;
        }
        let id = known.require(base).map_err(|e| e.at("column", field.name()))?;
        if !error {
            present.push(id);
        }
    }
    present.sort_unstable();
    if let Some(twice) = present.windows(2).find(|w| w[0] == w[1]) {
        return Err(Error::new(ErrorKind::Plan, "a token is given twice").at("token", &known.token(twice[0]).name));
    }
    let names: Vec<&String> = schema.fields().iter().map(|f| f.name()).collect();
    for name in &names {
        let (base, error) = base_name(name);
        if error && !names.iter().any(|n| *n == base) {
            return Err(Error::new(ErrorKind::Plan, format!("the column '{name}' has errors of no column"))
                .hint(format!("select '{base}' too")));
        }
    }
    Ok(present)
}

/// Returns the name of the quantity in a column, and whether the column holds its errors.
pub(super) fn base_name(column: &str) -> (&str, bool) {
    column.strip_suffix(ERROR_SUFFIX).map_or((column, false), |base| (base, true))
}

fn check_type(field: &Field, list: bool) -> Result<()> {
    let number = |t: &DataType| t.is_numeric() || t.is_null();
    let fits = match field.data_type() {
        DataType::List(f) | DataType::LargeList(f) | DataType::FixedSizeList(f, _) if list => number(f.data_type()),
        other => !list && number(other),
    };
    if fits {
        return Ok(());
    }
    let wanted = if list { "a list of numbers" } else { "a number" };
    Err(Error::new(ErrorKind::Plan, format!("the column must be {wanted}, not {}", field.data_type()))
        .at("column", field.name()))
}

fn as_f32(column: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    cast(column, wanted).map_err(|e| Error::new(ErrorKind::Input, "the column cannot be read as f32").source(e))
}
