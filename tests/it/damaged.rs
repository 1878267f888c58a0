//! Damaged and unusual files: what is read from them, or the message that says where they are damaged.

use std::{fs, io::Write, path::PathBuf};

use arrow::{
    array::{Array, AsArray},
    datatypes::{DataType, Float64Type, Int64Type},
};
use flate2::{Compression, write::GzEncoder};
use lamcat::session::{Session, SessionOptions};

use crate::{
    archive::{XP, query, table},
    shared::shared,
};

/// The start of a bulk file: a header and rows with arrays.
fn bulk(rows: &[&str]) -> String {
    let header = "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# - {name: source_id, datatype: int64}\n\
                  # - {name: c, datatype: string, subtype: 'float64[null]', unit: electron/s}\n\
                  # - {name: e, datatype: string, subtype: 'float32[2]'}\n# - {name: n, datatype: int16}\n";
    format!("{header}source_id,c,e,n\n{}\n", rows.join("\n"))
}

const GOOD: &str = "1,\"[1.5,2]\",\"[1,2]\",3";

struct Corpus(tempfile::TempDir);

impl Corpus {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The error message for a damaged file, which must name the file.
    async fn message(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.file(name, bytes);
        let e = query(&format!("SELECT * FROM '{}'", path.display())).await.unwrap_err();
        assert!(e.contains(name), "{e}");
        assert!(e.contains("hint: "), "{e}");
        e.replace(&path.display().to_string(), name)
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn damaged_files_say_where_they_are_damaged() {
    let corpus = Corpus::new();
    let good = bulk(&vec![GOOD; 4000]);
    let zipped = gzip(good.as_bytes());
    let cases: [(&str, Vec<u8>, &str); 10] = [
        (
            "cut.csv.gz",
            zipped[..zipped.len() / 2].to_vec(),
            "the compressed file ends too early (file cut.csv.gz, line ",
        ),
        ("garbled.csv.gz", [&zipped[..40], &[7; 60], &zipped[100..]].concat(), "the compressed file is damaged (file "),
        (
            "short.csv",
            bulk(&[GOOD, "2,\"[1]\""]).into(),
            "the record has 2 values, the table 4 columns (file short.csv, line 11, column e)",
        ),
        ("long.csv", bulk(&["2,,,,,"]).into(), "the record has 6 values, the table 4 columns (file long.csv, line 10)"),
        (
            "length.csv",
            bulk(&[GOOD, "2,\"[1]\",\"[1,2,3]\",1"]).into(),
            "'[1,2,3]' is not a value of type FixedSizeList(2 x Float32) (file length.csv, line 11, column e)",
        ),
        (
            "type.csv",
            bulk(&["2,,,1.5"]).into(),
            "'1.5' is not a value of type Int16 (file type.csv, line 10, column n)",
        ),
        (
            "header.ecsv",
            bulk(&[GOOD]).replace("delimiter: ','", "delimiter: [").into(),
            "the table's header cannot be read: its YAML is not well formed (file header.ecsv, line 1)",
        ),
        ("nul.csv", bulk(&["2,,,\0"]).into(), "'\\0' is not a value of type Int16 (file nul.csv, line 10, column n)"),
        (
            "quote.csv",
            bulk(&[GOOD, "2,\"[1,2],3"]).into(),
            "a quote is not closed before the file ends (file quote.csv, line 11)",
        ),
        ("empty.ecsv", Vec::new(), "the file is empty (file empty.ecsv)"),
    ];
    for (name, bytes, expected) in cases {
        let message = corpus.message(name, bytes).await;
        assert!(message.contains(expected), "{name}: {message}");
    }
}

#[tokio::test]
async fn a_line_of_a_gigabyte_is_refused_without_being_held() {
    let corpus = Corpus::new();
    let mut bytes = gzip(bulk(&[GOOD]).as_bytes());
    let member = gzip(&vec![b'1'; 1 << 20]);
    for _ in 0..1024 {
        bytes.extend_from_slice(&member);
    }
    let message = corpus.message("line.csv.gz", bytes).await;
    assert!(message.contains("a record is longer than 64 MiB (file line.csv.gz, line 11)"), "{message}");
}

#[tokio::test]
async fn columns_nobody_asked_for_are_not_parsed() {
    let corpus = Corpus::new();
    let path = corpus.file("odd.csv", bulk(&[GOOD, "2,\"[1,2]\",\"no list\",x"])).display().to_string();
    let ids = query(&format!("SELECT source_id, c[2] AS second FROM '{path}'")).await.unwrap();
    assert_eq!(ids["source_id"].as_primitive::<Int64Type>().values(), &[1, 2]);
    let e = query(&format!("SELECT n FROM '{path}'")).await.unwrap_err();
    assert!(e.contains("'x' is not a value of type Int16") && e.contains("column n"), "{e}");
    let counted = query(&format!("SELECT count(*) AS rows FROM '{path}'")).await.unwrap();
    assert_eq!(counted["rows"].as_primitive::<Int64Type>().value(0), 2);
}

#[tokio::test]
async fn malformed_values_are_null_and_counted_if_asked() {
    let corpus = Corpus::new();
    let path = corpus.file("odd.csv", bulk(&[GOOD, "2,\"[1,x]\",,9", "3"])).display().to_string();
    let session = Session::new(&SessionOptions::default()).unwrap();
    session.sql("SET lamcat.on_error = 'null'").await.unwrap().collect().await.unwrap();
    let frame = session.sql(&format!("EXPLAIN ANALYZE SELECT * FROM '{path}'")).await.unwrap();
    let shown = datafusion::arrow::util::pretty::pretty_format_batches(&frame.collect().await.unwrap()).unwrap();
    assert!(shown.to_string().contains("malformed_values=5"), "{shown}");
    let frame = session.sql(&format!("SELECT source_id, c, n FROM '{path}'")).await.unwrap();
    let rows = frame.collect().await.unwrap();
    let shown = datafusion::arrow::util::pretty::pretty_format_batches(&rows).unwrap().to_string();
    assert!(
        shown.contains("| 2         |            | 9 |") && shown.contains("|           |            |   |"),
        "{shown}"
    );
    let e = session.sql("SET lamcat.on_error = 'sometimes'").await.unwrap().collect().await;
    assert!(e.is_ok(), "a setting is checked where it is used");
    let e = session.sql(&format!("SELECT * FROM '{path}'")).await.unwrap_err().to_string();
    assert!(e.contains("on_error cannot be 'sometimes'"), "{e}");
}

#[tokio::test]
async fn damaged_votables_and_fits_say_so() {
    let Some(folder) = shared(&format!("{XP}/gaiaxpy")) else { return };
    let corpus = Corpus::new();
    let xml = fs::read(folder.join("XP_CONTINUOUS_RAW.xml")).unwrap();
    let fits = fs::read(folder.join("XP_CONTINUOUS_RAW.fits")).unwrap();
    let text = String::from_utf8(xml.clone()).unwrap();
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("cut.xml", xml[..xml.len() / 2].to_vec(), "binary stream ends within a row"),
        ("head.xml", xml[..2000].to_vec(), "cannot read the VOTable"),
        ("html.xml", b"<html><body>504</body></html>".to_vec(), "is a web page, not a table"),
        ("type.xml", text.replacen("datatype=\"long\"", "datatype=\"quaternion\"", 1).into(), "'quaternion'"),
        (
            "base64.xml",
            text.replace("base64'>", "base64'>????").into(),
            "binary stream ends within a row, or is not base64",
        ),
        ("heap.fits", fits[..fits.len() - 8000].to_vec(), "the FITS table ends before its 2 rows"),
        ("cut.fits", fits[..9000].to_vec(), "FITS"),
    ];
    for (name, bytes, expected) in cases {
        let message = corpus.message(name, bytes).await;
        assert!(message.contains(expected), "{name}: {message}");
    }
}

/// A VOTable with 9 integers in one column, whose rows are encoded as in `body`.
fn votable(fields: &str, body: &str) -> String {
    format!(
        "<?xml version='1.0'?><VOTABLE version='1.4' xmlns='http://www.ivoa.net/xml/VOTable/v1.3'><RESOURCE><TABLE>\
         {fields}<DATA>{body}</DATA></TABLE></RESOURCE></VOTABLE>"
    )
}

const INTEGER: &str = "<FIELD name='a' datatype='int'/>";

#[tokio::test]
async fn a_binary_stream_that_ends_before_its_tag_is_damaged() {
    let corpus = Corpus::new();
    // This is nine times the integer 1; 24 bytes are 32 characters of base64, so a cut there leaves whole numbers.
    let rows = "AAAAAQAAAAEAAAABAAAAAQAAAAEAAAABAAAAAQAAAAEAAAAB";
    let body = |text: &str| format!("<BINARY><STREAM encoding='base64'>{text}</STREAM></BINARY>");
    let whole = votable(INTEGER, &body(rows));
    let path = corpus.file("whole.vot", &whole);
    assert_eq!(table(&path).await["a"].as_primitive::<arrow::datatypes::Int32Type>().values(), &[1; 9]);
    let cut = whole.find(rows).unwrap() + 32;
    let message = corpus.message("cut.vot", &whole[..cut]).await;
    assert!(message.contains("ends within a row, or is not base64"), "{message}");
    let odd = [body(&format!("{}<!-- x -->{}", &rows[..16], &rows[16..])), body(&format!("<![CDATA[{rows}]]>"))];
    for (i, body) in odd.iter().enumerate() {
        let message = corpus.message(&format!("odd{i}.vot"), votable(INTEGER, body)).await;
        assert!(message.contains("where base64 or </STREAM> should be"), "{message}");
    }
    let message = corpus.message("none.vot", votable("", &body(rows))).await;
    assert!(message.contains("rows but no FIELD"), "{message}");
    let message = corpus.message("twice.vot", votable(&INTEGER.repeat(2), &body(rows))).await;
    assert!(message.contains("two columns are named 'a'"), "{message}");
}

#[tokio::test]
async fn votable_text_rows_keep_their_nulls_and_their_number() {
    let corpus = Corpus::new();
    let fields = "<FIELD name='l' datatype='int' arraysize='*'><VALUES null='-1'/></FIELD>";
    let path = corpus.file("null.vot", votable(fields, "<TABLEDATA><TR><TD>1 -1 3</TD></TR></TABLEDATA>"));
    let list = table(&path).await["l"].as_list::<i32>().value(0);
    assert!(list.is_null(1) && list.len() == 3);
    let rows = "<TR><TD>1</TD></TR>".repeat(70) + "<TR><TD>x</TD></TR>";
    let message = corpus.message("row.vot", votable(INTEGER, &format!("<TABLEDATA>{rows}</TABLEDATA>"))).await;
    assert!(message.contains("'x' is not a value of type Int32") && message.contains("row 70"), "{message}");
    let message = corpus.message("tr.vot", votable(INTEGER, "<TABLEDATA><TR/></TABLEDATA>")).await;
    assert!(message.contains("a row has no values"), "{message}");
}

#[tokio::test]
async fn folders_of_several_formats_and_empty_files_are_refused() {
    let corpus = Corpus::new();
    let folder = corpus.0.path().display().to_string();
    corpus.file("a.csv", bulk(&[GOOD]));
    corpus.file("b.csv.gz", gzip(bulk(&[GOOD]).as_bytes()));
    let e = query(&format!("SELECT * FROM '{folder}/'")).await.unwrap_err();
    assert!(e.contains("the files are not of one format") && e.contains("a.csv"), "{e}");
    corpus.file("c.csv", "");
    let e = query(&format!("SELECT * FROM '{folder}/*.csv'")).await.unwrap_err();
    assert!(e.contains("the file is empty") && e.contains("c.csv"), "{e}");
}

#[tokio::test]
async fn types_that_were_guessed_wrong_say_so() {
    let corpus = Corpus::new();
    let long = |first: &str| format!("source_id,myx\n{}2,1.5\n", format!("1,{first}\n").repeat(600_000));
    let nan = table(&corpus.file("nan.csv", long("NaN"))).await;
    assert_eq!((nan["myx"].data_type(), nan["myx"].null_count()), (&DataType::Float64, 600_000));
    let message = corpus.message("seven.csv", long("7")).await;
    assert!(
        message.contains("'1.5' is not a value of type Int64") && message.contains("the type was guessed"),
        "{message}"
    );
    corpus.file("w1.csv", "source_id,v\n1,1\n");
    corpus.file("w2.csv", "source_id,v\n2,2.5\n");
    let both = query(&format!("SELECT v FROM '{}/w*.csv' ORDER BY v", corpus.0.path().display())).await.unwrap();
    assert_eq!(both["v"].as_primitive::<Float64Type>().values(), &[1.0, 2.5]);
    let bom = table(&corpus.file("bom.csv", "\u{feff}source_id,v\n1,5\" tube\n")).await;
    assert_eq!(bom["v"].as_string::<i32>().value(0), "5\" tube");
    let commented = table(&corpus.file("names.csv", "#source_id,x\n7,\"[1,2]\"\n8,\"[2]\"\n")).await;
    assert_eq!(commented["source_id"].as_primitive::<Int64Type>().values(), &[7, 8]);
}
