//! The form outputs have: lists of one length become lists of fixed size, and `source_id` ascends. Both are taken for
//! granted of a file until a row disagrees; then the file is begun anew with what was learnt.

use std::{collections::BTreeSet, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, FixedSizeListArray, ListArray, RecordBatch},
    compute::{CastOptions, cast_with_options, nullif},
    datatypes::{DataType, Field, FieldRef, Int64Type, Schema, SchemaRef},
};
use lamcat_core::error::{Error, ErrorKind, Result};

use super::query::KEY;

/// What is known not to hold for a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Learnt {
    /// Rows must be put in order.
    pub(super) unsorted: bool,
    /// Columns whose lists differ in length.
    pub(super) variable: BTreeSet<String>,
}

/// A row that disagrees with what was taken for granted.
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

/// Lengths of a batch's lists by column: `None` where it has no list to tell.
pub(super) fn lengths(batch: &RecordBatch, known: &mut [Option<i32>]) {
    for (column, known) in batch.columns().iter().zip(known) {
        if let (None, Some(lists)) = (*known, column.as_list_opt::<i32>()) {
            let mut rows = 0..lists.len();
            let first = rows.find(|i| lists.is_valid(*i) && lists.value_length(*i) > 0);
            *known = first.map(|i| lists.value_length(i));
        }
    }
}

/// Brings batches into the form of the output.
#[derive(Debug)]
pub(super) struct Shape {
    schema: SchemaRef,
    key: Option<usize>,
    last_key: Option<i64>,
    /// A key that comes twice is an error: a join has made two rows of one.
    unique: bool,
}

impl Shape {
    /// The form of rows of `schema`, whose lists have these lengths.
    pub(super) fn new(schema: &Schema, lengths: &[Option<i32>], learnt: &Learnt, unique: bool) -> Self {
        let fields = schema.fields().iter().zip(lengths).map(|(field, length)| match (field.data_type(), length) {
            (DataType::List(item), Some(length)) if !learnt.variable.contains(field.name()) => {
                let data_type = DataType::FixedSizeList(item.clone(), *length);
                // Where a list is empty, there is none.
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

    /// The batch in the output's form, or what is surprising of it.
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

    /// Whether the keys go on ascending; rows without one come last.
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

/// A column as `field` wants it; `None` if a list has another length.
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
    // An empty list is how some tables say that there is none.
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
