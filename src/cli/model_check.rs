//! `lamcat model check`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use futures::TryStreamExt;
use lamcat_core::context::Packed;
use lamcat_model::{
    Model, default, import,
    inference::{
        Answers, Backend, CandleBackend, Device, DeviceKind, Difference, Output, Precision, Program, ReferenceCase,
        Requests,
    },
};
use lamcat_sql::session::{Session, SessionOptions};
use serde::Serialize;

use super::{
    demo::STARS,
    numbers,
    stdout::out,
    text_table::{Cell, text_table},
};

/// Labels that are compared.
const LABELS: [&str; 3] = ["teff", "logg", "m_h"];

#[derive(Debug, Args)]
#[command(after_help = "Differences are in units of each token's scale, the spread of its values that the model was \
                        trained with; those of labels also in their own units.")]
pub(super) struct CheckArgs {
    /// A model file, or a folder with a published checkpoint and reference answers (CASE.json and CASE.npz) beside it
    /// [default: the embedded model].
    path: Option<PathBuf>,
    /// Where the model computes.
    #[arg(long, value_enum, value_name = "DEVICE", default_value_t, env = "LAMCAT_DEVICE")]
    device: DeviceKind,
    /// Precision in which the model computes.
    #[arg(long, value_enum, default_value_t)]
    precision: Precision,
    /// The largest difference that passes [default: by precision].
    #[arg(long, value_name = "X", value_parser = numbers::real(0.0.., "at least 0"))]
    tolerance: Option<f64>,
    /// The result for programs.
    #[arg(long)]
    json: bool,
}

/// The result for a case or a label.
#[derive(Debug, Serialize)]
struct Line {
    case: String,
    stars: usize,
    requests: usize,
    /// The largest difference, in units of the tokens' scales.
    worst: f64,
    rms: f64,
    worst_error: f64,
    /// The rms difference in the label's own unit.
    rms_physical: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Report {
    model: String,
    device: String,
    precision: Precision,
    tolerance: f64,
    passed: bool,
    cases: Vec<Line>,
}

pub(super) async fn run(args: &CheckArgs) -> anyhow::Result<()> {
    let device = Device::start(args.device.backends(args.precision, None)?)?;
    let (model, cases) = match &args.path {
        Some(folder) if folder.is_dir() => checkpoint(folder)?,
        Some(file) => sample_of(Model::open(file)?).await?,
        None => sample_of(default::model()?).await?,
    };
    let (model, mut lines) = (Arc::new(model), Vec::new());
    for case in cases {
        let got = device.infer_blocking(model.clone(), case.packed.clone(), Arc::new(case.requests.clone()))?.answers;
        lines.push(line(&model, &case, &got));
    }
    let tolerance = args.tolerance.unwrap_or(tolerance(args.precision));
    let passed = lines.iter().all(|line| line.worst <= tolerance && line.worst_error <= tolerance);
    let report = Report {
        model: model.name().to_owned(),
        device: device.name().to_owned(),
        precision: args.precision,
        tolerance,
        passed,
        cases: lines,
    };
    report.print(args.json)?;
    if !passed {
        bail!("the device's answers differ by more than {tolerance} of a token's scale");
    }
    Ok(())
}

/// The largest difference, relative to a token's scale, that a precision explains. The models of the reference have
/// random weights and large predicted errors, which are most sensitive to rounding; the results of a trained model are
/// far closer.
fn tolerance(precision: Precision) -> f64 {
    match precision {
        Precision::F32 => 2e-5,
        Precision::Tf32 | Precision::F16 => 2e-2,
        Precision::Bf16 | Precision::Int8 => 2e-1,
    }
}

fn checkpoint(folder: &Path) -> anyhow::Result<(Model, Vec<ReferenceCase>)> {
    let name = folder.file_name().map_or_else(|| "checkpoint".to_owned(), |name| name.to_string_lossy().into_owned());
    let model = import::import(folder, &name, true)?;
    let cases = ReferenceCase::read_all(folder, &model)?;
    if cases.is_empty() {
        bail!("{} holds no reference answers (CASE.json and CASE.npz)", folder.display());
    }
    Ok((model, cases))
}

/// The stars of the demonstration, with the results of the readable reference implementation for each label.
async fn sample_of(model: Model) -> anyhow::Result<(Model, Vec<ReferenceCase>)> {
    let options = SessionOptions { partitions: Some(1), device: DeviceKind::Cpu, ..SessionOptions::default() };
    let session = Session::new(&options)?;
    let stars = ParquetRecordBatchReaderBuilder::try_new(Bytes::from_static(STARS))?.build()?;
    for batch in stars {
        session.context().register_batch("stars", batch?)?;
    }
    let rows = session.sql("SELECT xp(bp_coefficients, rp_coefficients, phot_g_mean_mag) AS xp FROM stars").await?;
    let mut rows = rows.execute_stream().await?;
    let (model, mut packed) = (Arc::new(model), Packed::default());
    while let Some(batch) = rows.try_next().await? {
        let context = batch.columns().first().context("the query has a column")?;
        let teff = model.vocabulary().require("teff")?;
        let program = Program::new(model.clone(), context.data_type(), vec![Output::Value(teff)])?;
        let part = program.prepare(context)?.packed;
        packed.context_length = part.context_length;
        packed.rows += part.rows;
        packed.tokens.extend(part.tokens);
        packed.values.extend(part.values);
    }
    let mut cases = Vec::new();
    for label in LABELS {
        let requests = Requests { tokens: vec![model.vocabulary().require(label)?], embedding: false };
        let answers = CandleBackend.infer(&model, &packed, &requests)?;
        cases.push(ReferenceCase { name: label.to_owned(), packed: packed.clone(), requests, answers });
    }
    Ok((Arc::unwrap_or_clone(model), cases))
}

fn line(model: &Model, case: &ReferenceCase, got: &Answers) -> Line {
    let off = Difference::of(model, &case.requests, got, &case.answers);
    let scale = match case.requests.tokens[..] {
        [token] => Some(model.vocabulary().token(token).scale),
        _ => None,
    };
    Line {
        case: case.name.clone(),
        stars: case.packed.rows,
        requests: case.requests.tokens.len(),
        worst: off.worst_mean,
        rms: off.rms_mean,
        worst_error: off.worst_sigma,
        rms_physical: scale.map(|scale| off.rms_mean * scale),
    }
}

impl Report {
    fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            return Ok(writeln!(out(), "{}", serde_json::to_string(self)?)?);
        }
        eprintln!("{} on {} in {}: passes up to {:.0e}", self.model, self.device, self.precision, self.tolerance);
        let number = |value: f64| Cell::number(format!("{value:.1e}"));
        let row = |line: &Line| {
            vec![
                Cell::text(&line.case),
                Cell::number(line.stars),
                Cell::number(line.requests),
                number(line.worst),
                number(line.rms),
                number(line.worst_error),
                Cell::number(line.rms_physical.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))),
            ]
        };
        let rows: Vec<_> = self.cases.iter().map(row).collect();
        let header = ["case", "stars", "requests", "worst", "rms", "worst error", "rms, own unit"];
        Ok(write!(out(), "{}", text_table(&header, &rows))?)
    }
}
