//! The arguments of a call: their types and literals at planning time, and their values in a batch.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    compute::cast,
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{Result as DataFusionResult, ScalarValue, internal_datafusion_err, internal_err},
    logical_expr::ColumnarValue,
};

use super::{
    argument::{Argument, ArgumentKind, ListRule, Usage},
    columns::{Counts, Integers, Lists, Numbers},
};
use crate::{
    error::{Error, ErrorKind},
    schema::nearest,
};

/// A call as known at planning time.
#[derive(Debug)]
pub struct Call<'a> {
    /// The fields of its arguments.
    pub fields: &'a [FieldRef],
    /// The arguments that are literals.
    pub literals: Literals<'a>,
}

/// The arguments of a call that are literals.
#[derive(Debug)]
pub struct Literals<'a> {
    usage: Usage,
    values: Vec<Option<&'a ScalarValue>>,
}

impl<'a> Literals<'a> {
    /// Returns the literals of a call; `values` has the value of each argument that is a literal.
    #[must_use]
    pub fn new(usage: Usage, values: Vec<Option<&'a ScalarValue>>) -> Self {
        Self { usage, values }
    }

    /// The number of arguments of the call.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The value of an argument, if it is a literal.
    #[must_use]
    pub fn value(&self, at: usize) -> Option<&'a ScalarValue> {
        self.values.get(at).copied().flatten()
    }

    /// The string value of an argument.
    ///
    /// # Errors
    /// If the argument is not a literal string.
    pub fn text(&self, at: usize) -> Result<&'a str, Error> {
        let text = self.value(at).and_then(|value| value.try_as_str().flatten());
        text.ok_or_else(|| self.usage.no_literal(at))
    }

    /// The string value of an optional argument.
    ///
    /// # Errors
    /// If the argument is given but is not a literal string.
    pub fn optional_text(&self, at: usize) -> Result<Option<&'a str>, Error> {
        if at < self.values.len() { self.text(at).map(Some) } else { Ok(None) }
    }

    /// The strings in a list argument; there is at least one.
    ///
    /// # Errors
    /// If the argument is not a literal list of strings.
    pub fn texts(&self, at: usize) -> Result<Vec<String>, Error> {
        let no_literal = || self.usage.no_literal(at);
        let values = match self.value(at) {
            Some(ScalarValue::List(list)) if list.len() == 1 => list.value(0),
            Some(ScalarValue::LargeList(list)) if list.len() == 1 => list.value(0),
            Some(ScalarValue::FixedSizeList(list)) if list.len() == 1 => list.value(0),
            _ => return Err(no_literal()),
        };
        let values = cast(&values, &DataType::Utf8).map_err(|_| no_literal())?;
        let texts: Option<Vec<String>> = values.as_string::<i32>().iter().map(|t| t.map(str::to_owned)).collect();
        texts.filter(|texts| !texts.is_empty()).ok_or_else(no_literal)
    }

    /// Returns the index of the choice that an argument names, in upper or lower case.
    ///
    /// # Errors
    /// If the argument is not a literal string, or not one of the choices; the hint lists them.
    pub fn choice(&self, at: usize) -> Result<usize, Error> {
        let given = self.text(at)?;
        let Some((name, ArgumentKind::Choice(choices))) = self.usage.arguments.get(at).map(|a| (a.name, &a.kind))
        else {
            return Err(Error::new(ErrorKind::Internal, format!("{} has nothing to choose there", self.usage.name)));
        };
        choices.iter().position(|choice| choice.eq_ignore_ascii_case(given)).ok_or_else(|| {
            let near = nearest(given, choices).map_or_else(String::new, |near| format!("did you mean '{near}'? "));
            Error::new(ErrorKind::Plan, format!("unknown {name} '{given}' in {}", self.usage.name))
                .hint(format!("{near}known: {}", choices.join(", ")))
        })
    }

    /// The integer value of a literal argument.
    pub(super) fn integer(&self, at: usize) -> Option<i64> {
        match self.value(at)?.cast_to(&DataType::Int64).ok()? {
            ScalarValue::Int64(value) => value,
            _ => None,
        }
    }
}

/// The arguments of a call on a batch, counted from 0.
#[derive(Debug)]
pub struct Arguments<'a> {
    /// Number of rows of the batch.
    pub rows: usize,
    usage: Usage,
    values: &'a [ColumnarValue],
    field: &'a Field,
}

impl<'a> Arguments<'a> {
    pub(super) fn new(usage: Usage, values: &'a [ColumnarValue], rows: usize, field: &'a Field) -> Self {
        Self { rows, usage, values, field }
    }

    /// The values: either one for all rows, or one per row.
    #[must_use]
    pub fn values(&self) -> &'a [ColumnarValue] {
        self.values
    }

    /// The field of the result that was announced to the planner.
    #[must_use]
    pub fn field(&self) -> &'a Field {
        self.field
    }

    /// The literals.
    #[must_use]
    pub fn literals(&self) -> Literals<'a> {
        let literal = |value: &'a ColumnarValue| match value {
            ColumnarValue::Scalar(scalar) => Some(scalar),
            ColumnarValue::Array(_) => None,
        };
        Literals::new(self.usage, self.values.iter().map(literal).collect())
    }

    /// Returns an argument as an array with a value for each row of the batch.
    ///
    /// # Errors
    /// If it is not given.
    pub fn array(&self, at: usize) -> DataFusionResult<ArrayRef> {
        self.value(at)?.to_array(self.rows)
    }

    /// Returns numeric arguments; NULLs for those that are not given.
    ///
    /// # Errors
    /// If one is not a number.
    pub fn numbers<const N: usize>(&self, at: [usize; N]) -> DataFusionResult<[Numbers; N]> {
        each(at, |at| Numbers::new(self.values.get(at)))
    }

    /// Returns a numeric argument; `default` if it is not given.
    ///
    /// # Errors
    /// If it is not a number.
    pub fn number_or(&self, at: usize, default: f64) -> DataFusionResult<Numbers> {
        let default = ColumnarValue::Scalar(ScalarValue::from(default));
        Numbers::new(Some(self.values.get(at).unwrap_or(&default)))
    }

    /// Returns integer arguments.
    ///
    /// # Errors
    /// If one is not given, or has a value that is not a 64-bit integer.
    pub fn integers<const N: usize>(&self, at: [usize; N]) -> DataFusionResult<[Integers; N]> {
        each(at, |at| Integers::new(self.value(at)?))
    }

    /// Returns arguments that are counts; NULLs for those that are not given.
    ///
    /// # Errors
    /// If one is not a number.
    pub fn counts<const N: usize>(&self, at: [usize; N]) -> DataFusionResult<[Counts; N]> {
        each(at, |at| Counts::new(self.values.get(at)))
    }

    /// Returns arguments that are lists of numbers.
    ///
    /// # Errors
    /// If one is not given or is not a list of numbers, or a row's list breaks the argument's rule.
    pub fn lists<const N: usize>(&self, at: [usize; N]) -> DataFusionResult<[Lists; N]> {
        each(at, |at| {
            let lists = Lists::new(self.value(at)?)?;
            self.usage.arguments.get(at).map_or(Ok(()), |argument| self.check_rows(argument, &lists))?;
            Ok(lists)
        })
    }

    fn check_rows(&self, argument: &Argument, lists: &Lists) -> Result<(), Error> {
        let ArgumentKind::List(Some(ListRule { check_row: Some(check), .. })) = argument.kind else { return Ok(()) };
        (0..self.rows).filter_map(|row| lists.at(row)).try_for_each(|list| check(&self.usage, argument, list.len()))
    }

    fn value(&self, at: usize) -> DataFusionResult<&'a ColumnarValue> {
        let Some(value) = self.values.get(at) else {
            return internal_err!("{} was called without its argument {at}", self.usage.name);
        };
        Ok(value)
    }
}

fn each<T, const N: usize>(at: [usize; N], read: impl Fn(usize) -> DataFusionResult<T>) -> DataFusionResult<[T; N]> {
    let columns = at.into_iter().map(read).collect::<DataFusionResult<Vec<T>>>()?;
    columns.try_into().map_err(|_| internal_datafusion_err!("there are {N} arguments"))
}
