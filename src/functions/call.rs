//! What a `lam_*` call asks for, read from its literal arguments.

use std::sync::Arc;

use datafusion::{
    common::{Result, ScalarValue},
    logical_expr::Documentation,
};

use crate::{
    error::{Error, ErrorKind},
    inference::{Engine, Output},
    model::Model,
    schema::TokenId,
};

/// What a call gives per row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// One column.
    One(Output),
    /// A struct of value and error for each token.
    Predict(Vec<TokenId>),
}

/// A `lam_*` function: its name, its arguments after the context, and how to read them.
#[derive(Debug)]
pub struct Spec {
    /// SQL name.
    pub name: &'static str,
    /// Whether a second argument names the token or tokens.
    pub takes_token: bool,
    /// Reads the second argument.
    pub ask: fn(&Model, Option<&ScalarValue>) -> Result<Ask, Error>,
    /// Its page in the SQL reference.
    pub documentation: fn() -> Documentation,
}

/// A call resolved against the registered models.
#[derive(Debug, Clone)]
pub struct Call {
    /// The model it names, or the default one.
    pub model: Arc<Model>,
    /// What it asks for.
    pub ask: Ask,
}

impl Call {
    /// Resolves the literal arguments of a call; `literals[0]` is the context's and is ignored.
    ///
    /// # Errors
    /// If an argument is missing, superfluous or not a literal, or names an unknown token or model.
    pub fn resolve(spec: &Spec, engine: &Engine, literals: &[Option<&ScalarValue>]) -> Result<Self, Error> {
        let tokens = usize::from(spec.takes_token);
        if literals.len() <= tokens || literals.len() > tokens + 2 {
            return Err(Error::new(
                ErrorKind::Plan,
                format!("{} takes {} arguments, not {}", spec.name, usage(spec), literals.len()),
            )
            .hint(format!("write {}", example(spec))));
        }
        let literal = |at: usize, what: &str| -> Result<Option<&ScalarValue>, Error> {
            match literals.get(at) {
                None => Ok(None),
                Some(Some(value)) => Ok(Some(*value)),
                Some(None) => {
                    Err(Error::new(ErrorKind::Plan, format!("the {what} of {} must be a literal", spec.name))
                        .hint(format!("write {}; a column cannot choose it per row", example(spec))))
                }
            }
        };
        let model =
            match literal(tokens + 1, "model")? {
                None => None,
                Some(value) => Some(text(value).ok_or_else(|| {
                    Error::new(ErrorKind::Plan, format!("the model of {} must be a string", spec.name))
                })?),
            };
        let model = engine.model(model)?;
        let token = if spec.takes_token { literal(1, "token")? } else { None };
        let ask = (spec.ask)(&model, token)?;
        Ok(Self { model, ask })
    }

    /// The columns it needs, in the order its result uses them.
    #[must_use]
    pub fn outputs(&self) -> Vec<Output> {
        match &self.ask {
            Ask::One(output) => vec![*output],
            Ask::Predict(tokens) => tokens.iter().flat_map(|t| [Output::Value(*t), Output::Error(*t)]).collect(),
        }
    }
}

/// The string of a literal.
pub(super) fn text(value: &ScalarValue) -> Option<&str> {
    value.try_as_str().flatten()
}

/// The token named by a literal.
pub(super) fn token(model: &Model, value: Option<&ScalarValue>) -> Result<TokenId, Error> {
    let name = value.and_then(text).ok_or_else(|| {
        Error::new(ErrorKind::Plan, "the token must be a string").hint("write e.g. lam_infer(xp, 'teff')")
    })?;
    model.vocabulary().require(name).map_err(|e| e.at("model", model.name()))
}

fn usage(spec: &Spec) -> &'static str {
    if spec.takes_token { "2 or 3" } else { "1 or 2" }
}

fn example(spec: &Spec) -> String {
    (spec.documentation)().syntax_example
}
