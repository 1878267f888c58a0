//! The only builder of a DataFusion session, used by every front end.
//!
//! A [`Session`] has lamcat's functions and operator, opens every object store by URL ([`LazyStores`]), and accepts
//! quoted paths as tables (`FROM 'dir/*.parquet'`).

mod archive_formats;
mod array_literal;
mod bundles;
mod comparisons;
mod depth;
mod dictionaries;
mod file_format;
mod files;
mod footers;
mod found;
mod hats;
mod identifiers;
mod location;
mod locations;
mod lookup;
mod many_files;
mod named_arguments;
mod names;
mod path_tables;
mod retrying;
mod served;
mod spilling;
mod spool;
mod stores;
mod unpacked;

use std::sync::Arc;

use bytes::Bytes;
use datafusion::{
    dataframe::DataFrame,
    error::Result,
    execution::{
        SessionStateBuilder,
        memory_pool::{FairSpillPool, TrackConsumersPool},
        runtime_env::{RuntimeEnv, RuntimeEnvBuilder},
    },
    logical_expr::{LogicalPlan, Statement},
    prelude::{SessionConfig, SessionContext},
    sql::parser::{DFParserBuilder, Statement as Parsed},
};
use lamcat_core::{
    error::{Error, ErrorKind, without_secrets},
    outputs::{SpillFactory, WholeOutputs},
    schema::limits,
    survey,
};
use lamcat_model::inference::{DeviceKind, Engine, EngineOptions, Precision};
use object_store::ObjectStoreExt;

pub use comparisons::check_names;
pub use dictionaries::without_dictionaries;
pub use files::{FoundFile, Place};
pub use identifiers::advice as identifier_advice;
pub use location::Location;
pub use many_files::{TableFiles, are_known_columns, known_columns};
pub use names::table_ending;
pub use path_tables::quoted_path;
pub use retrying::{Retries, Retrying};
pub use stores::{LazyStores, is_of_this_process};

use crate::{
    functions,
    planner::{Hoist, LamQueryPlanner, LamcatOptions, Prune},
};

/// Resolved settings of a session.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// Number of partitions of a query and of threads that models compute on; `None` means one per core that the
    /// process may use.
    pub partitions: Option<usize>,
    /// Bytes that queries may hold in memory before they spill or fail; `None` means no limit.
    pub memory_bytes: Option<usize>,
    /// The device that runs models.
    pub device: DeviceKind,
    /// Precision of the models' computation.
    pub precision: Precision,
    /// The stores of another session, to be shared; `None` means [`LazyStores`] of its own.
    pub stores: Option<Arc<LazyStores>>,
}

/// A SQL session with an inference engine.
#[derive(Clone)]
pub struct Session {
    context: SessionContext,
    engine: Arc<Engine>,
    stores: Arc<LazyStores>,
    spilled: SpillFactory,
    precision: Precision,
}

/// Rows of a row group of Parquet files that queries write.
const ROW_GROUP_ROWS: usize = 100_000;
/// Bytes of Parquet footers that are cached.
const FOOTER_BYTES: usize = 16 << 20;
/// Number of memory consumers that are named in an out-of-memory error.
const REPORTED_CONSUMERS: usize = 5;

impl Session {
    /// Creates a session on a new engine.
    ///
    /// # Errors
    /// If the engine cannot be started.
    pub fn new(options: &SessionOptions) -> Result<Self> {
        let engine = EngineOptions::on(options.device, options.precision, options.partitions)?;
        Self::with_engine(options, Engine::start(engine)?)
    }

    /// Creates a session on `engine`.
    ///
    /// # Errors
    /// If a function cannot be registered.
    pub fn with_engine(options: &SessionOptions, engine: Arc<Engine>) -> Result<Self> {
        let stores = options.stores.clone().unwrap_or_default();
        let spilled = SpillFactory::default();
        let mut runtime = RuntimeEnvBuilder::new()
            .with_object_store_registry(stores.clone())
            .with_disk_manager_builder(spilled.manager())
            .with_cache_manager(footers::remembered(FOOTER_BYTES, &stores));
        if let (Some(bytes), Some(n)) = (options.memory_bytes, std::num::NonZeroUsize::new(REPORTED_CONSUMERS)) {
            runtime = runtime.with_memory_pool(Arc::new(TrackConsumersPool::new(FairSpillPool::new(bytes), n)));
        }
        let session = Self::assemble(config(options, &engine), runtime.build_arc()?, engine, stores, spilled)?;
        Ok(Self { precision: options.precision, ..session })
    }

    /// Creates a session with its own tables on the same engine, stores, memory limit and settings, whose queries have
    /// `partitions` partitions.
    ///
    /// # Errors
    /// If a function cannot be registered.
    pub fn sibling(&self, partitions: usize) -> Result<Self> {
        // A state that was built from another state has this turned off.
        let config = self.context.copied_config().with_create_default_catalog_and_schema(true);
        let config = config.with_target_partitions(partitions);
        let (runtime, engine, stores) = (self.context.runtime_env(), self.engine.clone(), self.stores.clone());
        let session = Self::assemble(config, runtime, engine, stores, self.spilled.clone())?;
        Ok(Self { precision: self.precision, ..session })
    }

    fn assemble(
        config: SessionConfig,
        runtime: Arc<RuntimeEnv>,
        engine: Arc<Engine>,
        stores: Arc<LazyStores>,
        spilled: SpillFactory,
    ) -> Result<Self> {
        let state = SessionStateBuilder::new_with_default_features()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_analyzer_rule(Arc::new(Hoist))
            .with_optimizer_rule(Arc::new(Prune))
            .with_physical_optimizer_rule(Arc::new(WholeOutputs))
            .with_query_planner(Arc::new(LamQueryPlanner::new(engine.clone())))
            .build();
        let planners = std::iter::once(array_literal::planner()).chain(state.expr_planners().to_vec()).collect();
        let mut state = SessionStateBuilder::from(state).with_expr_planners(planners).build();
        archive_formats::register(&mut state)?;
        let context = path_tables::enable(&SessionContext::new_with_state(state), stores.clone());
        for function in functions::all(&engine) {
            context.register_udf(function);
        }
        Ok(Self { context, engine, stores, spilled, precision: Precision::default() })
    }

    /// The DataFusion context, for the DataFrame API and for registering tables.
    #[must_use]
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// The precision in which models compute, as it was asked for.
    #[must_use]
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The stores that URLs refer to, for other sessions that share connections with this one.
    #[must_use]
    pub fn stores(&self) -> Arc<LazyStores> {
        self.stores.clone()
    }

    /// The bytes of a file at a path or URL, from the same store that queries would use.
    ///
    /// # Errors
    /// If the store cannot be opened or the file cannot be read.
    pub async fn read(&self, path: &str) -> Result<Bytes> {
        let url = lookup::Name::new(&self.stores, path)?.url;
        let store = self.context.runtime_env().object_store(&url)?;
        let unreadable =
            |e| Error::new(ErrorKind::Io, "cannot read the file").at("file", without_secrets(path)).source(e);
        let object = store.get(url.prefix()).await.map_err(unreadable)?;
        Ok(object.bytes().await.map_err(unreadable)?)
    }

    /// The text that replaces a path or URL in plans and has the same meaning in this session, but contains no secrets.
    ///
    /// # Errors
    /// If it is a URL that does not belong to any store.
    pub fn public_name(&self, name: &str) -> Result<String, Error> {
        locations::public_name(&self.stores, name)
    }

    /// Plans one SQL statement; its rows are computed when the frame is collected or streamed.
    ///
    /// # Errors
    /// If the statement cannot be parsed or planned, or there is more than one.
    pub async fn sql(&self, text: &str) -> Result<DataFrame> {
        let mut statements = self.parse(text)?;
        match (statements.pop(), statements.is_empty()) {
            (Some(statement), true) => self.plan(statement).await,
            (None, _) => datafusion::common::plan_err!("there is no SQL statement"),
            _ => datafusion::common::plan_err!("one SQL statement at a time, please"),
        }
    }

    /// Splits SQL text into statements.
    ///
    /// # Errors
    /// If it cannot be parsed.
    pub fn parse(&self, text: &str) -> Result<Vec<Parsed>> {
        let state = self.context.state();
        let dialect = state.config().options().sql_parser.dialect;
        let dialect = sqlparser::dialect::dialect_from_str(dialect)
            .unwrap_or_else(|| Box::new(sqlparser::dialect::GenericDialect {}));
        let statements = DFParserBuilder::new(text).with_dialect(dialect.as_ref()).build()?.parse_statements()?;
        Ok(statements.into())
    }

    /// Plans a parsed statement.
    ///
    /// # Errors
    /// If it cannot be planned.
    pub async fn plan(&self, mut statement: Parsed) -> Result<DataFrame> {
        depth::check(&statement)?;
        named_arguments::rewrite(&mut statement)?;
        locations::make_public(&self.stores, &mut statement)?;
        // The contents of folders are looked up again for every statement, not once per session.
        if let Some(listings) = self.context.runtime_env().cache_manager.get_list_files_cache() {
            listings.clear();
        }
        let plan = self.context.state().statement_to_plan(statement).await?;
        check_setting(&plan)?;
        comparisons::check(&plan)?;
        if let Some(most) = spilling::limit(&plan)? {
            spilling::set_limit(&self.context.runtime_env(), &self.spilled, most)?;
            return self.context.read_empty();
        }
        let plan = dictionaries::decoded_in_files(plan)?;
        self.context
            .execute_logical_plan(survey::surveys().iter().try_fold(plan, |plan, survey| survey.checked(plan))?)
            .await
    }
}

/// Returns an error for a number outside the range of its setting.
fn check_setting(plan: &LogicalPlan) -> Result<(), Error> {
    let LogicalPlan::Statement(Statement::SetVariable(set)) = plan else { return Ok(()) };
    let Some(range) = limits::of_setting(&set.variable) else { return Ok(()) };
    if set.value.trim().parse().is_ok_and(|value: u64| range.contains(&value)) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Config, format!("{} cannot be {}", set.variable, set.value))
        .hint(format!("it is a whole number {}", limits::in_words(&range))))
}

fn config(options: &SessionOptions, engine: &Engine) -> SessionConfig {
    let mut lamcat = LamcatOptions::default();
    lamcat.0.batch_rows = engine.device().batch_rows();
    let mut config = SessionConfig::new().with_information_schema(true).with_option_extension(lamcat);
    if let Some(n) = options.partitions {
        config = config.with_target_partitions(n);
    }
    // A writer holds a whole row group in memory; with the usual million rows, its memory would grow with the table.
    config.options_mut().execution.parquet.max_row_group_size = ROW_GROUP_ROWS;
    // Nanoseconds can hold only the years 1677 to 2262, and writers of old Parquet times use the year 9999 for "never".
    config.options_mut().execution.parquet.coerce_int96 = Some("us".to_owned());
    // Most readers of the catalogues that we write do not support string views.
    config.options_mut().execution.parquet.schema_force_view_types = false;
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    config
}
