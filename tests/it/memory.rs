//! The memory of the operator is accounted for, and its metrics are shown.

use lamcat::{
    gaia::sample,
    session::{Session, SessionOptions},
};

const QUERY: &str = "SELECT lam_spectrum(x) FROM (SELECT xp(bp_coefficients, rp_coefficients) AS x FROM stars)";

async fn run(memory_bytes: Option<usize>, query: &str) -> datafusion::error::Result<String> {
    let session = Session::new(&SessionOptions { partitions: Some(1), memory_bytes, ..SessionOptions::default() })?;
    session.context().register_batch("stars", sample(1000, 1)?)?;
    let rows = session.sql(query).await?.collect().await?;
    Ok(datafusion::arrow::util::pretty::pretty_format_batches(&rows)?.to_string())
}

#[tokio::test]
async fn too_little_memory_is_an_error_that_names_the_operator() {
    let e = run(Some(100_000), QUERY).await.unwrap_err().to_string();
    assert!(e.contains("LamInferExec[0]") && e.to_lowercase().contains("memory"), "{e}");
    run(Some(100_000_000), QUERY).await.unwrap();
}

#[tokio::test]
async fn explain_analyze_shows_the_operators_metrics() {
    let text = run(None, &format!("EXPLAIN ANALYZE {QUERY}")).await.unwrap();
    let line = text.lines().find(|l| l.contains("LamInferExec")).unwrap();
    for metric in
        ["output_rows=1000", "inferred_rows=", "null_rows=", "device_batches=2", "device_time=", "queue_wait="]
    {
        assert!(line.contains(metric) || line.contains("output_rows=1.00 K"), "{metric} in {line}");
    }
    assert!(line.contains("batch_fill="), "{line}");
}

#[tokio::test]
async fn spilled_rows_have_the_room_that_is_set() {
    let options = SessionOptions { partitions: Some(1), memory_bytes: Some(20_000_000), ..SessionOptions::default() };
    let session = Session::new(&options).unwrap();
    let run = async |sql: &str| session.sql(sql).await.unwrap().collect().await.map(|rows| rows.len());
    let sorted = "SELECT * FROM (SELECT value, random() AS b FROM generate_series(1, 3000000)) ORDER BY b";
    run("SET datafusion.runtime.max_temp_directory_size = '100K'").await.unwrap();
    let e = run(sorted).await.unwrap_err().to_string();
    assert!(e.contains("temporary rows are more than 102400 bytes") && e.contains("max_temp_directory_size"), "{e}");
    run("RESET datafusion.runtime.max_temp_directory_size").await.unwrap();
    run(sorted).await.unwrap();
}
