//! The arguments of a SQL function.

use std::ops::RangeInclusive;

use arrow::datatypes::DataType;

use super::spec::FunctionSpec;
use crate::error::Error;

/// The kinds of values that an argument takes.
#[derive(Debug)]
pub enum ArgumentKind {
    /// Anything: the function checks it when its result's field is asked for.
    Any,
    /// A number of any type.
    Number,
    /// An integer; a literal must lie in the range.
    Integer(RangeInclusive<i64>),
    /// A list of numbers of any type.
    List(Option<&'static ListRule>),
    /// A literal string.
    Text,
    /// A literal string, one of these in any case.
    Choice(&'static [&'static str]),
    /// A literal list of strings.
    Texts,
    /// Any number of pairs: a literal string and a value. SQL writes them `name => value`.
    Pairs,
}

/// A check of the length of a list in an argument.
pub type LengthCheck = fn(&FunctionSpec, &Argument, usize) -> Result<(), Error>;

/// A rule for lists of numbers in an argument.
#[derive(Debug)]
pub struct ListRule {
    /// Refuses a length that no such list has, where the type says it.
    pub check_type: LengthCheck,
    /// Refuses the length of a row's list.
    pub check_row: Option<LengthCheck>,
    /// Advice for those who give something else: how to come by such lists.
    pub hint: &'static str,
}

/// An argument of a function.
#[derive(Debug)]
pub struct Argument {
    /// Name in the documentation, by which SQL may give the argument in any order.
    pub name: &'static str,
    /// The kind of values that it takes.
    pub kind: ArgumentKind,
    /// Description for the reference, with the unit.
    pub meaning: &'static str,
    /// Whether it may be left out.
    pub optional: bool,
    /// The way in which the documentation writes the argument in a call, if not as its name or, for a literal, its name
    /// in quotes.
    pub shown: Option<&'static str>,
}

impl Argument {
    /// An argument that must be given.
    #[must_use]
    pub const fn new(name: &'static str, kind: ArgumentKind, meaning: &'static str) -> Self {
        Self { name, kind, meaning, optional: false, shown: None }
    }

    /// A number.
    #[must_use]
    pub const fn number(name: &'static str, meaning: &'static str) -> Self {
        Self::new(name, ArgumentKind::Number, meaning)
    }

    /// An integer; a literal must lie in `range`.
    #[must_use]
    pub const fn integer(name: &'static str, range: RangeInclusive<i64>, meaning: &'static str) -> Self {
        Self::new(name, ArgumentKind::Integer(range), meaning)
    }

    /// A list of numbers for which a rule may hold.
    #[must_use]
    pub const fn list(name: &'static str, rule: Option<&'static ListRule>, meaning: &'static str) -> Self {
        Self::new(name, ArgumentKind::List(rule), meaning)
    }

    /// A literal string.
    #[must_use]
    pub const fn text(name: &'static str, meaning: &'static str) -> Self {
        Self::new(name, ArgumentKind::Text, meaning)
    }

    /// A literal string, one of `choices`.
    #[must_use]
    pub const fn choice(name: &'static str, choices: &'static [&'static str], meaning: &'static str) -> Self {
        Self::new(name, ArgumentKind::Choice(choices), meaning)
    }

    /// The same argument, which may be left out.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// The same argument, which the documentation writes in this way.
    #[must_use]
    pub const fn shown(mut self, shown: &'static str) -> Self {
        self.shown = Some(shown);
        self
    }

    /// The argument as the documentation writes it in a call.
    pub(super) fn written(&self) -> String {
        let name = self.name;
        match (self.shown, &self.kind) {
            (Some(shown), _) => shown.to_owned(),
            (None, ArgumentKind::Text | ArgumentKind::Choice(_)) => format!("'{name}'"),
            (None, ArgumentKind::Texts) => format!("['{name}', …]"),
            (None, ArgumentKind::Pairs) => format!("{name}, …"),
            (None, _) => name.to_owned(),
        }
    }
}

impl ArgumentKind {
    /// Whether an argument may be of this type.
    pub(super) fn accepts(&self, given: &DataType) -> bool {
        match self {
            Self::Any | Self::Pairs => true,
            Self::Number => is_number(given),
            Self::Integer(_) => given.is_integer() || given.is_decimal() || given.is_null(),
            Self::List(_) => given.is_null() || element(given).is_some_and(is_number),
            Self::Text | Self::Choice(_) => given.is_string(),
            Self::Texts => element(given).is_some_and(|t| t.is_string() || t.is_null()),
        }
    }

    /// The kind in words: what an argument must be.
    pub(super) fn in_words(&self) -> &'static str {
        match self {
            Self::Any | Self::Pairs => "a value",
            Self::Number => "a number",
            Self::Integer(_) => "an integer",
            Self::List(_) => "a list of numbers",
            Self::Text | Self::Choice(_) => "a literal string",
            Self::Texts => "a literal list of strings",
        }
    }

    /// Advice for those who give something else, where the kind has its own.
    pub(super) fn hint(&self) -> Option<&'static str> {
        if let Self::List(Some(rule)) = self { Some(rule.hint) } else { None }
    }
}

fn is_number(t: &DataType) -> bool {
    t.is_numeric() || t.is_null()
}

/// Type of the elements of a list.
fn element(t: &DataType) -> Option<&DataType> {
    match t {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => Some(item.data_type()),
        _ => None,
    }
}
