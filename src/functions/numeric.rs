//! The adapter of functions that take numbers, and at most one literal word, and give one value per row.

use std::{
    hash::{Hash, Hasher},
    ops::RangeInclusive,
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListArray},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type},
};
use datafusion::{
    common::{Result, ScalarValue, internal_err},
    logical_expr::{
        ColumnarValue, DocSection, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
        Volatility,
    },
};

use crate::{
    error::{Error, ErrorKind},
    schema::{ColumnMeta, nearest},
};

/// What an argument may be.
#[derive(Debug)]
pub(super) enum Kind {
    /// Any number, read as Float64.
    Number,
    /// An integer; a literal one must lie in the range.
    Integer(RangeInclusive<i64>),
    /// A literal word, one of the kernel's choices.
    Word,
}

/// An argument of a function.
#[derive(Debug)]
pub(super) struct Argument {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) meaning: &'static str,
}

/// A numeric argument.
pub(super) const fn number(name: &'static str, meaning: &'static str) -> Argument {
    Argument { name, kind: Kind::Number, meaning }
}

/// An integer argument; a literal outside `range` is a planning error.
pub(super) const fn integer(name: &'static str, range: RangeInclusive<i64>, meaning: &'static str) -> Argument {
    Argument { name, kind: Kind::Integer(range), meaning }
}

/// A literal word.
pub(super) const fn word(name: &'static str, meaning: &'static str) -> Argument {
    Argument { name, kind: Kind::Word, meaning }
}

/// The finite numbers of one row; `None` where one is NULL, NaN, infinite or left out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Row {
    floats: [Option<f64>; MAX_ARGUMENTS],
    integers: [Option<i64>; MAX_ARGUMENTS],
    given: usize,
}

const MAX_ARGUMENTS: usize = 5;

impl Row {
    /// Whether argument `i` was written at all.
    pub(super) fn given(&self, i: usize) -> bool {
        i < self.given
    }

    /// The number in argument `i`.
    pub(super) fn float(&self, i: usize) -> Option<f64> {
        self.floats[i]
    }

    /// The integer in argument `i`.
    pub(super) fn integer(&self, i: usize) -> Option<i64> {
        self.integers[i]
    }

    /// The HEALPix level in argument `i`; `None` where it cannot be one.
    pub(super) fn level(&self, i: usize) -> Option<u8> {
        u8::try_from(self.integer(i)?).ok()
    }

    /// The numbers from argument `start` on, if all are there.
    pub(super) fn floats<const N: usize>(&self, start: usize) -> Option<[f64; N]> {
        let mut values = [0.0; N];
        for (i, v) in values.iter_mut().enumerate() {
            *v = self.float(start + i)?;
        }
        Some(values)
    }
}

/// A number of a row, by a word's choice.
pub(super) type Choice = fn(&Row) -> Option<f64>;

/// What a function computes; results that are not finite become NULL.
pub(super) enum Kernel {
    Float(Choice),
    /// By the value of the literal word.
    Chosen(&'static [(&'static str, Choice)]),
    Integer(fn(&Row) -> Option<i64>),
    Boolean(fn(&Row) -> Option<bool>),
    Integers(fn(&Row) -> Result<Option<Vec<i64>>, Error>),
}

/// A function.
pub(super) struct Spec {
    pub(super) name: &'static str,
    pub(super) arguments: &'static [Argument],
    /// How many of the arguments must be given; the others are at the end.
    pub(super) required: usize,
    pub(super) kernel: Kernel,
    /// Unit, UCD and description of the result.
    pub(super) meta: ColumnMeta,
    pub(super) section: DocSection,
    pub(super) description: &'static str,
    pub(super) example: &'static str,
}

impl Spec {
    fn syntax(&self) -> String {
        let names = |part: &[Argument]| part.iter().map(|a| a.name).collect::<Vec<_>>().join(", ");
        let (required, optional) = self.arguments.split_at(self.required);
        let optional = if optional.is_empty() { String::new() } else { format!(" [, {}]", names(optional)) };
        format!("{}({}{optional})", self.name, names(required))
    }

    fn data_type(&self) -> DataType {
        match self.kernel {
            Kernel::Float(_) | Kernel::Chosen(_) => DataType::Float64,
            Kernel::Integer(_) => DataType::Int64,
            Kernel::Boolean(_) => DataType::Boolean,
            Kernel::Integers(_) => DataType::new_list(DataType::Int64, true),
        }
    }

    fn documentation(&self) -> Documentation {
        let builder = Documentation::builder(self.section.clone(), self.description, self.syntax());
        let builder = builder.with_sql_example(self.example);
        self.arguments.iter().fold(builder, |b, a| b.with_argument(a.name, a.meaning)).build()
    }

    fn count_error(&self, given: usize) -> Error {
        let all = self.arguments.len();
        let count = if self.required == all { all.to_string() } else { format!("{} to {all}", self.required) };
        Error::new(ErrorKind::Plan, format!("{} takes {count} arguments, not {given}", self.name))
            .hint(format!("write {}", self.syntax()))
    }

    /// The type an argument is cast to before the call.
    fn coerced(&self, argument: &Argument, given: &DataType) -> Result<DataType, Error> {
        let (fits, wanted, target) = match argument.kind {
            Kind::Number => (given.is_numeric(), "a number", DataType::Float64),
            Kind::Integer(_) => (given.is_integer() || given.is_decimal(), "an integer", DataType::Int64),
            Kind::Word => (given.is_string(), "a string", given.clone()),
        };
        if fits || given.is_null() {
            return Ok(target);
        }
        Err(Error::new(ErrorKind::Plan, format!("{} of {} must be {wanted}, not {given}", argument.name, self.name))
            .hint(format!("write {}", self.syntax())))
    }

    /// Checks the literal integers and gives what the literal word chooses.
    fn check(&self, literals: &[Option<&ScalarValue>]) -> Result<Option<Choice>, Error> {
        let mut choice = None;
        for (argument, literal) in self.arguments.iter().zip(literals) {
            match &argument.kind {
                Kind::Number => {}
                Kind::Integer(range) => {
                    let value = literal.and_then(|l| l.cast_to(&DataType::Int64).ok());
                    if let Some(ScalarValue::Int64(Some(v))) = value
                        && !range.contains(&v)
                    {
                        let (name, own) = (argument.name, self.name);
                        let message = format!("{name} of {own} must be {} to {}, not {v}", range.start(), range.end());
                        return Err(Error::new(ErrorKind::Plan, message));
                    }
                }
                Kind::Word => choice = Some(self.choose(argument, *literal)?),
            }
        }
        Ok(choice)
    }

    fn choose(&self, argument: &Argument, literal: Option<&ScalarValue>) -> Result<Choice, Error> {
        let Kernel::Chosen(choices) = &self.kernel else {
            return Err(Error::new(ErrorKind::Plan, format!("{} has nothing to choose", self.name)));
        };
        let known: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let known_names = format!("known: {}", known.join(", "));
        let Some(Some(given)) = literal.map(ScalarValue::try_as_str) else {
            let message = format!("{} of {} must be a literal", argument.name, self.name);
            return Err(Error::new(ErrorKind::Plan, message).hint(known_names));
        };
        let given = given.unwrap_or("NULL");
        if let Some((_, choice)) = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(given)) {
            return Ok(*choice);
        }
        let near = nearest(given, &known).map_or_else(String::new, |near| format!("did you mean '{near}'? "));
        Err(Error::new(ErrorKind::Plan, format!("unknown {} '{given}' in {}", argument.name, self.name))
            .hint(near + &known_names))
    }

    fn evaluate(&self, rows: impl Iterator<Item = Row>, choice: Option<Choice>) -> Result<ArrayRef> {
        let finite = |v: Option<f64>| v.filter(|v| v.is_finite());
        Ok(match (&self.kernel, &choice) {
            (Kernel::Float(f), _) | (Kernel::Chosen(_), Some(f)) => {
                Arc::new(rows.map(|r| finite(f(&r))).collect::<Float64Array>())
            }
            (Kernel::Chosen(_), None) => return internal_err!("{} was called without its word", self.name),
            (Kernel::Integer(f), _) => Arc::new(rows.map(|r| f(&r)).collect::<Int64Array>()),
            (Kernel::Boolean(f), _) => Arc::new(rows.map(|r| f(&r)).collect::<BooleanArray>()),
            (Kernel::Integers(f), _) => {
                let lists = rows.map(|r| f(&r)).collect::<Result<Vec<_>, Error>>()?;
                let lists = lists.into_iter().map(|l| l.map(|l| l.into_iter().map(Some)));
                Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))
            }
        })
    }
}

/// The SQL function of a [`Spec`].
#[derive(Debug)]
pub(super) struct Numeric {
    spec: &'static Spec,
    signature: Signature,
    documentation: Documentation,
}

impl Numeric {
    pub(super) fn new(spec: &'static Spec) -> Self {
        let mut signature = Signature::user_defined(Volatility::Immutable);
        signature.parameter_names = Some(spec.arguments.iter().map(|a| a.name.to_owned()).collect());
        Self { spec, signature, documentation: spec.documentation() }
    }
}

/// One argument's values.
enum Column {
    Constant(Option<f64>, Option<i64>),
    Floats(Float64Array),
    Integers(Int64Array),
}

impl Column {
    fn new(argument: &Argument, value: &ColumnarValue) -> Result<Self> {
        let scalar = matches!(value, ColumnarValue::Scalar(_));
        let array = value.to_array(1)?;
        let column = match argument.kind {
            Kind::Word => return Ok(Self::Constant(None, None)),
            Kind::Number => Self::Floats(cast(&array, &DataType::Float64)?.as_primitive::<Float64Type>().clone()),
            Kind::Integer(_) => Self::Integers(cast(&array, &DataType::Int64)?.as_primitive::<Int64Type>().clone()),
        };
        Ok(if scalar { Self::Constant(column.float(0), column.integer(0)) } else { column })
    }

    fn float(&self, row: usize) -> Option<f64> {
        match self {
            Self::Constant(v, _) => *v,
            Self::Floats(a) => a.is_valid(row).then(|| a.value(row)).filter(|v| v.is_finite()),
            Self::Integers(_) => None,
        }
    }

    fn integer(&self, row: usize) -> Option<i64> {
        match self {
            Self::Constant(_, v) => *v,
            Self::Integers(a) => a.is_valid(row).then(|| a.value(row)),
            Self::Floats(_) => None,
        }
    }
}

fn row(columns: &[Column], at: usize) -> Row {
    let mut row = Row { given: columns.len(), ..Row::default() };
    for (i, column) in columns.iter().enumerate() {
        row.floats[i] = column.float(at);
        row.integers[i] = column.integer(at);
    }
    row
}

impl ScalarUDFImpl for Numeric {
    fn name(&self) -> &str {
        self.spec.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.spec.data_type())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.spec.check(args.scalar_arguments)?;
        let field = Field::new(self.spec.name, self.spec.data_type(), true);
        Ok(Arc::new(field.with_metadata(self.spec.meta.to_field_metadata())))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let arguments = self.spec.arguments;
        if types.len() < self.spec.required || types.len() > arguments.len() {
            return Err(self.spec.count_error(types.len()).into());
        }
        Ok(arguments.iter().zip(types).map(|(a, t)| self.spec.coerced(a, t)).collect::<Result<_, _>>()?)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let literals: Vec<Option<&ScalarValue>> =
            args.args.iter().map(|a| if let ColumnarValue::Scalar(s) = a { Some(s) } else { None }).collect();
        let choice = self.spec.check(&literals)?;
        let columns =
            self.spec.arguments.iter().zip(&args.args).map(|(a, v)| Column::new(a, v)).collect::<Result<Vec<_>>>()?;
        let constant = literals.iter().all(Option::is_some);
        let rows = if constant { 1 } else { args.number_rows };
        let result = self.spec.evaluate((0..rows).map(|at| row(&columns, at)), choice)?;
        Ok(if constant {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)
        } else {
            ColumnarValue::Array(result)
        })
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

impl PartialEq for Numeric {
    fn eq(&self, other: &Self) -> bool {
        self.spec.name == other.spec.name
    }
}

impl Eq for Numeric {}

impl Hash for Numeric {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.name.hash(state);
    }
}

impl std::fmt::Debug for Spec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
