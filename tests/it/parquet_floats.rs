//! NaN in Parquet files: statistics, whether written by lamcat or by other programs, never change the result of a
//! filter.

use std::{fs::File, path::Path, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Float32Array, Float64Array, Int64Array, RecordBatch},
    datatypes::Int64Type,
};
use datafusion::parquet::{
    arrow::{
        ArrowSchemaConverter,
        arrow_writer::{ArrowRowGroupWriterFactory, compute_leaves},
    },
    basic::Type,
    file::{
        metadata::RowGroupMetaData,
        properties::WriterProperties,
        reader::{FileReader, SerializedFileReader},
        statistics::Statistics,
        writer::SerializedFileWriter,
    },
};
use lamcat::session::{Session, SessionOptions};

use crate::{
    archive::query,
    program::{lamcat, run},
    small_files::folder,
};

/// The columns of a file by name, and whether each has statistics.
fn with_statistics(path: &Path) -> Vec<(String, Type, bool)> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let columns = reader.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns);
    let said = columns.map(|c| {
        let said = c.statistics().is_some_and(|s| s.min_bytes_opt().is_some()) || c.column_index_offset().is_some();
        (c.column_path().string(), c.column_type(), said)
    });
    said.collect()
}

#[test]
fn what_lamcat_writes_says_nothing_of_its_floats() {
    let table = "id,x,\"a.b\"\n1,5.0,1\n2,,2\n3,7.5,3.5\n";
    let folder = folder(&[("t.csv", table)]);
    let rows = "SELECT id, x, x::FLOAT AS y, \"a.b\", [x, 'NaN'::DOUBLE] AS list, id AS other FROM 't.csv'";
    let at = |name: &str| folder.path().join(name);
    run(lamcat(folder.path()).args(["sql", "-o", "sql.parquet", "-c", rows]));
    let copy = format!("COPY ({rows}) TO 'copy.parquet'");
    let made = "CREATE EXTERNAL TABLE made (id BIGINT, x DOUBLE) STORED AS PARQUET LOCATION 'made/'";
    std::fs::create_dir(at("made")).unwrap();
    run(lamcat(folder.path()).args(["sql", "-c", &copy, "-c", made, "-c", "INSERT INTO made VALUES (1, 2.5)"]));
    run(lamcat(folder.path()).args(["ingest", "t.csv", "-o", "ingested.parquet"]));
    let inserted = std::fs::read_dir(at("made")).unwrap().next().unwrap().unwrap().path();
    for path in [at("sql.parquet"), at("copy.parquet"), at("ingested.parquet"), inserted] {
        let columns = with_statistics(&path);
        assert!(columns.iter().any(|(_, kind, _)| *kind == Type::DOUBLE), "{}", path.display());
        // A single name with a dot removes the statistics of all columns of a query's output.
        let has_integers = path.ends_with("ingested.parquet") || path.starts_with(at("made"));
        for (name, kind, said) in columns {
            let is_float = matches!(kind, Type::FLOAT | Type::DOUBLE);
            assert_eq!(said, !is_float && has_integers, "{}: {name}", path.display());
        }
    }
}

/// A file with statistics as a writer leaves them that takes NaN as the maximum of a column, or as both limits.
fn by_another(path: &Path, values: &[f64], min: f64, max: f64) {
    let doubles: ArrayRef = Arc::new(Float64Array::from(values.to_vec()));
    let singles: ArrayRef = Arc::new(values.iter().map(|v| Some(*v as f32)).collect::<Float32Array>());
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..values.len() as i64));
    let rows = RecordBatch::try_from_iter([("x", doubles), ("y", singles), ("id", ids)]).unwrap();
    let schema = rows.schema();
    let parquet = ArrowSchemaConverter::new().convert(&schema).unwrap();
    let properties = Arc::new(WriterProperties::builder().set_created_by("another".to_owned()).build());
    let mut file =
        SerializedFileWriter::new(File::create(path).unwrap(), parquet.root_schema_ptr(), properties).unwrap();
    let factory = ArrowRowGroupWriterFactory::new(&file, schema.clone());
    let writers = factory.create_column_writers(0).unwrap();
    let mut group = file.next_row_group().unwrap();
    for (at, mut writer) in writers.into_iter().enumerate() {
        for leaf in compute_leaves(schema.field(at), rows.column(at)).unwrap() {
            writer.write(&leaf).unwrap();
        }
        let mut chunk = writer.close().unwrap();
        let said = match at {
            0 => Some(Statistics::double(Some(min), Some(max), None, Some(0), false)),
            1 => Some(Statistics::float(Some(min as f32), Some(max as f32), None, Some(0), false)),
            _ => None,
        };
        if let Some(said) = said {
            let close = chunk.close_mut();
            close.metadata = close.metadata.clone().into_builder().set_statistics(said).build().unwrap();
        }
        chunk.append_to_row_group(&mut group).unwrap();
    }
    group.close().unwrap();
    file.close().unwrap();
}

#[tokio::test]
async fn statistics_that_are_nan_hide_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let nan = f64::NAN;
    by_another(&folder.path().join("0.parquet"), &[5.0, nan], nan, nan);
    by_another(&folder.path().join("1.parquet"), &[4.0, 6.0], -nan, -nan);
    by_another(&folder.path().join("2.parquet"), &[nan, 7.0, 5.0], nan, 7.0);
    by_another(&folder.path().join("3.parquet"), &[-1.0, 5.0, -nan], -nan, 5.0);
    let from = format!("'{}/*.parquet'", folder.path().display());
    let count = |sql: String| async move { query(&sql).await.unwrap()["n"].as_primitive::<Int64Type>().value(0) };
    for column in ["x", "y"] {
        // These rows were counted by hand.
        for (condition, rows) in [("= 5", 3), ("IN (4, 7)", 2), ("BETWEEN 5 AND 6", 4), ("= -1", 1), ("> 6.5", 3)] {
            let found = count(format!("SELECT count(*) AS n FROM {from} WHERE {column} {condition}")).await;
            assert_eq!(found, rows, "{column} {condition}");
        }
    }
}

#[tokio::test]
async fn a_limit_is_not_taken_for_reached_by_rows_with_nan() {
    let folder = tempfile::tempdir().unwrap();
    for (at, values) in [[1.0, 5.0, f64::NAN], [1.5, 6.0, 2.0]].iter().enumerate() {
        by_another(&folder.path().join(format!("{at}.parquet")), values, 1.0, 6.0);
    }
    let session = Session::new(&SessionOptions::default()).unwrap();
    session.sql("SET datafusion.execution.parquet.pushdown_filters = true").await.unwrap().collect().await.unwrap();
    let rows = format!("SELECT x FROM '{}/*.parquet' WHERE x > 0 AND x < 10 LIMIT 4", folder.path().display());
    let rows = session.sql(&rows).await.unwrap().collect().await.unwrap();
    assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 4);
    assert!(rows.iter().all(|batch| batch["x"].null_count() == 0));
}
