//! `lamcat cluster`, and the options of commands whose queries can run on one.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use lamcat_cluster::{Cluster, VERSION};
use lamcat_sql::session::Session;
use serde_json::json;
use tokio::net::TcpListener;

use super::{
    session_args::SessionArgs,
    signals,
    text_table::{Cell, text_table},
};

#[derive(Debug, Subcommand)]
pub(super) enum ClusterCommand {
    /// Run stages of the queries that others send with --cluster, until it is stopped.
    Worker(WorkerArgs),
    /// Ask workers whether they are there.
    Status(StatusArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  lamcat cluster worker
  LAMCAT_CLUSTER_TOKEN=… lamcat cluster worker --listen 10.0.0.7:8815
  lamcat sql --cluster 10.0.0.7,10.0.0.8 -f query.sql -o s3://bucket/labels.parquet
A worker reads files itself, with the credentials in its own environment; files that are not in an object store must be at the
same path on all machines. It needs the same --model files as the sessions that use it.")]
pub(super) struct WorkerArgs {
    /// Address that it listens on; other machines reach it only if this is not a loopback address.
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8815")]
    listen: SocketAddr,
    #[command(flatten)]
    token: TokenArg,
    #[command(flatten)]
    session: SessionArgs,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// The workers, HOST or HOST:PORT; all addresses of a host are workers.
    #[arg(long, value_name = "HOST[:PORT]", required = true, value_delimiter = ',', env = "LAMCAT_CLUSTER")]
    cluster: Vec<String>,
    #[command(flatten)]
    token: TokenArg,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The cluster of a command's queries.
#[derive(Debug, Args)]
pub(super) struct ClusterArgs {
    /// Run the queries on these workers, HOST or HOST:PORT; all addresses of a host are workers. Start them with `lamcat cluster
    /// worker`.
    #[arg(long, value_name = "HOST[:PORT]", value_delimiter = ',', env = "LAMCAT_CLUSTER")]
    cluster: Vec<String>,
    #[command(flatten)]
    token: TokenArg,
}

#[derive(Debug, Args)]
struct TokenArg {
    /// Secret that all members of the cluster share.
    #[arg(long = "cluster-token", value_name = "TOKEN", env = "LAMCAT_CLUSTER_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl TokenArg {
    fn get(&self) -> Option<&str> {
        let token = self.token.as_deref().filter(|token| !token.is_empty());
        if let Some(token) = token {
            lamcat_core::error::remember_secret(token);
        }
        token
    }
}

impl ClusterArgs {
    /// Makes the queries of a session run on the cluster, if one is named.
    pub(super) fn join(&self, session: &Session) -> anyhow::Result<()> {
        if !self.cluster.is_empty() {
            Cluster::new(&self.cluster, self.token.get())?.join(session)?;
        }
        Ok(())
    }
}

pub(super) async fn run(command: ClusterCommand) -> anyhow::Result<()> {
    match command {
        ClusterCommand::Worker(args) => worker(args).await,
        ClusterCommand::Status(args) => status(args).await,
    }
}

async fn worker(args: WorkerArgs) -> anyhow::Result<()> {
    let token = args.token.get();
    if token.is_none() && !args.listen.ip().is_loopback() {
        bail!(
            "whoever reaches {} could read every file that this worker can\nhint: set LAMCAT_CLUSTER_TOKEN to the same secret on \
             all machines, or listen on 127.0.0.1",
            args.listen
        );
    }
    let session = args.session.open().await?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    eprintln!("worker {VERSION} listens on {}", listener.local_addr()?);
    tokio::select! {
        served = lamcat_cluster::serve(session, listener, token, std::future::pending()) => Ok(served?),
        // A task that is cancelled looks to its receiver as if its rows were complete. Therefore nothing is cancelled: the process
        // ends, and its connections with it.
        signal = signals::ended() => std::process::exit(signal.exit_code().into()),
    }
}

async fn status(args: StatusArgs) -> anyhow::Result<()> {
    let answers = Cluster::new(&args.cluster, args.token.get())?.ask().await;
    if args.json {
        let answers = answers.iter().map(|answer| {
            json!({"worker": answer.worker.as_str(), "usable": answer.is_usable(), "answer": answer.in_words()})
        });
        println!("{}", serde_json::to_string_pretty(&answers.collect::<Vec<_>>())?);
    } else {
        let rows = answers.iter().map(|answer| {
            let usable = if answer.is_usable() { "yes" } else { "no" };
            vec![Cell::text(answer.worker.as_str()), Cell::text(usable), Cell::text(answer.in_words())]
        });
        print!("{}", text_table(&["worker", "usable", "answer"], &rows.collect::<Vec<_>>()));
    }
    let unusable = answers.iter().filter(|answer| !answer.is_usable()).count();
    if unusable > 0 {
        bail!("{unusable} of {} workers cannot be used", answers.len());
    }
    Ok(())
}
