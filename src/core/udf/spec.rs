//! The specification of a SQL function: its name, its arguments, its documentation and the code that it runs.

use arrow::{array::ArrayRef, datatypes::Field};
use datafusion::{
    common::Result as DataFusionResult,
    logical_expr::{DocSection, Documentation, Signature, Volatility},
};

use super::{
    argument::{Argument, ArgumentKind, Usage},
    arguments::{Arguments, Call, Literals},
};
use crate::error::{Error, ErrorKind};

/// A part of the SQL reference.
#[derive(Debug)]
pub struct Section {
    /// Title of the part.
    pub label: &'static str,
    /// Description of what its functions have in common.
    pub description: &'static str,
    /// Title and Markdown of the appendix to the page of the function with this name, if there is one.
    pub appendix: fn(&str) -> Option<(&'static str, String)>,
}

/// A SQL function.
#[derive(Debug)]
pub struct FunctionSpec {
    /// Name in SQL.
    pub name: &'static str,
    /// The section of the SQL reference that describes the function.
    pub section: &'static Section,
    /// Description of the result: the quantity and its unit, when it is NULL, its type, and the source of a formula.
    pub description: &'static str,
    /// A statement that uses the function.
    pub example: &'static str,
    /// Arguments in order. Optional arguments come last.
    pub arguments: &'static [Argument],
    /// Whether equal arguments give equal results.
    pub volatility: Volatility,
    /// The code that the function runs.
    pub body: Body,
}

/// The code that a function runs.
#[derive(Debug)]
pub enum Body {
    /// Code that computes the results of a batch from its arguments.
    Computed {
        /// Returns the field of the result for the types and literals of a call; the name of the field is ignored.
        returns: fn(&Call) -> Result<Field, Error>,
        /// Returns the results, one per row of the batch.
        evaluate: fn(&Arguments) -> DataFusionResult<ArrayRef>,
        /// Whether some argument values are errors. If not, the planner may also compute the function on rows that CASE
        /// keeps away from it.
        can_fail: bool,
    },
    /// Evaluated by a model, which [`Models`](super::Models) runs. The first argument is the context.
    Asked,
}

impl FunctionSpec {
    /// Whether the function is evaluated by a model.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        matches!(self.body, Body::Asked)
    }

    /// Whether some argument values are errors.
    #[must_use]
    pub fn can_fail(&self) -> bool {
        matches!(self.body, Body::Computed { can_fail: true, .. })
    }

    /// Whether the function takes pairs `name => value` with any names.
    #[must_use]
    pub fn takes_pairs(&self) -> bool {
        self.usage().takes_pairs()
    }

    /// The call syntax of the function.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage { name: self.name, arguments: self.arguments }
    }

    /// The syntax of a call, e.g. `absmag(parallax, mag [, extinction])`.
    #[must_use]
    pub fn syntax(&self) -> String {
        self.usage().syntax()
    }

    /// The function's page in the SQL reference.
    #[must_use]
    pub fn documentation(&self) -> Documentation {
        let Section { label, description, .. } = *self.section;
        let section = DocSection { include: true, label, description: Some(description) };
        let page = Documentation::builder(section, self.description, self.syntax()).with_sql_example(self.example);
        self.arguments.iter().fold(page, |page, a| page.with_argument(a.name, a.meaning)).build()
    }

    /// The signature for DataFusion. Types are checked together with the literals, by [`FunctionSpec::check`], and are
    /// not coerced.
    pub(super) fn signature(&self) -> Signature {
        let mut signature = Signature::user_defined(self.volatility);
        if !self.takes_pairs() && !self.arguments.is_empty() {
            signature.parameter_names = Some(self.arguments.iter().map(|a| a.name.to_owned()).collect());
        }
        signature
    }

    /// Checks the number, the types and the literals of a call's arguments.
    ///
    /// # Errors
    /// For the first argument that does not fit; the hint shows the syntax of a call.
    pub(super) fn check(&self, call: &Call) -> Result<(), Error> {
        let usage = self.usage();
        usage.check_count(call.fields.len())?;
        for (argument, field) in self.arguments.iter().zip(call.fields) {
            usage.check_type(argument, field.data_type())?;
        }
        self.check_literals(&call.literals)
    }

    /// Checks only the literals of a call.
    ///
    /// # Errors
    /// The errors of [`FunctionSpec::check`].
    pub(super) fn check_literals(&self, literals: &Literals) -> Result<(), Error> {
        self.arguments.iter().enumerate().take(literals.len()).try_for_each(|(at, argument)| match &argument.kind {
            ArgumentKind::Text => literals.text(at).map(|_| ()),
            ArgumentKind::Choice(_) => literals.choice(at).map(|_| ()),
            ArgumentKind::Texts => literals.texts(at).map(|_| ()),
            ArgumentKind::Integer(range) => match literals.integer(at) {
                Some(n) if !range.contains(&n) => {
                    let between = format!("{} to {}", range.start(), range.end());
                    let message = format!("{} of {} must be {between}, not {n}", argument.name, self.name);
                    Err(Error::new(ErrorKind::Plan, message))
                }
                _ => Ok(()),
            },
            ArgumentKind::Any | ArgumentKind::Number | ArgumentKind::List(_) | ArgumentKind::Pairs => Ok(()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::{DataType, FieldRef};
    use datafusion::common::ScalarValue;

    use super::*;

    static SECTION: Section = Section { label: "Tests", description: "Of no use.", appendix: |_| None };

    static SPEC: FunctionSpec = FunctionSpec {
        name: "f",
        section: &SECTION,
        description: "Nothing.",
        example: "SELECT f(1, 'a')",
        arguments: &[
            Argument::number("x", "A number."),
            Argument::choice("law", &["alpha", "beta"], "A law."),
            Argument::integer("n", 0..=3, "A count.").optional(),
        ],
        volatility: Volatility::Immutable,
        body: Body::Computed {
            returns: |_| Ok(Field::new("f", DataType::Float64, true)),
            evaluate: |arguments| arguments.array(0),
            can_fail: false,
        },
    };

    fn refused(values: &[ScalarValue]) -> String {
        let fields: Vec<FieldRef> = values.iter().map(|v| Arc::new(Field::new("", v.data_type(), true))).collect();
        let literals = Literals::new(SPEC.usage(), values.iter().map(Some).collect());
        SPEC.check(&Call { fields: &fields, literals }).map_or_else(|e| e.to_string(), |()| String::new())
    }

    #[test]
    fn documentation_follows_from_the_arguments() {
        assert_eq!(SPEC.syntax(), "f(x, 'law' [, n])");
        let page = SPEC.documentation();
        assert_eq!(page.syntax_example, SPEC.syntax());
        assert_eq!(page.arguments.unwrap()[2], ("n".to_owned(), "A count.".to_owned()));
    }

    #[test]
    fn calls_that_do_not_fit_are_refused_in_the_same_words() {
        let [x, law, n] = [ScalarValue::from(1.5), ScalarValue::from("BETA"), ScalarValue::from(3i64)];
        assert_eq!(refused(&[x.clone(), law.clone(), n.clone()]), "");
        assert_eq!(refused(&[ScalarValue::Null, law.clone(), ScalarValue::Null]), "");
        for (values, message) in [
            (vec![x.clone()], "f takes 2 or 3 arguments, not 1\nhint: write f(x, 'law' [, n])"),
            (vec![law.clone(), law.clone()], "x of f must be a number, not Utf8\nhint: write f(x, 'law' [, n])"),
            (vec![x.clone(), n.clone()], "law of f must be a literal string, not Int64\nhint: write f(x, 'law' [, n])"),
            (vec![x.clone(), "bet".into()], "unknown law 'bet' in f\nhint: did you mean 'beta'? known: alpha, beta"),
            (vec![x.clone(), law.clone(), 4i64.into()], "n of f must be 0 to 3, not 4"),
            (vec![x, law, 0.5.into()], "n of f must be an integer, not Float64\nhint: write f(x, 'law' [, n])"),
        ] {
            assert_eq!(refused(&values), message);
        }
    }
}
