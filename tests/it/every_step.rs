//! Runs that die, or whose store fails, at each single step: the release is the same as that of an undisturbed run, or
//! the run reports an error and the next run finishes the work.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc, time::Duration};

use datafusion::execution::object_store::ObjectStoreRegistry as _;
use lamcat::{
    error::{Error, Result},
    inference::Engine,
    pipeline::{Outcome, Overrides, Pipeline, Run, check_query},
    release::{Storage, publish::Current, verify::verify},
    session::{LazyStores, Retries, Retrying, Session, SessionOptions},
};
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory, path::Path};
use sha2::{Digest, Sha256};

use crate::{
    faults_tried::tried,
    faulty_store::{Fault, Faulty, Seen},
    model_files::tiny,
    pipeline_files::folder,
    releases::{COLUMNS, Silent, query},
};

/// Number of rows of the release.
const ROWS: usize = 100;
/// Number of faults that are tried, unless all are.
const SAMPLE: usize = 40;

const PIPELINE: &str = r#"name = "labels"
version = "1.0.0"
title = "Labels"
description = "Temperatures."
creator = "A. Stronomer"
license = "CC-BY-4.0"
sql = "labels.sql"
model = "tiny.safetensors"
[inputs.stars]
path = "URL/in/stars.parquet"
[output]
store = "URL/out"
[units]
rows = 500
[tiling]
max_rows = 40
highest_order = 3
[resources]
threads = 1
device = "cpu"
[schedule]
cron = "0 * * * *"
"#;

/// A pipeline whose input and catalogue are in a store, addressed by `url`.
pub struct Workplace {
    pub folder: tempfile::TempDir,
    url: String,
    engine: Arc<Engine>,
}

impl Workplace {
    pub fn new(url: &str) -> Self {
        let folder = folder(
            &PIPELINE.replace("URL", url),
            &query(COLUMNS, &format!("source_id <= {} OR source_id > {}", ROWS / 2, 1000 - ROWS / 2)),
        );
        tiny().save(folder.path().join("tiny.safetensors")).unwrap();
        let engine = Session::new(&options(None)).unwrap().engine().clone();
        Self { folder, url: url.to_owned(), engine }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("labels.toml")
    }

    /// The input as it should be in the store.
    pub fn input(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("stars.parquet")).unwrap()
    }

    /// Stores in which the URL refers to `store`.
    pub fn stores(&self, store: Arc<dyn ObjectStore>) -> Arc<LazyStores> {
        let stores = LazyStores::default();
        stores.register_store(&self.url.parse().unwrap(), store);
        Arc::new(stores)
    }

    /// Does a complete run, as `lamcat run` does, whose catalogue goes into a folder of the store.
    pub async fn run(&self, store: Arc<dyn ObjectStore>, folder: &str) -> Result<Outcome> {
        let overrides = Overrides { store: Some(format!("{}/{folder}", self.url).into()), ..Overrides::default() };
        let pipeline = Pipeline::load(self.file(), &overrides)?;
        let session = Session::with_engine(&options(Some(self.stores(store))), self.engine.clone());
        let session = session.map_err(|e| Error::from_datafusion("no session", &e))?;
        pipeline.register_inputs(&session).await?;
        let checked = check_query(&session, &pipeline).await?;
        Run::prepare(session, pipeline, &tiny(), &checked.schema).await?.execute(&Silent).await
    }
}

fn options(stores: Option<Arc<LazyStores>>) -> SessionOptions {
    SessionOptions { partitions: Some(1), stores, ..SessionOptions::default() }
}

/// The tables of the release that readers find in a folder of a store, by their paths and hashes. The release must be
/// complete, and the only one in the log.
pub async fn published(store: &Arc<dyn ObjectStore>, folder: &str) -> BTreeMap<String, String> {
    let root = Path::from(format!("{folder}/labels"));
    let storage = Storage::new(store.clone(), root, "memory:///".parse().unwrap());
    let latest: Current = storage.get_json("LATEST").await.unwrap().expect("there is no LATEST");
    let log = lamcat::release::publish::log(&storage).await.unwrap();
    assert_eq!(log.last(), Some(&latest));
    assert_eq!(log.len(), 1, "{log:?}");
    let verified = verify(&storage, &latest.folder).await.unwrap();
    assert!(verified.faults.is_empty(), "{:?}", verified.faults);
    let mut tables = BTreeMap::new();
    for file in storage.list(&latest.folder).await.unwrap() {
        if file.path.ends_with(".parquet") {
            let hash = format!("{:x}", Sha256::digest(storage.require(&file.path).await.unwrap()));
            tables.insert(file.path.split_once("/labels").unwrap().1.to_owned(), hash);
        }
    }
    tables
}

/// No attempt is made after the first.
pub fn never() -> Retries {
    Retries { times: 0, ..Retries::default() }
}

/// The usual retries, but without pauses.
pub fn at_once() -> Retries {
    Retries { pause: Duration::from_millis(1), longest: Duration::from_millis(2), ..Retries::default() }
}

/// A workplace, a store that contains only its input, the tables that an undisturbed run publishes, and its steps.
pub async fn undisturbed() -> (Workplace, InMemory, BTreeMap<String, String>, Vec<String>) {
    let workplace = Workplace::new("s3://stars");
    let memory = InMemory::new();
    memory.put(&Path::from("in/stars.parquet"), workplace.input().into()).await.unwrap();
    let (store, faulty) = faulty(&memory, None, never());
    let outcome = workplace.run(store.clone(), "out").await.unwrap();
    assert_eq!((outcome.rows, outcome.units_here), (ROWS as u64, 2));
    let steps = faulty.journal();
    let wanted = published(&store, "out").await;
    assert!(wanted.len() > 4, "{wanted:?}");
    (workplace, memory, wanted, steps)
}

/// A copy of a store in memory, which has a fault.
pub fn faulty(
    memory: &InMemory,
    fault: Option<(usize, Fault)>,
    retries: Retries,
) -> (Arc<dyn ObjectStore>, Arc<Faulty>) {
    let faulty = Faulty::new(Arc::new(memory.fork()), fault);
    (Arc::new(Retrying::new(Seen(faulty.clone()), retries)), faulty)
}

#[tokio::test]
async fn whatever_happens_at_any_step_the_next_run_publishes_the_same_release() {
    let (workplace, memory, wanted, steps) = undisturbed().await;
    let faults = tried(&steps, Fault::at, SAMPLE);
    let (mut died, mut failed) = (0, 0);
    for (step, fault) in &faults {
        let context = format!("{fault:?} at step {step}");
        let (store, watched) = faulty(&memory, Some((*step, *fault)), never());
        let first = tokio::select! {
            done = workplace.run(store, "out") => Some(done),
            () = watched.dead() => None,
        };
        match first {
            None => died += 1,
            Some(Err(e)) => {
                assert!(fault.is_survived() && e.is_retryable(), "{context}: {e}\n{:#?}", watched.journal());
                assert!(e.to_string().contains("injected") || e.to_string().contains("reset"), "{context}: {e}");
                failed += 1;
            }
            Some(Ok(outcome)) => assert_eq!(outcome.rows, ROWS as u64, "{context}"),
        }
        let (store, second) = restarted(&watched);
        let outcome = workplace.run(store.clone(), "out").await;
        let outcome = outcome.unwrap_or_else(|e| panic!("{context}: {e}\n{:#?}", second.journal()));
        assert_eq!(outcome.rows, ROWS as u64, "{context}");
        assert_eq!(published(&store, "out").await, wanted, "{context}");
    }
    assert!(died > 0 && failed > 0);
    eprintln!("{} faults at {} steps: {died} runs died, {failed} failed", faults.len(), steps.len());
}

/// The store as it is seen by a process that starts after another one has died.
fn restarted(before: &Arc<Faulty>) -> (Arc<dyn ObjectStore>, Arc<Faulty>) {
    let faulty = Faulty::new(before.memory(), None);
    (Arc::new(Retrying::new(Seen(faulty.clone()), never())), faulty)
}

#[tokio::test]
async fn one_fault_at_any_step_ends_no_run() {
    let (workplace, memory, wanted, steps) = undisturbed().await;
    let survived = |asked| Fault::at(asked).into_iter().filter(|fault| fault.is_survived()).collect();
    let faults = tried(&steps, survived, SAMPLE);
    for (step, fault) in &faults {
        let (store, watched) = faulty(&memory, Some((*step, *fault)), at_once());
        let outcome = workplace.run(store.clone(), "out").await;
        let outcome = outcome.unwrap_or_else(|e| panic!("{fault:?} at step {step}: {e}\n{:#?}", watched.journal()));
        assert_eq!(outcome.rows, ROWS as u64, "{fault:?} at step {step}");
        assert_eq!(published(&store, "out").await, wanted, "{fault:?} at step {step}");
    }
    eprintln!("{} faults at {} steps", faults.len(), steps.len());
}
