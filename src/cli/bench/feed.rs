//! Measures how fast spectra can be read from a Parquet file and prepared for a device.
//!
//! A stage is measured by leaving out the later ones: *decode* reads the file's coefficients, *normalise* turns them
//! into `xp` lists, *pack* makes contexts, *gather* writes these into memory as a GPU needs them. Each stage runs the
//! query that an inference would run, with the same number of partitions.

use std::{io::Write, sync::Arc, time::Instant};

use anyhow::{Context, bail};
use datafusion::execution::SendableRecordBatchStream;
use futures::{StreamExt, TryStreamExt, stream};
use lamcat_core::context::{Packed, XP_FIELD};
use lamcat_model::{
    Model,
    inference::{DeviceKind, Output, Program},
};
use lamcat_sql::session::{Session, SessionOptions, quoted_path};
use serde::Serialize;

use super::BenchArgs;
use crate::cli::{
    stdout::out,
    text_table::{Cell, text_table},
};

/// What is done with the rows of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    Decode,
    Normalise,
    Pack,
    Gather,
}

const STAGES: [Stage; 4] = [Stage::Decode, Stage::Normalise, Stage::Pack, Stage::Gather];

/// The measurements of a stage.
#[derive(Debug, Serialize)]
struct Figures {
    stage: Stage,
    partitions: usize,
    stars: usize,
    stars_per_second: f64,
    stars_per_second_and_core: f64,
    /// Gigabytes of coefficients per second, in f32.
    gigabytes_per_second: f64,
}

/// The columns of coefficients, and those that normalise them, under the names that files use for them.
struct Columns {
    bp: String,
    rp: String,
    rest: String,
}

pub(super) async fn run(args: &BenchArgs, model: &Model, file: &str) -> anyhow::Result<()> {
    let cores = args.threads.unwrap_or_else(rayon::current_num_threads);
    let model = Arc::new(model.clone());
    let mut all = Vec::new();
    let doubled = std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|n| *n < cores);
    let partitions: Vec<usize> = doubled.chain([cores]).collect();
    for partitions in partitions {
        let device = DeviceKind::Cpu;
        let options = SessionOptions { partitions: Some(partitions), device, ..SessionOptions::default() };
        let session = Session::new(&options)?;
        let columns = columns(&session, file).await?;
        for stage in STAGES {
            all.push(measure(args, &session, &model, file, &columns, stage, partitions).await?);
        }
    }
    if args.json {
        return Ok(writeln!(out(), "{}", serde_json::to_string(&all)?)?);
    }
    let rows: Vec<_> = all.iter().map(Figures::row).collect();
    Ok(write!(out(), "{}", text_table(&["up to", "cores", "stars/s", "a core", "GB/s"], &rows))?)
}

impl Figures {
    fn row(&self) -> Vec<Cell> {
        let rate = |value: f64| Cell::number(indicatif::HumanCount(value.round() as u64));
        vec![
            Cell::text(format!("{:?}", self.stage).to_lowercase()),
            Cell::number(self.partitions),
            rate(self.stars_per_second),
            rate(self.stars_per_second_and_core),
            Cell::number(format!("{:.2}", self.gigabytes_per_second)),
        ]
    }
}

/// Finds the coefficients among the columns of the file.
async fn columns(session: &Session, file: &str) -> anyhow::Result<Columns> {
    let frame = session.sql(&format!("SELECT * FROM {}", quoted_path(file))).await?;
    let has = |name: &str| frame.schema().fields().iter().any(|field| field.name() == name);
    let known = [("bp_coefficients", "rp_coefficients"), ("bp_coeff", "rp_coeff")];
    let Some((bp, rp)) = known.into_iter().find(|(bp, rp)| has(bp) && has(rp)) else {
        bail!("{file} has no columns bp_coefficients and rp_coefficients");
    };
    let magnitude = if has("phot_g_mean_mag") { "phot_g_mean_mag" } else { "NULL" };
    let relevant = if has("bp_n_relevant_bases") && has("rp_n_relevant_bases") {
        ", bp_n_relevant_bases, rp_n_relevant_bases"
    } else {
        ""
    };
    Ok(Columns { bp: bp.to_owned(), rp: rp.to_owned(), rest: format!("{magnitude}{relevant}") })
}

/// Runs the stages up to `stage` as often as the time allows, after one run that loads the file into the page cache.
async fn measure(
    args: &BenchArgs,
    session: &Session,
    model: &Arc<Model>,
    file: &str,
    columns: &Columns,
    stage: Stage,
    partitions: usize,
) -> anyhow::Result<Figures> {
    let Columns { bp, rp, rest } = columns;
    let selected = match stage {
        Stage::Decode => format!("{bp}, {rp}, {rest}"),
        _ => format!("xp({bp}, {rp}, {rest}) AS {XP_FIELD}"),
    };
    let sql = format!("SELECT {selected} FROM {}", quoted_path(file));
    let mut stars = pass(session, model, &sql, stage).await?;
    let (started, mut passes) = (Instant::now(), 0);
    while passes == 0 || started.elapsed().as_secs_f64() < args.seconds {
        stars = pass(session, model, &sql, stage).await?;
        passes += 1;
    }
    let rate = (passes * stars) as f64 / started.elapsed().as_secs_f64();
    let bytes = (model.vocabulary().coefficient_count() * size_of::<f32>()) as f64;
    Ok(Figures {
        stage,
        partitions,
        stars,
        stars_per_second: rate,
        stars_per_second_and_core: rate / partitions as f64,
        gigabytes_per_second: rate * bytes / 1e9,
    })
}

/// Reads the whole file once; returns the number of its rows.
async fn pass(session: &Session, model: &Arc<Model>, sql: &str, stage: Stage) -> anyhow::Result<usize> {
    let streams = session.sql(sql).await?.execute_stream_partitioned().await?;
    let count = streams.len();
    let tasks =
        streams.into_iter().map(|rows| {
            let model = model.clone();
            async move {
                tokio::task::spawn_blocking(move || futures::executor::block_on(drain(rows, &model, stage))).await?
            }
        });
    stream::iter(tasks).buffer_unordered(count.max(1)).try_fold(0, |sum, rows| async move { Ok(sum + rows) }).await
}

/// Takes the rows of a partition through the stages that follow the query.
async fn drain(mut rows: SendableRecordBatchStream, model: &Arc<Model>, stage: Stage) -> anyhow::Result<usize> {
    let mut program = None;
    let (mut stars, mut given) = (0, Gathered::default());
    while let Some(batch) = rows.next().await.transpose()? {
        stars += batch.num_rows();
        if matches!(stage, Stage::Decode | Stage::Normalise) {
            continue;
        }
        let context = batch.columns().first().context("the query has a column")?;
        if program.is_none() {
            let teff = model.vocabulary().require("teff")?;
            program = Some(Program::new(model.clone(), context.data_type(), vec![Output::Value(teff)])?);
        }
        let prepared = program.as_ref().context("made above")?.prepare(context)?;
        if stage == Stage::Gather {
            given.take(&prepared.packed);
        }
    }
    Ok(stars)
}

/// The data for a GPU, in memory that is reused.
#[derive(Default)]
struct Gathered {
    tokens: Vec<u16>,
    values: Vec<f32>,
}

impl Gathered {
    fn take(&mut self, packed: &Packed) {
        self.tokens.clear();
        self.values.clear();
        let slots = packed.context_length.max(1);
        for (tokens, values) in packed.tokens.chunks(slots).zip(packed.values.chunks(slots)) {
            if tokens.iter().all(|token| *token != 0) {
                self.tokens.extend(tokens.iter().map(|token| *token as u16));
                self.values.extend_from_slice(values);
            } else {
                let present = tokens.iter().zip(values).filter(|(token, _)| **token != 0);
                for (token, value) in present {
                    self.tokens.push(*token as u16);
                    self.values.push(*value);
                }
            }
        }
    }
}
