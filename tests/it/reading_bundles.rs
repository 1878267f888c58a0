//! Standard input and archives: the tables in them are read like files.

use std::{
    fs,
    io::{Cursor, Write},
    path::Path,
    process::{Command, Stdio},
};

use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{
    archive::query,
    program::{lamcat, run},
    small_files::{SHORT, compressed, count, fits, fits_table, message, texts, vo_rows, votable},
};

/// The members of the archives: two tables of three rows, and files that are not tables.
const MEMBERS: [(&str, &str); 5] = [
    ("set/a 1.csv", "id,x\n1,0.5\n2,1.5\n"),
    ("set/more/b.csv", "id,x\n3,2.5\n"),
    ("set/readme.txt", "read me"),
    ("__MACOSX/set/._b.csv", "\0\0"),
    ("set/.hidden.csv", "id\n9\n"),
];

fn tar(members: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, text) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append_data(&mut header, name, text.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

fn zip(members: &[(&str, &str)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in members {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Archives of these members, with their names.
fn archives(members: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    let plain = tar(members);
    let packed = compressed(&plain).map(|(ending, bytes)| (format!("s.tar{ending}"), bytes));
    let [gzip, ..] = compressed(&plain);
    let mut all = vec![("s.tar".to_owned(), plain), ("s.tgz".to_owned(), gzip.1), ("s.zip".to_owned(), zip(members))];
    all.extend(packed);
    all
}

#[tokio::test]
async fn the_tables_in_an_archive_are_one_table() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in archives(&MEMBERS) {
        fs::write(folder.path().join(&name), bytes).unwrap();
        assert_eq!(texts(folder.path(), &name, "id").await, ["1", "2", "3"], "{name}");
        assert_eq!(texts(folder.path(), &format!("{name}#b.csv"), "x").await, ["2.5"], "{name}");
        assert_eq!(count(folder.path(), &format!("{name}#a*")).await, Ok(2), "{name}");
        assert_eq!(count(folder.path(), &format!("{name}#2")).await, Ok(1), "{name}");
        let e = message(folder.path(), &format!("{name}#c.csv")).await;
        assert!(e.contains("has no table '#c.csv'") && e.contains("set/a 1.csv, set/more/b.csv"), "{e}");
    }
    assert_eq!(count(folder.path(), "s.tar*").await, Ok(15));
    run(lamcat(folder.path()).args(["ingest", "s.zip", "-o", "out"]));
    assert_eq!(texts(&folder.path().join("out"), "set/**/*.parquet", "id").await, ["1", "2", "3"]);
    assert!(folder.path().join("out/set/more/b.parquet").is_file());
}

#[tokio::test]
async fn an_archive_that_cannot_be_read_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("none.zip", &zip(&MEMBERS[2..]));
    let e = message(folder.path(), "none.zip").await;
    assert!(e.contains("no tables in it") && e.contains("none.zip") && e.contains("readme.txt"), "{e}");
    write("mixed.tar", &tar(&[MEMBERS[0], ("c.json", "{\"id\": 4}\n")]));
    let e = message(folder.path(), "mixed.tar").await;
    assert!(e.contains("not of one format") && e.contains("c.json"), "{e}");
    assert_eq!(count(folder.path(), "mixed.tar#*.json").await, Ok(1));
    let whole = zip(&MEMBERS);
    write("cut.zip", &whole[..whole.len() / 2]);
    let e = message(folder.path(), "cut.zip").await;
    assert!(e.contains("the archive cannot be read") && e.contains("cut.zip"), "{e}");
    let [(_, whole), ..] = compressed(&tar(&MEMBERS));
    write("cut.tar.gz", &whole[..whole.len() / 2]);
    let e = message(folder.path(), "cut.tar.gz").await;
    assert!(e.contains("the archive cannot be read") && e.contains("cut.tar.gz"), "{e}");
    let twice = format!(
        "SELECT count(*) AS n FROM '{0}/mixed.tar#a 1.csv' a, '{0}/mixed.tar#*.json' b",
        folder.path().display()
    );
    assert_eq!(query(&twice).await.unwrap().num_rows(), 1);
}

/// Runs a command with bytes on its standard input; returns its output, or its error message.
fn piped(command: &mut Command, bytes: &[u8]) -> Result<String, String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    // A program that needs no more of its input closes it.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&bytes)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn sum(folder: &Path, bytes: &[u8]) -> Result<String, String> {
    piped(lamcat(folder).args(["sql", "-q", "--format", "csv", "-c", "SELECT sum(a) AS s FROM '-'"]), bytes)
}

#[test]
fn standard_input_is_a_table_of_any_format() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let csv = "a,b\n1,x\n2,y\n";
    fs::write(folder.join("t.csv"), csv).unwrap();
    let mut inputs = vec![
        csv.as_bytes().to_vec(),
        b"# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int16}\na\n1\n2\n".to_vec(),
        b"{\"a\": 1}\n{\"a\": 2}\n".to_vec(),
        b"[{\"a\": 1}, {\"a\": 2}]".to_vec(),
        fits(&[fits_table("t", "a", &[1, 2])]),
        votable(&vo_rows("t", SHORT, &["<TD>1</TD>", "<TD>2</TD>"])).into_bytes(),
        tar(&[("t.csv", csv)]),
        zip(&[("t.csv", csv)]),
    ];
    inputs.extend(compressed(csv.as_bytes()).map(|(_, bytes)| bytes));
    inputs.extend(compressed(&tar(&[("t.csv", csv)])).map(|(_, bytes)| bytes));
    for name in ["t.parquet", "t.arrow"] {
        run(lamcat(folder).args(["sql", "-q", "-o", name, "-c", "SELECT * FROM 't.csv'"]));
        inputs.push(fs::read(folder.join(name)).unwrap());
    }
    for input in &inputs {
        let start = String::from_utf8_lossy(&input[..input.len().min(20)]).into_owned();
        assert_eq!(sum(folder, input), Ok("s\n3\n".to_owned()), "{start}");
        fs::remove_file(folder.join("out.parquet")).unwrap_or_default();
        piped(lamcat(folder).args(["ingest", "-", "-o", "out.parquet"]), input).unwrap();
        let ingested =
            run(lamcat(folder).args(["sql", "-q", "--format", "csv", "-c", "SELECT sum(a) AS s FROM 'out.parquet'"]));
        assert_eq!(ingested.0, "s\n3\n", "{start}");
    }
    let twice = "SELECT count(*) AS n FROM '-' AS x JOIN '-' AS y ON x.a = y.a";
    let rows = piped(lamcat(folder).args(["sql", "-q", "--format", "csv", "-c", twice]), csv.as_bytes());
    assert_eq!(rows, Ok("n\n2\n".to_owned()));
    for (input, said) in [
        (&b""[..], "the file is empty"),
        (b"\x7fELF\0\0\0", "not in a format that lamcat can read"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
    ] {
        let e = sum(folder, input).unwrap_err();
        assert!(e.contains(said) && e.contains("hint:"), "{e}");
    }
}
