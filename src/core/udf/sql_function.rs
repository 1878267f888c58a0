//! The adapter between a [`FunctionSpec`] and DataFusion.

use std::{
    any::Any,
    fmt::Debug,
    hash::{Hash, Hasher},
    ptr,
    sync::Arc,
};

use arrow::{
    array::ArrayRef,
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::{Result, ScalarValue, internal_err},
    logical_expr::{
        ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        Volatility,
    },
};

use super::{
    arguments::{Arguments, Call, Literals},
    spec::{Body, FunctionSpec},
};
use crate::error;

/// The runner of the functions that are evaluated by a model.
pub trait Models: Any + Debug + Send + Sync {
    /// Returns the field of a call's result for the fields of its arguments; the name of the field is ignored.
    ///
    /// # Errors
    /// If the call names an unknown model or quantity, or its first argument is not a context.
    fn field(
        &self,
        function: &'static FunctionSpec,
        literals: &Literals,
        arguments: &[FieldRef],
    ) -> error::Result<Field>;

    /// Returns the results for the contexts of a batch.
    ///
    /// # Errors
    /// The errors of [`Models::field`], and failures of the device.
    fn evaluate(&self, function: &'static FunctionSpec, literals: &Literals, contexts: &ArrayRef) -> Result<ArrayRef>;
}

/// A lamcat function as DataFusion sees it, with the models that evaluate it, if any do.
#[derive(Debug)]
pub struct SqlFunction {
    spec: &'static FunctionSpec,
    models: Option<Arc<dyn Models>>,
    signature: Signature,
    documentation: Documentation,
}

impl FunctionSpec {
    /// Returns the function for DataFusion. It must not be one that is evaluated by a model.
    #[must_use]
    pub fn udf(&'static self) -> ScalarUDF {
        ScalarUDF::from(SqlFunction::new(self, None))
    }

    /// Returns the function for DataFusion, evaluated by `models`.
    #[must_use]
    pub fn asking(&'static self, models: Arc<dyn Models>) -> ScalarUDF {
        ScalarUDF::from(SqlFunction::new(self, Some(models)))
    }
}

impl SqlFunction {
    fn new(spec: &'static FunctionSpec, models: Option<Arc<dyn Models>>) -> Self {
        Self { spec, models, signature: spec.signature(), documentation: spec.documentation() }
    }

    /// Returns the lamcat function behind a DataFusion function, if it is one.
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

    /// The models that evaluate the function.
    ///
    /// # Errors
    /// If the function was made without models.
    pub fn models(&self) -> Result<&dyn Models> {
        let Some(models) = &self.models else {
            return internal_err!("{} has no model to ask", self.spec.name);
        };
        Ok(models.as_ref())
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
            Body::Asked => self.models()?.field(self.spec, &call.literals, call.fields)?,
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
            Body::Asked => self.models()?.evaluate(self.spec, &arguments.literals(), &arguments.array(0)?)?,
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
        self.spec.name == other.spec.name && address(self.models.as_ref()) == address(other.models.as_ref())
    }
}

impl Eq for SqlFunction {}

impl Hash for SqlFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.spec.name.hash(state);
        address(self.models.as_ref()).hash(state);
    }
}

fn address(models: Option<&Arc<dyn Models>>) -> Option<*const ()> {
    models.map(|models| ptr::from_ref(models.as_ref()).cast())
}
