//! The arguments of a SQL function.

use std::ops::RangeInclusive;

use arrow::datatypes::DataType;

use crate::error::{Error, ErrorKind};

/// The kinds of values that an argument accepts.
#[derive(Debug)]
pub enum ArgumentKind {
    /// Any value: the function checks it when the field of its result is requested.
    Any,
    /// A number of any type.
    Number,
    /// An integer; a literal must lie in the range.
    Integer(RangeInclusive<i64>),
    /// A list of numbers of any type.
    List(Option<&'static ListRule>),
    /// A literal string.
    Text,
    /// A literal string: one of these, in upper or lower case.
    Choice(&'static [&'static str]),
    /// A literal list of strings.
    Texts,
    /// Any number of pairs: a literal string and a value. SQL writes them `name => value`.
    Pairs,
}

/// A check of the length of a list argument.
pub type LengthCheck = fn(&Usage, &Argument, usize) -> Result<(), Error>;

/// A rule for list arguments.
#[derive(Debug)]
pub struct ListRule {
    /// Refuses a length that no such list has, if the type specifies the length.
    pub check_type: LengthCheck,
    /// Refuses the length of the list in a row.
    pub check_row: Option<LengthCheck>,
    /// Advice for a user who passes something else: how to obtain such lists.
    pub hint: &'static str,
}

/// An argument of a function.
#[derive(Debug)]
pub struct Argument {
    /// Name in the documentation; SQL may also use it to give the arguments in any order.
    pub name: &'static str,
    /// The kind of values that it takes.
    pub kind: ArgumentKind,
    /// Description for the reference, with the unit.
    pub meaning: &'static str,
    /// Whether the argument may be left out.
    pub optional: bool,
    /// The form of the argument in documented calls, unless it is its name or, for a literal, its name in quotes.
    pub shown: Option<&'static str>,
}

impl Argument {
    /// Returns an argument that must be given.
    #[must_use]
    pub const fn new(name: &'static str, kind: ArgumentKind, meaning: &'static str) -> Self {
        Self { name, kind, meaning, optional: false, shown: None }
    }

    /// Returns an argument that is a number.
    #[must_use]
    pub const fn number(name: &'static str, meaning: &'static str) -> Self {
        Self::new(name, ArgumentKind::Number, meaning)
    }

    /// Returns an integer argument; a literal must lie in `range`.
    #[must_use]
    pub const fn integer(name: &'static str, range: RangeInclusive<i64>, meaning: &'static str) -> Self {
        Self::new(name, ArgumentKind::Integer(range), meaning)
    }

    /// Returns an argument that is a list of numbers, with an optional rule.
    #[must_use]
    pub const fn list(name: &'static str, rule: Option<&'static ListRule>, meaning: &'static str) -> Self {
        Self::new(name, ArgumentKind::List(rule), meaning)
    }

    /// Returns an argument that is a literal string.
    #[must_use]
    pub const fn text(name: &'static str, meaning: &'static str) -> Self {
        Self::new(name, ArgumentKind::Text, meaning)
    }

    /// Returns an argument that is a literal string, one of `choices`.
    #[must_use]
    pub const fn choice(name: &'static str, choices: &'static [&'static str], meaning: &'static str) -> Self {
        Self::new(name, ArgumentKind::Choice(choices), meaning)
    }

    /// Makes the argument optional.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Sets the form of the argument in documented calls.
    #[must_use]
    pub const fn shown(mut self, shown: &'static str) -> Self {
        self.shown = Some(shown);
        self
    }

    /// The argument as it appears in documented calls.
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

/// The call syntax of a function: everything needed to check a call.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Name of the function in SQL.
    pub name: &'static str,
    /// Its arguments in order. Optional arguments come last.
    pub arguments: &'static [Argument],
}

impl Usage {
    /// Whether the function takes pairs `name => value` of any names.
    #[must_use]
    pub fn takes_pairs(self) -> bool {
        self.arguments.iter().any(|a| matches!(a.kind, ArgumentKind::Pairs))
    }

    /// The number of arguments that must be given.
    #[must_use]
    pub fn required(self) -> usize {
        self.arguments.iter().take_while(|a| !a.optional).count()
    }

    /// The syntax of a call, e.g. `absmag(parallax, mag [, extinction])`.
    #[must_use]
    pub fn syntax(self) -> String {
        let written = |part: &[Argument]| part.iter().map(Argument::written).collect::<Vec<_>>().join(", ");
        let (required, optional) = self.arguments.split_at(self.required());
        let optional = if optional.is_empty() { String::new() } else { format!(" [, {}]", written(optional)) };
        format!("{}({}{optional})", self.name, written(required))
    }

    /// Checks the number of arguments.
    pub(super) fn check_count(self, given: usize) -> Result<(), Error> {
        let (least, most) = (self.required(), self.arguments.len());
        if self.takes_pairs() || (least..=most).contains(&given) {
            return Ok(());
        }
        let count = match (least, most - least) {
            (0, 0) => "no".to_owned(),
            (_, 0) => most.to_string(),
            (_, 1) => format!("{least} or {most}"),
            _ => format!("{least} to {most}"),
        };
        let arguments = if most == 1 { "argument" } else { "arguments" };
        Err(Error::new(ErrorKind::Plan, format!("{} takes {count} {arguments}, not {given}", self.name))
            .hint(format!("write {}", self.syntax())))
    }

    /// Checks the type of an argument.
    pub(super) fn check_type(self, argument: &Argument, given: &DataType) -> Result<(), Error> {
        if !argument.kind.accepts(given) {
            let (name, kind) = (argument.name, argument.kind.in_words());
            let message = format!("{name} of {} must be {kind}, not {given}", self.name);
            let hint = argument.kind.hint().map_or_else(|| format!("write {}", self.syntax()), str::to_owned);
            return Err(Error::new(ErrorKind::Plan, message).hint(hint));
        }
        match (&argument.kind, given) {
            (ArgumentKind::List(Some(rule)), DataType::FixedSizeList(_, length)) => {
                usize::try_from(*length).map_or(Ok(()), |length| (rule.check_type)(&self, argument, length))
            }
            _ => Ok(()),
        }
    }

    /// The error for an argument that must be a literal but is not.
    pub(super) fn no_literal(self, at: usize) -> Error {
        let (name, kind) = self.arguments.get(at).map_or(("", ""), |a| (a.name, a.kind.in_words()));
        Error::new(ErrorKind::Plan, format!("{name} of {} must be {kind}", self.name))
            .hint(format!("write {}; a column cannot choose it per row", self.syntax()))
    }
}

impl ArgumentKind {
    /// Whether an argument may have this type.
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

    /// Describes what an argument of this kind must be.
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

    /// Advice for a user who passes something else, if the kind has its own.
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
