//! From the rows of units to tiles: each tile is sorted out of the units that have rows in it, and its rows near other
//! tiles are put aside for their margins. No inference is repeated.

use std::{sync::Arc, time::Instant};

use arrow::{
    array::{AsArray, Int16Array, Int64Array, RecordBatch, UInt32Array},
    compute::take_record_batch,
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
};
use datafusion::{
    common::Column,
    logical_expr::{Expr, SortExpr},
    physical_plan::SendableRecordBatchStream,
    prelude::{ParquetReadOptions, SessionContext, ident, lit},
};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};

use super::{
    attempt::Attempt,
    catalogue::{HEALPIX_COLUMN, ID_COLUMN},
    margin::Margin,
    parquet_file::{Effort, TableWriter, Written},
    paths::{self, JobPaths},
    spilling::forgetful,
    storage::{Storage, attempt_name},
    tiles::{RowCounts, Tile},
    units::UnitClaim,
};
use crate::error::{Error, ErrorKind, Result};

/// Columns of rows put aside that say in whose margin they are.
const MARGIN_ORDER: &str = "margin_order";
const MARGIN_PIXEL: &str = "margin_pixel";
/// Rows of a tile sorted at once, so that a full tile needs no more memory than a small one.
const PIECE_ROWS: u64 = 50_000;

/// The claim of a tile: its leaf, and its rows that others have in their margins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TileClaim {
    /// The tile.
    pub tile: Tile,
    /// Its leaf.
    pub leaf: Written,
    /// Its rows near other tiles, if there are any.
    pub border: Option<Written>,
    /// The tiles in whose margins those are.
    pub neighbours: Vec<Tile>,
    /// Seconds the attempt took; 0 in claims of old.
    #[serde(default)]
    pub seconds: f64,
    /// Whose attempt it was; `None` in claims of old.
    #[serde(default)]
    pub attempt: Option<Attempt>,
}

/// What all tiles have in common.
pub struct Arrangement<'a> {
    /// To read the units with; see [`reader`].
    pub context: &'a SessionContext,
    /// With the functions that cuts may call.
    pub functions: &'a SessionContext,
    /// Where everything is.
    pub storage: &'a Storage,
    /// The job's files.
    pub job: &'a JobPaths,
    /// Columns of a leaf.
    pub schema: SchemaRef,
    /// Footer of a leaf.
    pub footer: &'a [(&'static str, String)],
    /// Folder of the main catalogue.
    pub main: &'a str,
    /// The margin, if there is to be one.
    pub margin: Option<&'a Margin>,
    /// The units.
    pub units: &'a [UnitClaim],
    /// Rows of all units in the pixels of the sky.
    pub counts: &'a RowCounts,
}

impl Arrangement<'_> {
    /// Writes a tile's leaf and puts its border aside.
    ///
    /// # Errors
    /// If the units cannot be read or the store cannot be written to.
    pub async fn write_tile(&self, tile: Tile) -> Result<TileClaim> {
        let (begun, attempt) = (Instant::now(), Some(Attempt::begin()));
        let path = format!("{}/{}", self.main, paths::leaf(tile));
        let mut leaf = TableWriter::new(self.storage, &path, &self.schema, self.footer, Effort::Published)?;
        let mut border = Border::new(self, tile);
        for (start, end) in self.counts.pieces(tile, PIECE_ROWS) {
            let mut rows = self.piece(start, end).await?;
            while let Some(batch) = rows.try_next().await.map_err(|e| unreadable(&e))? {
                border.add(&batch).await?;
                leaf.write(batch).await?;
            }
        }
        let leaf = leaf.finish().await?;
        let (border, neighbours) = border.finish().await?;
        let seconds = begun.elapsed().as_secs_f64();
        Ok(TileClaim { tile, leaf, border, neighbours, seconds, attempt })
    }

    /// The rows of units in the pixels of order 29 from `start` to before `end`.
    async fn piece(&self, start: i64, end: i64) -> Result<SendableRecordBatchStream> {
        let files = self.units.iter().filter(|unit| unit.counts.touches(start, end));
        let files: Vec<&Written> = files.filter_map(|unit| unit.rows.as_ref()).collect();
        let inside = ident(HEALPIX_COLUMN).gt_eq(lit(start)).and(ident(HEALPIX_COLUMN).lt(lit(end)));
        sorted_rows(self.context, self.storage, &files, inside, &self.schema).await
    }

    /// Writes the margin of a tile from what its neighbours put aside.
    ///
    /// # Errors
    /// If that cannot be read or the store cannot be written to.
    pub async fn write_margin(&self, folder: &str, tile: Tile, tiles: &[TileClaim]) -> Result<Written> {
        let near = tiles.iter().filter(|claim| claim.neighbours.contains(&tile));
        let files: Vec<&Written> = near.filter_map(|claim| claim.border.as_ref()).collect();
        let of_tile = ident(MARGIN_ORDER).eq(lit(i16::from(tile.order)));
        let of_tile = of_tile.and(ident(MARGIN_PIXEL).eq(lit(tile.pixel as i64)));
        let mut rows = sorted_rows(self.context, self.storage, &files, of_tile, &self.schema).await?;
        let path = format!("{folder}/{}", paths::leaf(tile));
        let mut leaf = TableWriter::new(self.storage, &path, &self.schema, self.footer, Effort::Published)?;
        while let Some(batch) = rows.try_next().await.map_err(|e| unreadable(&e))? {
            leaf.write(batch).await?;
        }
        leaf.finish().await
    }
}

/// A context to read units in, with the stores, the memory and the settings of another. It remembers few footers: of a large
/// release there are many, each with the places of all pages.
///
/// # Errors
/// If it cannot be made.
pub fn reader(context: &SessionContext) -> Result<SessionContext> {
    let runtime = forgetful(&context.runtime_env()).build_arc().map_err(|e| unreadable(&e))?;
    Ok(SessionContext::new_with_config_rt(context.copied_config(), runtime))
}

/// The rows of `files` that a condition holds for, with the columns of `schema`, by position and identifier.
async fn sorted_rows(
    context: &SessionContext,
    storage: &Storage,
    files: &[&Written],
    condition: Expr,
    schema: &Schema,
) -> Result<SendableRecordBatchStream> {
    let order = sky_order();
    let options = ParquetReadOptions::default().file_sort_order(vec![order.clone()]);
    let urls: Vec<String> = files.iter().map(|file| storage.url(&file.path)).collect();
    let frame = context.read_parquet(urls, options).await.map_err(|e| unreadable(&e))?;
    let columns = schema.fields().iter().map(|field| Expr::Column(Column::new_unqualified(field.name())));
    let frame = frame.filter(condition).and_then(|f| f.select(columns)).and_then(|f| f.sort(order));
    frame.map_err(|e| unreadable(&e))?.execute_stream().await.map_err(|e| unreadable(&e))
}

/// By position, then identifier.
#[must_use]
pub fn sky_order() -> Vec<SortExpr> {
    [HEALPIX_COLUMN, ID_COLUMN].map(|name| ident(name).sort(true, false)).to_vec()
}

pub(super) fn unreadable(e: &datafusion::error::DataFusionError) -> Error {
    Error::from_datafusion("cannot read the rows of units", e)
}

/// The rows of a tile that lie near others.
struct Border<'a> {
    arrangement: &'a Arrangement<'a>,
    tile: Tile,
    schema: SchemaRef,
    writer: Option<TableWriter>,
    neighbours: Vec<Tile>,
}

impl<'a> Border<'a> {
    fn new(arrangement: &'a Arrangement<'a>, tile: Tile) -> Self {
        let marks = [Field::new(MARGIN_ORDER, DataType::Int16, true), Field::new(MARGIN_PIXEL, DataType::Int64, true)];
        let fields = arrangement.schema.fields().iter().map(|f| f.as_ref().clone()).chain(marks);
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self { arrangement, tile, schema, writer: None, neighbours: Vec::new() }
    }

    async fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        let Some(margin) = self.arrangement.margin else { return Ok(()) };
        let (mut rows, mut orders, mut pixels, mut found) = (vec![], vec![], vec![], vec![]);
        let cells = batch.column(0).as_primitive::<Int64Type>();
        for (row, cell) in cells.values().iter().enumerate() {
            margin.tiles_of(self.tile, *cell, &mut found);
            for tile in &found {
                rows.push(row as u32);
                orders.push(i16::from(tile.order));
                pixels.push(tile.pixel as i64);
                if !self.neighbours.contains(tile) {
                    self.neighbours.push(*tile);
                }
            }
        }
        if rows.is_empty() {
            return Ok(());
        }
        let failed = |e| Error::new(ErrorKind::Io, "cannot gather the rows of a margin").source(e);
        let near = take_record_batch(batch, &UInt32Array::from(rows)).map_err(failed)?;
        let mut columns = near.columns().to_vec();
        columns.push(Arc::new(Int16Array::from(orders)));
        columns.push(Arc::new(Int64Array::from(pixels)));
        let near = RecordBatch::try_new(self.schema.clone(), columns).map_err(failed)?;
        if self.writer.is_none() {
            let path = self.arrangement.job.border_rows(self.tile, &attempt_name());
            let storage = self.arrangement.storage;
            self.writer = Some(TableWriter::new(storage, &path, &self.schema, &[], Effort::Working)?);
        }
        match &mut self.writer {
            Some(writer) => writer.write(near).await,
            None => Ok(()),
        }
    }

    async fn finish(mut self) -> Result<(Option<Written>, Vec<Tile>)> {
        self.neighbours.sort_by_key(|tile| tile.range());
        let Some(writer) = self.writer else { return Ok((None, self.neighbours)) };
        Ok((Some(writer.finish().await?), self.neighbours))
    }
}
