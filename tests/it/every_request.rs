//! Runs that write to a real S3 server (SeaweedFS), behind a proxy that disturbs their requests as networks and servers
//! do.

use std::{
    collections::BTreeMap,
    env,
    path::Path as FilePath,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use lamcat::{
    release::Storage,
    session::{Retries, Retrying},
};
use object_store::{ObjectStore, ObjectStoreExt, RetryConfig, path::Path};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio_util::sync::CancellationToken;

use crate::{
    every_step::{Workplace, at_once, published},
    fault_proxy::{Action, Proxy},
    faults_tried::{Asked, tried},
    object_store::{Server, bucket as s3_bucket, server},
    program::run,
    run_program,
};

/// Number of faults that are tried, unless all are.
const SAMPLE: usize = 24;

/// The faults that a request may have.
fn faults_at(asked: Asked) -> Vec<Action> {
    let refused = [Action::Refuse(503), Action::Refuse(429), Action::Refuse(500), Action::Reset];
    let more: &[Action] = match asked {
        Asked::Write => &[Action::PassThenRefuse(503), Action::PassThenRefuse(504), Action::PassThenReset],
        Asked::Body => &[Action::Cut],
        Asked::Short => &[],
    };
    [&refused, more].concat()
}

/// When a process may die at a request: before or after the server has handled it.
fn deaths_at(asked: Asked) -> Vec<Action> {
    if asked == Asked::Write { vec![Action::Reset, Action::PassThenReset] } else { Vec::new() }
}

/// The bucket behind a proxy, in the form in which sessions use it.
fn bucket(proxy: &Proxy, retries: Retries) -> Arc<dyn ObjectStore> {
    let once = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    let bucket = s3_bucket(proxy.port).with_retry(once).build().unwrap();
    Arc::new(Retrying::new(bucket, retries))
}

/// A workplace with its input in the bucket, the tables that an undisturbed run publishes, and the requests that it
/// makes.
async fn undisturbed(server: &Server) -> (Proxy, Workplace, BTreeMap<String, String>, Vec<String>) {
    let proxy = Proxy::start(server.port());
    let workplace = Workplace::new("s3://stars");
    let store = bucket(&proxy, Retries::default());
    store.put(&Path::from("in/stars.parquet"), workplace.input().into()).await.unwrap();
    proxy.set(|_| Action::Pass);
    workplace.run(store.clone(), "undisturbed").await.unwrap();
    let requests = proxy.journal();
    let wanted = published(&store, "undisturbed").await;
    (proxy, workplace, wanted, requests)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_fault_at_any_request_ends_no_run() {
    let Some(server) = server() else { return };
    let (proxy, workplace, wanted, requests) = undisturbed(&server).await;
    let faults = tried(&requests, faults_at, SAMPLE);
    for (i, (number, fault)) in faults.iter().copied().enumerate() {
        let (store, folder) = (bucket(&proxy, at_once()), format!("survived-{i}"));
        proxy.set(move |request| if request.number == number { fault } else { Action::Pass });
        let outcome = workplace.run(store.clone(), &folder).await;
        let journal = proxy.journal();
        proxy.set(|_| Action::Pass);
        assert!(outcome.is_ok(), "{fault:?} at {number}: {outcome:?}\n{journal:#?}");
        assert_eq!(published(&store, &folder).await, wanted, "{fault:?} at {number}\n{journal:#?}");
    }
    eprintln!("{} faults at {} requests", faults.len(), requests.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_dies_at_any_request_the_next_run_publishes_the_same_release() {
    let Some(server) = server() else { return };
    let (proxy, workplace, wanted, requests) = undisturbed(&server).await;
    let faults = tried(&requests, deaths_at, SAMPLE / 2);
    for (i, (number, fault)) in faults.iter().copied().enumerate() {
        let folder = format!("died-{i}");
        let (store, dead) = (bucket(&proxy, at_once()), CancellationToken::new());
        let dies = dead.clone();
        proxy.set(move |request| {
            if request.number == number {
                dies.cancel();
            }
            match request.number {
                before if before < number => Action::Pass,
                now if now == number => fault,
                // Requests that a dead process would still send are dropped.
                _ => Action::Reset,
            }
        });
        tokio::select! {
            biased;
            () = dead.cancelled() => {}
            _ = workplace.run(store, &folder) => {}
        }
        proxy.set(|_| Action::Pass);
        let store = bucket(&proxy, Retries::default());
        let outcome = workplace.run(store.clone(), &folder).await;
        assert!(outcome.is_ok(), "{fault:?} at {number}: {outcome:?}");
        assert_eq!(published(&store, &folder).await, wanted, "{fault:?} at {number}");
    }
    eprintln!("{} deaths at {} requests", faults.len(), requests.len());
}

/// The hashes of the tables of the release that a program published into a folder of the bucket.
async fn tables(store: &Arc<dyn ObjectStore>, folder: &str) -> BTreeMap<String, String> {
    let storage = Storage::new(store.clone(), Path::from(folder), "s3://stars/".parse().unwrap());
    let latest: serde_json::Value = storage.get_json("LATEST").await.unwrap().unwrap();
    let manifest = format!("{}/manifest.json", latest["folder"].as_str().unwrap());
    let manifest: serde_json::Value = storage.get_json(&manifest).await.unwrap().unwrap();
    let files = manifest["files"].as_array().unwrap().iter();
    let text = |file: &serde_json::Value, key: &str| file[key].as_str().unwrap().to_owned();
    let all = files.map(|file| (text(file, "path"), text(file, "sha256")));
    all.filter(|(path, _)| path.ends_with(".parquet")).collect()
}

fn put(folder: &FilePath, server: &Server) {
    let mut copy = crate::program::lamcat(folder);
    copy.args(["sql", "-c", "SELECT * FROM 'stars.parquet'", "-o", "s3://stars/in/stars.parquet"]);
    server.tell(&mut copy);
    run(&mut copy);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_through_a_bad_network_to_a_busy_server_finishes() {
    let Some(server) = server() else { return };
    let folder = run_program::workplace();
    let folder = folder.path();
    put(folder, &server);
    let proxy = Proxy::start(server.port());
    let command = |store: &str| {
        let mut command = crate::program::lamcat(folder);
        command.args(["run", "pipelines/demo.toml", "--model", "tiny.safetensors", "--json", "--store", store]);
        command.args(["--input", "stars=s3://stars/in/stars.parquet"]);
        Server::tell_by(&mut command, proxy.port);
        command
    };
    run(&mut command("s3://stars/good"));
    let seed = env::var("LAMCAT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let faults = Arc::new(AtomicUsize::new(0));
    let counted = faults.clone();
    proxy.set(move |request| {
        let chance: f64 = ChaCha8Rng::seed_from_u64(seed ^ ((request.number as u64) << 20)).random();
        let action = match chance {
            c if c < 0.015 => Action::Reset,
            c if c < 0.03 => Action::PassThenReset,
            c if c < 0.06 => Action::Cut,
            c if c < 0.16 => Action::Refuse(429),
            _ => return Action::Pass,
        };
        counted.fetch_add(1, Ordering::SeqCst);
        action
    });
    run(&mut command("s3://stars/bad"));
    let (requests, faults) = (proxy.requests(), faults.load(Ordering::SeqCst));
    proxy.set(|_| Action::Pass);
    let store = bucket(&proxy, Retries::default());
    assert_eq!(tables(&store, "bad/demo").await, tables(&store, "good/demo").await);
    assert!(faults > requests / 12, "{faults} of {requests}");
    eprintln!("{faults} of {requests} requests were disturbed");
}
