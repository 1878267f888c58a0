//! Packs columns into contexts.

use arrow::{
    array::{Array, ArrayRef, AsArray, Float32Array},
    compute::cast,
    datatypes::{DataType, Float32Type},
};

use super::{
    flags,
    layout::{Layout, Source},
};
use crate::{
    error::{Error, ErrorKind, Result},
    schema::{PADDING, TokenId, Vocabulary},
    survey,
};

/// Contexts ready for the model, row-major.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Packed {
    /// Number of rows.
    pub rows: usize,
    /// Slots per row.
    pub context_length: usize,
    /// Token of each slot, 0 = padding: `rows * context_length`.
    pub tokens: Vec<TokenId>,
    /// Standardised value of each slot, 0 where padding: `rows * context_length`.
    pub values: Vec<f32>,
}

impl Packed {
    /// Returns an empty batch of contexts with room for `rows`.
    #[must_use]
    pub fn with_capacity(rows: usize, context_length: usize) -> Self {
        let slots = rows * context_length;
        Self { rows: 0, context_length, tokens: Vec::with_capacity(slots), values: Vec::with_capacity(slots) }
    }

    /// Appends one context of `(token, value in physical units)`; NaN and infinite values become padding in their own
    /// slots.
    ///
    /// # Errors
    /// If the context holds more tokens than it has slots.
    pub fn push(&mut self, vocabulary: &Vocabulary, context: impl Iterator<Item = (TokenId, f32)>) -> Result<()> {
        let start = self.tokens.len();
        for (token, value) in context {
            if value.is_finite() && token != PADDING {
                self.tokens.push(token);
                self.values.push(vocabulary.standardise(token, f64::from(value)));
            } else {
                self.tokens.push(PADDING);
                self.values.push(0.0);
            }
        }
        let used = self.tokens.len() - start;
        if used > self.context_length {
            self.tokens.truncate(start);
            self.values.truncate(start);
            return Err(Error::new(ErrorKind::Input, format!("{used} tokens do not fit the context"))
                .at("context length", self.context_length));
        }
        self.rows += 1;
        self.tokens.resize(self.rows * self.context_length, PADDING);
        self.values.resize(self.rows * self.context_length, 0.0);
        Ok(())
    }

    /// Returns the rows in `range` as a batch.
    #[must_use]
    pub fn slice(&self, range: std::ops::Range<usize>) -> (&[TokenId], &[f32]) {
        let slots = range.start * self.context_length..range.end * self.context_length;
        (&self.tokens[slots.clone()], &self.values[slots])
    }
}

/// The contexts of a batch's usable rows, and the flags of every row.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedRows {
    /// Contexts of the usable rows, in order.
    pub packed: Packed,
    /// The index in `packed` of each row of the batch; `None` if the row has no usable context.
    pub index: Vec<Option<u32>>,
    /// The flag bits of each row of the batch.
    pub flags: Vec<i32>,
}

impl Layout {
    /// Packs the rows of a context column.
    ///
    /// # Errors
    /// If the column does not have the type that the layout was made for, or its spectra are on another basis than the
    /// model's.
    pub fn pack(&self, context: &ArrayRef, vocabulary: &Vocabulary) -> Result<PackedRows> {
        let columns = Columns::new(self, context)?;
        let rows = context.len();
        let mut packed = Packed::with_capacity(rows, self.context_length);
        let mut index = Vec::with_capacity(rows);
        let mut flags = Vec::with_capacity(rows);
        let mut slots = Vec::with_capacity(self.slots.len());
        let mut missing = vec![Missing::default(); self.missing_flags.len()];
        for row in 0..rows {
            if let Err(WrongLength(length)) = columns.list(row, self.list_length) {
                survey::check_length(vocabulary.basis(), length)?;
            }
            slots.clear();
            missing.fill(Missing::default());
            let mut flag = self.read_row(&columns, row, &mut slots, &mut missing);
            if slots.iter().all(|(_, v)| v.is_nan()) {
                flag |= flags::NO_INPUT | flags::INPUT_MISSING;
                index.push(None);
            } else {
                index.push(Some(packed.rows as u32));
                packed.push(vocabulary, slots.iter().copied())?;
                flag |= out_of_range(&packed);
            }
            flags.push(flag);
        }
        Ok(PackedRows { packed, index, flags })
    }

    /// Returns the measured coefficients of the context's list, NaN where missing: rows times the list's length.
    ///
    /// # Errors
    /// If the column does not have the type that the layout was made for.
    pub fn measured(&self, context: &ArrayRef) -> Result<Vec<f32>> {
        let columns = Columns::new(self, context)?;
        let mut all = vec![f32::NAN; context.len() * self.list_length];
        for (row, values) in all.chunks_exact_mut(self.list_length.max(1)).enumerate() {
            if let (true, Ok(Some(start))) = (context.is_valid(row), columns.list(row, self.list_length)) {
                for (i, value) in values.iter_mut().enumerate() {
                    *value = columns.coefficient(start + i);
                }
            }
        }
        Ok(all)
    }

    /// Reads one row's `(token, value)` pairs, NaN where missing, and its flags. `missing` counts the wanted and
    /// the present coefficients of each block.
    fn read_row(&self, columns: &Columns, row: usize, slots: &mut Vec<(TokenId, f32)>, missing: &mut [Missing]) -> i32 {
        let mut flag = 0;
        let given = columns.context.is_valid(row);
        let list = match columns.list(row, self.list_length) {
            Ok(list) => list.filter(|_| given),
            Err(WrongLength(_)) => return flags::WRONG_LENGTH,
        };
        for slot in &self.slots {
            let mut value = match slot.source {
                Source::List(i) => list.map_or(f32::NAN, |start| columns.coefficient(start + i)),
                Source::Field(i) if given => columns.field(i, row),
                Source::Field(_) => f32::NAN,
            };
            if value.is_infinite() {
                flag |= flags::INPUT_NON_FINITE;
                value = f32::NAN;
            }
            if value.is_nan() {
                flag |= flags::INPUT_MISSING;
            }
            if let Some(block) = slot.block {
                missing[block].wanted += 1;
                missing[block].present += usize::from(!value.is_nan());
            }
            slots.push((slot.token, value));
        }
        let blocks = missing.iter().zip(&self.missing_flags).filter(|(m, _)| m.wanted > 0 && m.present == 0);
        blocks.fold(flag, |flag, (_, bit)| flag | bit)
    }
}

fn out_of_range(packed: &Packed) -> i32 {
    let last = &packed.values[(packed.rows - 1) * packed.context_length..];
    if last.iter().any(|z| z.abs() > flags::RANGE_SIGMA) { flags::OUT_OF_RANGE } else { 0 }
}

/// The number of coefficients of a block that the context uses, and the number of them that a row has.
#[derive(Debug, Clone, Copy, Default)]
struct Missing {
    wanted: usize,
    present: usize,
}

/// The list has this many coefficients, not as many as the model.
struct WrongLength(usize);

/// The context column, split into plain float arrays.
struct Columns<'a> {
    context: &'a ArrayRef,
    fields: Vec<Option<Float32Array>>,
    /// The lists, and the values of all lists.
    lists: Option<(ArrayRef, Float32Array)>,
}

impl<'a> Columns<'a> {
    fn new(layout: &Layout, context: &'a ArrayRef) -> Result<Self> {
        let mut fields = Vec::new();
        let mut list = layout.has_list.then(|| context.clone());
        if let Some(s) = context.as_struct_opt() {
            list = layout.list_field.map(|i| s.column(i).clone());
            for (i, column) in s.columns().iter().enumerate() {
                fields.push(if Some(i) == layout.list_field { None } else { Some(to_f32(column)?) });
            }
        }
        let lists = list.map(|l| to_f32(list_values(&l)?).map(|values| (l, values))).transpose()?;
        Ok(Self { context, fields, lists })
    }

    fn field(&self, i: usize, row: usize) -> f32 {
        match &self.fields[i] {
            Some(a) if a.is_valid(row) => a.value(row),
            _ => f32::NAN,
        }
    }

    /// Returns the start of the row's coefficients among the values of all lists; `None` if the list is NULL.
    fn list(&self, row: usize, length: usize) -> Result<Option<usize>, WrongLength> {
        let Some((list, _)) = &self.lists else { return Ok(None) };
        if list.is_null(row) {
            return Ok(None);
        }
        let (start, end) = match list.data_type() {
            DataType::List(_) => {
                let o = list.as_list::<i32>().value_offsets();
                (o[row] as usize, o[row + 1] as usize)
            }
            DataType::LargeList(_) => {
                let o = list.as_list::<i64>().value_offsets();
                (o[row] as usize, o[row + 1] as usize)
            }
            _ => {
                let n = list.as_fixed_size_list().value_length() as usize;
                (row * n, (row + 1) * n)
            }
        };
        if end - start == length { Ok(Some(start)) } else { Err(WrongLength(end - start)) }
    }

    fn coefficient(&self, at: usize) -> f32 {
        match &self.lists {
            Some((_, values)) if values.is_valid(at) => values.value(at),
            _ => f32::NAN,
        }
    }
}

fn to_f32(array: &ArrayRef) -> Result<Float32Array> {
    let cast = cast(array, &DataType::Float32).map_err(|e| {
        Error::new(ErrorKind::Input, "a context value is not a number").at("type", array.data_type()).source(e)
    })?;
    Ok(cast.as_primitive::<Float32Type>().clone())
}

fn list_values(list: &ArrayRef) -> Result<&ArrayRef> {
    Ok(match list.data_type() {
        DataType::List(_) => list.as_list::<i32>().values(),
        DataType::LargeList(_) => list.as_list::<i64>().values(),
        DataType::FixedSizeList(..) => list.as_fixed_size_list().values(),
        other => {
            return Err(Error::new(ErrorKind::Input, format!("{other} is not a list of coefficients")));
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{FixedSizeListArray, Float64Array, Int32Array, ListArray, StructArray},
        datatypes::{Field, Float64Type},
    };
    use proptest::prelude::*;

    use super::*;

    fn vocabulary() -> Vocabulary {
        Vocabulary::leung_bovy_2023()
    }

    fn pack(array: &ArrayRef) -> PackedRows {
        Layout::new(array.data_type(), &vocabulary(), 64).unwrap().pack(array, &vocabulary()).unwrap()
    }

    #[test]
    fn an_xp_list_gives_the_lowest_32_orders_of_each_band() {
        let row: Vec<Option<f64>> = (0..110).map(|i| Some(f64::from(i))).collect();
        let p = pack(&(Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>([Some(row)])) as ArrayRef));
        let expected: Vec<u32> = (1..=32).chain(56..88).collect();
        assert_eq!(p.packed.tokens, expected);
        assert!((p.packed.values[32] - vocabulary().standardise(56, 55.0)).abs() < 1e-6);
        assert_eq!(p.flags, [flags::OUT_OF_RANGE]);
    }

    #[test]
    fn missing_values_pad_their_own_slot_and_empty_rows_are_skipped() {
        let fields = vec![Field::new("teff", DataType::Int32, true), Field::new("logg", DataType::Float64, true)];
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from(vec![None, Some(4700), None])),
            Arc::new(Float64Array::from(vec![Some(2.5), Some(f64::INFINITY), Some(f64::NAN)])),
        ];
        let p = pack(&(Arc::new(StructArray::new(fields.into(), columns, None)) as ArrayRef));
        let (teff, logg) = (vocabulary().id("teff").unwrap(), vocabulary().id("logg").unwrap());
        assert_eq!(&p.packed.tokens[..2], [PADDING, logg]);
        assert_eq!(&p.packed.tokens[64..66], [teff, PADDING]);
        assert_eq!(p.index, [Some(0), Some(1), None]);
        assert_eq!(
            p.flags,
            [
                flags::INPUT_MISSING,
                flags::INPUT_MISSING | flags::INPUT_NON_FINITE,
                flags::INPUT_MISSING | flags::NO_INPUT
            ]
        );
    }

    #[test]
    fn lists_of_the_wrong_length_are_flagged_or_refused() {
        let lists = ListArray::from_iter_primitive::<Float64Type, _, _>([Some(vec![Some(1.0); 109]), None]);
        let p = pack(&(Arc::new(lists) as ArrayRef));
        assert_eq!(p.index, [None, None]);
        assert_ne!(p.flags[0] & flags::WRONG_LENGTH, 0);
        let fixed = DataType::FixedSizeList(Arc::new(Field::new_list_field(DataType::Float32, true)), 55);
        let e = Layout::new(&fixed, &vocabulary(), 64).unwrap_err().to_string();
        assert!(e.contains("55 coefficients has the wrong length") && e.contains("110"), "{e}");
    }

    #[test]
    fn unknown_and_excess_tokens_are_refused() {
        let one = DataType::Struct(vec![Field::new("tefff", DataType::Float32, true)].into());
        assert!(Layout::new(&one, &vocabulary(), 64).unwrap_err().to_string().contains("did you mean 'teff'"));
        let many: Vec<Field> = (0..17).map(|i| Field::new(format!("bp{i}"), DataType::Float32, true)).collect();
        assert!(Layout::new(&DataType::Struct(many.into()), &vocabulary(), 16).is_err());
        assert!(Layout::new(&DataType::Utf8, &vocabulary(), 64).is_err());
    }

    proptest! {
        #[test]
        fn packing_a_slice_equals_slicing_the_packed(
            values in proptest::collection::vec(proptest::option::weighted(0.7, -1.0f32..1.0), 110 * 6),
            start in 0usize..6, len in 0usize..6,
        ) {
            let len = len.min(6 - start);
            let item = Arc::new(Field::new_list_field(DataType::Float32, true));
            let all: ArrayRef =
                Arc::new(FixedSizeListArray::new(item, 110, Arc::new(Float32Array::from(values)), None));
            let whole = pack(&all);
            let part = pack(&all.slice(start, len));
            prop_assert_eq!(&part.flags[..], &whole.flags[start..start + len]);
            for (i, at) in part.index.iter().enumerate() {
                let there = whole.index[start + i];
                prop_assert_eq!(at.is_some(), there.is_some());
                if let (Some(a), Some(b)) = (at, there) {
                    let (a, b) = (*a as usize, b as usize);
                    prop_assert_eq!(part.packed.slice(a..a + 1), whole.packed.slice(b..b + 1));
                }
            }
        }
    }
}
