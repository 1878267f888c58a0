//! `lamcat simulate`: the same seed gives the same file, and its stars look like the training set of Leung & Bovy (2023).

use std::{fs, path::Path};

use arrow::{
    array::{AsArray, RecordBatch},
    datatypes::Float64Type,
};
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use lamcat::{
    gaia::simulate::{SimulateOptions, schema, simulate},
    schema::Vocabulary,
    session::{Session, SessionOptions},
};

use crate::{
    program::{fail, lamcat, run},
    shared::shared,
    simulate_carried::CARRIED,
};

fn file(folder: &Path, name: &str, options: SimulateOptions) -> Vec<u8> {
    let path = folder.join(name);
    simulate(&CARRIED, &options, &path, |_| {}).unwrap();
    fs::read(path).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let options = SimulateOptions { rows: 1100, seed: 7, threads: Some(1) };
    let one = file(folder.path(), "one.parquet", options);
    assert!(one == file(folder.path(), "two.parquet", SimulateOptions { threads: Some(3), ..options }));
    let few = SimulateOptions { rows: 50, ..options };
    assert!(
        file(folder.path(), "a.parquet", few) != file(folder.path(), "b.parquet", SimulateOptions { seed: 8, ..few })
    );
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 4, "{left:?}");
}

async fn query(session: &Session, sql: &str) -> RecordBatch {
    let frame = session.sql(sql).await.unwrap();
    let schema = std::sync::Arc::new(frame.schema().as_arrow().clone());
    arrow::compute::concat_batches(&schema, &frame.collect().await.unwrap()).unwrap()
}

#[tokio::test]
async fn simulated_tokens_are_distributed_as_the_training_set() {
    let folder = tempfile::tempdir().unwrap();
    file(folder.path(), "stars.parquet", SimulateOptions { rows: 1500, seed: 1, threads: None });
    let session = Session::new(&SessionOptions { partitions: Some(1), ..SessionOptions::default() }).unwrap();
    let stars = folder.path().join("stars.parquet").display().to_string();
    query(&session, &format!("CREATE VIEW stars AS SELECT * FROM '{stars}'")).await;
    let written = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(&stars).unwrap()).unwrap();
    assert_eq!(written.metadata().file_metadata().num_rows(), 1500);
    assert_eq!(written.schema().fields(), schema().fields());
    let sql = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/train_simulated.sql")).unwrap();
    query(&session, &format!("CREATE VIEW training AS {}", sql.trim().trim_end_matches(';'))).await;
    let vocabulary = Vocabulary::leung_bovy_2023();
    println!("{:<10} {:>12} {:>12} {:>12} {:>12} {:>6}", "token", "median", "real", "spread", "real", "off");
    for (token, column) in [
        ("bp0", "xp[1]"),
        ("bp1", "xp[2]"),
        ("bp2", "xp[3]"),
        ("rp0", "xp[56]"),
        ("rp1", "xp[57]"),
        ("rp2", "xp[58]"),
        ("bprp", "bprp"),
        ("jh", "jh"),
        ("jk", "jk"),
        ("teff", "teff"),
        ("logg", "logg"),
        ("m_h", "m_h"),
        ("logebv", "logebv"),
        ("g_fakemag", "g_fakemag"),
    ] {
        let sql = format!(
            "SELECT max(m) AS m, 1.4826 * median(abs(CAST({column} AS DOUBLE) - m)) AS s FROM training \
             CROSS JOIN (SELECT median(CAST({column} AS DOUBLE)) AS m FROM training)"
        );
        let row = query(&session, &sql).await;
        let [median, spread] = [0, 1].map(|i| row.column(i).as_primitive::<Float64Type>().value(0));
        let known = vocabulary.token(vocabulary.require(token).unwrap());
        let off = (median - known.median) / known.scale;
        println!("{token:<10} {median:12.5} {:12.5} {spread:12.5} {:12.5} {off:6.2}", known.median, known.scale);
        assert!(off.abs() < 1.0 && spread > 0.3 * known.scale && spread < 3.0 * known.scale, "{token}");
    }
}

#[test]
fn the_program_simulates_and_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let e = fail(lamcat(folder.path()).args(["simulate", "--data", "nowhere", "-o", "stars.parquet"]));
    assert!(e.contains("nowhere/") && e.contains("hint: get it from https://github.com/"), "{e}");
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
    let simulate = |rest: &[&str]| {
        let mut command = lamcat(folder.path());
        command.args(["simulate", "--rows", "20", "-o", "stars.parquet"]).args(rest);
        command
    };
    let (columns, _) = run(&mut simulate(&["--dry-run"]));
    assert!(columns.contains("parallax: Float64 [mas]") && !folder.path().join("stars.parquet").exists(), "{columns}");
    let (_, stderr) = run(&mut simulate(&[]));
    assert!(stderr.contains("wrote 20 simulated stars"), "{stderr}");
    assert!(fail(&mut simulate(&[])).contains("--overwrite"));
    run(&mut simulate(&["--overwrite"]));
    let sql = "SELECT count(*) AS stars, count(DISTINCT source_id) AS ids FROM 'stars.parquet'";
    let (rows, _) = run(lamcat(folder.path()).args(["sql", "-q", "--format", "csv", "-c", sql]));
    assert_eq!(rows, "stars,ids\n20,20\n");
    let Some(data) = shared("data") else { return };
    let data = data.display().to_string();
    let carried = fs::read(folder.path().join("stars.parquet")).unwrap();
    run(&mut simulate(&["--overwrite", "--data", &data]));
    assert!(fs::read(folder.path().join("stars.parquet")).unwrap() != carried, "--data has no effect");
}

#[test]
fn every_setting_changes_the_stars() {
    let folder = tempfile::tempdir().unwrap();
    let stars = |name: &str, more: &[&str]| {
        let args = ["simulate", "--rows", "20", "-o", name];
        run(lamcat(folder.path()).args(args).args(more));
        fs::read(folder.path().join(name)).unwrap()
    };
    let plain = stars("plain.parquet", &["--threads", "1"]);
    assert!(stars("threads.parquet", &["--threads", "2"]) == plain, "threads share the work, and change nothing of it");
    assert!(stars("seed.parquet", &["--seed", "9"]) != plain);
    assert!(stars("dust.parquet", &["--dust", "f99"]) != plain);
    assert!(stars("spread.parquet", &["--rv-spread", "0.18"]) != plain);
}
