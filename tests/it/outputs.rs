//! Outputs are either complete or absent, however a command ends.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    object_store::server,
    program::{fail, lamcat, run},
};

/// A query with a practically endless number of rows, of which the first few thousand are written at once.
const LONG: &str = "SELECT value AS source_id, random() AS a, random() AS b FROM generate_series(0, 1000000000)";
/// A query that returns many rows and then fails.
const FAILS: &str =
    "SELECT value AS source_id, value % 7 AS k, 1 / (100000 - value) AS x FROM generate_series(0, 100000)";
/// A part of the name that only unfinished files have.
const UNFINISHED: &str = ".unfinished-";

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        names.push(entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            names.extend(self::names(&entry.path()));
        }
    }
    names.sort();
    names
}

/// Starts a command and waits until it has an unfinished file in `folder`.
fn begin(command: &mut Command, folder: &Path) -> Child {
    let process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while !names(folder).iter().any(|name| name.contains(UNFINISHED)) {
        assert!(started.elapsed() < Duration::from_mins(1), "nothing was begun");
        sleep(Duration::from_millis(20));
    }
    process
}

pub fn signal(process: &Child, name: &str) {
    run(Command::new("kill").args([name, &process.id().to_string()]));
}

/// Whether this process, and therefore every process that it starts, ignores the hang-up of its terminal.
fn ignores_hang_up() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim().to_owned();
    u64::from_str_radix(&mask, 16).unwrap() & 1 == 1
}

#[test]
fn a_query_that_fails_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for format in ["parquet", "csv", "json", "arrow"] {
        let old = folder.join(format!("old.{format}"));
        fs::write(&old, "of yesterday").unwrap();
        for query in [FAILS, "SELECT 1 / 0 AS a"] {
            for output in ["old", "new"] {
                let e = fail(lamcat(folder).args(["sql", "-q", "-c", query, "-o", &format!("{output}.{format}")]));
                assert!(e.contains("Divide by zero"), "{e}");
                let copy = format!("COPY ({query}) TO '{output}.{format}'");
                fail(lamcat(folder).args(["sql", "-q", "-c", &copy]));
            }
        }
        assert_eq!(fs::read_to_string(&old).unwrap(), "of yesterday");
    }
    assert_eq!(names(folder), ["old.arrow", "old.csv", "old.json", "old.parquet"]);
}

#[test]
fn a_query_that_fails_adds_no_file_to_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let parts = format!("COPY ({FAILS}) TO 'parts/' STORED AS PARQUET PARTITIONED BY (k)");
    fail(lamcat(folder).args(["sql", "-q", "-c", &parts]));
    assert_eq!(names(folder).iter().filter(|name| name.contains('.')).count(), 0, "{:?}", names(folder));
    for format in ["PARQUET", "CSV"] {
        let columns = "(source_id BIGINT, k BIGINT, x BIGINT)";
        fs::create_dir(folder.join(format)).unwrap();
        let table = format!("CREATE EXTERNAL TABLE t {columns} STORED AS {format} LOCATION '{format}/'");
        let insert = |query: &str| format!("{table}; INSERT INTO t {query}");
        fail(lamcat(folder).args(["sql", "-q", "-c", &insert(FAILS)]));
        assert_eq!(names(&folder.join(format)), Vec::<String>::new());
        run(lamcat(folder).args(["sql", "-q", "-c", &insert("SELECT 1, 2, 3")]));
        let (rows, _) = run(lamcat(folder).args([
            "sql",
            "-q",
            "--format",
            "csv",
            "-c",
            &format!("{table}; SELECT count(*) AS n FROM t"),
        ]));
        assert_eq!(rows, "n\n1\n");
    }
    // If it succeeds, the output is complete.
    let parts = "COPY (SELECT value AS v, value % 7 AS k FROM generate_series(1, 700)) TO 'whole/' STORED AS PARQUET PARTITIONED BY (k)";
    run(lamcat(folder).args(["sql", "-q", "-c", parts]));
    let count = "SELECT count(*) AS n, count(DISTINCT k) AS k FROM 'whole/'";
    assert_eq!(run(lamcat(folder).args(["sql", "-q", "--format", "csv", "-c", count])).0, "n,k\n700,7\n");
}

#[test]
fn a_signal_leaves_what_was_there() {
    for (name, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        if name == "-HUP" && ignores_hang_up() {
            eprintln!("SIGHUP: skipped, it is ignored here as under nohup");
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("out.csv"), "of yesterday").unwrap();
        let process = begin(lamcat(folder.path()).args(["sql", "-q", "-c", LONG, "-o", "out.csv"]), folder.path());
        signal(&process, name);
        let asked = Instant::now();
        let output = process.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("error: stopped by "), "{output:?}");
        assert_eq!(names(folder.path()), ["out.csv"]);
        assert_eq!(fs::read_to_string(folder.path().join("out.csv")).unwrap(), "of yesterday");
    }
}

#[test]
fn what_a_kill_leaves_is_no_data_and_goes_with_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    run(lamcat(folder).args(["sql", "-q", "-c", "SELECT 1 AS source_id", "-o", "whole.parquet"]));
    let mut process = begin(lamcat(folder).args(["sql", "-q", "-c", LONG, "-o", "out.parquet"]), folder);
    process.kill().unwrap();
    process.wait().unwrap();
    let left = names(folder);
    assert!(left.iter().any(|name| name.starts_with(".out.parquet.unfinished-")), "{left:?}");
    for table in ["./", "*.parquet", "*"] {
        let count = format!("SELECT count(*) AS n FROM '{table}'");
        assert_eq!(run(lamcat(folder).args(["sql", "-q", "--format", "csv", "-c", &count])).0, "n\n1\n", "{table}");
    }
    run(lamcat(folder).args(["sql", "-q", "-c", "SELECT 2 AS source_id", "-o", "out.parquet"]));
    assert_eq!(names(folder), ["out.parquet", "whole.parquet"]);
}

#[test]
fn a_full_disk_is_called_that() {
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).arg(&small).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("a full disk: skipped, nothing can be mounted here");
        return;
    }
    let mut failed = Vec::new();
    for format in ["parquet", "csv", "json", "arrow"] {
        for rows in [60_000, 1_000_000] {
            let query = format!("SELECT value AS source_id, random() AS a FROM generate_series(1, {rows})");
            let output = format!("small/out.{format}");
            let e = lamcat(folder.path()).args(["sql", "-q", "-c", &query, "-o", &output]).output().unwrap();
            let e = String::from_utf8_lossy(&e.stderr).into_owned();
            let said = e.starts_with("error: the disk is full (file ") && e.contains(&output) && e.contains("\nhint: ");
            if !said || e.contains("bug in DataFusion") || !names(&small).is_empty() {
                failed.push((output, rows, e, names(&small)));
            }
        }
    }
    run(Command::new("umount").arg(&small));
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn uploads_of_commands_that_end_early_are_aborted() {
    let Some(server) = server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let s3 = |args: &[&str]| server.lamcat(folder.path(), args);
    run(&mut s3(&["sql", "-q", "-c", "SELECT 1 AS source_id", "-o", "s3://stars/old.parquet"]));
    // A query with more rows than are sent at once, and then an error.
    let fails = FAILS.replace("100000", "1000000");
    fail(&mut s3(&["sql", "-q", "-c", &fails, "-o", "s3://stars/old.parquet"]));
    fail(&mut s3(&["sql", "-q", "-c", "SELECT 1 / 0 AS a", "-o", "s3://stars/new.parquet"]));
    let process = s3(&["sql", "-q", "-c", LONG, "-o", "s3://stars/stopped.parquet"]).stderr(Stdio::null()).spawn();
    let mut process = process.unwrap();
    let started = Instant::now();
    while server.uploads().is_empty() {
        assert!(started.elapsed() < Duration::from_mins(1), "no upload was begun");
        sleep(Duration::from_millis(50));
    }
    signal(&process, "-TERM");
    assert_eq!(process.wait().unwrap().code(), Some(143));
    assert_eq!(server.uploads(), Vec::<String>::new());
    assert!(server.holds("old.parquet") && !server.holds("new.parquet") && !server.holds("stopped.parquet"));
    let count = "SELECT count(*) AS n FROM 's3://stars/old.parquet'";
    assert_eq!(run(&mut s3(&["sql", "-q", "--format", "csv", "-c", count])).0, "n\n1\n");
}
