//! What a call asks of a model, read from its literal arguments.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, StructArray},
    datatypes::{DataType, Field, FieldRef, Fields},
};
use datafusion::common::Result;

use super::arguments::MODEL;
use crate::{
    error::{Error, ErrorKind},
    functions::{Ask, Body, FunctionSpec, Literals},
    inference::{Answers, Engine, Output, Program},
    model::Model,
    schema::TokenId,
};

/// A call resolved against the registered models.
#[derive(Debug, Clone)]
pub struct ModelCall {
    /// The model it names, or the default one.
    pub model: Arc<Model>,
    /// What it asks for.
    pub ask: Ask,
}

impl ModelCall {
    /// Resolves a call of `function` from its literal arguments.
    ///
    /// # Errors
    /// If the function asks no model, an argument is missing or not a literal, or it names an unknown token or model.
    pub fn resolve(function: &FunctionSpec, engine: &Engine, literals: &Literals) -> Result<Self, Error> {
        let Body::Asked(ask) = function.body else {
            return Err(Error::new(ErrorKind::Internal, format!("{} asks no model", function.name)));
        };
        let name = match function.arguments.iter().position(|argument| argument.name == MODEL.name) {
            Some(at) => literals.optional_text(at)?,
            None => None,
        };
        let model = engine.model(name)?;
        let ask = ask(&model, literals)?;
        Ok(Self { model, ask })
    }

    /// The columns it needs, in the order in which its result has them.
    #[must_use]
    pub fn outputs(&self) -> Vec<Output> {
        match &self.ask {
            Ask::One(output) => vec![*output],
            Ask::Predict(tokens) => tokens.iter().flat_map(|t| [Output::Value(*t), Output::Error(*t)]).collect(),
        }
    }

    /// The result's field, for the fields of the arguments; its name does not matter.
    pub(in crate::functions) fn field(&self, arguments: &[FieldRef]) -> Result<Field, Error> {
        let context = arguments.first().map_or(&DataType::Null, |field| field.data_type());
        Program::new(self.model.clone(), context, self.outputs())?;
        Ok(match &self.ask {
            Ask::One(output) => output.field("result", &self.model),
            Ask::Predict(_) => Field::new("result", DataType::Struct(self.fields()), true),
        })
    }

    /// The results for the contexts of a batch, by a call of the device that waits for the answers.
    pub(in crate::functions) fn evaluate(&self, engine: &Engine, context: &ArrayRef) -> Result<ArrayRef> {
        let program = Program::new(self.model.clone(), context.data_type(), self.outputs())?;
        let mut prepared = program.prepare(context)?;
        let answers = if program.needs_device() && prepared.packed.rows > 0 {
            let (model, requests) = (program.model().clone(), program.requests().clone());
            engine.device().infer_blocking(model, std::mem::take(&mut prepared.packed), requests)?.answers
        } else {
            Answers::default()
        };
        let columns = program.assemble(&prepared, &answers);
        match &self.ask {
            Ask::One(_) => Ok(columns[0].clone()),
            Ask::Predict(_) => Ok(Arc::new(StructArray::try_new(self.fields(), columns, None)?)),
        }
    }

    /// The fields of a struct: the value and the error of each token.
    fn fields(&self) -> Fields {
        let field = |output: Output| Field::new(output.label(&self.model), output.data_type(&self.model), true);
        self.outputs().into_iter().map(field).collect()
    }
}

/// The token of a name.
pub(super) fn token(model: &Model, name: &str) -> Result<TokenId, Error> {
    model.vocabulary().require(name).map_err(|e| e.at("model", model.name()))
}
