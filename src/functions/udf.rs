//! The one adapter between a [`FunctionSpec`] and DataFusion.

use std::{
    any::Any,
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::datatypes::{DataType, FieldRef};
use datafusion::{
    common::{Result, ScalarValue, internal_err},
    logical_expr::{
        ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility,
    },
};

use super::{
    arguments::{Arguments, Call, Literals},
    model::ModelCall,
    spec::{Body, FunctionSpec},
};
use crate::inference::Engine;

/// A function of lamcat, as DataFusion knows it, with the engine whose models it may ask.
#[derive(Debug)]
pub struct SqlFunction {
    spec: &'static FunctionSpec,
    engine: Arc<Engine>,
    signature: Signature,
    documentation: Documentation,
}

impl FunctionSpec {
    /// The function as DataFusion knows it.
    #[must_use]
    pub fn udf(&'static self, engine: &Arc<Engine>) -> ScalarUDF {
        ScalarUDF::from(SqlFunction::new(self, engine.clone()))
    }
}

impl SqlFunction {
    pub(super) fn new(spec: &'static FunctionSpec, engine: Arc<Engine>) -> Self {
        Self { spec, engine, signature: spec.signature(), documentation: spec.documentation() }
    }

    /// The function of lamcat that a DataFusion function is, if it is one.
    #[must_use]
    pub fn of(udf: &ScalarUDF) -> Option<&Self> {
        let function: &dyn Any = udf.inner().as_ref();
        function.downcast_ref()
    }

    /// The specification of the function.
    #[must_use]
    pub fn spec(&self) -> &'static FunctionSpec {
        self.spec
    }

    /// Resolves what a call asks of a model from its arguments.
    ///
    /// # Errors
    /// If the function asks none, or as [`ModelCall::resolve`].
    pub fn model_call(&self, args: &[Expr]) -> Result<ModelCall> {
        let literals = args.iter().map(literal).collect();
        Ok(ModelCall::resolve(self.spec, &self.engine, &Literals::new(self.spec.usage(), literals))?)
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

impl ScalarUDFImpl for SqlFunction {
    fn name(&self) -> &str {
        self.spec.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("the type of {} may follow from its literal arguments", self.spec.name)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let literals = Literals::new(self.spec.usage(), args.scalar_arguments.to_vec());
        let call = Call { fields: args.arg_fields, literals };
        self.spec.check(&call)?;
        let field = match self.spec.body {
            Body::Computed { returns, .. } => returns(&call)?,
            Body::Asked(_) => ModelCall::resolve(self.spec, &self.engine, &call.literals)?.field(call.fields)?,
        };
        Ok(Arc::new(field.with_name(self.spec.name)))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = self.spec.volatility != Volatility::Volatile
            && args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let arguments = Arguments::new(self.spec.usage(), &args.args, rows, &args.return_field);
        self.spec.check_literals(&arguments.literals())?;
        let result = match self.spec.body {
            Body::Computed { evaluate, .. } => evaluate(&arguments)?,
            Body::Asked(_) => {
                let call = ModelCall::resolve(self.spec, &self.engine, &arguments.literals())?;
                call.evaluate(&self.engine, &arguments.array(0)?)?
            }
        };
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

impl PartialEq for SqlFunction {
    fn eq(&self, other: &Self) -> bool {
        self.spec.name == other.spec.name && self.engine == other.engine
    }
}

impl Eq for SqlFunction {}

impl Hash for SqlFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.name.hash(state);
        self.engine.hash(state);
    }
}
