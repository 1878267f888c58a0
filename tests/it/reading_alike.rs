//! SQL sees the same content of a table as other readers: cases in which lamcat was found to differ.

use std::{fs::File, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch},
    datatypes::{DataType, Field, Int16Type, Int64Type, Schema},
};
use datafusion::parquet::{
    data_type::{Int96, Int96Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};

use crate::{
    archive::query,
    program::{lamcat, run},
    small_files::{folder, message, parquet, texts, vo_rows, votable},
};

#[tokio::test]
async fn nan_is_no_value_of_logicals_dates_and_lists_too() {
    let folder = folder(&[("t.csv", "a,b,c\ntrue,2016-01-01,\"[1,2]\"\nnan,NaN,NaN\n")]);
    let rows = query(&format!("SELECT * FROM '{}/t.csv'", folder.path().display())).await.unwrap();
    let types: Vec<_> = rows.schema().fields().iter().map(|f| f.data_type().clone()).collect();
    assert_eq!(types, [DataType::Boolean, DataType::Date32, DataType::new_list(DataType::Float64, true)]);
    assert!(rows.columns().iter().all(|column| column.is_valid(0) && column.is_null(1)));
}

#[tokio::test]
async fn a_list_of_one_element_without_value_is_a_list() {
    let fields = "<FIELD name='f' datatype='double' arraysize='*'/>\
        <FIELD name='i' datatype='short' arraysize='*'><VALUES null='-1'/></FIELD>";
    let rows = ["<TD>NaN</TD><TD>-1</TD>", "<TD/><TD/>", "<TD>1 NaN</TD><TD>7</TD>"];
    let folder = folder(&[("l.vot", &votable(&vo_rows("t", fields, &rows)))]);
    let rows = query(&format!("SELECT f, i FROM '{}/l.vot'", folder.path().display())).await.unwrap();
    for column in rows.columns() {
        let lists = column.as_list::<i32>();
        assert!(lists.is_valid(0) && lists.is_null(1) && lists.is_valid(2));
        assert_eq!((lists.value(0).len(), lists.value(0).null_count()), (1, 1));
    }
    assert_eq!(rows["i"].as_list::<i32>().value(2).as_primitive::<Int16Type>().values(), &[7]);
}

#[test]
fn columns_of_folders_are_written_to_arrow_files() {
    let folder = folder(&[]);
    for (key, value) in [("a", 1), ("b", 2)] {
        std::fs::create_dir_all(folder.path().join(format!("t/k={key}"))).unwrap();
        let column: ArrayRef = Arc::new(Int64Array::from(vec![value]));
        let batch = RecordBatch::try_from_iter([("x", column)]).unwrap();
        parquet(&folder.path().join(format!("t/k={key}/0.parquet")), &batch);
    }
    run(lamcat(folder.path()).args(["sql", "-q", "-o", "o.arrow", "-c", "SELECT * FROM 't/' ORDER BY x"]));
    let copy = "COPY (SELECT * FROM 't/' ORDER BY x) TO 'c.arrow' STORED AS ARROW";
    run(lamcat(folder.path()).args(["sql", "-q", "-c", copy]));
    for name in ["o.arrow", "c.arrow"] {
        let file = File::open(folder.path().join(name)).unwrap();
        let batches: Vec<_> =
            arrow::ipc::reader::FileReader::try_new(file, None).unwrap().collect::<Result<_, _>>().unwrap();
        let rows = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
        assert_eq!(rows["x"].as_primitive::<Int64Type>().values(), &[1, 2], "{name}");
        assert_eq!(rows["k"].as_string::<i32>().iter().collect::<Vec<_>>(), [Some("a"), Some("b")], "{name}");
    }
}

#[tokio::test]
async fn tables_of_a_votable_may_refer_to_the_columns_of_another() {
    let described =
        vo_rows("a", "<FIELD name='x' datatype='int'/>", &["<TD>1</TD>"]).replace("<TABLE ", "<TABLE ID='t' ");
    let referring = "<TABLE ref='t' name='b'><DATA><TABLEDATA><TR><TD>2</TD></TR></TABLEDATA></DATA></TABLE>";
    let unknown = referring.replace("ref='t' name='b'", "ref='u' name='c'");
    let folder = folder(&[
        ("all.vot", &votable(&format!("{described}<TABLE name='empty'/>{referring}"))),
        ("some.vot", &votable(&format!("{described}{unknown}"))),
    ]);
    assert_eq!(texts(folder.path(), "all.vot#a", "x").await, ["1"]);
    assert_eq!(texts(folder.path(), "all.vot#b", "x").await, ["2"]);
    assert_eq!(texts(folder.path(), "some.vot#a", "x").await, ["1"]);
    let e = message(folder.path(), "some.vot#c").await;
    assert!(e.contains("its table has rows but no FIELD"), "{e}");
}

#[tokio::test]
async fn what_pads_a_string_of_a_votable_is_no_part_of_it() {
    let field = "<FIELD name='s' datatype='char' arraysize='5'/>";
    let folder =
        folder(&[("s.vot", &votable(&vo_rows("t", field, &["<TD>ab   </TD>", "<TD>     </TD>", "<TD> c</TD>"])))]);
    assert_eq!(texts(folder.path(), "s.vot", "s").await, ["", " c", "ab"]);
}

#[tokio::test]
async fn the_types_of_json_are_those_of_all_its_rows() {
    let text = format!("{}{{\"a\":2.5}}\n{{\"b\":3}}\n", "{\"a\":1}\n".repeat(3000));
    let folder = folder(&[("t.json", &text)]);
    let sql = format!("SELECT CAST(2 * sum(a) AS BIGINT) AS a, sum(b) AS b FROM '{}/t.json'", folder.path().display());
    let rows = query(&sql).await.unwrap();
    assert_eq!(rows["a"].as_primitive::<Int64Type>().value(0), 6005);
    assert_eq!(rows["b"].as_primitive::<Int64Type>().value(0), 3);
}

#[tokio::test]
async fn times_of_old_parquet_reach_beyond_nanoseconds() {
    let folder = folder(&[]);
    let schema = parse_message_type("message m { required int96 t; }").unwrap();
    let file = File::create(folder.path().join("t.parquet")).unwrap();
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let mut end_of_time = Int96::new();
    end_of_time.set_data(0, 0, 5_373_484);
    column.typed::<Int96Type>().write_batch(&[end_of_time], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    assert_eq!(texts(folder.path(), "t.parquet", "t").await, ["9999-12-31T00:00:00"]);
}

#[tokio::test]
async fn arrow_files_of_an_old_compression_are_refused() {
    let folder = folder(&[]);
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let metadata = [("ARROW:experimental_compression".to_owned(), "lz4".to_owned())].into();
    let schema = Arc::new(Schema::new_with_metadata(vec![Field::new("x", DataType::Int64, true)], metadata));
    let batch = RecordBatch::try_new(schema.clone(), vec![column]).unwrap();
    let file = File::create(folder.path().join("t.feather")).unwrap();
    let mut writer = arrow::ipc::writer::FileWriter::try_new(file, &schema).unwrap();
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    let e = message(folder.path(), "t.feather").await;
    assert!(e.contains("compressed as Arrow 0.17 did it") && e.contains("t.feather"), "{e}");
}

#[tokio::test]
async fn a_column_of_a_votable_may_refer_to_what_is_no_value_of_another() {
    let fields = "<FIELD name='a' datatype='int'><VALUES ID='none' null='-1'/></FIELD>\
        <FIELD name='b' datatype='long'><VALUES ref='none'/></FIELD>";
    let rows = ["<TD>-1</TD><TD>-1</TD>", "<TD>1</TD><TD>2</TD>"];
    let folder = folder(&[("t.vot", &votable(&vo_rows("t", fields, &rows)))]);
    assert_eq!(texts(folder.path(), "t.vot", "a").await, ["", "1"]);
    assert_eq!(texts(folder.path(), "t.vot", "b").await, ["", "2"]);
}

#[tokio::test]
async fn types_of_a_votable_may_have_the_names_that_others_call_them_by() {
    let fields =
        "<FIELD name='s' datatype='string'/><FIELD name='i' datatype='int64'/><FIELD name='x' datatype='float64'/>";
    let folder = folder(&[("t.vot", &votable(&vo_rows("t", fields, &["<TD>NGC 1</TD><TD>7</TD><TD>0.5</TD>"])))]);
    assert_eq!(texts(folder.path(), "t.vot", "s").await, ["NGC 1"]);
    let rows = query(&format!("SELECT i, x FROM '{}/t.vot'", folder.path().display())).await.unwrap();
    let types: Vec<_> = rows.schema().fields().iter().map(|f| f.data_type().clone()).collect();
    assert_eq!(types, [DataType::Int64, DataType::Float64]);
}
