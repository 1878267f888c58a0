//! Every query in `sql/` plans.

use std::{fs, path::Path};

use lamcat::{
    session::{Session, SessionOptions},
    sources::sample,
};

#[tokio::test]
async fn every_shipped_query_plans() {
    let session = Session::new(&SessionOptions::default()).unwrap();
    session.context().register_batch("stars", sample().unwrap()).unwrap();
    let mut planned = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("sql")).unwrap() {
        let path = entry.unwrap().path();
        for statement in session.parse(&fs::read_to_string(&path).unwrap()).unwrap() {
            let frame = session.plan(statement).await;
            frame.unwrap_or_else(|e| panic!("{}: {e}", path.display())).create_physical_plan().await.unwrap();
            planned += 1;
        }
    }
    assert!(planned > 0);
}

#[test]
fn the_sql_reference_is_current() {
    let engine = lamcat::inference::Engine::start(lamcat::inference::EngineOptions::default()).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/functions/sql_reference.md");
    let now = lamcat::functions::reference::markdown(&engine);
    assert!(
        fs::read_to_string(path).unwrap() == now,
        "the SQL reference is stale: cargo run -- functions > src/functions/sql_reference.md"
    );
}
