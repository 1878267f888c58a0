//! Many partitions and stacked operators on one device: nobody waits for a place that another one holds without using
//! it.

use std::{sync::Arc, time::Duration};

use datafusion::datasource::MemTable;
use lamcat::{
    gaia::sample,
    planner::LamcatOptions,
    session::{Session, SessionOptions},
};

const PARTITIONS: usize = 6;
const ROWS: usize = 120;
const LIMIT: Duration = Duration::from_secs(100);

fn session() -> Session {
    let session = Session::new(&SessionOptions { partitions: Some(PARTITIONS), ..SessionOptions::default() }).unwrap();
    let state = session.context().state_ref();
    state.write().config_mut().options_mut().extensions.get_mut::<LamcatOptions>().unwrap().batch_rows = 4;
    let batch = sample(PARTITIONS * ROWS, 3).unwrap();
    let partitions = (0..PARTITIONS).map(|p| vec![batch.slice(p * ROWS, ROWS)]).collect();
    let table = MemTable::try_new(batch.schema(), partitions).unwrap();
    session.context().register_table("raw", Arc::new(table)).unwrap();
    session
}

const STARS: &str = "(SELECT source_id, bp_rp, xp(bp_coefficients, rp_coefficients, phot_g_mean_mag) AS xp FROM raw)";

async fn rows(session: &Session, query: &str) -> usize {
    let batches = session.sql(query).await.unwrap().collect();
    let batches = tokio::time::timeout(LIMIT, batches).await.expect("the query hangs").unwrap();
    batches.iter().map(arrow::array::RecordBatch::num_rows).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_contexts_in_many_partitions_finish() {
    let two =
        format!("SELECT lam_infer(xp, 'teff'), lam_infer(named_struct('teff', bp_rp * 1000), 'logg') FROM {STARS}");
    assert_eq!(rows(&session(), &two).await, PARTITIONS * ROWS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_in_place_above_an_operator_finishes() {
    let mixed = format!(
        "SELECT lam_infer(xp, 'teff'), lam_infer(named_struct('teff', 4000 + 100 * random()), 'logg') FROM {STARS}"
    );
    assert_eq!(rows(&session(), &mixed).await, PARTITIONS * ROWS);
}

#[tokio::test]
async fn paused_streams_keep_nobody_out() {
    use futures::StreamExt;
    let session = session();
    let query = format!("SELECT lam_infer(xp, 'teff') FROM {STARS}");
    let mut paused = Vec::new();
    for _ in 0..4 {
        let mut stream = session.sql(&query).await.unwrap().execute_stream().await.unwrap();
        assert!(stream.next().await.unwrap().is_ok());
        paused.push(stream);
    }
    assert_eq!(rows(&session, &query).await, PARTITIONS * ROWS);
    for mut stream in paused {
        while let Some(batch) = tokio::time::timeout(LIMIT, stream.next()).await.expect("the stream hangs") {
            batch.unwrap();
        }
    }
}
