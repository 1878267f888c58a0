//! Converts tables with one column per coefficient (`bp_coeff_0`, `bp_coeff_1`, …) to tables with one list column.

use std::sync::Arc;

use arrow::{
    array::UInt32Array,
    array::{ArrayRef, FixedSizeListArray, RecordBatch},
    compute::{concat, take},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use lamcat_core::error::{Error, ErrorKind, Result};

/// Minimum length of a series; fewer numbered columns are left as they are.
const SHORTEST_SERIES: usize = 3;

/// The mapping of a table's columns to the elements of list columns.
#[derive(Debug, Clone)]
pub struct Fold {
    schema: SchemaRef,
    /// For each output column the input columns it consists of; a single one is passed through.
    sources: Vec<Vec<usize>>,
}

impl Fold {
    /// Finds series of adjacent numeric columns `NAME_0 … NAME_n` with one type; each becomes the list column `NAME`.
    #[must_use]
    pub fn new(schema: &Schema) -> Self {
        let mut fields = Vec::new();
        let mut sources = Vec::new();
        let mut at = 0;
        while at < schema.fields().len() {
            let length = series(schema, at);
            let field = schema.field(at);
            let name = field.name().strip_suffix("_0").unwrap_or(field.name());
            let taken = schema.index_of(name).is_ok() || fields.iter().any(|f: &Field| f.name() == name);
            if length >= SHORTEST_SERIES && !taken {
                let item = Arc::new(Field::new_list_field(field.data_type().clone(), true));
                fields.push(
                    Field::new(name, DataType::FixedSizeList(item, length as i32), true)
                        .with_metadata(field.metadata().clone()),
                );
                sources.push((at..at + length).collect());
                at += length;
            } else {
                fields.push(field.clone());
                sources.push(vec![at]);
                at += 1;
            }
        }
        Self { schema: Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone())), sources }
    }

    /// The columns of the folded table.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Folds a batch.
    ///
    /// # Errors
    /// If the batch does not have the schema for which the fold was made.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let failed = |e| Error::new(ErrorKind::Input, "numbered columns cannot be folded to a list").source(e);
        let columns = self
            .sources
            .iter()
            .zip(self.schema.fields())
            .map(|(sources, field)| match (sources.as_slice(), field.data_type()) {
                ([one], _) => Ok(batch.column(*one).clone()),
                (many, DataType::FixedSizeList(item, _)) => interleave(batch, many, item).map_err(failed),
                _ => Ok(batch.column(sources[0]).clone()),
            })
            .collect::<Result<Vec<_>>>()?;
        RecordBatch::try_new(self.schema.clone(), columns).map_err(failed)
    }
}

fn interleave(batch: &RecordBatch, columns: &[usize], item: &Arc<Field>) -> Result<ArrayRef, arrow::error::ArrowError> {
    let parts: Vec<_> = columns.iter().map(|i| batch.column(*i).as_ref()).collect();
    let (rows, n) = (batch.num_rows(), columns.len());
    let by_row: UInt32Array = (0..rows).flat_map(|r| (0..n).map(move |c| (c * rows + r) as u32)).collect();
    let values = take(&concat(&parts)?, &by_row, None)?;
    Ok(Arc::new(FixedSizeListArray::try_new(item.clone(), n as i32, values, None)?))
}

/// Returns the length of the series that starts at column `at`; 1 if no series starts there.
fn series(schema: &Schema, at: usize) -> usize {
    let first = schema.field(at);
    let Some(name) = first.name().strip_suffix("_0").filter(|_| first.data_type().is_numeric()) else { return 1 };
    (at..schema.fields().len())
        .zip(0..)
        .take_while(|(i, n)| {
            let field = schema.field(*i);
            field.name() == &format!("{name}_{n}") && field.data_type() == first.data_type()
        })
        .count()
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Float32Array, Int64Array};
    use arrow::datatypes::Float32Type;

    use super::*;

    #[test]
    fn a_series_becomes_a_list_and_the_rest_stays() {
        let names = ["id", "c_0", "c_1", "c_2", "x_0", "x_1"];
        let mut columns: Vec<(&str, ArrayRef)> = vec![("id", Arc::new(Int64Array::from(vec![7, 8])))];
        for (i, name) in names[1..].iter().enumerate() {
            columns.push((name, Arc::new(Float32Array::from(vec![Some(i as f32), None]))));
        }
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let fold = Fold::new(&batch.schema());
        let folded = fold.apply(&batch).unwrap();
        let columns: Vec<_> = folded.schema().fields().iter().map(|f| f.name().clone()).collect();
        assert_eq!(columns, ["id", "c", "x_0", "x_1"]);
        let list = folded.column(1).as_fixed_size_list();
        assert_eq!(list.value(0).as_primitive::<Float32Type>().values(), &[0.0, 1.0, 2.0]);
        assert_eq!(arrow::array::Array::null_count(&list.value(1)), 3);
    }
}
