//! Writes result rows to stdout in the requested format.

use std::io::Write;

use anyhow::{Context, bail};
use arrow::{
    array::RecordBatch,
    datatypes::SchemaRef,
    util::{display::FormatOptions, pretty::pretty_format_batches_with_options},
};
use clap::ValueEnum;

use super::stdout::{Out, out};

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table for reading.
    Table,
    /// Comma-separated values with a header; lists are not possible.
    Csv,
    /// One JSON object a line.
    Json,
    /// Parquet; needs -o.
    Parquet,
    /// Arrow IPC: a stream on stdout, a file with -o.
    Arrow,
}

impl Format {
    /// The format that a file name indicates.
    pub(super) fn from_path(path: &str) -> Option<Self> {
        let (_, extension) = path.rsplit_once('.')?;
        Some(match extension {
            "csv" => Self::Csv,
            "json" | "jsonl" | "ndjson" => Self::Json,
            "parquet" => Self::Parquet,
            "arrow" | "feather" => Self::Arrow,
            _ => return None,
        })
    }
}

/// Writes batches to stdout one by one.
pub(super) enum RowWriter {
    Table { shown: Vec<RecordBatch>, room: usize, total: usize },
    Csv(Box<arrow::csv::Writer<Out>>),
    Json(Box<arrow::json::LineDelimitedWriter<Out>>),
    Arrow(Box<arrow::ipc::writer::StreamWriter<Out>>),
}

impl RowWriter {
    /// Creates a writer for rows of `schema`; a table shows at most `room` rows.
    pub(super) fn new(format: Format, schema: &SchemaRef, room: usize) -> anyhow::Result<Self> {
        Ok(match format {
            Format::Table => Self::Table { shown: vec![RecordBatch::new_empty(schema.clone())], room, total: 0 },
            Format::Csv => {
                if let Some(f) = schema.fields().iter().find(|f| f.data_type().is_nested()) {
                    bail!(
                        "column '{}' is a {}, which CSV cannot hold\nhint: use --format json, or -o FILE.parquet",
                        f.name(),
                        if f.data_type().is_list() { "list" } else { "struct" }
                    );
                }
                let mut writer = arrow::csv::WriterBuilder::new().with_header(true).build(out());
                // The header is written with the first batch, and there may be no batch.
                writer.write(&RecordBatch::new_empty(schema.clone()))?;
                Self::Csv(Box::new(writer))
            }
            Format::Json => Self::Json(Box::new(arrow::json::LineDelimitedWriter::new(out()))),
            Format::Arrow => {
                let writer = arrow::ipc::writer::StreamWriter::try_new(out(), schema)?;
                Self::Arrow(Box::new(writer))
            }
            Format::Parquet => bail!("Parquet cannot be written to stdout\nhint: name a file with -o FILE.parquet"),
        })
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> anyhow::Result<()> {
        match self {
            Self::Table { shown, room, total } => {
                let n = batch.num_rows().min(*room);
                if n > 0 {
                    shown.push(batch.slice(0, n));
                }
                *room -= n;
                *total += batch.num_rows();
            }
            Self::Csv(writer) => writer.write(batch)?,
            Self::Json(writer) => writer.write(batch)?,
            Self::Arrow(writer) => writer.write(batch)?,
        }
        Ok(())
    }

    /// Ends the output; returns the number of rows that were not shown.
    pub(super) fn finish(self) -> anyhow::Result<usize> {
        let mut stdout = out();
        match self {
            Self::Table { shown, total, .. } => {
                let options = FormatOptions::default().with_null("NULL").with_display_error(true);
                let rows: usize = shown.iter().map(RecordBatch::num_rows).sum();
                writeln!(stdout, "{}", pretty_format_batches_with_options(&shown, &options)?)?;
                return Ok(total - rows);
            }
            Self::Csv(_) => {}
            Self::Json(mut writer) => writer.finish()?,
            Self::Arrow(mut writer) => writer.finish()?,
        }
        stdout.flush().context("cannot write to stdout")?;
        Ok(0)
    }
}
