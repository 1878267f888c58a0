//! Integration tests, one binary.
#![expect(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod archive;
mod cli;
mod crossmatch;
mod damaged;
mod domain;
mod eval;
mod eval_program;
mod field_stars;
mod fits;
mod formats;
mod gaiaxpy;
mod ingest_files;
mod layers;
mod memory;
mod model_files;
mod npz;
mod object_store;
mod paper;
mod parity;
mod pipeline_files;
mod pipeline_queries;
mod plot;
mod program;
mod queue;
mod readme;
mod run_program;
mod shared;
mod shipped_sql;
mod simulate;
mod simulate_parts;
mod sky_references;
mod train;
mod train_paper;
mod train_program;
