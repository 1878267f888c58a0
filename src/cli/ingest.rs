//! `lamcat ingest`: a FITS table to Parquet.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use arrow::array::RecordBatch;
use clap::Args;
use datafusion::parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};
use indicatif::ProgressBar;

use super::{progress, stdout::out};
use crate::sources::{FitsTable, Fold};

#[derive(Debug, Args)]
pub(super) struct IngestArgs {
    /// The FITS file; its first binary table is read.
    input: PathBuf,
    /// The Parquet file to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Keep numbered columns (bp_coeff_0, bp_coeff_1, …) instead of folding each series into one list column.
    #[arg(long)]
    no_fold: bool,
    /// Replace the output if it exists.
    #[arg(long)]
    overwrite: bool,
    /// Only say what would be written.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &IngestArgs) -> anyhow::Result<()> {
    if args.output.exists() && !args.overwrite && !args.dry_run {
        bail!("{} exists\nhint: --overwrite replaces it", args.output.display());
    }
    let table = FitsTable::open(&args.input)?;
    let fold = if args.no_fold { None } else { Some(Fold::new(table.schema())) };
    let schema = fold.as_ref().map_or_else(|| table.schema().clone(), |f| f.schema().clone());
    if args.dry_run {
        writeln!(out(), "{} rows", table.rows())?;
        for field in schema.fields() {
            writeln!(out(), "{}: {}", field.name(), field.data_type())?;
        }
        return Ok(());
    }
    let bar = progress::bar(table.rows() as u64, "rows");
    let temporary = args.output.with_extension(format!("tmp-{}", std::process::id()));
    let rows = table.rows();
    let batches = table.map(|batch| -> anyhow::Result<RecordBatch> {
        let batch = batch?;
        Ok(fold.as_ref().map_or_else(|| Ok(batch.clone()), |f| f.apply(&batch))?)
    });
    let written = write(&temporary, schema, batches, &bar);
    if let Err(e) = written {
        // What was begun is of no use to anyone; the error is what matters.
        let _ = std::fs::remove_file(&temporary);
        return Err(e);
    }
    std::fs::rename(&temporary, &args.output).with_context(|| format!("cannot write {}", args.output.display()))?;
    bar.finish_and_clear();
    eprintln!("wrote {rows} rows to {}", args.output.display());
    Ok(())
}

fn write(
    path: &Path,
    schema: arrow::datatypes::SchemaRef,
    batches: impl Iterator<Item = anyhow::Result<RecordBatch>>,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut writer = ArrowWriter::try_new(file, schema, Some(properties))?;
    for batch in batches {
        let batch = batch?;
        writer.write(&batch)?;
        bar.inc(batch.num_rows() as u64);
    }
    writer.close()?;
    Ok(())
}
