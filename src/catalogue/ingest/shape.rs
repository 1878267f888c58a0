//! The form of outputs: lists that all have the same length become fixed-size lists, and `source_id` ascends. Both are
//! assumed for each file until a row contradicts; then the file is started again with what was learnt.

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, FixedSizeListArray, ListArray, RecordBatch},
    compute::{CastOptions, cast_with_options, nullif},
    datatypes::{DataType, Field, FieldRef, Int64Type, Schema, SchemaRef},
};
use lamcat_core::error::{Error, ErrorKind, Result};

use super::query::KEY;

/// The assumptions that turned out wrong for a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Learnt {
    /// The rows must be sorted.
    pub(super) unsorted: bool,
    /// Columns whose lists have different lengths.
    pub(super) variable: BTreeSet<String>,
}

/// An assumption that a row contradicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Surprise {
    Unsorted,
    Variable(String),
}

impl Learnt {
    pub(super) fn learn(&mut self, surprise: Surprise) {
        match surprise {
            Surprise::Unsorted => self.unsorted = true,
            Surprise::Variable(column) => {
                self.variable.insert(column);
            }
        }
    }
}

/// Finds the length of the lists in each column of a batch; `None` if the column has no non-empty list.
pub(super) fn lengths(batch: &RecordBatch, known: &mut [Option<i32>]) {
    for (column, known) in batch.columns().iter().zip(known) {
        if let (None, Some(lists)) = (*known, column.as_list_opt::<i32>()) {
            let mut rows = 0..lists.len();
            let first = rows.find(|i| lists.is_valid(*i) && lists.value_length(*i) > 0);
            *known = first.map(|i| lists.value_length(i));
        }
    }
}

/// Converts batches to the form of the output.
#[derive(Debug)]
pub(super) struct Shape {
    schema: SchemaRef,
    key: Option<usize>,
    last_key: Option<i64>,
    /// Whether a key that occurs twice is an error: a join has made two rows of one.
    unique: bool,
}

impl Shape {
    /// The form of rows with `schema`, whose lists have these lengths.
    pub(super) fn new(schema: &Schema, lengths: &[Option<i32>], learnt: &Learnt, unique: bool) -> Self {
        let fields = schema.fields().iter().zip(lengths).map(|(field, length)| match (field.data_type(), length) {
            (DataType::List(item), Some(length)) if !learnt.variable.contains(field.name()) => {
                let data_type = DataType::FixedSizeList(item.clone(), *length);
                // An empty list becomes NULL.
                Arc::new(field.as_ref().clone().with_data_type(data_type).with_nullable(true))
            }
            _ => field.clone(),
        });
        let schema = Arc::new(Schema::new_with_metadata(fields.collect::<Vec<FieldRef>>(), schema.metadata().clone()));
        let key = schema.index_of(KEY).ok().filter(|i| schema.field(*i).data_type() == &DataType::Int64);
        Self { schema, key, last_key: None, unique }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The batch in the form of the output, or the assumption that it contradicts.
    pub(super) fn apply(&mut self, batch: &RecordBatch) -> Result<Result<RecordBatch, Surprise>> {
        if let Some(key) = self.key
            && !self.ascends(batch.column(key))?
        {
            return Ok(Err(Surprise::Unsorted));
        }
        let mut columns = Vec::with_capacity(batch.num_columns());
        for (column, field) in batch.columns().iter().zip(self.schema.fields()) {
            match fixed(column, field)? {
                Some(column) => columns.push(column),
                None => return Ok(Err(Surprise::Variable(field.name().clone()))),
            }
        }
        let batch = RecordBatch::try_new(self.schema.clone(), columns);
        batch.map(Ok).map_err(|e| Error::new(ErrorKind::Input, "the rows do not fit the output's columns").source(e))
    }

    /// Whether the keys continue to ascend; rows without a key come last.
    fn ascends(&mut self, keys: &ArrayRef) -> Result<bool> {
        for key in keys.as_primitive::<Int64Type>() {
            let key = key.unwrap_or(i64::MAX);
            if self.last_key.is_some_and(|last| key < last) {
                return Ok(false);
            }
            if self.unique && self.last_key == Some(key) && key != i64::MAX {
                return Err(Error::new(ErrorKind::Input, format!("{KEY} {key} comes twice after the join")).hint(
                    "it is twice in the input or in the file to join: leave --join out, or make it unique first",
                ));
            }
            self.last_key = Some(key);
        }
        Ok(true)
    }
}

/// Converts a column to the type of `field`; `None` if a list has another length.
fn fixed(column: &ArrayRef, field: &Field) -> Result<Option<ArrayRef>> {
    let (DataType::FixedSizeList(item, length), Some(lists)) = (field.data_type(), column.as_list_opt::<i32>()) else {
        return Ok(Some(column.clone()));
    };
    let fits = |lists: &ListArray| (0..lists.len()).all(|i| lists.is_null(i) || lists.value_length(i) == *length);
    let bad = |e| Error::new(ErrorKind::Input, "a list cannot be of fixed size").at("column", field.name()).source(e);
    if lists.null_count() == 0 && fits(lists) {
        let begin = lists.value_offsets()[0] as usize;
        let items = lists.values().slice(begin, lists.len() * *length as usize);
        return Ok(Some(Arc::new(FixedSizeListArray::try_new(item.clone(), *length, items, None).map_err(bad)?)));
    }
    // Some tables write an empty list where a value is missing.
    let empty: BooleanArray = (0..lists.len()).map(|i| Some(lists.is_valid(i) && lists.value_length(i) == 0)).collect();
    let column = nullif(column, &empty).map_err(bad)?;
    if !fits(column.as_list::<i32>()) {
        return Ok(None);
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(&column, field.data_type(), &options).map(Some).map_err(bad)
}

#[cfg(test)]
mod tests {
    use arrow::{array::Int64Array, datatypes::Float32Type};

    use super::*;

    fn batch(ids: Vec<i64>, lists: Vec<Option<Vec<Option<f32>>>>) -> RecordBatch {
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists));
        let ids: ArrayRef = Arc::new(Int64Array::from(ids));
        RecordBatch::try_from_iter([(KEY, ids), ("c", lists)]).unwrap()
    }

    fn list(n: usize) -> Option<Vec<Option<f32>>> {
        (n < 9).then(|| vec![Some(1.5); n])
    }

    #[test]
    fn lists_of_one_length_become_fixed_with_nulls_where_empty() {
        let batch = batch(vec![1, 2, 3], vec![list(9), list(0), list(2)]);
        let mut known = vec![None; 2];
        lengths(&batch, &mut known);
        assert_eq!(known, [None, Some(2)]);
        let mut shape = Shape::new(batch.schema().as_ref(), &known, &Learnt::default(), false);
        let shaped = shape.apply(&batch).unwrap().unwrap();
        let lists = shaped.column(1).as_fixed_size_list();
        assert!(lists.is_null(0) && lists.is_null(1));
        assert_eq!(lists.value(2).as_primitive::<Float32Type>().values(), &[1.5, 1.5]);
        let sliced = shape.apply(&batch.slice(2, 1)).unwrap().unwrap();
        assert_eq!(sliced.column(1).as_fixed_size_list().value(0).len(), 2);
    }

    #[test]
    fn what_disagrees_is_learnt() {
        let first = batch(vec![1, 5], vec![list(2), list(2)]);
        let mut known = vec![None; 2];
        lengths(&first, &mut known);
        let mut learnt = Learnt::default();
        let mut shape = Shape::new(first.schema().as_ref(), &known, &learnt, false);
        shape.apply(&first).unwrap().unwrap();
        let back = shape.apply(&batch(vec![4], vec![list(2)])).unwrap();
        assert_eq!(back, Err(Surprise::Unsorted));
        let longer = shape.apply(&batch(vec![7], vec![list(3)])).unwrap().unwrap_err();
        assert_eq!(longer, Surprise::Variable("c".to_owned()));
        learnt.learn(longer);
        let mut shape = Shape::new(first.schema().as_ref(), &known, &learnt, false);
        assert!(shape.apply(&batch(vec![7], vec![list(3)])).unwrap().is_ok());
    }
}
