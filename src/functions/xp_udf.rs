//! The adapter all XP functions share: it checks the arguments by what each is and documents them.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::{
    common::{Result, ScalarValue, internal_err},
    logical_expr::{
        ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
    },
};

use super::{
    call::text,
    lists::{Counts, Lists, Numbers},
    reference::SECTION_XP,
};
use crate::{
    error::{Error, ErrorKind},
    schema::{ColumnMeta, OTHER_BAND, check_length},
    xp::{COEFFICIENTS_PER_BAND, is_triangle},
};

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A list of at most 55 numbers.
    Coefficients,
    /// A list of the n (n - 1) / 2 correlations of n coefficients.
    Correlations,
    /// A list of numbers.
    List,
    /// A number.
    Number,
    /// A literal string.
    Name,
}

/// A parameter of an XP function.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) meaning: &'static str,
}

/// An XP function.
#[derive(Debug)]
pub(super) struct XpSpec {
    pub(super) name: &'static str,
    /// How it is called.
    pub(super) syntax: &'static str,
    pub(super) description: &'static str,
    pub(super) example: &'static str,
    pub(super) parameters: &'static [Parameter],
    /// How many of the parameters must be given.
    pub(super) required: usize,
    /// The result's field; its name does not matter.
    pub(super) field: fn(&Literals) -> Result<Field, Error>,
    pub(super) evaluate: fn(&Arguments) -> Result<ColumnarValue>,
}

/// The arguments of a call that are literals.
pub(super) struct Literals<'a> {
    spec: &'static XpSpec,
    values: Vec<Option<&'a ScalarValue>>,
}

impl Literals<'_> {
    /// The string of an argument.
    pub(super) fn name(&self, at: usize) -> Result<&str, Error> {
        self.values.get(at).copied().flatten().and_then(text).ok_or_else(|| {
            let name = self.spec.parameters.get(at).map_or("", |p| p.name);
            Error::new(ErrorKind::Plan, format!("{name} of {} must be a literal string", self.spec.name))
                .hint(format!("write {}; a column cannot choose it per row", self.spec.syntax))
        })
    }
}

/// The arguments of a call on a batch.
pub(super) struct Arguments<'a> {
    /// Rows of the batch.
    pub(super) rows: usize,
    spec: &'static XpSpec,
    values: &'a [ColumnarValue],
}

impl Arguments<'_> {
    pub(super) fn lists(&self, at: usize) -> Result<Lists> {
        let Some(value) = self.values.get(at) else { return internal_err!("argument {at} is missing") };
        let lists = Lists::new(value)?;
        let parameter = self.spec.parameters.get(at).filter(|p| p.kind == Kind::Coefficients);
        if let Some(parameter) = parameter {
            for list in (0..self.rows).filter_map(|row| lists.row(row)) {
                check_length(parameter.name, list.len())?;
            }
        }
        Ok(lists)
    }

    pub(super) fn counts(&self, at: usize) -> Result<Counts> {
        Counts::new(self.values.get(at))
    }

    pub(super) fn numbers(&self, at: usize) -> Result<Numbers> {
        Numbers::new(self.values.get(at))
    }

    pub(super) fn literals(&self) -> Literals<'_> {
        let literals = self.values.iter().map(|value| match value {
            ColumnarValue::Scalar(scalar) => Some(scalar),
            ColumnarValue::Array(_) => None,
        });
        Literals { spec: self.spec, values: literals.collect() }
    }
}

/// A result's field with unit, UCD and description.
pub(super) fn described(
    data_type: DataType,
    unit: &'static str,
    ucd: &'static str,
    description: &'static str,
) -> Field {
    let meta = ColumnMeta { unit, ucd, description };
    Field::new("xp", data_type, true).with_metadata(meta.to_field_metadata())
}

/// The SQL function of a specification.
#[derive(Debug)]
pub(super) struct XpUdf {
    spec: &'static XpSpec,
    signature: Signature,
    documentation: Documentation,
}

impl XpUdf {
    pub(super) fn new(spec: &'static XpSpec) -> Self {
        let mut signature = Signature::nullary(Volatility::Immutable);
        if !spec.parameters.is_empty() {
            signature = Signature::user_defined(Volatility::Immutable);
            signature.parameter_names = Some(spec.parameters.iter().map(|p| p.name.to_owned()).collect());
        }
        let mut documentation = Documentation::builder(SECTION_XP, spec.description, spec.syntax);
        documentation = documentation.with_sql_example(spec.example);
        for p in spec.parameters {
            documentation = documentation.with_argument(p.name, p.meaning);
        }
        Self { spec, signature, documentation: documentation.build() }
    }

    fn check_count(&self, given: usize) -> Result<(), Error> {
        let (least, most) = (self.spec.required, self.spec.parameters.len());
        if (least..=most).contains(&given) {
            return Ok(());
        }
        let count = match most - least {
            0 => most.to_string(),
            1 => format!("{least} or {most}"),
            _ => format!("{least} to {most}"),
        };
        Err(Error::new(ErrorKind::Plan, format!("{} takes {count} arguments, not {given}", self.spec.name))
            .hint(format!("write {}", self.spec.syntax)))
    }

    fn check(&self, parameter: &Parameter, t: &DataType) -> Result<(), Error> {
        let wrong = |what: &str| {
            Error::new(ErrorKind::Plan, format!("{} of {} must be {what}, not {t}", parameter.name, self.spec.name))
        };
        match parameter.kind {
            Kind::Number if !number(t) => Err(wrong("a number")),
            Kind::Name if !t.is_string() => Err(wrong("a literal string").hint(format!("write {}", self.spec.syntax))),
            Kind::Number | Kind::Name => Ok(()),
            _ if !list_of_numbers(t) => Err(wrong("a list of numbers")
                .hint("FITS tables with one column per coefficient: `lamcat ingest` folds them into lists")),
            Kind::Coefficients => match fixed_len(t) {
                Some(n) if n == OTHER_BAND => check_length(parameter.name, n),
                Some(n) if n > COEFFICIENTS_PER_BAND => Err(too_long(parameter.name, n, self.spec.syntax)),
                _ => Ok(()),
            },
            Kind::Correlations => match fixed_len(t) {
                Some(n) if !is_triangle(n) => Err(no_triangle(parameter.name, n)),
                _ => Ok(()),
            },
            Kind::List => Ok(()),
        }
    }
}

fn number(t: &DataType) -> bool {
    t.is_numeric() || t.is_null()
}

fn list_of_numbers(t: &DataType) -> bool {
    match t {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => number(item.data_type()),
        t => t.is_null(),
    }
}

fn fixed_len(t: &DataType) -> Option<usize> {
    if let DataType::FixedSizeList(_, n) = t { usize::try_from(*n).ok() } else { None }
}

fn too_long(name: &str, n: usize, syntax: &str) -> Error {
    Error::new(ErrorKind::Plan, format!("{name} has {n} coefficients; a band has {COEFFICIENTS_PER_BAND}"))
        .hint(format!("give one band's coefficients to each argument: {syntax}"))
}

fn no_triangle(name: &str, n: usize) -> Error {
    Error::new(ErrorKind::Plan, format!("{name} has {n} elements; n coefficients have n (n - 1) / 2 correlations"))
        .hint("the archive gives 1485 for 55 coefficients")
}

impl ScalarUDFImpl for XpUdf {
    fn name(&self) -> &str {
        self.spec.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("{} takes its type from its literal arguments", self.spec.name)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let field = (self.spec.field)(&Literals { spec: self.spec, values: args.scalar_arguments.to_vec() })?;
        Ok(Arc::new(field.with_name(self.spec.name)))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.check_count(types.len())?;
        for (parameter, t) in self.spec.parameters.iter().zip(types) {
            self.check(parameter, t)?;
        }
        Ok(types.to_vec())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        (self.spec.evaluate)(&Arguments { rows: args.number_rows, spec: self.spec, values: &args.args })
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

impl PartialEq for XpUdf {
    fn eq(&self, other: &Self) -> bool {
        self.spec.name == other.spec.name
    }
}

impl Eq for XpUdf {}

impl Hash for XpUdf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.name.hash(state);
    }
}
