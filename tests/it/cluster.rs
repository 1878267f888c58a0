//! Queries on several workers return the rows of the same queries on one machine, or say why not.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arrow::{
    array::RecordBatch,
    util::display::{ArrayFormatter, FormatOptions},
};
use datafusion::common::runtime::SpawnedTask;
use lamcat::session::{Session, SessionOptions};
use lamcat_cluster::Cluster;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use crate::{program, workers::Worker};

/// Makes every scan use all workers, however small the files are.
pub const DIVIDE: &str = "SET distributed.file_scan_config_bytes_per_partition = 1";

/// A folder with 1000 stars in eight Parquet files, and some of their columns in eight CSV files.
pub fn stars() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo_stars.parquet");
    fs::create_dir(folder.path().join("stars")).unwrap();
    for part in 0..8 {
        let sql = format!("SELECT * FROM '{}' WHERE source_id % 8 = {part} ORDER BY source_id", demo.display());
        let to = format!("stars/part{part}.parquet");
        program::run(program::lamcat(folder.path()).args(["sql", "-q", "-c", &sql, "-o", &to]));
        let sql = format!("SELECT source_id, phot_g_mean_mag, bp_rp FROM '{to}'");
        program::run(program::lamcat(folder.path()).args(["sql", "-q", "-c", &sql, "-o", &format!("stars{part}.csv")]));
    }
    folder
}

/// Queries of one to five stages.
fn queries(folder: &Path) -> Vec<String> {
    let stars = format!("'{}/stars/*.parquet'", folder.display());
    let lists = format!("'{}/stars*.csv'", folder.display());
    let xp = "xp(bp_coefficients, rp_coefficients, phot_g_mean_mag)";
    vec![
        format!("SELECT source_id, lam_infer({xp}, 'teff') AS teff, lam_flags({xp}) AS flags FROM {stars}"),
        format!(
            "SELECT source_id, lam_predict({xp}, ['teff', 'logg']) AS p, lam_embed({xp}) AS e FROM {stars} WHERE bp_rp > 1"
        ),
        format!(
            "SELECT source_id, lam_infer({xp}, 'teff') AS teff FROM {stars} ORDER BY teff DESC, source_id LIMIT 20"
        ),
        format!(
            "SELECT round(lam_infer({xp}, 'logg')) AS g, count(*) AS n, round(avg(bp_rp), 6) AS c FROM {stars} GROUP BY 1 ORDER BY 1"
        ),
        format!("SELECT count(*), min(phot_g_mean_mag), max(source_id) FROM {lists}"),
        format!(
            "SELECT a.source_id, b.bp_rp, lam_infer(xp(a.bp_coefficients, a.rp_coefficients, a.phot_g_mean_mag), 'm_h') AS m \
             FROM {stars} a JOIN {lists} b ON a.source_id = b.source_id WHERE b.phot_g_mean_mag < 16"
        ),
        format!(
            "SELECT c, count(*) AS n, sum(k) AS s FROM (SELECT floor(b.bp_rp * 10) AS c, a.n AS k FROM {lists} b JOIN \
             (SELECT source_id, count(*) AS n FROM {stars} GROUP BY source_id) a ON a.source_id = b.source_id) GROUP BY c ORDER BY c"
        ),
        format!(
            "SELECT DISTINCT floor(phot_g_mean_mag) AS g FROM {stars} UNION ALL SELECT floor(bp_rp) FROM {lists} WHERE bp_rp > 2"
        ),
        format!("SELECT source_id, row_number() OVER (PARTITION BY floor(bp_rp) ORDER BY source_id) AS r FROM {lists}"),
        format!("SELECT source_id FROM {lists} EXCEPT SELECT source_id FROM {stars} WHERE bp_rp > 1"),
        // The scan of the single file is not divided: it runs where the query was asked.
        format!(
            "SELECT source_id, (SELECT max(lam_infer({xp}, 'teff')) FROM {stars}) AS most FROM '{}/stars/part3.parquet'",
            folder.display()
        ),
        format!("SELECT count(*) FROM {stars} WHERE phot_g_mean_mag > (SELECT avg(phot_g_mean_mag) FROM {lists})"),
    ]
}

/// A session, which is joined to a cluster if there are workers.
pub fn session(workers: &[Worker]) -> Session {
    let session = Session::new(&SessionOptions { partitions: Some(2), ..SessionOptions::default() }).unwrap();
    if !workers.is_empty() {
        let addresses: Vec<String> = workers.iter().map(|worker| worker.address.clone()).collect();
        Cluster::new(&addresses, None).unwrap().join(&session).unwrap();
    }
    session
}

/// The rows as text, sorted.
fn rows(batches: &[RecordBatch]) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let mut rows = Vec::new();
    for batch in batches {
        let columns: Vec<_> = batch.columns().iter().map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            rows.push(columns.iter().map(|c| c.value(row).to_string()).collect::<Vec<_>>().join(" | "));
        }
    }
    rows.sort();
    rows
}

/// A number from the environment.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The rows of a query on this machine and on the cluster.
pub async fn both(alone: &Session, joined: &Session, query: &str) -> [Result<Vec<String>, String>; 2] {
    let run = async |session: &Session| {
        let frame = session.sql(query).await.map_err(|e| e.to_string())?;
        Ok(rows(&frame.collect().await.map_err(|e| e.to_string())?))
    };
    [run(alone).await, run(joined).await]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_returns_the_rows_of_one_machine() {
    let folder = stars();
    let workers: Vec<Worker> = (0..3).map(|_| Worker::start(folder.path(), &[])).collect();
    let (alone, joined) = (session(&[]), session(&workers));
    joined.sql(DIVIDE).await.unwrap().collect().await.unwrap();
    let mut stages = BTreeMap::new();
    for query in queries(folder.path()) {
        let expected = rows(&alone.sql(&query).await.unwrap().collect().await.unwrap());
        let frame = joined.sql(&query).await.unwrap();
        let task = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await.unwrap();
        assert_eq!(plan.name(), "ClusterExec", "{query}");
        let text = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
        *stages.entry(text.matches("Network").count()).or_insert(0) += 1;
        let found = datafusion::physical_plan::collect(plan, task).await.unwrap_or_else(|e| panic!("{query}: {e}"));
        assert_eq!(rows(&found), expected, "{query}");
    }
    assert!(stages.len() > 2, "stages of the plans: {stages:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_and_outputs_are_whole() {
    let folder = stars();
    let workers: Vec<Worker> = (0..2).map(|_| Worker::start(folder.path(), &[])).collect();
    let addresses = workers.iter().map(|worker| worker.address.as_str()).collect::<Vec<_>>().join(",");
    let query = "SELECT source_id, lam_infer(xp(bp_coefficients, rp_coefficients, phot_g_mean_mag), 'teff') AS teff FROM 'stars/*.parquet'";
    let labels =
        |args: &[&str]| program::run(program::lamcat(folder.path()).args(["sql", "-c", DIVIDE, "-c"]).args(args));
    program::run(program::lamcat(folder.path()).args(["sql", "-c", query, "-o", "alone.parquet"]));
    labels(&[query, "-o", "joined.parquet", "--cluster", &addresses]);
    labels(&[&format!("COPY ({query}) TO 'copied/' STORED AS PARQUET"), "--cluster", &addresses]);
    for written in ["joined.parquet", "copied/*.parquet"] {
        let missing = format!("SELECT * FROM 'alone.parquet' EXCEPT ALL SELECT * FROM '{written}'");
        let counts = format!("SELECT count(*) FROM ({missing}) UNION ALL SELECT count(*) FROM '{written}'");
        let (counts, _) = program::run(program::lamcat(folder.path()).args(["sql", "--format", "csv", "-c", &counts]));
        assert!(
            counts.lines().skip(1).collect::<Vec<_>>().iter().all(|n| ["0", "1000"].contains(n)),
            "{written}: {counts}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_belong_together_is_refused() {
    let folder = stars();
    let path = folder.path();
    crate::model_files::tiny().save(path.join("tiny.safetensors")).unwrap();
    let plain = Worker::start(path, &[]);
    let secret = Worker::start(path, &["--cluster-token", "a-secret-of-the-cluster"]);
    let query = "SELECT source_id, lam_infer(xp(bp_coefficients, rp_coefficients, phot_g_mean_mag), 'teff') FROM 'stars/*.parquet'";
    let sql = |args: &[&str]| {
        let mut command = program::lamcat(path);
        command.args(["sql", "-q", "-c", DIVIDE, "-c", query, "--cluster"]).args(args);
        command
    };
    program::run(&mut sql(&[&plain.address]));
    program::run(&mut sql(&[&secret.address, "--cluster-token", "a-secret-of-the-cluster"]));
    for (args, message) in [
        (&[secret.address.as_str()][..], "the token of the cluster is missing or wrong"),
        (&[&secret.address, "--cluster-token", "another-secret"], "the token of the cluster is missing or wrong"),
        (&["127.0.0.1:9"], "lost contact with a worker"),
        (&[&plain.address, "--model", "tiny.safetensors"], "the worker has no model tiny with the content hash"),
        (&[&plain.address, "--precision", "int8"], "the worker computes in f32, the session in int8"),
        (&["ftp://127.0.0.1/"], "is not the address of a worker"),
        (&["http://:pass-word@127.0.0.1"], "is not the address of a worker"),
    ] {
        let said = program::fail(&mut sql(args));
        assert!(said.contains(message), "{args:?} should say {message}:\n{said}");
        assert!(!said.contains("another-secret") && !said.contains("pass-word"), "{said}");
    }
    let said = program::fail(program::lamcat(path).args(["cluster", "worker", "--listen", "0.0.0.0:0"]));
    assert!(said.contains("LAMCAT_CLUSTER_TOKEN"), "{said}");

    // A plan that is larger than any worker accepts.
    let joined = session(std::slice::from_ref(&plain));
    joined.sql(DIVIDE).await.unwrap().collect().await.unwrap();
    let long = "x".repeat(130 << 20);
    let long = format!(
        "SELECT source_id FROM '{}/stars/*.parquet' WHERE CAST(source_id AS VARCHAR) < '{long}'",
        path.display()
    );
    let refused = joined.sql(&long).await.unwrap().collect().await.unwrap_err().to_string();
    assert!(refused.contains("too large for workers"), "{refused:.1000}");

    // Neither side logs the token.
    let traced = ["--cluster-token", "a-secret-of-the-cluster", "--log", "trace", "--cluster"];
    let output =
        program::lamcat(path).args(["sql", "-c", DIVIDE, "-c", query]).args(traced).arg(&secret.address).output();
    let output = output.unwrap();
    let traced = String::from_utf8_lossy(&output.stderr);
    let discreet = traced.contains("TRACE") && !traced.contains("a-secret-of-the-cluster");
    assert!(output.status.success() && discreet, "{traced:.3000}");
}

#[test]
fn status_says_who_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let worker = Worker::start(folder.path(), &[]);
    let status = ["cluster", "status", "--cluster"];
    let (table, _) = program::run(program::lamcat(folder.path()).args(status).arg(&worker.address));
    assert!(table.contains("yes") && table.contains(&worker.address), "{table}");
    let both = format!("{},127.0.0.1:9", worker.address);
    let output = program::lamcat(folder.path()).args(status).args([&both, "--json"]).output().unwrap();
    let answers: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let usable =
        |port: &str| answers.iter().find(|a| a["worker"].as_str().unwrap().contains(port)).unwrap()["usable"].clone();
    assert_eq!([usable(&worker.address), usable(":9/")], [true, false]);
    assert_eq!(output.status.code(), Some(1));
}

/// A panic anywhere in the process may have ended a stream of rows early. This test panics all the time, so it runs itself in a
/// process of its own.
#[tokio::test(flavor = "multi_thread")]
async fn rows_do_not_count_after_a_panic() {
    const PROCESS: &str = "LAMCAT_TEST_PANICS";
    if std::env::var_os(PROCESS).is_none() {
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        alone.args(["--exact", "cluster::rows_do_not_count_after_a_panic"]).env(PROCESS, "1");
        let output = alone.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let folder = stars();
    let workers = [Worker::start(folder.path(), &[])];
    let joined = session(&workers);
    joined.sql(DIVIDE).await.unwrap().collect().await.unwrap();
    let frame = joined.sql(&queries(folder.path())[0]).await.unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    let panics = std::thread::spawn({
        let ended = ended.clone();
        move || {
            while !ended.load(Ordering::Relaxed) {
                assert!(std::thread::spawn(|| panic!("on purpose")).join().is_err());
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    });
    let error = frame.collect().await.unwrap_err().to_string();
    ended.store(true, Ordering::Relaxed);
    panics.join().unwrap();
    assert!(error.contains("its rows do not count"), "{error}");
}

/// Workers that are killed, stopped and started again while queries run. `LAMCAT_CLUSTER_FAULTS` sets the number of faults.
#[tokio::test(flavor = "multi_thread")]
async fn no_row_is_wrong_when_workers_die() {
    let faults = number("LAMCAT_CLUSTER_FAULTS").unwrap_or(8);
    let mut random = ChaCha8Rng::seed_from_u64(number("LAMCAT_CLUSTER_SEED").unwrap_or(1));
    let folder = stars();
    let mut workers: Vec<Worker> = (0..3).map(|_| Worker::start(folder.path(), &[])).collect();
    let (alone, joined) = (session(&[]), session(&workers));
    joined.sql(DIVIDE).await.unwrap().collect().await.unwrap();
    let queries: Vec<String> = queries(folder.path()).into_iter().filter(|q| q.contains("lam_")).collect();
    for fault in 0..faults {
        let query = &queries[random.random_range(0..queries.len())];
        let expected = rows(&alone.sql(query).await.unwrap().collect().await.unwrap());
        let running = SpawnedTask::spawn({
            let (joined, query) = (joined.clone(), query.clone());
            async move { joined.sql(&query).await?.collect().await }
        });
        let pause = Duration::from_millis(random.random_range(0..600));
        tokio::time::sleep(pause).await;
        let at = random.random_range(0..3);
        let how = ["STOP", "KILL", "KILL", "TERM"][random.random_range(0..4)];
        workers[at].signal(how);
        if how == "STOP" {
            // Every second worker that stops stays silent until it counts as lost.
            tokio::time::sleep(Duration::from_secs(if fault % 2 == 0 { 1 } else { 17 })).await;
            workers[at].signal("CONT");
        } else {
            let address = workers[at].address.clone();
            workers.remove(at);
            workers.insert(at, Worker::listening(folder.path(), &address, &[]));
        }
        let limit = Duration::from_mins(2);
        let found = tokio::time::timeout(limit, running.join()).await;
        let found = found.unwrap_or_else(|_| panic!("fault {fault}, {how} after {pause:?}: {query} hangs")).unwrap();
        let found = found.unwrap_or_else(|e| panic!("fault {fault}, {how} after {pause:?}: {query}: {e}"));
        assert_eq!(rows(&found), expected, "fault {fault}, {how} after {pause:?}: {query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_workers_cannot_do_runs_here_or_is_refused() {
    let folder = stars();
    let place = folder.path().display();
    let workers = [Worker::start(folder.path(), &[]), Worker::start(folder.path(), &[])];
    let (alone, joined) = (session(&[]), session(&workers));
    joined.sql(DIVIDE).await.unwrap().collect().await.unwrap();
    let several = format!("SELECT source_id, (SELECT bp_rp FROM '{place}/stars0.csv') FROM '{place}/stars/*.parquet'");
    let error = joined.sql(&several).await.unwrap().collect().await.unwrap_err().to_string();
    assert!(error.contains("may return several rows"), "{error}");

    // DataFusion's own CSV reader would be told neither the compression nor the ends of lines.
    fs::create_dir(folder.path().join("ends")).unwrap();
    for part in 0..4 {
        let lines = (0..50).map(|i| format!("{part},{i};")).collect::<Vec<_>>().concat();
        fs::write(folder.path().join(format!("ends/{part}.csv")), format!("a,b;{lines}")).unwrap();
    }
    for session in [&alone, &joined] {
        let table = format!(
            "CREATE EXTERNAL TABLE ends (a BIGINT, b BIGINT) STORED AS CSV LOCATION '{place}/ends/' OPTIONS \
             ('format.has_header' 'true', 'format.terminator' ';')"
        );
        session.sql(&table).await.unwrap().collect().await.unwrap();
    }
    let [expected, found] = both(&alone, &joined, "SELECT count(*), sum(b) FROM ends").await;
    assert_eq!(expected, found);
}
