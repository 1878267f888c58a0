//! Shows the rows of a query on stdout, or writes them to a file.

use std::{sync::Arc, time::Instant};

use anyhow::bail;
use datafusion::{
    dataframe::DataFrame,
    datasource::file_format::{
        FileFormatFactory, arrow::ArrowFormatFactory, csv::CsvFormatFactory, format_as_file_type,
        json::JsonFormatFactory,
    },
    logical_expr::LogicalPlanBuilder,
    physical_plan::{ExecutionPlan, execute_stream},
    sql::parser::Statement,
};
use futures::StreamExt;
use lamcat_core::error::without_secrets;
use lamcat_formats::CarefulParquetFactory;
use lamcat_sql::session::{Session, check_names, without_dictionaries};

use super::{
    progress::{QueryProgress, inferred_rows, untrained_models},
    rows::{Format, RowWriter},
};

/// The options for showing results.
#[derive(Debug, Clone, Copy)]
pub(super) struct Display {
    pub(super) format: Option<Format>,
    pub(super) max_rows: usize,
    pub(super) quiet: bool,
}

impl Display {
    /// Runs a statement and writes its rows to stdout.
    pub(super) async fn show(&self, session: &Session, statement: Statement) -> anyhow::Result<()> {
        let started = Instant::now();
        let frame = session.plan(statement).await?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        if schema.fields().is_empty() {
            frame.collect().await?;
            return Ok(());
        }
        let mut writer = RowWriter::new(self.format.unwrap_or(Format::Table), &schema, self.max_rows)?;
        let task = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await?;
        let progress = (!self.quiet).then(|| QueryProgress::start(plan.clone()));
        let mut rows = execute_stream(plan.clone(), task)?;
        let mut total = 0;
        while let Some(batch) = rows.next().await {
            let batch = batch?;
            total += batch.num_rows();
            writer.write(&batch)?;
        }
        drop(progress);
        let hidden = writer.finish()?;
        if hidden > 0 {
            eprintln!("… {hidden} more rows; --max-rows shows more, -o FILE writes all");
        }
        self.remark(plan.as_ref(), total, started);
        Ok(())
    }

    /// Runs a query and writes its rows to a file or URL.
    pub(super) async fn write_to(&self, session: &Session, statement: Statement, path: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        let place = session.public_name(path)?;
        let format = Format::from_path(&place).or(self.format);
        let factory: Arc<dyn FileFormatFactory> = match format {
            Some(Format::Csv) => Arc::new(CsvFormatFactory::new()),
            Some(Format::Json) => Arc::new(JsonFormatFactory::new()),
            Some(Format::Arrow) => Arc::new(ArrowFormatFactory::new()),
            Some(Format::Parquet) => Arc::new(<CarefulParquetFactory as Default>::default()),
            _ => bail!(
                "'{}' does not say its format\nhint: end it in .parquet, .csv, .json or .arrow",
                without_secrets(path)
            ),
        };
        let frame = session.plan(statement).await?;
        check_names(frame.schema())?;
        let (state, plan) = frame.into_parts();
        let plan = if format == Some(Format::Arrow) { without_dictionaries(plan)? } else { plan };
        let copy = LogicalPlanBuilder::copy_to(
            plan,
            place,
            format_as_file_type(factory),
            std::collections::HashMap::new(),
            Vec::new(),
        )?
        .build()?;
        let plan = DataFrame::new(state, copy).create_physical_plan().await?;
        let progress = (!self.quiet).then(|| QueryProgress::start(plan.clone()));
        let written = datafusion::physical_plan::collect(plan.clone(), session.context().task_ctx()).await?;
        drop(progress);
        let rows = written_rows(&written);
        self.remark(plan.as_ref(), rows, started);
        if !self.quiet {
            eprintln!("wrote {}", without_secrets(path));
        }
        Ok(())
    }

    /// Reports on stderr which models are untrained, how many rows there were, and how long they took.
    fn remark(&self, plan: &dyn ExecutionPlan, rows: usize, started: Instant) {
        for label in untrained_models(plan) {
            eprintln!("warning: model {label}");
        }
        let inferred = inferred_rows(plan);
        if self.quiet {
            return;
        }
        let seconds = started.elapsed().as_secs_f64();
        let rate = inferred as f64 / seconds.max(1e-3);
        match inferred {
            0 => eprintln!("{rows} rows in {seconds:.2} s"),
            _ => eprintln!("{rows} rows in {seconds:.2} s; {inferred} rows inferred, {rate:.0} rows/s"),
        }
    }
}

fn written_rows(batches: &[arrow::array::RecordBatch]) -> usize {
    use arrow::{array::AsArray, datatypes::UInt64Type};
    let counts = batches.iter().filter_map(|b| b.columns().first()?.as_primitive_opt::<UInt64Type>());
    counts.flat_map(|c| c.values().iter()).sum::<u64>() as usize
}
