//! Computes a unit: its rows go through the query, get their position on the sky, are sorted and written.

use std::{collections::HashMap, sync::Arc, time::Instant};

use arrow::{
    array::{Array, ArrayRef, AsArray, FixedSizeListArray, PrimitiveArray, RecordBatch, StringArray},
    datatypes::{ArrowPrimitiveType, DataType, Field, Float32Type, Float64Type, Int64Type, Schema, SchemaRef},
};
use datafusion::{
    common::{Column, TableReference},
    dataframe::DataFrame,
    error::DataFusionError,
    execution::FunctionRegistry,
    logical_expr::Expr,
    prelude::ident,
};
use futures::TryStreamExt;
use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_release::{
    Storage,
    arrange::sky_order,
    attempt::Attempt,
    catalogue::{HEALPIX_COLUMN, ID_COLUMN, POSITION_COLUMNS},
    parquet_file::{Effort, TableWriter},
    storage::attempt_name,
    sums::RowSum,
    tiles::RowCounts,
    units::UnitClaim,
};
use lamcat_sql::session::Session;

use super::{
    counted_exec::ReadRows,
    job::{Job, Unit},
};
use crate::pipeline::document::Pipeline;

/// The rows that the pipeline's query returns for a unit, with their pixel as first column, in the order of the sky.
///
/// # Errors
/// If the query cannot be planned.
async fn unit_rows(
    session: &Session,
    pipeline: &Pipeline,
    job: &Job,
    unit: &Unit,
) -> Result<(DataFrame, Arc<ReadRows>)> {
    let failed = |e| failed(&unit.file, &e);
    let (session, frame, read) = planned(session, pipeline, job, unit).await?;
    let pixel = session.context().udf("healpix_29").map_err(failed)?.call(POSITION_COLUMNS.map(ident).to_vec());
    let columns = job.schema.fields().iter().map(|field| match field.name().as_str() {
        HEALPIX_COLUMN => pixel.clone().alias(HEALPIX_COLUMN),
        name => Expr::Column(Column::new_unqualified(name)),
    });
    let frame = frame.select(columns).and_then(|frame| frame.sort(sky_order())).map_err(failed)?;
    Ok((frame, read))
}

/// The query over a unit's rows, its session, and the counter of the rows that are read. The session `inputs` has the
/// inputs as tables.
async fn planned(
    inputs: &Session,
    pipeline: &Pipeline,
    job: &Job,
    unit: &Unit,
) -> Result<(Session, DataFrame, Arc<ReadRows>)> {
    let failed = |e| failed(&unit.file, &e);
    // With a single partition, rows reach the device in the order of the file, so a unit is the same whoever computes
    // it.
    let session = inputs.sibling(1).map_err(failed)?;
    let (table, read) = job.input.table(unit.range);
    for input in &pipeline.inputs {
        let name = || TableReference::bare(input.name.as_str());
        if input.cut {
            session.context().register_table(name(), table.clone()).map_err(failed)?;
        } else {
            // These are listed once for the run, not for each unit.
            let table = inputs.context().table_provider(name()).await.map_err(failed)?;
            session.context().register_table(name(), table).map_err(failed)?;
        }
    }
    let frame = session.sql(&pipeline.sql.text).await.map_err(failed)?;
    Ok((session, frame, read))
}

/// Number of rows of a unit that are used to estimate the speed.
const SAMPLE_ROWS: u64 = 2000;

/// Input rows per second, measured with the first rows of a unit; `None` if it has none.
///
/// The rows are limited where they are read, not where the query returns them, as a query may drop most of its input.
pub(super) async fn sample_rate(session: &Session, pipeline: &Pipeline, job: &Job, unit: &Unit) -> Result<Option<f64>> {
    let failed = |e| failed(&unit.file, &e);
    let sample = Unit { range: unit.range.first(SAMPLE_ROWS), ..unit.clone() };
    let (_session, frame, read) = planned(session, pipeline, job, &sample).await?;
    // Ranges of several files, and files that do not say how many rows they have, cannot be shortened.
    let is_short = sample.range.rows.is_some_and(|rows| rows <= SAMPLE_ROWS);
    let frame = if is_short { frame } else { frame.limit(0, Some(SAMPLE_ROWS as usize)).map_err(failed)? };
    let start = Instant::now();
    frame.collect().await.map_err(failed)?;
    let rows = read.so_far();
    Ok((rows > 0).then(|| rows as f64 / start.elapsed().as_secs_f64().max(1e-6)))
}

/// Computes a unit and writes its rows under a unique name; they do not count until they are claimed.
///
/// # Errors
/// If the query fails, a row has no position or no identifier, or the store cannot be written to.
pub(super) async fn compute_unit(
    session: &Session,
    pipeline: &Pipeline,
    job: &Job,
    storage: &Storage,
    unit: &Unit,
) -> Result<UnitClaim> {
    match write_rows(session, pipeline, job, storage, unit).await {
        // If a file of the input was changed, that explains the error better.
        Err(e) => Err(job.input.check_unchanged(session, unit.range.file_numbers()).await.err().unwrap_or(e)),
        computed => computed,
    }
}

async fn write_rows(
    session: &Session,
    pipeline: &Pipeline,
    job: &Job,
    storage: &Storage,
    unit: &Unit,
) -> Result<UnitClaim> {
    let (start, attempt) = (Instant::now(), Some(Attempt::begin()));
    let (frame, read) = unit_rows(session, pipeline, job, unit).await?;
    let mut rows = frame.execute_stream().await.map_err(|e| failed(&unit.file, &e))?;
    let (mut counts, mut sum) = (RowCounts::new(job.catalogue().skymap_order), RowSum::default());
    let path = job.units_paths.unit_rows(&unit.id, &attempt_name());
    // Units are stored without the catalogue's descriptions of their columns: other jobs that use these rows may have
    // other descriptions.
    let schema = undescribed(&job.schema);
    let mut writer: Option<TableWriter> = None;
    while let Some(batch) = rows.try_next().await.map_err(|e| failed(&unit.file, &e))? {
        let batch = checked(&batch, &schema).map_err(|e| e.within("file", &unit.file))?;
        batch.column(0).as_primitive::<Int64Type>().values().iter().for_each(|cell| counts.add(*cell));
        sum.add_batch(&batch)?;
        let open = match writer.take() {
            Some(open) => open,
            None => TableWriter::new(storage, &path, &schema, &[], Effort::Working)?,
        };
        writer.insert(open).write(batch).await?;
    }
    let input_rows = rows_read(&read, unit)?.unwrap_or_else(|| counts.total());
    job.input.check_unchanged(session, unit.range.file_numbers()).await?;
    let rows = match writer {
        Some(writer) => Some(writer.finish().await?),
        None => None,
    };
    let seconds = start.elapsed().as_secs_f64();
    Ok(UnitClaim { unit: unit.id.clone(), rows, input_rows, counts, sum, seconds, attempt })
}

/// The columns with only their names and types.
fn undescribed(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_metadata(HashMap::new()));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Number of input rows that a unit read, which must agree with the number in the file; `None` if that is not known.
fn rows_read(read: &ReadRows, unit: &Unit) -> Result<Option<u64>> {
    match (read.whole(), unit.range.rows) {
        (Some(read), Some(planned)) if read != planned => {
            let error = Error::new(ErrorKind::Input, format!("{read} rows were read instead of {planned}"));
            Err(error.at("file", &unit.file).at("rows before", unit.range.before).hint(
                "the file's footer says another number of rows than the file has: it is damaged, or was changed meanwhile",
            ))
        }
        (read, planned) => Ok(read.or(planned)),
    }
}

fn failed(file: &str, e: &DataFusionError) -> Error {
    Error::from_datafusion("a unit cannot be computed", e).at("file", file)
}

/// A batch in the form that catalogues require. Missing texts become empty; missing lists and list elements become NaN,
/// as astropy cannot read NULLs of these types. This depends only on a column's type, whatever the other rows have.
fn checked(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let ids = batch.column_by_name(ID_COLUMN);
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| without_nulls(column, field, ids)).collect::<Result<Vec<_>>>()?;
    let bad = |e| Error::new(ErrorKind::Plan, "the query's columns are not those that were planned").source(e);
    RecordBatch::try_new(schema.clone(), columns).map_err(bad)
}

fn without_nulls(column: &ArrayRef, field: &Field, ids: Option<&ArrayRef>) -> Result<ArrayRef> {
    let is_position = POSITION_COLUMNS.contains(&field.name().as_str());
    match column.data_type() {
        DataType::Float32 | DataType::Float64 if !is_position => Ok(column.clone()),
        DataType::Utf8 => {
            let text = column.as_string::<i32>().iter().map(|value| Some(value.unwrap_or_default()));
            Ok(Arc::new(text.collect::<StringArray>()))
        }
        DataType::FixedSizeList(item, length) if item.data_type().is_floating() => {
            let lists = column.as_fixed_size_list();
            let elements = match item.data_type() {
                DataType::Float32 => filled::<Float32Type>(lists, f32::NAN),
                DataType::Float64 => filled::<Float64Type>(lists, f64::NAN),
                _ => return Err(null(column, field, ids)),
            };
            let failed =
                |e| Error::new(ErrorKind::Plan, "a list cannot be written").at("column", field.name()).source(e);
            let lists = FixedSizeListArray::try_new_with_length(item.clone(), *length, elements, None, column.len());
            Ok(Arc::new(lists.map_err(failed)?))
        }
        _ if column.null_count() == 0 => Ok(column.clone()),
        _ => Err(null(column, field, ids)),
    }
}

/// The elements of lists, with `missing` for elements without a value and for all elements of missing lists.
fn filled<T: ArrowPrimitiveType>(lists: &FixedSizeListArray, missing: T::Native) -> ArrayRef {
    let length = lists.value_length().max(1) as usize;
    let values = lists.values().as_primitive::<T>().iter().enumerate();
    let filled = values.map(|(i, value)| value.filter(|_| lists.is_valid(i / length)).unwrap_or(missing));
    Arc::new(PrimitiveArray::<T>::from_iter_values(filled))
}

/// The error for a missing value that readers need.
fn null(column: &ArrayRef, field: &Field, ids: Option<&ArrayRef>) -> Error {
    let row = (0..column.len()).find(|row| column.is_null(*row)).unwrap_or(0);
    let id = ids.and_then(|ids| ids.as_primitive_opt::<Int64Type>()).filter(|ids| ids.is_valid(row));
    let error = Error::new(ErrorKind::Input, "a row lacks a value that readers need").at("column", field.name());
    let error = match id {
        Some(ids) => error.at(ID_COLUMN, ids.value(row)),
        None => error,
    };
    let hint = match field.name().as_str() {
        ID_COLUMN | "ra" | "dec" | HEALPIX_COLUMN => {
            "a source without identifier or place cannot be in a catalogue: leave such rows out with WHERE".to_owned()
        }
        name => {
            format!(
                "readers turn integers with NULLs into floats: use a special value instead, as in coalesce({name}, -1)"
            )
        }
    };
    error.hint(hint)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array};

    use super::*;

    /// A batch of an identifier, a list of two numbers, a text and a number, each of which is missing in some rows.
    fn batch(rows: &[(i64, Option<[Option<f64>; 2]>)]) -> RecordBatch {
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|(id, _)| *id)));
        let lists = rows.iter().map(|(_, list)| list.as_ref().map(|list| list.to_vec()));
        let lists: ArrayRef = Arc::new(FixedSizeListArray::from_iter_primitive::<Float64Type, _, _>(lists, 2));
        let text: ArrayRef =
            Arc::new(rows.iter().map(|(id, _)| (id % 2 == 0).then_some("even")).collect::<StringArray>());
        let number: ArrayRef =
            Arc::new(rows.iter().map(|(id, _)| (id % 2 == 0).then_some(1.5)).collect::<Float64Array>());
        RecordBatch::try_from_iter_with_nullable([
            (ID_COLUMN, ids, true),
            ("pair", lists, true),
            ("text", text, true),
            ("number", number, true),
        ])
        .unwrap()
    }

    fn elements(batch: &RecordBatch) -> Vec<f64> {
        let lists = batch.column(1).as_fixed_size_list();
        assert_eq!((lists.null_count(), lists.values().null_count()), (0, 0));
        lists.values().as_primitive::<Float64Type>().values().to_vec()
    }

    #[test]
    fn what_is_missing_is_filled_whatever_the_other_rows_have() {
        let rows =
            [(1, Some([Some(1.0), None])), (2, None), (3, Some([None, None])), (4, Some([Some(2.0), Some(3.0)]))];
        let whole = checked(&batch(&rows), &batch(&rows).schema()).unwrap();
        let expected = [1.0, f64::NAN, f64::NAN, f64::NAN, f64::NAN, f64::NAN, 2.0, 3.0];
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&elements(&whole)), bits(&expected));
        for size in 1..=rows.len() {
            for (number, part) in rows.chunks(size).enumerate() {
                let slice = batch(&rows).slice(number * size, part.len());
                for part in [batch(part), slice] {
                    let filled = checked(&part, &part.schema()).unwrap();
                    assert_eq!(filled, whole.slice(number * size, part.num_rows()), "rows {size} at a time");
                }
            }
        }
    }

    #[test]
    fn a_missing_identifier_or_position_is_an_error_and_a_missing_number_is_none() {
        let column = |name: &str, values: Vec<Option<f64>>| {
            let column: ArrayRef = Arc::new(Float64Array::from(values));
            (Schema::new(vec![Field::new(name, DataType::Float64, true)]), column)
        };
        let (schema, missing) = column("ra", vec![Some(1.0), None]);
        let e = without_nulls(&missing, schema.field(0), None).unwrap_err().to_string();
        assert!(e.contains("lacks a value") && e.contains("column ra"), "{e}");
        let (schema, missing) = column("teff", vec![Some(1.0), None]);
        assert_eq!(without_nulls(&missing, schema.field(0), None).unwrap().null_count(), 1);
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None]));
        let field = Field::new(ID_COLUMN, DataType::Int64, true);
        assert!(without_nulls(&ids, &field, None).is_err());
    }
}
