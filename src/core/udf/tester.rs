//! Calls functions as queries do, for the tests beside each function.

#![allow(
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    clippy::unwrap_used,
    reason = "a failed check of a test is a panic"
)]

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array, ListArray, StringArray},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Float64Type},
};
use datafusion::{
    common::{Result, ScalarValue, config::ConfigOptions, scalar::ScalarStructBuilder},
    logical_expr::{ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF},
};

use super::{ArgumentKind, FunctionSpec};

/// Values of arguments, of any SQL type.
#[macro_export]
macro_rules! values {
    ($($value:expr),*) => {
        [$(datafusion::common::ScalarValue::from($value)),*]
    };
}
pub use values;

/// A list of numbers.
pub fn list(numbers: &[f64]) -> ScalarValue {
    let numbers = numbers.iter().map(|n| Some(*n)).collect::<Vec<_>>();
    ScalarValue::List(Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>([Some(numbers)])))
}

/// A list whose type specifies its length.
pub fn fixed_list(numbers: &[f64]) -> ScalarValue {
    let item = Arc::new(Field::new_list_field(DataType::Float64, true));
    list(numbers).cast_to(&DataType::FixedSizeList(item, numbers.len() as i32)).unwrap()
}

/// A NULL list of numbers.
pub fn missing() -> ScalarValue {
    ScalarValue::List(Arc::new(ListArray::from_iter_primitive::<Float64Type, Vec<Option<f64>>, _>([None])))
}

/// A list of strings.
pub fn texts(texts: &[&str]) -> ScalarValue {
    let item = Arc::new(Field::new_list_field(DataType::Utf8, true));
    let offsets = arrow::buffer::OffsetBuffer::from_lengths([texts.len()]);
    ScalarValue::List(Arc::new(ListArray::new(item, offsets, Arc::new(StringArray::from(texts.to_vec())), None)))
}

/// A struct of known values of a star: its surface gravity.
pub fn star(logg: impl Into<Option<f64>>) -> ScalarValue {
    let field = Field::new("logg", DataType::Float64, true);
    ScalarStructBuilder::new().with_scalar(field, ScalarValue::Float64(logg.into())).build().unwrap()
}

/// Number of rows of the batches that functions are called on; the middle row is NULL.
const ROWS: usize = 3;

/// A function under test. Every call is made with constants and with columns alike, and the results must be the same.
pub struct Tester {
    spec: &'static FunctionSpec,
    udf: ScalarUDF,
    nullable: Vec<usize>,
}

impl Tester {
    /// Returns a tester for a function whose result is NULL if an argument is NULL.
    pub fn new(spec: &'static FunctionSpec) -> Self {
        Self::of(spec, spec.udf())
    }

    /// Like [`Tester::new`], for a function that was made in another way, such as one with models.
    #[must_use]
    pub fn of(spec: &'static FunctionSpec, udf: ScalarUDF) -> Self {
        Self { spec, udf, nullable: Vec::new() }
    }

    /// The same tester, for a function whose result may be non-NULL if these arguments are NULL.
    pub fn may_be_null<const N: usize>(self, nullable: [usize; N]) -> Self {
        Self { nullable: nullable.to_vec(), ..self }
    }

    /// Checks that a call returns `expected`, and the same for every type that its numbers may have; that it returns
    /// NULL if an argument is NULL; and that too few arguments, too many arguments and arguments of wrong types are
    /// refused.
    pub fn gives(&self, values: impl AsRef<[ScalarValue]>, expected: impl Into<ScalarValue>) {
        let (values, expected) = (values.as_ref(), expected.into());
        let result = self.call(values);
        assert_eq!(result.data_type(), expected.data_type());
        assert_same(&result, &expected);
        self.takes_every_type(values);
        self.takes_null(values);
        self.refuses_others(values);
    }

    /// Checks that a call returns NULL.
    pub fn is_null(&self, values: impl AsRef<[ScalarValue]>) {
        let result = self.call(values.as_ref());
        assert!(result.is_null(), "{}{:?} is {result}", self.spec.name, values.as_ref());
    }

    /// The number that a call returns.
    pub fn number(&self, values: impl AsRef<[ScalarValue]>) -> f64 {
        let numbers = self.list(values);
        assert_eq!(numbers.len(), 1);
        numbers[0].expect("a number")
    }

    /// The elements of the list, or the fields of the struct, that a call returns, after the checks of
    /// [`Tester::gives`].
    pub fn list(&self, values: impl AsRef<[ScalarValue]>) -> Vec<Option<f64>> {
        let result = self.call(values.as_ref());
        self.gives(values, result.clone());
        numbers(&result.to_array().unwrap())
    }

    /// The error with which a call is refused at planning time.
    pub fn error(&self, values: impl AsRef<[ScalarValue]>) -> String {
        let error = self.plan(values.as_ref()).expect_err("the call is refused");
        let text = error.strip_backtrace();
        text.strip_prefix("Error during planning: ").unwrap_or(&text).to_owned()
    }

    /// Returns the result of a call with constants, after checking that columns give the same.
    fn call(&self, values: &[ScalarValue]) -> ScalarValue {
        let field = self.plan(values).unwrap();
        let constants = || values.iter().cloned().map(ColumnarValue::Scalar).collect::<Vec<_>>();
        let ColumnarValue::Scalar(result) = self.invoke(constants(), &field) else {
            panic!("constants give a constant")
        };
        assert_eq!(result.data_type(), *field.data_type());
        let columns: Vec<usize> = self.columns(values).collect();
        let mut together = constants();
        for at in &columns {
            together[*at] = column(&values[*at]);
            let mut alone = constants();
            alone[*at] = column(&values[*at]);
            self.agrees(alone, &field, &result);
        }
        if columns.len() > 1 {
            self.agrees(together, &field, &result);
        }
        result
    }

    fn agrees(&self, arguments: Vec<ColumnarValue>, field: &FieldRef, expected: &ScalarValue) {
        let ColumnarValue::Array(array) = self.invoke(arguments, field) else { panic!("columns give a column") };
        assert_eq!((array.len(), array.data_type()), (ROWS, field.data_type()));
        for row in [0, ROWS - 1] {
            assert_same(&ScalarValue::try_from_array(&array, row).unwrap(), expected);
        }
    }

    fn invoke(&self, args: Vec<ColumnarValue>, field: &FieldRef) -> ColumnarValue {
        let arg_fields = args.iter().map(|value| nullable_field(&value.data_type())).collect();
        let (number_rows, return_field) = (ROWS, field.clone());
        let config_options = Arc::new(ConfigOptions::default());
        self.udf
            .invoke_with_args(ScalarFunctionArgs { args, arg_fields, number_rows, return_field, config_options })
            .unwrap()
    }

    fn plan(&self, values: &[ScalarValue]) -> Result<FieldRef> {
        let fields: Vec<FieldRef> = values.iter().map(|value| nullable_field(&value.data_type())).collect();
        let literals: Vec<Option<&ScalarValue>> = values.iter().map(Some).collect();
        self.udf.return_field_from_args(ReturnFieldArgs { arg_fields: &fields, scalar_arguments: &literals })
    }

    /// The arguments that need not be literals.
    fn columns(&self, values: &[ScalarValue]) -> impl Iterator<Item = usize> {
        let is_literal = |(at, value): (usize, &ScalarValue)| match self.spec.arguments.get(at).map(|a| &a.kind) {
            Some(ArgumentKind::Text | ArgumentKind::Choice(_) | ArgumentKind::Texts) => true,
            _ => self.spec.takes_pairs() && value.data_type().is_string(),
        };
        let literals: Vec<bool> = values.iter().enumerate().map(is_literal).collect();
        (0..values.len()).filter(move |at| !literals[*at])
    }

    fn takes_every_type(&self, values: &[ScalarValue]) {
        for (at, argument) in self.spec.arguments.iter().enumerate().take(values.len()) {
            let (types, read_as) = match &argument.kind {
                ArgumentKind::Number => ([&INTEGERS[..], &FLOATS[..]].concat(), DataType::Float64),
                ArgumentKind::Integer(_) => (INTEGERS.to_vec(), DataType::Int64),
                ArgumentKind::List(_) => (lists_of(&values[at]), DataType::new_list(DataType::Float64, true)),
                _ => continue,
            };
            // A type that cannot hold the value casts it to another value or to NULL.
            let held = types.iter().filter_map(|t| values[at].cast_to(t).ok()).filter(|value| !value.is_null());
            for value in held {
                let plain = value.cast_to(&read_as).unwrap();
                assert_same(&self.call(&with(values, at, value)), &self.call(&with(values, at, plain)));
            }
        }
    }

    fn takes_null(&self, values: &[ScalarValue]) {
        for at in self.columns(values).filter(|at| !self.nullable.contains(at)) {
            self.is_null(with(values, at, ScalarValue::try_from(values[at].data_type()).unwrap()));
            if !matches!(self.spec.arguments[at].kind, ArgumentKind::Any) {
                self.is_null(with(values, at, ScalarValue::Null));
            }
        }
    }

    fn refuses_others(&self, values: &[ScalarValue]) {
        for (at, argument) in self.spec.arguments.iter().enumerate().take(values.len()) {
            if !matches!(argument.kind, ArgumentKind::Any | ArgumentKind::Pairs) {
                let wrong = ScalarValue::from(true);
                let expected = format!("{} of {} must be ", argument.name, self.spec.name);
                assert!(self.error(with(values, at, wrong)).starts_with(&expected));
            }
        }
        if !self.spec.takes_pairs() {
            let takes = format!("{} takes ", self.spec.name);
            let too_many = vec![ScalarValue::Null; self.spec.arguments.len() + 1];
            assert!(self.error(too_many).starts_with(&takes));
            let required = self.spec.usage().required();
            assert!(required == 0 || self.error(&values[..required - 1]).starts_with(&takes));
        }
    }
}

const INTEGERS: [DataType; 9] = [
    DataType::Int8,
    DataType::Int16,
    DataType::Int32,
    DataType::Int64,
    DataType::UInt8,
    DataType::UInt16,
    DataType::UInt32,
    DataType::UInt64,
    DataType::Decimal128(30, 0),
];
const FLOATS: [DataType; 4] = [DataType::Float16, DataType::Float32, DataType::Float64, DataType::Decimal128(30, 6)];

/// The list types, with their element types, that a list value may have.
fn lists_of(value: &ScalarValue) -> Vec<DataType> {
    let length = numbers(&value.to_array().unwrap()).len();
    let item = |t: DataType| Arc::new(Field::new_list_field(t, true));
    [&INTEGERS[2..4], &FLOATS[1..3]]
        .concat()
        .into_iter()
        .flat_map(|t| {
            let fixed = DataType::FixedSizeList(item(t.clone()), length as i32);
            [DataType::List(item(t.clone())), DataType::LargeList(item(t)), fixed]
        })
        .collect()
}

fn nullable_field(data_type: &DataType) -> FieldRef {
    Arc::new(Field::new("argument", data_type.clone(), true))
}

fn with(values: &[ScalarValue], at: usize, value: ScalarValue) -> Vec<ScalarValue> {
    let mut values = values.to_vec();
    values[at] = value;
    values
}

/// Returns a column with the value in its first and its last row.
fn column(value: &ScalarValue) -> ColumnarValue {
    let null = ScalarValue::try_from(value.data_type()).unwrap();
    ColumnarValue::Array(ScalarValue::iter_to_array([value.clone(), null, value.clone()]).unwrap())
}

/// Checks that two values are the same up to the last bits of floats, which may differ if a model processes rows
/// together.
fn assert_same(value: &ScalarValue, expected: &ScalarValue) {
    let [numbers, wanted] = [value, expected].map(|value| numbers(&value.to_array().unwrap()));
    let tolerance = if value.data_type().to_string().contains("Float32") { 1e-5 } else { 1e-12 };
    let alike = |(a, b): (&Option<f64>, &Option<f64>)| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= tolerance * b.abs(),
        (a, b) => a == b,
    };
    let close = numbers.len() == wanted.len() && numbers.iter().zip(&wanted).all(alike);
    let same = if value.data_type().is_integer() { value == expected } else { close };
    assert!(same && value.is_null() == expected.is_null(), "{value} is not {expected}");
}

/// The numbers in an array with one row, or in an array of plain numbers.
fn numbers(array: &ArrayRef) -> Vec<Option<f64>> {
    if array.data_type().is_nested() && array.is_null(0) {
        return vec![None];
    }
    match array.data_type() {
        DataType::List(_) => numbers(&array.as_list::<i32>().value(0)),
        DataType::LargeList(_) => numbers(&array.as_list::<i64>().value(0)),
        DataType::FixedSizeList(..) => numbers(&array.as_fixed_size_list().value(0)),
        DataType::Struct(_) => array.as_struct().columns().iter().flat_map(numbers).collect(),
        _ => {
            let numbers = cast(array, &DataType::Float64).unwrap();
            let numbers: &Float64Array = numbers.as_primitive();
            numbers.iter().collect()
        }
    }
}
