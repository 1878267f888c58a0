//! Turns the rows of units into tiles. Each tile gathers and sorts its rows from all units that have some; its rows
//! near other tiles are stored separately for the margins of those tiles. No inference is repeated.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use arrow::{
    array::{AsArray, Int16Array, Int64Array, RecordBatch, UInt32Array},
    compute::take_record_batch,
    datatypes::{DataType, Field, Int64Type, Schema, SchemaRef},
};
use datafusion::{
    common::Column,
    error::DataFusionError,
    logical_expr::{Expr, SortExpr},
    physical_plan::SendableRecordBatchStream,
    prelude::{ParquetReadOptions, SessionContext, ident, lit},
};
use futures::TryStreamExt;
use lamcat_core::error::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::{
    attempt::Attempt,
    bounded_context::with_few_footers,
    catalogue::{HEALPIX_COLUMN, ID_COLUMN},
    damage::{Source, lost_rows, unreadable, withdraw_damaged},
    margin::Margin,
    parquet_file::{Effort, TableWriter, Written},
    paths::{self, JobPaths},
    storage::{Storage, attempt_name},
    tiles::{RowCounts, Tile},
    units::UnitClaim,
};

/// Columns, in the files of border rows, that name the tile in whose margin a row lies.
const MARGIN_ORDER: &str = "margin_order";
const MARGIN_PIXEL: &str = "margin_pixel";
/// Number of a tile's rows that are sorted at once, so that a full tile needs no more memory than a small one.
const PIECE_ROWS: u64 = 50_000;

/// The claim of a tile: its leaf, and the rows that lie in the margins of other tiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TileClaim {
    /// The tile.
    pub tile: Tile,
    /// The leaf of the tile.
    pub leaf: Written,
    /// The rows of the tile that are near other tiles, if there are any.
    pub border: Option<Written>,
    /// The tiles in whose margins those rows are.
    pub neighbours: Vec<Tile>,
    /// How many of those rows are in the margin of each of these tiles; empty in claims of older versions.
    #[serde(default)]
    pub neighbour_rows: Vec<u64>,
    /// Seconds the attempt took; 0 in claims of older versions.
    #[serde(default)]
    pub seconds: f64,
    /// The attempt that made the files; `None` in claims of older versions.
    #[serde(default)]
    pub attempt: Option<Attempt>,
}

impl TileClaim {
    /// Whether the claim has this number of rows and does not contradict itself.
    #[must_use]
    pub fn agrees(&self, rows: u64) -> bool {
        let near = self.border.as_ref().map_or(0, |border| border.rows);
        self.leaf.rows == rows && self.neighbour_rows.iter().sum::<u64>() == near
    }

    /// Number of rows of this tile that are in the margin of another tile.
    pub(super) fn rows_near(&self, tile: Tile) -> u64 {
        let place = self.neighbours.iter().position(|near| *near == tile);
        place.and_then(|place| self.neighbour_rows.get(place)).copied().unwrap_or(0)
    }
}

/// Everything that the tiles of a release have in common.
pub struct Arrangement<'a> {
    /// The context with which units are read; see [`reader`].
    pub context: &'a SessionContext,
    /// A context with the functions that cuts may call.
    pub functions: &'a SessionContext,
    /// The storage that holds all files.
    pub storage: &'a Storage,
    /// The job's files.
    pub job: &'a JobPaths,
    /// The files of the inference that computed the units.
    pub units_of: &'a JobPaths,
    /// The columns of a leaf.
    pub schema: SchemaRef,
    /// Key-value metadata for the footer of a leaf.
    pub footer: &'a [(&'static str, String)],
    /// Folder of the main catalogue.
    pub main: &'a str,
    /// The margin, if the catalogue has one.
    pub margin: Option<&'a Margin>,
    /// The units.
    pub units: &'a [UnitClaim],
    /// Row counts of all units together, by HEALPix pixel.
    pub counts: &'a RowCounts,
}

impl Arrangement<'_> {
    /// Writes a tile's leaf, and a file of its rows near other tiles.
    ///
    /// # Errors
    /// If the units cannot be read or do not have the rows that were counted, or the store cannot be written to.
    pub async fn write_tile(&self, tile: Tile) -> Result<TileClaim> {
        let (begun, attempt) = (Instant::now(), Some(Attempt::begin()));
        let path = format!("{}/{}", self.main, paths::leaf(tile));
        let mut leaf = TableWriter::new(self.storage, &path, &self.schema, self.footer, Effort::Published)?;
        let mut border = Border::new(self, tile);
        for (start, end) in self.counts.pieces(tile, PIECE_ROWS) {
            let wanted = self.counts.between(start, end);
            match self.write_piece(start, end, &mut leaf, &mut border).await? {
                Ok(found) if found == wanted => {}
                seen => {
                    let units = self.units_in(start, end);
                    return Err(lost_rows(self.storage, units, seen, wanted).await.within("tile", tile));
                }
            }
        }
        let leaf = leaf.finish().await?;
        let (border, near) = border.finish().await?;
        let (neighbours, neighbour_rows) = near.into_iter().unzip();
        let seconds = begun.elapsed().as_secs_f64();
        Ok(TileClaim { tile, leaf, border, neighbours, neighbour_rows, seconds, attempt })
    }

    /// Writes the rows in the pixels of order 29 from `start` up to, but not including, `end`. Returns how many there
    /// were, or why they cannot be read.
    async fn write_piece(
        &self,
        start: i64,
        end: i64,
        leaf: &mut TableWriter,
        border: &mut Border<'_>,
    ) -> Result<Result<u64, DataFusionError>> {
        let units = self.units_in(start, end);
        let files: Vec<&Written> = units.iter().map(|unit| unit.file).collect();
        let inside = ident(HEALPIX_COLUMN).gt_eq(lit(start)).and(ident(HEALPIX_COLUMN).lt(lit(end)));
        let rows = sorted_rows(self.context, self.storage, &files, inside, &self.schema).await;
        copy(rows, leaf, Some(border)).await
    }

    /// The files of the units that may have rows in the pixels of order 29 from `start` up to, but not including,
    /// `end`.
    fn units_in(&self, start: i64, end: i64) -> Vec<Source<'_>> {
        let units = self.units.iter().filter(|unit| unit.counts.touches(start, end));
        units.filter_map(|unit| self.source(unit)).collect()
    }

    /// The file with a unit's rows.
    fn source<'a>(&self, unit: &'a UnitClaim) -> Option<Source<'a>> {
        Some(Source { claim: self.units_of.unit_claim(&unit.unit), file: unit.rows.as_ref()? })
    }

    /// Returns the files that were made from the rows of all units, after checking that they have every row.
    ///
    /// # Errors
    /// If they could not be made or do not have the rows that were counted.
    pub(super) async fn all_rows(&self, made: Result<Vec<Written>>) -> Result<Vec<Written>> {
        let units = || self.units.iter().filter_map(|unit| self.source(unit)).collect();
        let wanted = self.counts.total();
        match made.map(|files| (files.iter().map(|file| file.rows).sum::<u64>(), files)) {
            Ok((found, files)) if found == wanted => Ok(files),
            Ok((found, _)) => Err(lost_rows(self.storage, units(), Ok(found), wanted).await),
            Err(e) => Err(withdraw_damaged(self.storage, units(), !e.is_retryable()).await?.unwrap_or(e)),
        }
    }

    /// Writes the margin of a tile from the border rows of its neighbours.
    ///
    /// # Errors
    /// If these cannot be read or are not the rows that were counted, or the store cannot be written to.
    pub async fn write_margin(&self, folder: &str, tile: Tile, tiles: &[TileClaim]) -> Result<Written> {
        let near: Vec<&TileClaim> = tiles.iter().filter(|claim| claim.neighbours.contains(&tile)).collect();
        let wanted = near.iter().map(|claim| claim.rows_near(tile)).sum();
        let borders = near
            .iter()
            .filter_map(|claim| Some(Source { claim: self.job.tile_claim(claim.tile), file: claim.border.as_ref()? }));
        let borders: Vec<Source<'_>> = borders.collect();
        let files: Vec<&Written> = borders.iter().map(|border| border.file).collect();
        let path = format!("{folder}/{}", paths::leaf(tile));
        let mut leaf = TableWriter::new(self.storage, &path, &self.schema, self.footer, Effort::Published)?;
        match self.write_near(tile, &files, &mut leaf).await? {
            Ok(found) if found == wanted => leaf.finish().await,
            seen => Err(lost_rows(self.storage, borders, seen, wanted).await.within("margin of tile", tile)),
        }
    }

    async fn write_near(
        &self,
        tile: Tile,
        files: &[&Written],
        leaf: &mut TableWriter,
    ) -> Result<Result<u64, DataFusionError>> {
        let of_tile = ident(MARGIN_ORDER).eq(lit(i16::from(tile.order)));
        let of_tile = of_tile.and(ident(MARGIN_PIXEL).eq(lit(tile.pixel as i64)));
        let rows = sorted_rows(self.context, self.storage, files, of_tile, &self.schema).await;
        copy(rows, leaf, None).await
    }
}

/// Writes the rows of a query. Returns how many there were, or why they cannot be read.
async fn copy(
    rows: Result<SendableRecordBatchStream, DataFusionError>,
    leaf: &mut TableWriter,
    mut border: Option<&mut Border<'_>>,
) -> Result<Result<u64, DataFusionError>> {
    let mut rows = match rows {
        Ok(rows) => rows,
        Err(e) => return Ok(Err(e)),
    };
    let mut found = 0;
    loop {
        match rows.try_next().await {
            Ok(Some(batch)) => {
                found += batch.num_rows() as u64;
                if let Some(border) = &mut border {
                    border.add(&batch).await?;
                }
                leaf.write(batch).await?;
            }
            Ok(None) => return Ok(Ok(found)),
            Err(e) => return Ok(Err(e)),
        }
    }
}

/// A context in which to read units, with the stores, the memory limit and the settings of `context`. It caches few
/// footers: a large release has many, each with the positions of all pages.
///
/// # Errors
/// If the context cannot be created.
pub fn reader(context: &SessionContext) -> Result<SessionContext> {
    let runtime = with_few_footers(&context.runtime_env()).build_arc().map_err(|e| unreadable(&e))?;
    Ok(SessionContext::new_with_config_rt(context.copied_config(), runtime))
}

/// The rows of `files` that meet a condition, with the columns of `schema`, sorted by position and identifier.
async fn sorted_rows(
    context: &SessionContext,
    storage: &Storage,
    files: &[&Written],
    condition: Expr,
    schema: &Schema,
) -> Result<SendableRecordBatchStream, DataFusionError> {
    let order = sky_order();
    let options = ParquetReadOptions::default().file_sort_order(vec![order.clone()]);
    let urls: Vec<String> = files.iter().map(|file| storage.url(&file.path)).collect();
    let frame = context.read_parquet(urls, options).await?;
    let columns = schema.fields().iter().map(|field| Expr::Column(Column::new_unqualified(field.name())));
    frame.filter(condition)?.select(columns)?.sort(order)?.execute_stream().await
}

/// The order of rows in a leaf: by position, then by identifier.
#[must_use]
pub fn sky_order() -> Vec<SortExpr> {
    [HEALPIX_COLUMN, ID_COLUMN].map(|name| ident(name).sort(true, false)).to_vec()
}

/// The rows of a tile that lie near others.
struct Border<'a> {
    arrangement: &'a Arrangement<'a>,
    tile: Tile,
    schema: SchemaRef,
    writer: Option<TableWriter>,
    /// Number of rows in the margin of each other tile, sorted by the tiles' positions on the sky.
    near: BTreeMap<(i64, i64), (Tile, u64)>,
}

impl<'a> Border<'a> {
    fn new(arrangement: &'a Arrangement<'a>, tile: Tile) -> Self {
        let marks = [Field::new(MARGIN_ORDER, DataType::Int16, true), Field::new(MARGIN_PIXEL, DataType::Int64, true)];
        let fields = arrangement.schema.fields().iter().map(|f| f.as_ref().clone()).chain(marks);
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self { arrangement, tile, schema, writer: None, near: BTreeMap::new() }
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
                self.near.entry(tile.range()).or_insert((*tile, 0)).1 += 1;
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

    async fn finish(self) -> Result<(Option<Written>, Vec<(Tile, u64)>)> {
        let near = self.near.into_values().collect();
        let Some(writer) = self.writer else { return Ok((None, near)) };
        Ok((Some(writer.finish().await?), near))
    }
}
