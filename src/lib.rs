//! Turn Gaia's spectra into catalogues with SQL and a Large Astronomy Model.
//!
//! lamcat registers the Transformer of Leung & Bovy (2023, arXiv:2308.10944) in DataFusion, so that
//!
//! ```sql
//! SELECT source_id, lam_infer(xp, 'teff'), lam_error(xp, 'teff') FROM 's3://bucket/xp/*.parquet'
//! ```
//!
//! streams any number of rows through batched inference. One model answers everything: labels with errors from
//! spectra, spectra from labels, missing coefficients, embeddings.
//!
//! # The flow
//!
//! ```text
//!  sources ──> context ──> inference ──> release
//!  (ECSV,      (tokens,    (device        (HATS, in any
//!   FITS,       packed)     thread)        object store)
//!   VOTable,
//!   HATS, Parquet)
//!        driven by SQL: functions ──> planner ──> session ──> pipeline, ingest, cli
//! ```
//!
//! Each module imports only from modules to its left in this list, or above it:
//!
//! | layer | modules |
//! |---|---|
//! | 0 | [`schema`], [`error`], [`outputs`] |
//! | 1 | [`sources`], [`context`], [`model`], [`xp`], [`plot`], [`release`]; these never import each other |
//! | 2 | [`inference`] |
//! | 3 | [`functions`] |
//! | 4 | [`planner`] |
//! | 5 | [`session`] |
//! | 6 | [`ingest`], [`train`], [`pipeline`] |
//! | 7 | [`eval`] |
//! | 8 | [`cli`] |
//!
//! The crate `lamcat-kernels` in `src/kernels`, below them all, has the arithmetic of the CPU engine for each set of
//! instructions, and nearly all unsafe code.
//!
//! # Glossary
//!
//! - **token**: a quantity the model knows (`teff`, `bp0`), with its normalisation; together the *vocabulary*.
//! - **context**: what is known of a star, as tokens and values, in a fixed number of slots; missing values are padding.
//! - **perception**: what the encoder makes of a context.
//! - **request**: a token the decoder is asked for; the answer is a mean and a 1-sigma error.
//! - **coefficients**: a BP/RP spectrum in Gaia's basis functions; an `xp` list is all of them over the G flux.
//! - **device batch**: rows that go to the inference device together, gathered across the scan's batches.
//! - **hoist**: moving the calls of a query into one operator.
//! - **unit**: a part of a pipeline's input that is worked, kept and repeated as a whole.
//! - **claim**: the file that says which attempt at a unit or a tile counts; only one can create it.
//! - **tile**, **leaf**, **margin**: a HEALPix pixel that is a partition of a catalogue, its file, and copies of the rows
//!   just outside it.
//! - **due time**: a time at which a pipeline's schedule says that it runs; each ends in one *outcome*.
//! - **lease**: the file that says who works on something; it only saves work, and ends with its holder.
//!
//! # Example
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! use lamcat::session::{Session, SessionOptions};
//!
//! let session = Session::new(&SessionOptions::default())?;
//! let frame = session.sql("SELECT lam_infer(named_struct('teff', 4700, 'logg', 2.5), 'm_h') AS m_h").await?;
//! let rows = frame.collect().await?;
//! assert_eq!(rows[0].num_rows(), 1);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })
//! # }
//! ```
//!
//! # Recipes
//!
//! **Add a SQL function.** Write the computation as a plain function where it belongs (`schema`, `xp`). Write a file of the
//! function's name in the folder of [`functions`] where its like are: a [`functions::FunctionSpec`] with a thin adapter round
//! the computation, and tests with the tester that they share. Add its name, one line, to the list in the `mod.rs` of the
//! folder. The checks of its arguments, their names and the documentation follow; `LAMCAT_WRITE_PAGES=1 cargo test --test it
//! manual` writes its page. As rustfmt does not see the modules of the list, format with `cargo fmt --
//! src/functions/*/*.rs`.
//!
//! **Add an output of the model.** Add a variant to [`inference::Output`], its column in [`inference::Program`], and a
//! function that asks for it. The planner needs nothing.
//!
//! **Add a token's unit and UCD.** [`schema::column_meta`].
//!
//! **Add a shipped query.** Put it in `sql/`; a test plans every file there.
//!
//! **Add a pipeline.** A TOML file in `pipelines/` and its query in `sql/release/`; tests check and plan every one.
//!
//! **Add a file format.** Write a reader that gives Arrow batches in `sources`; add it to [`sources::ArchiveFormat`] with
//! its endings: quoted paths, `STORED AS` and `lamcat ingest` follow.
//!
//! The manual is in [`docs`], with a page for each SQL function in [`docs::sql`].

pub mod cli;
pub mod docs;

pub use lamcat_catalogue::{ingest, pipeline};
pub use lamcat_core::{context, error, extinction, outputs, schema, survey, udf};
pub use lamcat_formats as sources;
pub use lamcat_gaia as gaia;
pub use lamcat_model as model;
pub use lamcat_model::inference;
pub use lamcat_plot as plot;
pub use lamcat_release as release;
pub use lamcat_sql::{functions, planner, session};
pub use lamcat_train as train;
pub use lamcat_train::eval;
