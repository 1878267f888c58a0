//! What a call requests from a model, read from its literal arguments.

use std::{any::Any, sync::Arc};

use arrow::{
    array::{ArrayRef, StructArray},
    datatypes::{DataType, Field, FieldRef, Fields},
};
use datafusion::{
    common::{Result as DataFusionResult, ScalarValue, internal_err},
    logical_expr::Expr,
};
use lamcat_core::{
    error::{Error, ErrorKind},
    schema::TokenId,
    udf::{FunctionSpec, Literals, Models, SqlFunction},
};
use lamcat_model::{
    Model,
    inference::{Answers, Engine, Output, Program},
};

use super::{arguments::MODEL, specs};
use crate::functions::Ask;

/// A SQL function that runs a model.
#[derive(Debug)]
pub struct ModelFunction {
    /// The specification that every function has; its body is [`Body::Asked`](lamcat_core::udf::Body::Asked).
    pub spec: FunctionSpec,
    /// Reads from the literals of a call what is requested from the model.
    pub ask: fn(&Model, &Literals) -> Result<Ask, Error>,
}

/// The models of an engine, for the functions that run them.
#[derive(Debug)]
pub struct EngineModels(pub Arc<Engine>);

impl Models for EngineModels {
    fn field(
        &self,
        function: &'static FunctionSpec,
        literals: &Literals,
        arguments: &[FieldRef],
    ) -> Result<Field, Error> {
        ModelCall::resolve(function, &self.0, literals)?.field(arguments)
    }

    fn evaluate(
        &self,
        function: &'static FunctionSpec,
        literals: &Literals,
        contexts: &ArrayRef,
    ) -> DataFusionResult<ArrayRef> {
        ModelCall::resolve(function, &self.0, literals)?.evaluate(&self.0, contexts)
    }
}

/// A call whose model and requests have been looked up.
#[derive(Debug, Clone)]
pub struct ModelCall {
    /// The model that the call names, or the default model.
    pub model: Arc<Model>,
    /// What the call requests.
    pub ask: Ask,
}

impl ModelCall {
    /// Looks up what a call requests, from its arguments.
    ///
    /// # Errors
    /// If the function does not run a model, and the errors of [`ModelCall::resolve`].
    pub fn of(function: &SqlFunction, args: &[Expr]) -> DataFusionResult<Self> {
        let models: &dyn Any = function.models()?;
        let Some(EngineModels(engine)) = models.downcast_ref() else {
            return internal_err!("{} asks models of another kind", function.spec().name);
        };
        let literals = args.iter().map(literal).collect();
        Ok(Self::resolve(function.spec(), engine, &Literals::new(function.spec().usage(), literals))?)
    }

    /// Looks up what a call of `function` requests, from its literal arguments.
    ///
    /// # Errors
    /// If the function does not run a model, an argument is missing or not a literal, or the call names an unknown
    /// token or model.
    pub fn resolve(function: &FunctionSpec, engine: &Engine, literals: &Literals) -> Result<Self, Error> {
        let Some(ModelFunction { ask, .. }) = specs().into_iter().find(|asking| asking.spec.name == function.name)
        else {
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

    /// The outputs that the call needs, in the order in which its result has them.
    #[must_use]
    pub fn outputs(&self) -> Vec<Output> {
        match &self.ask {
            Ask::One(output) => vec![*output],
            Ask::Predict(tokens) => tokens.iter().flat_map(|t| [Output::Value(*t), Output::Error(*t)]).collect(),
        }
    }

    /// The field of the result, given the fields of the arguments; its name does not matter.
    fn field(&self, arguments: &[FieldRef]) -> Result<Field, Error> {
        let context = arguments.first().map_or(&DataType::Null, |field| field.data_type());
        Program::new(self.model.clone(), context, self.outputs())?;
        Ok(match &self.ask {
            Ask::One(output) => output.field("result", &self.model),
            Ask::Predict(_) => Field::new("result", DataType::Struct(self.fields()), true),
        })
    }

    /// Computes the results for the contexts of a batch, with a device call that waits for the answers.
    fn evaluate(&self, engine: &Engine, context: &ArrayRef) -> DataFusionResult<ArrayRef> {
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

    /// The fields of a struct with the value and the error of each token.
    fn fields(&self) -> Fields {
        let field = |output: Output| Field::new(output.label(&self.model), output.data_type(&self.model), true);
        self.outputs().into_iter().map(field).collect()
    }
}

/// The value of a literal argument.
fn literal(expr: &Expr) -> Option<&ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value),
        Expr::Alias(alias) => literal(&alias.expr),
        _ => None,
    }
}

/// Looks up a token by its name.
pub(super) fn token(model: &Model, name: &str) -> Result<TokenId, Error> {
    model.vocabulary().require(name).map_err(|e| e.at("model", model.name()))
}
