//! The operator that runs a model.

use std::sync::Arc;

use datafusion::{
    common::{Result, internal_datafusion_err, internal_err},
    execution::TaskContext,
    physical_plan::ExecutionPlan,
};
use datafusion_proto::{
    physical_plan::{PhysicalExtensionCodec, PhysicalPlanDecodeContext, PhysicalProtoConverterExtension},
    protobuf::PhysicalExprNode,
};
use lamcat_core::{
    error::{Error, ErrorKind},
    schema::PADDING,
};
use lamcat_model::inference::{Engine, Output, Program};
use lamcat_sql::planner::{LamInferExec, NamedOutput};
use prost::{Enumeration, Message};

/// A [`LamInferExec`] without its input.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Infer {
    /// The model's name, for messages.
    #[prost(string, tag = "1")]
    model: String,
    /// The hash of the model's content.
    #[prost(string, tag = "2")]
    hash: String,
    #[prost(message, optional, tag = "3")]
    context: Option<PhysicalExprNode>,
    #[prost(message, repeated, tag = "4")]
    outputs: Vec<Column>,
}

/// A [`NamedOutput`].
#[derive(Clone, PartialEq, Message)]
struct Column {
    #[prost(enumeration = "OutputKind", tag = "1")]
    kind: i32,
    /// The number of the token in the model's vocabulary, of a value or an error.
    #[prost(uint32, tag = "2")]
    token: u32,
    #[prost(string, tag = "3")]
    name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
enum OutputKind {
    Unknown = 0,
    Value = 1,
    Error = 2,
    Spectrum = 3,
    SpectrumError = 4,
    Inpaint = 5,
    Embed = 6,
    Flags = 7,
    OodScore = 8,
}

impl From<&NamedOutput> for Column {
    fn from(output: &NamedOutput) -> Self {
        let (kind, token) = match output.output {
            Output::Value(token) => (OutputKind::Value, token),
            Output::Error(token) => (OutputKind::Error, token),
            Output::Spectrum => (OutputKind::Spectrum, 0),
            Output::SpectrumError => (OutputKind::SpectrumError, 0),
            Output::Inpaint => (OutputKind::Inpaint, 0),
            Output::Embed => (OutputKind::Embed, 0),
            Output::Flags => (OutputKind::Flags, 0),
            Output::OodScore => (OutputKind::OodScore, 0),
        };
        Self { kind: kind.into(), token, name: output.name.clone() }
    }
}

impl Column {
    fn output(&self, tokens: usize) -> Result<NamedOutput> {
        let token = || match self.token {
            token if token != PADDING && token as usize <= tokens => Ok(token),
            token => internal_err!("the model has no token {token}"),
        };
        let output = match self.kind() {
            OutputKind::Value => Output::Value(token()?),
            OutputKind::Error => Output::Error(token()?),
            OutputKind::Spectrum => Output::Spectrum,
            OutputKind::SpectrumError => Output::SpectrumError,
            OutputKind::Inpaint => Output::Inpaint,
            OutputKind::Embed => Output::Embed,
            OutputKind::Flags => Output::Flags,
            OutputKind::OodScore => Output::OodScore,
            OutputKind::Unknown => return internal_err!("an output of an unknown kind"),
        };
        Ok(NamedOutput { output, name: self.name.clone() })
    }
}

pub(super) fn encode(
    node: &LamInferExec,
    codec: &dyn PhysicalExtensionCodec,
    converter: &dyn PhysicalProtoConverterExtension,
) -> Result<Infer> {
    let model = node.model();
    Ok(Infer {
        model: model.name().to_owned(),
        hash: model.hash().to_owned(),
        context: Some(converter.physical_expr_to_proto(node.context(), codec)?),
        outputs: node.outputs().iter().map(Column::from).collect(),
    })
}

pub(super) fn decode(
    node: &Infer,
    inputs: &[Arc<dyn ExecutionPlan>],
    engine: &Arc<Engine>,
    codec: &dyn PhysicalExtensionCodec,
    task: &TaskContext,
    converter: &dyn PhysicalProtoConverterExtension,
) -> Result<Arc<dyn ExecutionPlan>> {
    let ([input], Some(context)) = (inputs, &node.context) else {
        return internal_err!("LamInferExec has one input and a context");
    };
    let Some(model) = engine.models().into_iter().find(|model| model.hash() == node.hash) else {
        return Err(unknown_model(&node.model, &node.hash).into());
    };
    let schema = input.schema();
    let plans = PhysicalPlanDecodeContext::new(task, codec);
    let context = converter.proto_to_physical_expr(context, &schema, &plans)?;
    let tokens = model.vocabulary().tokens().len();
    let outputs = node.outputs.iter().map(|column| column.output(tokens)).collect::<Result<Vec<_>>>()?;
    let context_type = context.data_type(&schema).map_err(|e| internal_datafusion_err!("{e}"))?;
    let program = Program::new(model, &context_type, outputs.iter().map(|o| o.output).collect())?;
    Ok(Arc::new(LamInferExec::new(input.clone(), context, Arc::new(program), outputs, engine.clone())))
}

/// The error of a worker that does not have a model.
pub(crate) fn unknown_model(name: &str, hash: &str) -> Error {
    let message = format!("the worker has no model {name} with the content hash {hash}");
    Error::new(ErrorKind::Plan, message).hint("start every worker with the same --model files as the session")
}
