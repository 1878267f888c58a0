//! Measures the same model in SQL, from Parquet to Parquet.

use std::{io::Write, path::Path, time::Instant};

use anyhow::{Context, bail};
use arrow::array::AsArray;
use indicatif::HumanCount;
use lamcat_core::context::{Layout, Packed};
use lamcat_model::{
    Model,
    inference::{Backend, DeviceKind, Precision, Requests},
};
use lamcat_sql::session::{Session, SessionOptions, quoted_path};
use serde::Serialize;

use super::super::{
    stdout::out,
    text_table::{Cell, text_table},
};

/// Number of rounds in which the model alone and the query take turns.
const ROUNDS: usize = 3;

/// The speed of a query, compared with the model alone on the same rows.
#[derive(Debug, Serialize)]
pub(super) struct SqlFigures {
    /// Rows of the file.
    pub(super) rows: usize,
    /// Rows that went through the model.
    pub(super) inferred: usize,
    /// The speed of the model alone, on contexts that are already packed.
    pub(super) bare_stars_per_second: f64,
    /// The speed from Parquet to Parquet.
    pub(super) stars_per_second: f64,
    /// The second divided by the first: the median of the rounds.
    pub(super) share_of_bare: f64,
}

impl SqlFigures {
    /// Prints a table.
    pub(super) fn print(&self) -> anyhow::Result<()> {
        eprintln!("{} rows, {} of them with a spectrum, from Parquet to Parquet", self.rows, self.inferred);
        let rate = |value: f64| Cell::number(HumanCount(value.round() as u64));
        let row = vec![
            rate(self.bare_stars_per_second),
            rate(self.stars_per_second),
            Cell::number(format!("{:.1} %", 100.0 * self.share_of_bare)),
        ];
        Ok(write!(out(), "{}", text_table(&["model alone", "SQL", "share"], &[row]))?)
    }
}

/// The subject of the measurement.
pub(super) struct SqlBench<'a> {
    pub(super) file: &'a Path,
    pub(super) model: Model,
    pub(super) labels: &'a [String],
    pub(super) requests: Requests,
    pub(super) precision: Precision,
    pub(super) threads: usize,
    /// Number of rows of a batch; `None` leaves it to the engine.
    pub(super) batch_rows: Option<usize>,
}

impl SqlBench<'_> {
    /// Measures the model alone and the query in turn, on the same rows.
    pub(super) async fn measure(self, backend: &mut dyn Backend) -> anyhow::Result<SqlFigures> {
        let session = Session::new(&SessionOptions {
            partitions: Some(self.threads),
            device: DeviceKind::Cpu,
            precision: self.precision,
            ..SessionOptions::default()
        })?;
        session.engine().set_default_model(self.model);
        let model = session.engine().model(None)?;
        let batch_rows = self.batch_rows.unwrap_or_else(|| session.engine().device().batch_rows());
        session.sql(&format!("SET lamcat.batch_rows = {batch_rows}")).await?.collect().await?;
        let stars = format!(
            "(SELECT source_id, xp(bp_coefficients, rp_coefficients, phot_g_mean_mag) AS xp FROM {})",
            quoted_path(&self.file.display().to_string())
        );
        let batches = contexts(&session, &model, &stars, batch_rows).await?;
        let inferred: usize = batches.iter().map(|batch| batch.rows).sum();
        if inferred == 0 {
            bail!("{} has no row with a spectrum", self.file.display());
        }

        let folder = tempfile::Builder::new().prefix("lamcat-bench-").tempdir()?;
        let to = folder.path().join("labels.parquet");
        let columns: Vec<String> =
            self.labels.iter().map(|l| format!("lam_infer(xp, '{l}'), lam_error(xp, '{l}')")).collect();
        let query = format!(
            "COPY (SELECT source_id, {} FROM {stars}) TO {}",
            columns.join(", "),
            quoted_path(&to.display().to_string())
        );
        let mut rounds = Vec::new();
        let mut rows = 0;
        for round in 0..=ROUNDS {
            let began = Instant::now();
            for batch in &batches {
                backend.infer(&model, batch, &self.requests)?;
            }
            let bare = began.elapsed().as_secs_f64();
            let began = Instant::now();
            let written = session.sql(&query).await?.collect().await;
            let sql = began.elapsed().as_secs_f64();
            let written = written.with_context(|| format!("cannot write to {}", folder.path().display()));
            rows = written?
                .iter()
                .map(|b| b.column(0).as_primitive::<arrow::datatypes::UInt64Type>().value(0))
                .sum::<u64>() as usize;
            // The first round packs weights and warms up.
            if round > 0 {
                rounds.push((bare, sql));
            }
        }
        let median = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Ok(SqlFigures {
            rows,
            inferred,
            bare_stars_per_second: inferred as f64 / median(rounds.iter().map(|r| r.0).collect()),
            stars_per_second: inferred as f64 / median(rounds.iter().map(|r| r.1).collect()),
            share_of_bare: median(rounds.iter().map(|r| r.0 / r.1).collect()),
        })
    }
}

/// The contexts that the query computes from its rows, in batches.
async fn contexts(session: &Session, model: &Model, stars: &str, batch_rows: usize) -> anyhow::Result<Vec<Packed>> {
    let frame = session.sql(&format!("SELECT xp FROM {stars}")).await?;
    let layout =
        Layout::new(frame.schema().field(0).data_type(), model.vocabulary(), model.architecture().context_length)?;
    let mut packed = Vec::new();
    let slots = model.architecture().context_length;
    let mut all = Packed::with_capacity(0, slots);
    for batch in frame.collect().await? {
        let rows = layout.pack(batch.column(0), model.vocabulary())?.packed;
        all.tokens.extend(rows.tokens);
        all.values.extend(rows.values);
        all.rows += rows.rows;
    }
    for first in (0..all.rows).step_by(batch_rows) {
        let rows = first..(first + batch_rows).min(all.rows);
        let (tokens, values) = all.slice(rows.clone());
        packed.push(Packed {
            rows: rows.len(),
            context_length: slots,
            tokens: tokens.to_vec(),
            values: values.to_vec(),
        });
    }
    Ok(packed)
}
