//! SQL behaviour: every `.slt` file below `tests/slt` against a session with simulated stars.
//!
//! The tables: `stars` (id, source_id, g, bp_rp, bp, rp, xp; 200 rows in two partitions) and `direct`, the same rows'
//! values from a forward pass without SQL. The statement `INFERRED query` gives the number of inference operators in
//! the query's plan, the rows they inferred and the device batches they used.
//!
//! Each statement also runs on a cluster of three workers, on files with the rows of the tables, and must return the same
//! rows there.
//!
//! `cargo test --test slt -- FILTER` runs the files whose name contains FILTER; with `LAMCAT_SLT_UPDATE=1` the expected
//! results are written anew, to be read before they are committed.

#[cfg(feature = "cluster")]
#[path = "it/program.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "it is part of another test, which runs the program in more ways")]
mod program;
#[cfg(feature = "cluster")]
#[path = "it/workers.rs"]
#[expect(dead_code, clippy::unwrap_used, reason = "it is part of another test, which sends signals to workers")]
mod workers;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use arrow::{
    array::{ArrayRef, AsArray, Float32Array, Int32Array, RecordBatch},
    compute::concat_batches,
    datatypes::{DataType, Float32Type},
    util::display::{ArrayFormatter, FormatOptions},
};
use datafusion::{
    common::exec_err,
    datasource::MemTable,
    error::{DataFusionError, Result},
    physical_plan::{ExecutionPlan, collect},
};
use lamcat::{
    context::Packed,
    gaia::sample,
    inference::{Backend, CandleBackend, Requests},
    model::{Architecture, Model, init},
    planner::LamInferExec,
    schema::Vocabulary,
    session::{Session, SessionOptions},
};
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner, default_validator, strict_column_validator};

const ROWS: usize = 200;
/// Stars that the paper's demonstrations run on.
const DEMONSTRATED: usize = 100;
const LABELS: [&str; 4] = ["teff", "logg", "m_h", "bp0"];

struct Engine {
    session: Session,
    /// The same tables and models on a cluster.
    joined: Option<Session>,
}

#[async_trait::async_trait]
impl AsyncDB for Engine {
    type Error = DataFusionError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, DataFusionError> {
        if let Some(query) = sql.strip_prefix("INFERRED") {
            return self.inferred(query).await;
        }
        let answer = answer(&self.session, sql).await;
        if let Some(joined) = self.joined.as_ref().filter(|_| !sql.to_uppercase().starts_with("EXPLAIN")) {
            alike(sql, &answer, &self::answer(joined, sql).await)?;
            if answer.as_ref().is_ok_and(|(types, _)| !types.is_empty()) {
                let plan = joined.sql(sql).await?.create_physical_plan().await?;
                DIVIDED.fetch_add(usize::from(plan.name() == "ClusterExec"), Ordering::Relaxed);
            }
        }
        let (types, rows) = answer?;
        if types.is_empty() { Ok(DBOutput::StatementComplete(0)) } else { Ok(DBOutput::Rows { types, rows }) }
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &'static str {
        "lamcat"
    }
}

/// The number of statements that ran on a cluster.
static DIVIDED: AtomicUsize = AtomicUsize::new(0);
/// The least number of them in the whole suite.
const LEAST_DIVIDED: usize = 50;

/// The types and the rows of a statement.
type Answer = Result<(Vec<DefaultColumnType>, Vec<Vec<String>>)>;

async fn answer(session: &Session, sql: &str) -> Answer {
    let frame = session.sql(sql).await?;
    let types = frame.schema().fields().iter().map(|f| column_type(f.data_type())).collect();
    Ok((types, text_rows(&frame.collect().await?)?))
}

/// Checks that a statement has the same rows, in any order, or fails, on one machine and on a cluster.
fn alike(sql: &str, alone: &Answer, joined: &Answer) -> Result<()> {
    let sorted = |answer: &Answer| {
        answer.as_ref().ok().map(|(_, rows)| {
            let mut rows = rows.clone();
            rows.sort();
            rows
        })
    };
    if sorted(alone) == sorted(joined) {
        return Ok(());
    }
    let shown = |answer: &Answer| match answer {
        Ok((_, rows)) => format!("{} rows, {:?}", rows.len(), rows.iter().take(5).collect::<Vec<_>>()),
        Err(e) => e.strip_backtrace(),
    };
    exec_err!("{sql}\non one machine: {}\non a cluster:   {}", shown(alone), shown(joined))
}

impl Engine {
    async fn inferred(&self, query: &str) -> Result<DBOutput<DefaultColumnType>> {
        let frame = self.session.sql(query).await?;
        let task = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await?;
        collect(plan.clone(), task).await?;
        let totals = totals(plan.as_ref());
        let row = totals.iter().map(ToString::to_string).collect();
        Ok(DBOutput::Rows { types: vec![DefaultColumnType::Integer; 3], rows: vec![row] })
    }
}

/// Inference operators, rows inferred, device batches.
fn totals(plan: &dyn ExecutionPlan) -> [usize; 3] {
    let mut sum = [0; 3];
    let own: &dyn std::any::Any = plan;
    if let Some(metrics) = own.downcast_ref::<LamInferExec>().and_then(ExecutionPlan::metrics) {
        let metric = |name| metrics.sum_by_name(name).map_or(0, |v| v.as_usize());
        sum = [1, metric("inferred_rows"), metric("device_batches")];
    }
    for child in plan.children() {
        for (s, c) in sum.iter_mut().zip(totals(child.as_ref())) {
            *s += c;
        }
    }
    sum
}

fn column_type(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        t if t.is_integer() => DefaultColumnType::Integer,
        t if t.is_floating() => DefaultColumnType::FloatingPoint,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DefaultColumnType::Text,
        _ => DefaultColumnType::Any,
    }
}

fn text_rows(batches: &[RecordBatch]) -> Result<Vec<Vec<String>>> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns =
            batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options)).collect::<Result<Vec<_>, _>>()?;
        for row in 0..batch.num_rows() {
            let cells = columns.iter().map(|c| c.value(row).to_string());
            // Plans are many lines in one cell: a line each, spaces kept visible.
            rows.extend(split_plan(cells.collect()));
        }
    }
    Ok(rows)
}

fn split_plan(cells: Vec<String>) -> Vec<Vec<String>> {
    if cells.len() != 2 || !cells[0].ends_with("_plan") {
        return vec![cells];
    }
    cells[1]
        .lines()
        .map(|line| {
            let depth = line.len() - line.trim_start().len();
            vec![format!("{}{}", "-".repeat(depth), line.trim_start())]
        })
        .collect()
}

/// The two models of the sessions; the first is the default one.
fn models() -> Result<[Model; 2]> {
    let small = Architecture {
        context_length: 64,
        width: 16,
        encoder_heads: 4,
        encoder_dense: 32,
        decoder_heads: 4,
        decoder_dense: 32,
        ..Architecture::tiny()
    };
    let first = init::random("first", Architecture::tiny(), Vocabulary::leung_bovy_2023(), 1)?;
    Ok([first, init::random("second", small, Vocabulary::leung_bovy_2023(), 2)?])
}

fn empty_session() -> Result<Session> {
    Session::new(&SessionOptions { partitions: Some(2), ..SessionOptions::default() })
}

fn with_models(session: Session) -> Result<Session> {
    let [first, second] = models()?;
    session.engine().set_default_model(first);
    session.engine().register_model(second);
    Ok(session)
}

const SETTINGS: [&str; 2] = ["datafusion.explain.physical_plan_only = true", "datafusion.execution.batch_size = 64"];

async fn set(session: &Session, settings: &[&str]) -> Result<()> {
    for setting in settings {
        session.sql(&format!("SET {setting}")).await?.collect().await?;
    }
    Ok(())
}

async fn session() -> Result<Session> {
    let session = with_models(empty_session()?)?;
    let stars = sample(ROWS, 1)?;
    session.context().register_batch("raw", stars)?;
    let query = "SELECT CAST(row_number() OVER (ORDER BY source_id) - 1 AS INT) AS id, source_id, \
                 phot_g_mean_mag AS g, bp_rp, bp_coefficients AS bp, rp_coefficients AS rp, \
                 xp(bp_coefficients, rp_coefficients, phot_g_mean_mag) AS xp FROM raw ORDER BY id";
    let batches = session.sql(query).await?.collect().await?;
    let all = concat_batches(&batches[0].schema(), &batches)?;
    let part = |from: usize, to: usize| all.slice(from, to - from);
    let partitions = vec![vec![part(0, 30), part(30, 100)], vec![part(100, 150), part(150, ROWS)]];
    session.context().register_table("stars", Arc::new(MemTable::try_new(all.schema(), partitions)?))?;
    let model = session.engine().model(None)?;
    session.context().register_batch("direct", direct(&model, &all)?)?;
    set(&session, &SETTINGS).await?;
    Ok(session)
}

/// Labels and errors of every row by a forward pass on contexts packed one by one.
fn direct(model: &Model, stars: &RecordBatch) -> Result<RecordBatch> {
    let vocabulary = model.vocabulary();
    let tokens: Vec<u32> = LABELS.iter().map(|l| vocabulary.require(l)).collect::<Result<_, _>>()?;
    let requests = Requests { tokens, embedding: true };
    let lists = stars.column_by_name("xp").expect("the table has an xp column").as_fixed_size_list().clone();
    let ids: Vec<u32> = (1..=32).chain(56..88).collect();
    let mut labels: Vec<Vec<Option<f32>>> = vec![Vec::new(); 2 * LABELS.len() + 1];
    for row in 0..stars.num_rows() {
        let list = lists.value(row);
        let values = list.as_primitive::<Float32Type>();
        let missing = |i: usize| arrow::array::Array::is_null(&lists, row) || arrow::array::Array::is_null(values, i);
        let value = |i: usize| if missing(i) { f32::NAN } else { values.value(i) };
        let mut packed = Packed::with_capacity(1, 64);
        packed.push(vocabulary, ids.iter().map(|id| (*id, value(*id as usize - 1))))?;
        if packed.tokens.iter().all(|t| *t == 0) {
            for label in &mut labels {
                label.push(None);
            }
            continue;
        }
        let answers = CandleBackend.infer(model, &packed, &requests)?;
        let all = answers.mean.iter().chain(&answers.sigma).chain(&answers.embedding[..1]);
        labels.iter_mut().zip(all).for_each(|(l, v)| l.push(Some(*v)));
    }
    let names =
        LABELS.map(str::to_owned).into_iter().chain(LABELS.map(|l| format!("{l}_error"))).chain(["embed0".to_owned()]);
    let mut columns: Vec<(String, ArrayRef)> =
        vec![("id".into(), Arc::new(Int32Array::from_iter_values(0..ROWS as i32)))];
    columns.extend(names.zip(labels).map(|(n, l)| (n, Arc::new(Float32Array::from(l)) as ArrayRef)));
    Ok(RecordBatch::try_from_iter(columns)?)
}

/// A session on a cluster, whose tables are the files of another session's.
#[cfg(feature = "cluster")]
mod cluster {
    use lamcat_cluster::Cluster;
    use tempfile::TempDir;

    use super::{Result, SETTINGS, Session, empty_session, models, set, with_models, workers::Worker};

    pub(super) struct Joined {
        pub(super) session: Session,
        _workers: Vec<Worker>,
        _folder: TempDir,
    }

    impl Joined {
        pub(super) async fn to(alone: &Session) -> Result<Self> {
            let folder = tempfile::tempdir()?;
            let path = |name: &str| folder.path().join(name).display().to_string();
            let mut args = Vec::new();
            for model in models()? {
                let file = path(&format!("{}.safetensors", model.name()));
                model.save(&file)?;
                args.extend(["--model".to_owned(), format!("{}={file}", model.name())]);
            }
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let workers: Vec<Worker> = (0..3).map(|_| Worker::start(folder.path(), &args)).collect();
            let session = with_models(empty_session()?)?;
            for table in ["stars", "direct", "raw"] {
                let key = if table == "raw" { "source_id" } else { "id" };
                for part in 0..4 {
                    let to = path(&format!("{table}/{part}.parquet"));
                    let copy =
                        format!("COPY (SELECT * FROM {table} WHERE {key} % 4 = {part}) TO '{to}' STORED AS PARQUET");
                    alone.sql(&copy).await?.collect().await?;
                }
                let location = path(&format!("{table}/"));
                let create = format!("CREATE EXTERNAL TABLE {table} STORED AS PARQUET LOCATION '{location}'");
                session.sql(&create).await?.collect().await?;
            }
            let addresses: Vec<String> = workers.iter().map(|worker| worker.address.clone()).collect();
            Cluster::new(&addresses, None)?.join(&session)?;
            set(&session, &SETTINGS).await?;
            set(&session, &["distributed.file_scan_config_bytes_per_partition = 1"]).await?;
            Ok(Self { session, _workers: workers, _folder: folder })
        }
    }
}

#[expect(clippy::ptr_arg, reason = "the runner's own signature")]
fn normalise(s: &String) -> String {
    s.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The embedded model, stars that were simulated with labels, and what the demonstration called `name` makes of them.
async fn demonstration(name: &str) -> std::result::Result<Session, Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let session = empty_session()?;
    let stars = root.join("src/cli/demo_stars.parquet");
    let table = format!(
        "CREATE TABLE stars AS SELECT * FROM '{}' WHERE bp_coefficients IS NOT NULL AND rp_coefficients IS NOT NULL \
         AND phot_g_mean_mag < 14 ORDER BY source_id LIMIT {DEMONSTRATED}",
        stars.display()
    );
    let query = std::fs::read_to_string(root.join(format!("sql/paper/{name}.sql")))?;
    for statement in session.parse(&table)?.into_iter().chain(session.parse(&query)?) {
        session.plan(statement).await?.collect().await?;
    }
    Ok(session)
}

async fn run_file(path: &Path) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let paper = path.parent().is_some_and(|folder| folder.ends_with("paper"));
    let session = if paper { demonstration(&name).await? } else { session().await? };
    #[cfg(feature = "cluster")]
    let cluster = if paper { None } else { Some(cluster::Joined::to(&session).await?) };
    #[cfg(feature = "cluster")]
    let joined = cluster.as_ref().map(|cluster| cluster.session.clone());
    #[cfg(not(feature = "cluster"))]
    let joined: Option<Session> = None;
    let mut runner = Runner::new(|| {
        let (session, joined) = (session.clone(), joined.clone());
        async { Ok(Engine { session, joined }) }
    });
    runner.with_column_validator(strict_column_validator);
    if std::env::var_os("LAMCAT_SLT_UPDATE").is_some() {
        return runner.update_test_file(path, " ", default_validator, normalise, strict_column_validator).await;
    }
    Ok(runner.run_file_async(path).await?)
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with('-')).unwrap_or_default();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/slt");
    let files_of = |folder: &Path| {
        let entries = std::fs::read_dir(folder).expect("the folder exists");
        entries.map(|e| e.expect("readable").path()).collect::<Vec<_>>()
    };
    let mut files: Vec<PathBuf> = [files_of(&folder), files_of(&folder.join("paper"))].concat();
    files.retain(|f| f.extension().is_some_and(|e| e == "slt") && f.to_string_lossy().contains(&filter));
    files.sort();
    let mut failed = 0;
    for file in &files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        match run_file(file).await {
            Ok(()) => println!("test {name} ... ok"),
            Err(e) => {
                failed += 1;
                println!("test {name} ... FAILED\n{e}");
            }
        }
    }
    let divided = DIVIDED.load(Ordering::Relaxed);
    println!("\n{divided} statements ran on a cluster");
    assert!(!filter.is_empty() || !cfg!(feature = "cluster") || divided >= LEAST_DIVIDED, "too few");
    println!("\nslt: {} passed, {failed} failed", files.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
