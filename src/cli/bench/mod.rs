//! `lamcat bench`.

mod feed;
mod queued;
mod sql;

use std::{io::Write, path::PathBuf, time::Instant};

use anyhow::{Context, bail};
use candle_core::{Device, Tensor};
use clap::{Args, ValueEnum};
use indicatif::HumanCount;
use lamcat_core::{context::Packed, schema::limits};
use lamcat_model::{
    Model, default,
    inference::{Backend, CandleBackend, CpuBackend, DeviceKind, Precision, Requests},
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::Serialize;

use self::sql::{SqlBench, SqlFigures};
use super::{
    numbers,
    stdout::out,
    text_table::{Cell, text_table},
};

/// Size of the square matrices whose products measure the speed of a core.
const MATRIX: usize = 1536;
/// Number of coefficients of each band in a context, as if SQL called `lam_infer` with a spectrum.
const ORDERS: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum BackendName {
    /// The CPU engine.
    Cpu,
    /// The readable reference.
    Candle,
    /// NVIDIA GPUs, all that are visible.
    Cuda,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Stars have made-up spectra of 64 coefficients; the time does not depend on their values. The model of \
                  the published size with random weights: lamcat model init -o full.safetensors"
)]
pub(super) struct BenchArgs {
    /// A model file [default: the embedded model].
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Labels that are asked for.
    #[arg(long, value_delimiter = ',', default_value = "teff,logg,m_h")]
    labels: Vec<String>,
    /// Stars given to the model at once [default: 1024, on GPUs 8192].
    #[arg(long, value_name = "N", value_parser = numbers::within::<usize>(limits::BATCH_ROWS))]
    batch_rows: Option<usize>,
    /// Cores to use [default: all there are].
    #[arg(long, value_name = "N", value_parser = numbers::within::<usize>(limits::THREADS))]
    threads: Option<usize>,
    /// Precision in which the model computes.
    #[arg(long, value_enum, default_value_t)]
    precision: Precision,
    /// What computes.
    #[arg(long, value_enum, default_value = "cpu")]
    backend: BackendName,
    /// A Parquet file with source_id, bp_coefficients, rp_coefficients and phot_g_mean_mag: measure SQL from it to another
    /// one, too, in turn with the model alone on the same rows.
    #[arg(long, value_name = "FILE", conflicts_with = "feed")]
    sql: Option<PathBuf>,
    /// Seconds to measure for.
    #[arg(long, value_name = "S", default_value_t = 3.0, value_parser = numbers::real(0.001..=86_400.0, "from 0.001 to 86400"))]
    seconds: f64,
    /// Measure instead how fast spectra come from this Parquet file, ready for a device: decoded, normalised, packed.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["backend", "labels", "precision"])]
    feed: Option<String>,
    /// The result for programs.
    #[arg(long)]
    json: bool,
}

/// The measurements.
#[derive(Debug, Serialize)]
struct Figures {
    model: String,
    backend: String,
    labels: usize,
    precision: Precision,
    batch_rows: usize,
    threads: usize,
    stars_per_second: f64,
    /// The speed with the fastest batch size.
    best_stars_per_second: f64,
    mflop_per_star: f64,
    /// The speed of the model's matrix products.
    gflops: f64,
    /// The speed of plain products of large matrices, on the same number of cores, measured just before; not measured
    /// on GPUs.
    sgemm_gflops: Option<f64>,
    /// The first divided by the second.
    share_of_sgemm: Option<f64>,
    /// The measurement of SQL from Parquet to Parquet, if requested.
    sql: Option<SqlFigures>,
}

pub(super) async fn run(args: &BenchArgs) -> anyhow::Result<()> {
    if args.labels.is_empty() {
        bail!("--labels must name one");
    }
    let model = match &args.model {
        Some(path) => {
            let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            Model::from_bytes(&bytes).map_err(|e| e.at("file", path.display()))?
        }
        None => default::model()?,
    };
    if let Some(file) = &args.feed {
        return feed::run(args, &model, file).await;
    }
    let threads = args.threads.unwrap_or_else(rayon::current_num_threads);
    let mut backend: Box<dyn Backend> = match args.backend {
        BackendName::Cuda => {
            let figures = queued::measure(args, model, DeviceKind::Cuda.backends(args.precision, None)?)?;
            return figures.print(args.json);
        }
        BackendName::Cpu if args.precision.on_cpu() => Box::new(CpuBackend::new(args.precision).on_threads(threads)?),
        BackendName::Cpu => bail!("the CPU does not compute in {}; --backend cuda does", args.precision),
        BackendName::Candle if args.precision == Precision::F32 => Box::new(CandleBackend),
        BackendName::Candle => bail!("candle computes in f32 only"),
    };
    let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
    let mut figures = pool.install(|| measure(args, &model, backend.as_mut(), &pool))?;
    if let Some(file) = &args.sql {
        let (labels, precision, requests) = (&args.labels, args.precision, requests(args, &model)?);
        let bench = SqlBench { file, model, labels, requests, precision, threads, batch_rows: args.batch_rows };
        figures.sql = Some(bench.measure(backend.as_mut()).await?);
    }
    figures.print(args.json)
}

fn measure(args: &BenchArgs, model: &Model, backend: &mut dyn Backend, pool: &ThreadPool) -> anyhow::Result<Figures> {
    let requests = requests(args, model)?;
    let packed = spectra(model, args.batch_rows.unwrap_or(1024))?;
    let flops = model.architecture().flops(2 * ORDERS, requests.tokens.len()) as f64;
    let sgemm_gflops = sgemm(pool)?;
    backend.infer(model, &packed, &requests)?;
    let (started, mut batches, mut best) = (Instant::now(), 0usize, f64::INFINITY);
    while batches < 3 || started.elapsed().as_secs_f64() < args.seconds {
        let began = Instant::now();
        backend.infer(model, &packed, &requests)?;
        best = best.min(began.elapsed().as_secs_f64());
        batches += 1;
    }
    let rate = (batches * packed.rows) as f64 / started.elapsed().as_secs_f64();
    let gflops = rate * flops / 1e9;
    Ok(Figures {
        model: model.name().to_owned(),
        backend: backend.name().to_owned(),
        labels: requests.tokens.len(),
        precision: args.precision,
        batch_rows: packed.rows,
        threads: pool.current_num_threads(),
        stars_per_second: rate,
        best_stars_per_second: packed.rows as f64 / best,
        mflop_per_star: flops / 1e6,
        gflops,
        sgemm_gflops: Some(sgemm_gflops),
        share_of_sgemm: Some(gflops / sgemm_gflops),
        sql: None,
    })
}

/// The requests for every star.
fn requests(args: &BenchArgs, model: &Model) -> anyhow::Result<Requests> {
    let tokens = args.labels.iter().map(|label| model.vocabulary().require(label));
    Ok(Requests { tokens: tokens.collect::<lamcat_core::error::Result<_>>()?, embedding: false })
}

/// Contexts of artificial spectra.
fn spectra(model: &Model, rows: usize) -> anyhow::Result<Packed> {
    let mut ids = Vec::new();
    for band in ["bp", "rp"] {
        for order in 0..ORDERS {
            ids.push(model.vocabulary().require(&format!("{band}{order}"))?);
        }
    }
    let slots = model.architecture().context_length;
    if slots < ids.len() {
        bail!("the model's context has {slots} slots, fewer than the {} coefficients", ids.len());
    }
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut packed = Packed { rows, context_length: slots, tokens: Vec::new(), values: Vec::new() };
    for row in 1..=rows {
        packed.tokens.extend(&ids);
        packed.values.extend(ids.iter().map(|_| -> f32 { StandardNormal.sample(&mut random) }));
        packed.tokens.resize(row * slots, 0);
        packed.values.resize(row * slots, 0.0);
    }
    Ok(packed)
}

/// GFLOP/s of all cores together, each of which multiplies its own matrices: the best of several rounds.
fn sgemm(pool: &ThreadPool) -> anyhow::Result<f64> {
    let matrix = Tensor::rand(-1f32, 1f32, (MATRIX, MATRIX), &Device::Cpu)?;
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let began = Instant::now();
        let products = pool.broadcast(|_| matrix.matmul(&matrix).map(drop));
        products.into_iter().collect::<candle_core::Result<Vec<()>>>()?;
        best = best.min(began.elapsed().as_secs_f64());
    }
    Ok(2.0 * (MATRIX as f64).powi(3) * pool.current_num_threads() as f64 / best / 1e9)
}

impl Figures {
    fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            return Ok(writeln!(out(), "{}", serde_json::to_string(self)?)?);
        }
        let Self { model, backend, labels, threads, batch_rows, precision, .. } = self;
        eprintln!("{model}, {backend}, {precision}, {batch_rows} stars at once");
        let rate = |value: f64| Cell::number(HumanCount(value.round() as u64));
        let measured = |value: Option<String>| Cell::number(value.unwrap_or_else(|| "-".to_owned()));
        let row = vec![
            Cell::number(labels),
            Cell::number(threads),
            rate(self.stars_per_second),
            rate(self.best_stars_per_second),
            Cell::number(format!("{:.1}", self.gflops)),
            measured(self.sgemm_gflops.map(|gflops| format!("{gflops:.1}"))),
            measured(self.share_of_sgemm.map(|share| format!("{:.0} %", 100.0 * share))),
        ];
        let header = ["labels", "threads", "stars/s", "fastest batch", "GFLOP/s", "large f32 matrices", "share"];
        write!(out(), "{}", text_table(&header, &[row]))?;
        self.sql.as_ref().map_or(Ok(()), SqlFigures::print)
    }
}
