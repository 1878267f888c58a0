//! The arguments of a SQL function.

use std::ops::RangeInclusive;

use arrow::datatypes::DataType;

use crate::error::{Error, ErrorKind};

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
pub type LengthCheck = fn(&Usage, &Argument, usize) -> Result<(), Error>;

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

/// What a function takes: all that there is to know to check a call of it.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Name of the function in SQL.
    pub name: &'static str,
    /// Its arguments in order. Those that may be left out are the last ones.
    pub arguments: &'static [Argument],
}

impl Usage {
    /// Whether the function takes pairs `name => value` of any names.
    #[must_use]
    pub fn takes_pairs(self) -> bool {
        self.arguments.iter().any(|a| matches!(a.kind, ArgumentKind::Pairs))
    }

    /// How many of its arguments must be given.
    #[must_use]
    pub fn required(self) -> usize {
        self.arguments.iter().take_while(|a| !a.optional).count()
    }

    /// How it is called, e.g. `absmag(parallax, mag [, extinction])`.
    #[must_use]
    pub fn syntax(self) -> String {
        let written = |part: &[Argument]| part.iter().map(Argument::written).collect::<Vec<_>>().join(", ");
        let (required, optional) = self.arguments.split_at(self.required());
        let optional = if optional.is_empty() { String::new() } else { format!(" [, {}]", written(optional)) };
        format!("{}({}{optional})", self.name, written(required))
    }

    /// Checks how many arguments are given.
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

    /// The error of an argument that must be a literal and is not.
    pub(super) fn no_literal(self, at: usize) -> Error {
        let (name, kind) = self.arguments.get(at).map_or(("", ""), |a| (a.name, a.kind.in_words()));
        Error::new(ErrorKind::Plan, format!("{name} of {} must be {kind}", self.name))
            .hint(format!("write {}; a column cannot choose it per row", self.syntax()))
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
