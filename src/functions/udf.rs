//! The adapter all `lam_*` functions share.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, StructArray},
    datatypes::{DataType, Field, FieldRef, Fields},
};
use datafusion::{
    common::{Result, ScalarValue, internal_err},
    logical_expr::{
        ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
    },
};

use super::call::{Ask, Call, Spec};
use crate::inference::{Answers, Engine, Program};

/// Name of the optional argument that picks a registered model.
pub const MODEL_ARGUMENT: &str = "model";

/// A `lam_*` function of one engine.
#[derive(Debug)]
pub struct LamUdf {
    spec: &'static Spec,
    engine: Arc<Engine>,
    signature: Signature,
}

impl LamUdf {
    pub(super) fn new(spec: &'static Spec, engine: Arc<Engine>) -> Self {
        let mut signature = Signature::user_defined(Volatility::Immutable);
        let mut names = vec!["context"];
        if spec.takes_token {
            names.push("token");
        }
        names.push(MODEL_ARGUMENT);
        signature.parameter_names = Some(names.into_iter().map(str::to_owned).collect());
        Self { spec, engine, signature }
    }

    /// Its page in the SQL reference.
    #[must_use]
    pub fn reference(&self) -> Documentation {
        (self.spec.documentation)()
    }

    /// Resolves a call from its argument expressions.
    ///
    /// # Errors
    /// As [`Call::resolve`].
    pub fn resolve(&self, args: &[Expr]) -> Result<Call> {
        let literals: Vec<Option<ScalarValue>> = args.iter().map(literal).collect();
        let literals: Vec<Option<&ScalarValue>> = literals.iter().map(Option::as_ref).collect();
        Ok(Call::resolve(self.spec, &self.engine, &literals)?)
    }

    fn evaluate(&self, call: &Call, context: &ArrayRef) -> Result<ArrayRef> {
        let program = Program::new(call.model.clone(), context.data_type(), call.outputs())?;
        let mut prepared = program.prepare(context)?;
        let answers = if program.needs_device() && prepared.packed.rows > 0 {
            let (model, requests) = (program.model().clone(), program.requests().clone());
            self.engine.device().infer_blocking(model, std::mem::take(&mut prepared.packed), requests)?.answers
        } else {
            Answers::default()
        };
        let columns = program.assemble(&prepared, &answers);
        match &call.ask {
            Ask::One(_) => Ok(columns[0].clone()),
            Ask::Predict(_) => Ok(Arc::new(StructArray::try_new(predict_fields(call), columns, None)?)),
        }
    }
}

/// A literal argument's value.
fn literal(expr: &Expr) -> Option<ScalarValue> {
    match expr {
        Expr::Literal(value, _) => Some(value.clone()),
        Expr::Alias(alias) => literal(&alias.expr),
        _ => None,
    }
}

/// The fields of a `lam_predict` struct: value and error of each token.
fn predict_fields(call: &Call) -> Fields {
    call.outputs().iter().map(|o| Field::new(o.label(&call.model), o.data_type(&call.model), true)).collect()
}

impl ScalarUDFImpl for LamUdf {
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
        let call = Call::resolve(self.spec, &self.engine, args.scalar_arguments)?;
        let Some(context) = args.arg_fields.first() else { return internal_err!("a call without a context") };
        Program::new(call.model.clone(), context.data_type(), call.outputs())?;
        Ok(Arc::new(match &call.ask {
            Ask::One(output) => output.field(self.spec.name, &call.model),
            Ask::Predict(_) => Field::new(self.spec.name, DataType::Struct(predict_fields(&call)), true),
        }))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let literals: Vec<Option<&ScalarValue>> = args
            .args
            .iter()
            .map(|a| match a {
                ColumnarValue::Scalar(s) => Some(s),
                ColumnarValue::Array(_) => None,
            })
            .collect();
        let call = Call::resolve(self.spec, &self.engine, &literals)?;
        let context = args.args[0].to_array(args.number_rows)?;
        Ok(ColumnarValue::Array(self.evaluate(&call, &context)?))
    }
}

impl PartialEq for LamUdf {
    fn eq(&self, other: &Self) -> bool {
        self.spec.name == other.spec.name && self.engine == other.engine
    }
}

impl Eq for LamUdf {}

impl Hash for LamUdf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.name.hash(state);
        self.engine.hash(state);
    }
}
