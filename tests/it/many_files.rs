//! Tables of very many files: what is listed and read when queries on them are planned, and how they are divided into
//! units.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Int64Array, RecordBatch},
    datatypes::Int64Type,
};
use datafusion::parquet::arrow::ArrowWriter;
use lamcat::{
    pipeline::CutInput,
    session::{Session, SessionOptions},
};
use object_store::{ObjectStoreExt, memory::InMemory, path::Path};
use url::Url;

use crate::faulty_store::{Faulty, Seen};

/// Number of files, of files per folder, and of rows per file.
const FILES: usize = 1200;
const OF_FOLDER: usize = 10;
const ROWS: usize = 2;
const TABLE: &str = "s3://bucket/many/";

fn file(column: &str) -> Vec<u8> {
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS as i64));
    let rows = RecordBatch::try_from_iter([(column, values)]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.into_inner().unwrap()
}

fn place(number: usize) -> Path {
    Path::from_iter(["many".to_owned(), format!("region={:04}", number / OF_FOLDER), format!("{number:06}.parquet")])
}

/// A session with the files in a store, and the requests to that store.
async fn session(files: usize) -> (Session, Arc<InMemory>, Arc<Faulty>) {
    let (store, bytes) = (Arc::new(InMemory::new()), file("x"));
    for number in 0..files {
        store.put(&place(number), bytes.clone().into()).await.unwrap();
    }
    let asked = Faulty::new(store.clone(), []);
    let session = Session::new(&SessionOptions { partitions: Some(2), ..SessionOptions::default() }).unwrap();
    session.context().register_object_store(&Url::parse("s3://bucket/").unwrap(), Arc::new(Seen(asked.clone())));
    (session, store, asked)
}

async fn count(session: &Session, condition: &str) -> Result<i64, String> {
    let query = format!("SELECT count(*), sum(x) FROM '{TABLE}' {condition}");
    let frame = session.sql(&query).await.map_err(|e| e.to_string())?;
    let rows = frame.collect().await.map_err(|e| e.to_string())?;
    Ok(rows[0].column(0).as_primitive::<Int64Type>().value(0))
}

fn lists(asked: &Faulty, from: usize) -> Vec<String> {
    asked.journal()[from..].iter().filter(|step| step.starts_with("LIST")).cloned().collect()
}

#[tokio::test]
async fn a_condition_on_folders_lists_those_folders_alone() {
    let (session, _, asked) = session(FILES).await;
    let of_folder = (OF_FOLDER * ROWS) as i64;
    assert_eq!(count(&session, "WHERE region = '0007'").await, Ok(of_folder));
    assert_eq!(lists(&asked, 0), ["LIST many", "LIST many/region=0007"]);
    let begun = asked.steps();
    assert_eq!(count(&session, "WHERE region IN ('0007', '0110')").await, Ok(2 * of_folder));
    assert_eq!(
        lists(&asked, begun),
        ["LIST many", "LIST folders many", "LIST many/region=0007", "LIST many/region=0110"]
    );
    assert_eq!(count(&session, "WHERE region > '0117' AND x = 1").await, Ok(of_folder));
    assert_eq!(count(&session, "WHERE region = 'nowhere'").await, Ok(0));
    assert_eq!(count(&session, "").await, Ok((FILES * ROWS) as i64));
}

#[tokio::test]
async fn few_files_are_read_to_plan_over_many() {
    let (session, _, asked) = session(FILES).await;
    session.sql(&format!("EXPLAIN SELECT count(*) FROM '{TABLE}'")).await.unwrap().collect().await.unwrap();
    let read = asked.journal().iter().filter(|step| step.contains("GET") && step.contains(".parquet")).count();
    assert!(read <= 3 * 1001, "{read} reads");
    let last = place(FILES - 1).to_string();
    assert!(asked.journal().iter().all(|step| !step.contains(&last)), "the last file was looked at");
}

#[tokio::test]
async fn a_column_that_only_later_files_have_is_not_left_out_without_a_word() {
    let (session, store, _) = session(FILES).await;
    store.put(&place(FILES - 1), file("y").into()).await.unwrap();
    let e = count(&session, "").await.unwrap_err();
    assert!(e.contains("a column 'y'") && e.contains("hint:"), "{e}");
    assert_eq!(count(&session, "WHERE region = '0003'").await, Ok((OF_FOLDER * ROWS) as i64));
    let input = CutInput::open(&session, &TABLE.into()).await.unwrap();
    let e = input.partition(&session, 100).await.unwrap_err().to_string();
    assert!(e.contains("a column 'y'") && e.contains(place(FILES - 1).as_ref()), "{e}");
}

#[tokio::test]
async fn small_files_share_units_and_each_footer_is_read_once() {
    let (session, _, asked) = session(FILES).await;
    let input = CutInput::open(&session, &TABLE.into()).await.unwrap();
    let begun = asked.steps();
    let ranges = input.partition(&session, 500).await.unwrap();
    let shape: Vec<_> = ranges.iter().map(|range| (range.file_numbers(), range.rows)).collect();
    let of_unit = |i: usize| (250 * i..(250 * (i + 1)).min(FILES), Some((500).min((FILES - 250 * i) * ROWS) as u64));
    assert_eq!(shape, (0..5).map(of_unit).collect::<Vec<_>>());
    assert_eq!(asked.steps() - begun, FILES, "a read for each footer");
}
