//! SQL with quoted paths, planned where all files are in memory. What might lead to another machine is only parsed, as an
//! address is.

use std::{cell::LazyCell, sync::Arc};

use datafusion::{execution::object_store::ObjectStoreRegistry, sql::parser::Statement};
use lamcat::{
    error::without_secrets,
    session::{LazyStores, Location, Session, SessionOptions},
};
use object_store::{ObjectStoreExt, memory::InMemory};
use sqlparser::ast;
use tokio::runtime::{Builder, Runtime};
use url::Url;

struct World {
    runtime: Runtime,
    session: Session,
}

thread_local! {
    static WORLD: LazyCell<World> = const { LazyCell::new(World::new) };
}

/// Files that a query may find, all small.
const FILES: [(&str, &str); 7] = [
    ("t/a.csv", "source_id,x\n1,2.5\n2,\n"),
    ("t/b.csv", "source_id,x\n3,0\n"),
    ("t/region=1/c.csv", "source_id,y\n3,[1,2]\n"),
    ("t/_hidden/d.csv", "a\n1\n"),
    ("e.ecsv", "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: a, datatype: int32}\na\n1\n"),
    ("v.vot", "<VOTABLE><TABLE><FIELD name='a' datatype='int'/></TABLE></VOTABLE>"),
    ("noending", "{\"a\": 1}\n"),
];

impl World {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let files = Arc::new(InMemory::new());
        for (path, text) in FILES {
            runtime.block_on(files.put(&path.into(), text.into())).expect("a file in memory");
        }
        let stores = Arc::new(LazyStores::default());
        stores.register_store(&Url::parse("file:///").expect("a URL"), files);
        let options = SessionOptions { partitions: Some(1), stores: Some(stores), ..SessionOptions::default() };
        Self { runtime, session: Session::new(&options).expect("a session") }
    }
}

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    WORLD.with(|world| {
        names(&world.session, text);
        let Ok(statements) = world.session.parse(text) else { return };
        for statement in statements.into_iter().filter(is_planned) {
            // An address may be written with escapes.
            let shown = statement.to_string();
            if !shown.contains([':', '\\']) && !text.contains([':', '\\']) {
                plan(world, statement);
            }
        }
    });
}

/// The text as a path, URL or glob.
fn names(session: &Session, text: &str) {
    let _ = (without_secrets(text), Location::is_url(text), Location::from(text).join("x").to_string());
    let _ = session.public_name(text);
}

/// Statements that leave the session as it was.
fn is_planned(statement: &Statement) -> bool {
    match statement {
        Statement::Statement(statement) => {
            matches!(statement.as_ref(), ast::Statement::Query(_) | ast::Statement::Explain { .. })
        }
        Statement::CopyTo(_) | Statement::CreateExternalTable(_) => true,
        Statement::Explain(explain) => is_planned(&explain.statement),
        Statement::Reset(_) => false,
    }
}

fn plan(world: &World, statement: Statement) {
    world.runtime.block_on(async {
        let is_copy = matches!(statement, Statement::CopyTo(_));
        if let Ok(frame) = world.session.plan(statement).await
            && !is_copy
        {
            let _ = frame.create_physical_plan().await;
        }
        let context = world.session.context();
        for table in context.catalog("datafusion").and_then(|c| c.schema("public")).map_or(vec![], |s| s.table_names())
        {
            let _ = context.deregister_table(table);
        }
    });
}
