//! The logical node that runs a model. It has its input's columns, then one column for each output.

use std::{
    cmp::Ordering,
    collections::HashSet,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use datafusion::{
    common::{Column, DFSchema, DFSchemaRef, Result, internal_err},
    logical_expr::{Expr, ExprSchemable, Extension, LogicalPlan, UserDefinedLogicalNodeCore},
};
use lamcat_model::{
    Model,
    inference::{Output, Program},
};

/// An output and the name of its column; the names are unique within a plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NamedOutput {
    /// The output that is computed.
    pub output: Output,
    /// Column name, `__lam_N`.
    pub name: String,
}

/// Runs one model on one context expression of its input.
#[derive(Debug, Clone)]
pub struct LamInfer {
    input: LogicalPlan,
    context: Expr,
    model: Arc<Model>,
    outputs: Vec<NamedOutput>,
    schema: DFSchemaRef,
}

impl LamInfer {
    /// Creates a node over `input`.
    ///
    /// # Errors
    /// If the context is not one of this model, or a name is taken.
    pub fn try_new(input: LogicalPlan, context: Expr, model: Arc<Model>, outputs: Vec<NamedOutput>) -> Result<Self> {
        let context_type = context.get_type(input.schema())?;
        Program::new(model.clone(), &context_type, outputs.iter().map(|o| o.output).collect())?;
        let mut fields: Vec<_> = input.schema().iter().map(|(q, f)| (q.cloned(), f.clone())).collect();
        fields.extend(outputs.iter().map(|o| (None, Arc::new(o.output.field(&o.name, &model)))));
        let metadata = input.schema().as_arrow().metadata().clone();
        let schema = Arc::new(DFSchema::new_with_metadata(fields, metadata)?);
        Ok(Self { input, context, model, outputs, schema })
    }

    /// The node in a plan, if the plan's root is such a node.
    #[must_use]
    pub fn of(plan: &LogicalPlan) -> Option<&Self> {
        match plan {
            LogicalPlan::Extension(e) => e.node.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// The node as a plan.
    #[must_use]
    pub fn into_plan(self) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(self) })
    }

    /// The plan that provides the node's input rows.
    #[must_use]
    pub fn input(&self) -> &LogicalPlan {
        &self.input
    }

    /// The expression that computes the context of a row.
    #[must_use]
    pub fn context(&self) -> &Expr {
        &self.context
    }

    /// The model that the node runs.
    #[must_use]
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The outputs that the node appends, in the order of their columns.
    #[must_use]
    pub fn outputs(&self) -> &[NamedOutput] {
        &self.outputs
    }

    /// The column of `output`, if the node computes that output.
    #[must_use]
    pub fn column(&self, output: Output) -> Option<Column> {
        self.outputs.iter().find(|o| o.output == output).map(|o| Column::new_unqualified(&o.name))
    }

    /// The same node with other outputs.
    ///
    /// # Errors
    /// The same as for [`LamInfer::try_new`].
    pub fn with_outputs(&self, outputs: Vec<NamedOutput>) -> Result<Self> {
        Self::try_new(self.input.clone(), self.context.clone(), self.model.clone(), outputs)
    }

    /// The same node over another input.
    ///
    /// # Errors
    /// The same as for [`LamInfer::try_new`].
    pub fn with_input(&self, input: LogicalPlan) -> Result<Self> {
        Self::try_new(input, self.context.clone(), self.model.clone(), self.outputs.clone())
    }
}

/// The names of outputs as they appear in plans, e.g. `teff, teff_error, flags`.
pub(super) fn output_list(outputs: impl Iterator<Item = Output>, model: &Model) -> String {
    outputs.map(|o| o.label(model)).collect::<Vec<_>>().join(", ")
}

impl UserDefinedLogicalNodeCore for LamInfer {
    fn name(&self) -> &'static str {
        "LamInfer"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![self.context.clone()]
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        self.outputs.iter().map(|o| o.name.clone()).collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let outputs = output_list(self.outputs.iter().map(|o| o.output), &self.model);
        write!(f, "LamInfer: model={}, context={}, outputs=[{outputs}]", self.model.name(), self.context)
    }

    fn with_exprs_and_inputs(&self, mut exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let (Some(context), Some(input)) = (exprs.pop(), inputs.pop()) else {
            return internal_err!("LamInfer has one expression and one input");
        };
        Self::try_new(input, context, self.model.clone(), self.outputs.clone())
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let inherited = self.input.schema().fields().len();
        Some(vec![output_columns.iter().copied().filter(|i| *i < inherited).collect()])
    }

    fn supports_limit_pushdown(&self) -> bool {
        true
    }
}

impl PartialEq for LamInfer {
    fn eq(&self, other: &Self) -> bool {
        self.model.hash() == other.model.hash()
            && self.context == other.context
            && self.outputs == other.outputs
            && self.input == other.input
    }
}

impl Eq for LamInfer {}

impl Hash for LamInfer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.model.hash().hash(state);
        self.context.hash(state);
        self.outputs.hash(state);
        self.input.hash(state);
    }
}

impl PartialOrd for LamInfer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        if self == other {
            return Some(Ordering::Equal);
        }
        Some((self.model.hash(), &self.outputs).cmp(&(other.model.hash(), &other.outputs)))
            .filter(|o| *o != Ordering::Equal)
    }
}
