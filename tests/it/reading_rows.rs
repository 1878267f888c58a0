//! Which rows of which files are read, and the messages if none can be read.

use std::{fs, process::Command, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array, RecordBatch},
    datatypes::{DataType, Field, Schema},
};

use crate::{
    archive::query,
    program::{fail, lamcat, run},
    small_files::{SHORT, compressed, count, fits, fits_table, folder, message, parquet, texts, vo_rows, votable},
};

#[tokio::test]
async fn globs_folders_and_hidden_files() {
    let files = ["a.csv", "x/b.csv", "x/y/c.csv", "_h/d.csv", ".e.csv", "r=1/f.csv"].map(|name| (name, "id,v\n1,2\n"));
    let folder = folder(&[&files[..], &[("README.md", "no table"), ("MD5SUM.txt", "0  a.csv")]].concat());
    let rows = [("*.csv", 1), ("*", 1), ("*/*.csv", 2), ("**/*.csv", 4), ("x/**/*.csv", 2), ("", 2), ("r=*/*.csv", 1)];
    for (name, expected) in rows {
        assert_eq!(count(folder.path(), name).await, Ok(expected), "{name}");
    }
    let e = message(folder.path(), "*.fits").await;
    assert!(e.contains("no file matches") && e.contains("'**' does"), "{e}");
    // Ingest reads the same files.
    let (_, said) = run(lamcat(folder.path()).args(["ingest", "*/*.csv", "-o", "out"]));
    assert!(said.contains("2 files"), "{said}");
}

#[tokio::test]
async fn every_compression_of_every_format_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let files: [(&str, Vec<u8>); 4] = [
        ("t.csv", b"a\n1\n2\n".to_vec()),
        ("t.fits", fits(&[fits_table("T", "a", &[1, 2])])),
        ("t.vot", votable(&vo_rows("t", SHORT, &["<TD>1</TD>", "<TD>2</TD>"])).into_bytes()),
        ("t.json", b"{\"a\":1}\n{\"a\":2}\n".to_vec()),
    ];
    for (name, bytes) in &files {
        for (ending, bytes) in compressed(bytes) {
            let name = format!("{name}{ending}");
            fs::write(folder.path().join(&name), &bytes).unwrap();
            assert_eq!(texts(folder.path(), &name, "a").await, ["1", "2"], "{name}");
        }
    }
    // The compression of a file is recognised by its bytes.
    let gzip = compressed(&files[1].1)[0].1.clone();
    fs::write(folder.path().join("inside.fits"), gzip).unwrap();
    assert_eq!(texts(folder.path(), "inside.fits", "a").await, ["1", "2"]);
}

#[tokio::test]
async fn several_tables_of_a_file_are_read_if_alike_and_chosen_if_not() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("alike.fits", &fits(&[fits_table("A", "a", &[1]), fits_table("B", "a", &[2, 3])]));
    write("unlike.fits", &fits(&[fits_table("A", "a", &[1]), fits_table("B", "b", &[2, 3])]));
    let [one, two] = [vo_rows("A", SHORT, &["<TD>1</TD>"]), vo_rows("B", SHORT, &["<TD>2</TD>", "<TD>3</TD>"])];
    write("alike.vot", votable(&format!("{one}{two}")).as_bytes());
    let binary = "<TABLE name='B'><FIELD name='a' datatype='short'/><DATA><BINARY><STREAM encoding='base64'>AAIAAw==</STREAM></BINARY></DATA></TABLE>";
    write("binary.vot", votable(&format!("{binary}{one}")).as_bytes());
    write("unlike.vot", votable(&format!("{one}{}", two.replace("'a'", "'b'"))).as_bytes());
    for name in ["alike.fits", "alike.vot"] {
        assert_eq!(texts(folder.path(), name, "a").await, ["1", "2", "3"], "{name}");
    }
    assert_eq!(texts(folder.path(), "binary.vot", "a").await, ["1", "2", "3"]);
    for name in ["unlike.fits", "unlike.vot"] {
        let e = message(folder.path(), name).await;
        assert!(
            e.contains("several tables") && e.contains("#1 (A) of a; #2 (B) of b") && e.contains("'FILE#2'"),
            "{e}"
        );
        for (choice, column, rows) in [("#1", "a", 1), ("#2", "b", 2), ("#b", "b", 2)] {
            assert_eq!(texts(folder.path(), &format!("{name}{choice}"), column).await.len(), rows, "{name}{choice}");
        }
        let e = message(folder.path(), &format!("{name}#C")).await;
        assert!(e.contains("no table named 'C'") && e.contains("#2 (B)"), "{e}");
    }
}

#[tokio::test]
async fn a_name_that_comes_twice_is_an_error_in_every_format() {
    let folder = folder(&[
        ("d.csv", "a,b,a\n1,2,3\n"),
        ("d.vot", &votable(&vo_rows("t", &SHORT.repeat(2), &["<TD>1</TD><TD>2</TD>"]))),
    ]);
    let schema = Schema::new(["a", "b", "a"].map(|name| Field::new(name, DataType::Int64, true)).to_vec());
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let batch = RecordBatch::try_new(Arc::new(schema), vec![column.clone(), column.clone(), column]).unwrap();
    parquet(&folder.path().join("d.parquet"), &batch);
    for name in ["d.csv", "d.vot", "d.parquet"] {
        let e = message(folder.path(), name).await;
        assert!(e.contains("two columns are named 'a'") && e.contains(name), "{e}");
    }
    let sql = "SELECT x.a, y.a FROM (SELECT 1 AS a) x, (SELECT 2 AS a) y";
    let e = fail(lamcat(folder.path()).args(["sql", "-c", sql, "-o", "out.parquet"]));
    assert!(e.contains("two columns of the output are named 'a'"), "{e}");
    assert!(!folder.path().join("out.parquet").exists());
}

#[tokio::test]
async fn messages_name_the_file_and_the_way_on() {
    let long = format!("id,x\n{}2,1.5\n", "1,7\n".repeat(600_000));
    let folder = folder(&[("noext", "a,b\n1,2\n"), ("late.csv", &long), ("latin.csv", "x")]);
    let at = folder.path();
    fs::write(at.join("excel.csv"), b"\xff\xfea\0,\0b\0\n\0").unwrap();
    fs::write(at.join("latin.csv"), b"id,name\n1,M\xfcller\n").unwrap();
    let utf16 = message(at, "excel.csv").await;
    assert!(utf16.contains("UTF-16") && utf16.contains("iconv") && utf16.contains("excel.csv"), "{utf16}");
    let noext = message(at, "noext").await;
    assert!(noext.contains("say its format") && noext.contains("noext") && !noext.contains("properties"), "{noext}");
    let late = message(at, "late.csv").await;
    assert!(late.contains("'1.5' is not a value of type Int64") && late.contains("late.csv, line 600002"), "{late}");
    let latin = message(at, "latin.csv").await;
    assert!(latin.contains("is not UTF-8 text") && latin.contains("latin.csv, line 2, column name"), "{latin}");
    let e = query("SELECT * FROM 'C:\\data\\x.csv'").await.unwrap_err();
    assert!(e.contains("a path of Windows"), "{e}");
}

#[test]
fn tiny_files_that_claim_to_be_huge_take_no_memory() {
    let votable = "<?xml version='1.0'?><VOTABLE><RESOURCE><TABLE><FIELD name='a' datatype='double' arraysize='2000000000'/>\
                   <DATA><TABLEDATA><TR><TD/></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>";
    let ecsv = |n: usize, rows: usize| {
        let rows = (0..rows).map(|i| format!("{i},\n")).collect::<Vec<_>>().concat();
        format!(
            "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# - {{name: id, datatype: int64}}\n\
             # - {{name: a, datatype: string, subtype: 'float64[{n}]'}}\nid,a\n{rows}"
        )
    };
    let folder =
        folder(&[("v.vot", votable), ("long.ecsv", &ecsv(1 << 20, 20_000)), ("many.ecsv", &ecsv(1485, 60_000))]);
    let huge =
        String::from_utf8_lossy(&fits(&[fits_table("T", "a", &[1, 2])])).replace("'I'          ", "'2147483647D'");
    let huge = huge.replace("NAXIS1  =                    2", "NAXIS1  =          17179869176");
    fs::write(folder.path().join("f.fits"), huge).unwrap();
    for (name, rows) in
        [("v.vot", Some("0\n")), ("long.ecsv", Some("0\n")), ("many.ecsv", Some("0\n")), ("f.fits", None)]
    {
        let script = format!(
            "ulimit -v 6000000; exec {} sql -q --format csv -c \"SELECT count(a) AS n FROM '{name}'\"",
            env!("CARGO_BIN_EXE_lamcat")
        );
        let output = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        match rows {
            Some(rows) => assert!(output.status.success() && stdout.ends_with(rows), "{name}: {stdout}{stderr}"),
            None => assert!(
                output.status.code() == Some(1) && stderr.contains("ends before its 2 rows"),
                "{name}: {stderr}"
            ),
        }
    }
}
