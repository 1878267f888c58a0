//! Queries over files of several formats from a store that fails at each single step: they return all rows, or an error
//! that says that a retry can help.

use std::{fmt::Write, fs, sync::Arc};

use arrow::{array::AsArray, datatypes::Int64Type};
use datafusion::error::DataFusionError;
use lamcat::{
    error::Error,
    session::{Retries, Session, SessionOptions},
};
use object_store::{ObjectStoreExt, memory::InMemory, path::Path};

use crate::{
    every_step::{at_once, faulty, never},
    faulty_store::{Fault, Faulty},
};

const ROWS: usize = 3000;

/// Files of several formats with the numbers up to [`ROWS`].
async fn files() -> InMemory {
    let folder = tempfile::tempdir().unwrap();
    let session = session();
    for ending in ["parquet", "csv", "json", "arrow"] {
        let file = folder.path().join(format!("numbers.{ending}"));
        let query = format!("COPY (SELECT value AS n FROM generate_series(1, {ROWS})) TO '{}'", file.display());
        session.sql(&query).await.unwrap().collect().await.unwrap();
    }
    let mut ecsv = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: n, datatype: int64}\nn\n".to_owned();
    let mut votable =
        "<VOTABLE version=\"1.4\"><RESOURCE><TABLE><FIELD name=\"n\" datatype=\"long\"/><DATA><TABLEDATA>".to_owned();
    for n in 1..=ROWS {
        writeln!(ecsv, "{n}").unwrap();
        write!(votable, "<TR><TD>{n}</TD></TR>").unwrap();
    }
    votable.push_str("</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>");
    fs::write(folder.path().join("numbers.ecsv"), ecsv).unwrap();
    fs::write(folder.path().join("numbers.vot"), votable).unwrap();
    let memory = InMemory::new();
    for file in fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        let path = Path::from(file.file_name().into_string().unwrap());
        memory.put(&path, fs::read(file.path()).unwrap().into()).await.unwrap();
    }
    memory
}

fn session() -> Session {
    Session::new(&SessionOptions { partitions: Some(1), ..SessionOptions::default() }).unwrap()
}

/// The sum of the numbers in a file.
async fn sum(session: &Session, file: &str) -> Result<i64, DataFusionError> {
    let query = format!("SELECT CAST(sum(n) AS BIGINT) FROM 's3://numbers/{file}'");
    let batches = session.sql(&query).await?.collect().await?;
    Ok(batches[0].column(0).as_primitive::<Int64Type>().value(0))
}

/// A session that sees a store, with a fault.
fn seeing(memory: &InMemory, fault: Option<(usize, Fault)>, retries: Retries) -> (Session, Arc<Faulty>) {
    let (store, seen) = faulty(memory, fault, retries);
    let session = session();
    session.context().register_object_store(&"s3://numbers".parse().unwrap(), store);
    (session, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_step_of_reading_a_format_loses_rows_or_what_a_retry_can_do() {
    let memory = files().await;
    let wanted = (ROWS * (ROWS + 1) / 2) as i64;
    for file in ["parquet", "csv", "json", "arrow", "ecsv", "vot"].map(|ending| format!("numbers.{ending}")) {
        let (session, seen) = seeing(&memory, None, never());
        assert_eq!(sum(&session, &file).await.unwrap(), wanted, "{file}");
        let (steps, mut failed) = (seen.steps(), 0);
        for step in 0..steps {
            for fault in [Fault::Refused(503), Fault::Reset, Fault::Cut] {
                let (session, seen) = seeing(&memory, Some((step, fault)), never());
                match sum(&session, &file).await {
                    Ok(sum) => assert_eq!(sum, wanted, "{file}: {fault:?} at {step}"),
                    Err(e) => {
                        failed += 1;
                        let known = Error::from_datafusion("the query failed", &e);
                        assert!(known.is_retryable(), "{file}: {fault:?} at {step}: {e}\n{:?}", seen.journal());
                    }
                }
                let (session, _) = seeing(&memory, Some((step, fault)), at_once());
                assert_eq!(sum(&session, &file).await.unwrap(), wanted, "{file}: {fault:?} at {step}");
            }
        }
        assert!(failed > 0, "{file}");
        eprintln!("{file}: {steps} steps");
    }
}
