//! Every output format contains the same rows.

use std::{fs::File, path::Path};

use arrow::array::RecordBatch;
use datafusion::parquet::{
    basic::Encoding,
    file::reader::{FileReader, SerializedFileReader},
};

use crate::program::{fail, lamcat, run};

const QUERY: &str = "SELECT source_id, lam_infer(x, 'teff') AS teff, lam_flags(x) AS flags FROM (SELECT source_id, \
                     xp(bp_coefficients, rp_coefficients, phot_g_mean_mag) AS x FROM 'lamcat-demo/stars.parquet') \
                     ORDER BY source_id LIMIT 12";

fn demo() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    run(lamcat(folder.path()).arg("demo"));
    folder
}

fn csv(folder: &Path, from: &str) -> String {
    run(lamcat(folder).args(["sql", "-q", "--format", "csv", "-c", &format!("SELECT * FROM '{from}' ORDER BY 1")])).0
}

/// The encodings of a column in the first row group of a Parquet file.
fn encodings(file: &Path, column: usize) -> Vec<Encoding> {
    let reader = SerializedFileReader::new(File::open(file).unwrap()).unwrap();
    reader.metadata().row_group(0).column(column).encodings().collect()
}

#[test]
fn files_of_every_format_read_back_alike() {
    let folder = demo();
    let direct = run(lamcat(folder.path()).args(["sql", "-q", "--format", "csv", "-c", QUERY])).0;
    assert_eq!(direct.lines().count(), 13);
    assert!(direct.starts_with("source_id,teff,flags\n"), "{direct}");
    for file in ["rows.parquet", "rows.csv", "rows.json", "rows.arrow"] {
        let (_, stderr) = run(lamcat(folder.path()).args(["sql", "-c", QUERY, "-o", file]));
        assert!(stderr.contains("12 rows in") && stderr.contains(&format!("wrote {file}")), "{stderr}");
        let columns = "source_id, CAST(teff AS FLOAT) AS teff, flags";
        let query = format!("SELECT {columns} FROM '{file}' ORDER BY 1");
        let back = run(lamcat(folder.path()).args(["sql", "-q", "--format", "csv", "-c", &query])).0;
        assert_eq!(back, direct, "{file}");
    }
    // Floats are stored as byte streams, unless another encoding is requested.
    assert!(encodings(&folder.path().join("rows.parquet"), 1).contains(&Encoding::BYTE_STREAM_SPLIT));
    let plain = format!("SET datafusion.execution.parquet.encoding = 'plain'; {QUERY}");
    run(lamcat(folder.path()).args(["sql", "-c", &plain, "-o", "plain.parquet"]));
    assert!(!encodings(&folder.path().join("plain.parquet"), 1).contains(&Encoding::BYTE_STREAM_SPLIT));
    // COPY does the same, for a folder of files too.
    run(lamcat(folder.path()).args(["sql", "-c", &format!("COPY ({QUERY}) TO 'copied.parquet'")]));
    assert_eq!(csv(folder.path(), "copied.parquet"), direct);
    std::fs::create_dir(folder.path().join("parts")).unwrap();
    std::fs::rename(folder.path().join("copied.parquet"), folder.path().join("parts/a.parquet")).unwrap();
    assert_eq!(csv(folder.path(), "parts/*.parquet"), direct);
}

#[test]
fn stdout_takes_table_csv_json_and_arrow() {
    let folder = demo();
    let sql = |format: &str, query: &str| {
        let mut command = lamcat(folder.path());
        command.args(["sql", "-q", "--format", format, "-c", query]);
        command
    };
    let table = run(&mut sql("table", QUERY)).0;
    assert_eq!(table.lines().count(), 12 + 4, "{table}");
    let json = run(&mut sql("json", QUERY)).0;
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!(first["flags"], 0);
    let arrow = sql("arrow", QUERY).output().unwrap().stdout;
    let reader = arrow::ipc::reader::StreamReader::try_new(arrow.as_slice(), None).unwrap();
    let rows: usize = reader.map(|b| b.unwrap().num_rows()).sum();
    assert_eq!(rows, 12);
    let e = fail(&mut sql("parquet", QUERY));
    assert!(e.contains("-o FILE.parquet"), "{e}");
    let e = fail(&mut sql("csv", "SELECT lam_spectrum(named_struct('teff', 4700)) AS s"));
    assert!(e.contains("column 's' is a list, which CSV cannot hold") && e.contains("hint:"), "{e}");
    let e = fail(lamcat(folder.path()).args(["sql", "-c", QUERY, "-o", "rows.xls"]));
    assert!(e.contains("does not say its format"), "{e}");
}

#[test]
fn parquet_keeps_unit_ucd_and_the_models_name_and_no_string_views() {
    let folder = demo();
    let file = File::open(folder.path().join("lamcat-demo/catalogue.parquet")).unwrap();
    let builder = datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let teff = builder.schema().field_with_name("teff").unwrap().clone();
    assert_eq!(teff.metadata()["unit"], "K");
    assert_eq!(teff.metadata()["ucd"], "phys.temperature.effective");
    assert!(teff.metadata()["lamcat.model"].starts_with("lam-sim"), "{teff:?}");
    let error = builder.schema().field_with_name("teff_error").unwrap().clone();
    assert_eq!(error.metadata()["ucd"], "stat.error;phys.temperature.effective");
    let rows: usize = builder.build().unwrap().map(|b: Result<RecordBatch, _>| b.unwrap().num_rows()).sum();
    assert_eq!(rows, 1000);
    run(lamcat(folder.path()).args([
        "sql",
        "-c",
        "SELECT 'a' AS s, arrow_cast('b', 'Utf8View') AS v",
        "-o",
        "s.parquet",
    ]));
    let types = run(lamcat(folder.path()).args([
        "sql",
        "-q",
        "--format",
        "csv",
        "-c",
        "SELECT arrow_typeof(s) FROM 's.parquet'",
    ]))
    .0;
    assert_eq!(types, "arrow_typeof(s.parquet.s)\nUtf8\n");
}
