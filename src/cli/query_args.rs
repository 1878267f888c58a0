//! The query of a command that reads stars.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use datafusion::dataframe::DataFrame;
use lamcat_sql::session::Session;
use sha2::{Digest, Sha256};

#[derive(Debug, Args)]
pub(super) struct QueryArgs {
    /// File with the query of the stars; statements before it, such as CREATE VIEW, run first.
    #[arg(long, value_name = "FILE", required_unless_present = "command")]
    sql: Option<PathBuf>,
    /// The query of the stars, or, with --sql, statements that run before the file's.
    #[arg(short, long = "command", value_name = "SQL")]
    command: Option<String>,
}

/// The SQL text that was given.
pub(super) struct Query(String);

impl QueryArgs {
    /// The statements of the command line, then those of the file.
    pub(super) fn read(&self) -> anyhow::Result<Query> {
        let mut sql = self.command.clone().unwrap_or_default();
        if let Some(path) = &self.sql {
            sql.push_str(";\n");
            sql += &lamcat_formats::read_text(path).with_context(|| format!("cannot read {}", path.display()))?;
        }
        Ok(Query(sql))
    }
}

impl Query {
    /// Runs every statement except the last, and plans that one.
    pub(super) async fn plan(&self, session: &Session) -> anyhow::Result<DataFrame> {
        let mut statements = session.parse(&self.0)?;
        let Some(query) = statements.pop() else { bail!("the given text contains no SQL statement") };
        for statement in statements {
            session.plan(statement).await?.collect().await?;
        }
        Ok(session.plan(query).await?)
    }

    /// SHA-256 of the text, in hexadecimal.
    pub(super) fn sha256(&self) -> String {
        format!("{:x}", Sha256::digest(self.0.as_bytes()))
    }
}
