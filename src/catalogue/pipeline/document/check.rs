//! Checks a pipeline against its query and the columns of its inputs.

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::{
    common::{DFSchema, TableReference, tree_node::TreeNode},
    error::DataFusionError,
    logical_expr::Expr,
    sql::parser::Statement,
};
use lamcat_core::error::{Error, ErrorKind, Result, without_secrets};
use lamcat_model::Model;
use lamcat_release::summary::FLAGS_COLUMN;
use lamcat_sql::session::{LazyStores, Session, SessionOptions};
use sqlparser::ast;

use super::{
    columns::{self, Origin, no_column},
    resolve::{ModelChoice, Pipeline},
    row_wise,
};

/// What is known about the catalogue of a pipeline before any row is read.
#[derive(Debug, Clone)]
pub struct CheckedQuery {
    /// The catalogue's columns in the query's order, with metadata `unit`, `ucd` and `description`.
    pub schema: SchemaRef,
    /// For each column, where its unit, UCD and description come from.
    pub origins: Vec<Origin>,
    /// What happens to the rows of the cut input, step by step, in words.
    pub steps: Vec<String>,
}

impl Pipeline {
    /// A session that has the pipeline's model as its default model, and the pipeline's thread and memory limits.
    ///
    /// # Errors
    /// If the model cannot be read or the engine cannot be started.
    pub async fn open_session(&self) -> Result<Session> {
        self.open_session_with(None).await
    }

    /// [`Pipeline::open_session`] with the stores of another session.
    pub(crate) async fn open_session_with(&self, stores: Option<Arc<LazyStores>>) -> Result<Session> {
        let resources = &self.resources;
        let memory_bytes = resources.memory_gib.map(|gib| (gib * f64::from(1u32 << 30)) as usize);
        let options = SessionOptions {
            partitions: resources.threads,
            memory_bytes,
            device: resources.device,
            precision: self.precision,
            stores,
        };
        let session = Session::new(&options).map_err(|e| failed("cannot open a session", &e))?;
        if let ModelChoice::File(path) = &self.model {
            let bytes = session
                .read(path.exposed())
                .await
                .map_err(|e| failed("cannot read the model", &e).at("file", self.file.display()))?;
            session.engine().set_default_model(Model::from_bytes(&bytes).map_err(|e| e.at("file", path))?);
        }
        Ok(session)
    }

    /// Registers every input as a table in a session.
    ///
    /// # Errors
    /// If an input matches no file, or cannot be read.
    pub async fn register_inputs(&self, session: &Session) -> Result<()> {
        for input in &self.inputs {
            let unreadable = |e: DataFusionError| {
                let cause = cause(&e);
                let first = cause.split("\nhint:").next().unwrap_or_default();
                failed(format!("the input '{}' cannot be read", input.name), &e)
                    .at("file", self.file.display())
                    .source(first)
                    .hint(format!("correct its path in [inputs.{0}], or give one with --input {0}=PATH", input.name))
            };
            let context = session.context();
            let table = context.table_provider(TableReference::bare(input.path.exposed())).await.map_err(unreadable)?;
            // An earlier unit or pipeline may have registered another table under this name.
            context.deregister_table(TableReference::bare(input.name.as_str())).map_err(unreadable)?;
            context.register_table(TableReference::bare(input.name.as_str()), table).map_err(unreadable)?;
        }
        Ok(())
    }
}

/// Checks that the query of a pipeline is a single SELECT, without planning it.
///
/// # Errors
/// If it is not.
pub fn parse_query(session: &Session, pipeline: &Pipeline) -> Result<Statement> {
    let error = |message: &str| Error::new(ErrorKind::Plan, message).at("file", pipeline.sql.path.display());
    let parsed = session.parse(&pipeline.sql.text);
    let mut statements = parsed.map_err(|e| error("the query cannot be read").source(cause(&e)))?;
    let Some(statement) = statements.pop() else { return Err(error("there is no query")) };
    if !statements.is_empty() {
        return Err(error("a pipeline has one query, but here are several statements")
            .hint("write views as parts of the query: WITH name AS (SELECT …) SELECT …"));
    }
    let is_query = matches!(&statement, Statement::Statement(s) if matches!(s.as_ref(), ast::Statement::Query(_)));
    if is_query { Ok(statement) } else { Err(error("the query of a pipeline must be a SELECT")) }
}

/// Plans the query of a pipeline on a session that has its inputs as tables (see [`Pipeline::register_inputs`]), and
/// checks everything that can be known before any row is read: the query treats each row of the cut input separately,
/// the names and types of its columns are allowed in a catalogue, each column has a UCD and a description, cuts are
/// conditions on these columns, and the columns that gates and indices name exist.
///
/// # Errors
/// If one of these checks fails; the error says what to do.
pub async fn check_query(session: &Session, pipeline: &Pipeline) -> Result<CheckedQuery> {
    let failed = |e: DataFusionError| failed("the query cannot be planned", &e).at("file", pipeline.sql.path.display());
    let statement = parse_query(session, pipeline)?;
    let frame = session.plan(statement).await.map_err(failed)?;
    let state = session.context().state();
    let options = state.config_options().clone();
    let analyzed = state.analyzer().execute_and_check(frame.logical_plan().clone(), &options, |_, _| {});
    let analyzed = analyzed.map_err(failed)?;
    let is_function = |name: &str| state.table_functions().contains_key(name);
    let steps = row_wise::steps(&analyzed, pipeline, is_function)?;
    let (schema, origins) = columns::resolve(pipeline, analyzed.schema().as_arrow())?;
    frame.create_physical_plan().await.map_err(failed)?;
    check_cuts(session, pipeline, &schema)?;
    check_named_columns(pipeline, &schema)?;
    Ok(CheckedQuery { schema, origins, steps })
}

fn check_cuts(session: &Session, pipeline: &Pipeline, schema: &SchemaRef) -> Result<()> {
    let state = session.context().state();
    for (name, condition) in &pipeline.cuts {
        let key = format!("cuts.{name}");
        let wrong = |e: DataFusionError| {
            pipeline.error(&key, "the cut is not a condition on the columns of the catalogue").source(cause(&e))
        };
        let columns = DFSchema::try_from(schema.as_ref().clone()).map_err(wrong)?;
        let expr = state.create_logical_expr(condition, &columns).map_err(wrong)?;
        if let Some(call) = row_wise::volatile_call(&expr) {
            return Err(pipeline.error(&key, format!("{call} gives another value each time")));
        }
        if expr.exists(|e| Ok(is_of_several_rows(e))).map_err(wrong)? {
            return Err(pipeline
                .error(&key, "a cut must treat each row separately")
                .hint("compare columns of the row, and literals"));
        }
        let physical = state.create_physical_expr(expr, &columns).map_err(wrong)?;
        match physical.data_type(schema).map_err(wrong)? {
            DataType::Boolean => {}
            other => {
                let message = format!("the cut gives {other}, not true or false");
                return Err(pipeline.error(&key, message).hint("write a condition, e.g. \"quality_flags & 96 = 0\""));
            }
        }
    }
    Ok(())
}

fn is_of_several_rows(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::AggregateFunction(_)
            | Expr::WindowFunction(_)
            | Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_)
    )
}

/// Checks the columns that gates and indices name.
fn check_named_columns(pipeline: &Pipeline, schema: &Schema) -> Result<()> {
    let column = |key: &str, name: &str| match schema.field_with_name(name) {
        Ok(field) => Ok(field.data_type().clone()),
        Err(_) => Err(no_column(pipeline, key, name, schema)),
    };
    for name in &pipeline.tiling.index {
        let t = column("tiling.index", name)?;
        if !(t.is_integer() || t.is_string()) {
            let message = format!("'{name}' is {t}: only columns of integers or text can have an index");
            return Err(pipeline.error("tiling.index", message));
        }
    }
    for name in &pipeline.default_columns {
        column("default_columns", name)?;
    }
    for name in pipeline.gates.max_null_fraction.keys() {
        column(&format!("gates.max_null_fraction.{name}"), name)?;
    }
    for name in pipeline.gates.max_shift.keys() {
        let key = format!("gates.max_shift.{name}");
        let t = column(&key, name)?;
        if !t.is_numeric() {
            return Err(pipeline.error(&key, format!("'{name}' is {t}, which has no median")));
        }
    }
    if pipeline.gates.max_flag_fraction.is_some() {
        let key = "gates.max_flag_fraction";
        if column(key, FLAGS_COLUMN)? != DataType::Int32 {
            return Err(pipeline
                .error(key, format!("{FLAGS_COLUMN} must be Int32"))
                .hint(format!("write lam_flags(context) AS {FLAGS_COLUMN}")));
        }
    }
    Ok(())
}

/// An error from DataFusion, without secrets.
fn failed(message: impl Into<String>, e: &DataFusionError) -> Error {
    Error::from_datafusion(message, e).source(cause(e))
}

/// The message of an error from DataFusion, without secrets.
fn cause(e: &DataFusionError) -> String {
    let text = without_secrets(&e.strip_backtrace());
    text.strip_prefix("Error during planning: ").map_or(text.clone(), str::to_owned)
}
