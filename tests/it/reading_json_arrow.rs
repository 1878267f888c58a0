//! JSON and Arrow files: SQL sees what they contain, or an error that names them.

use std::{
    fs::{self, File},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch},
    datatypes::{DataType, Field, Int64Type, Schema},
    ipc::writer::{FileWriter, StreamWriter},
};
use lamcat::session::{Session, SessionOptions};
use object_store::{ObjectStoreExt, memory::InMemory};

use crate::{
    archive::query,
    small_files::{compressed, count, folder, message, texts},
};

#[tokio::test]
async fn rows_of_json_stand_on_lines_or_in_an_array() {
    let folder = folder(&[
        ("lines.json", "{\"a\": 1, \"b\": [1.5, null]}\n{\"b\": [], \"a\": 2}\n"),
        ("array.json", "[\n  {\"a\": 1, \"b\": [1.5, null]},\n  {\n \"b\": [], \"a\": 2}\n]\n"),
        ("one.jsonl", "[{\"a\": 1, \"b\": [1.5, null]}, {\"b\": [], \"a\": 2}]"),
    ]);
    for (ending, bytes) in compressed(&fs::read(folder.path().join("array.json")).unwrap()) {
        fs::write(folder.path().join(format!("array.json{ending}")), bytes).unwrap();
    }
    for file in fs::read_dir(folder.path()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert_eq!(texts(folder.path(), &name, "a").await, ["1", "2"], "{name}");
        assert_eq!(texts(folder.path(), &name, "b[1]").await, ["", "1.5"], "{name}");
        assert_eq!(count(folder.path(), &name).await, Ok(2), "{name}");
    }
}

#[tokio::test]
async fn a_key_that_an_object_has_twice_is_an_error_wherever_it_stands() {
    let long = "{\"a\": 1}\n".repeat(3000);
    let folder = folder(&[
        ("twice.json", "{\"a\": 1, \"b\": 2, \"a\": 3}\n"),
        ("late.json", &format!("{long}{{\"a\": 1, \"a\": 2}}\n")),
        ("inner.ndjson", "{\"a\": {\"x\": 1, \"x\": 2}}\n"),
    ]);
    for (name, said) in [("twice.json", "'a' twice"), ("late.json", "line 3001"), ("inner.ndjson", "'x' twice")] {
        let e = query(&format!("SELECT a FROM '{}/{name}'", folder.path().display())).await.unwrap_err();
        assert!(e.contains(said) && e.contains(&format!("{name}, line")), "{e}");
    }
}

#[tokio::test]
async fn a_web_page_is_called_one_whatever_its_name() {
    let page = "<!DOCTYPE html>\n<html><body>Please log in</body></html>\n";
    let folder = tempfile::tempdir().unwrap();
    for name in
        ["p.json", "p.ndjson", "p.parquet", "p.parq", "p.arrow", "p.feather", "p.csv", "p.fits", "p.vot", "page"]
    {
        fs::write(folder.path().join(name), page).unwrap();
        let e = message(folder.path(), name).await;
        assert!(e.contains("is a web page, not a table") && e.contains(name), "{name}: {e}");
    }
}

/// A batch of columns of integers.
fn batch(columns: &[(&str, &[i64])]) -> RecordBatch {
    let columns = columns.iter().map(|(name, v)| (*name, Arc::new(Int64Array::from(v.to_vec())) as ArrayRef));
    RecordBatch::try_from_iter(columns).unwrap()
}

fn with_footer(path: &Path, batch: &RecordBatch) {
    let mut writer = FileWriter::try_new(File::create(path).unwrap(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
}

fn as_stream(path: &Path, batch: &RecordBatch) {
    let mut writer = StreamWriter::try_new(File::create(path).unwrap(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.finish().unwrap();
}

#[tokio::test]
async fn columns_of_arrow_files_are_found_by_name_in_files_and_streams() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    with_footer(&at("1.arrow"), &batch(&[("a", &[1, 2]), ("b", &[10, 20])]));
    as_stream(&at("2.arrow"), &batch(&[("b", &[30]), ("a", &[3])]));
    with_footer(&at("3.arrow"), &batch(&[("b", &[40]), ("c", &[400])]));
    assert_eq!(texts(folder.path(), "*.arrow", "a").await, ["", "1", "2", "3"]);
    assert_eq!(texts(folder.path(), "*.arrow", "b").await, ["10", "20", "30", "40"]);
    assert_eq!(count(folder.path(), "*.arrow").await, Ok(4));
    with_footer(&at("twice.arrow"), &{
        let schema =
            Schema::new(vec![Field::new("a", DataType::Int64, true), Field::new("a", DataType::Float64, true)]);
        let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![1])), Arc::new(Float64Array::from(vec![2.0]))];
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    });
    let e = message(folder.path(), "twice.arrow").await;
    assert!(e.contains("two columns are named 'a'") && e.contains("twice.arrow"), "{e}");
    fs::write(at("cut.arrow"), &fs::read(at("1.arrow")).unwrap()[..200]).unwrap();
    let e = message(folder.path(), "cut.arrow").await;
    assert!(e.contains("no Arrow file, or damaged") && e.contains("cut.arrow"), "{e}");
}

#[tokio::test]
async fn arrow_files_are_read_from_a_store_that_is_no_disk() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    as_stream(&at("stream.arrow"), &batch(&[("a", &[1, 2, 3])]));
    query(&format!("COPY (SELECT a FROM '{0}/stream.arrow') TO '{0}/file.arrow'", folder.path().display()))
        .await
        .unwrap();
    let memory = InMemory::new();
    for name in ["stream.arrow", "file.arrow"] {
        memory.put(&name.into(), fs::read(at(name)).unwrap().into()).await.unwrap();
    }
    let session = Session::new(&SessionOptions::default()).unwrap();
    session.context().register_object_store(&"s3://memory".parse().unwrap(), Arc::new(memory));
    for from in ["s3://memory/stream.arrow", "s3://memory/file.arrow", "s3://memory/*.arrow"] {
        let rows = session.sql(&format!("SELECT sum(a) AS s FROM '{from}'")).await.unwrap().collect().await.unwrap();
        let wanted = if from.contains('*') { 12 } else { 6 };
        assert_eq!(rows[0]["s"].as_primitive::<Int64Type>().value(0), wanted, "{from}");
    }
}

#[tokio::test]
async fn a_folder_is_looked_at_anew_by_every_statement() {
    let folder = folder(&[("t/1.csv", "a\n1\n")]);
    let session = Session::new(&SessionOptions::default()).unwrap();
    let sum = async |from: &str| {
        let rows = session.sql(&format!("SELECT sum(a) AS s FROM {from}")).await.unwrap().collect().await.unwrap();
        rows[0]["s"].as_primitive::<Int64Type>().value(0)
    };
    let path = format!("'{}/t/'", folder.path().display());
    for (file, text, wanted) in
        [("1.csv", "a\n1\n", 1), ("2.csv", "a\n2\n", 3), ("2.csv", "a\n4\n", 5), ("3.csv", "a\n8\n", 13)]
    {
        fs::write(folder.path().join("t").join(file), text).unwrap();
        assert_eq!(sum(&path).await, wanted, "{file}");
    }
}
