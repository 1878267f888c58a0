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
//!  formats ──> context ──> inference ──> release
//!  (ECSV,      (tokens,    (device        (HATS, in any
//!   FITS,       packed)     thread)        object store)
//!   VOTable,
//!   HATS, Parquet)
//!        driven by SQL: functions ──> planner ──> session ──> pipeline, ingest, cli
//! ```
//!
//! # The crates
//!
//! Each has a folder of its name in `src`. This one is the program; its library gives the others under one name, for its
//! tests and for those who want everything. What builds on a part depends on its crate alone.
//!
//! | crate | what it is | what it builds on |
//! |---|---|---|
//! | `lamcat-core` | [`error`]s, the quantities of models ([`schema`]), [`context`]s, output files, the framework of SQL functions ([`udf`]), and what a [survey](mod@survey) is | |
//! | `lamcat-plot` | charts as SVG ([`plot`]) | core |
//! | `lamcat-formats` | readers of files ([`sources`]) | core |
//! | `lamcat-release` | catalogues in object stores ([`release`]) | core |
//! | `lamcat-kernels` | the arithmetic of the CPU engine for each set of instructions, and nearly all unsafe code | |
//! | `lamcat-model` | the network and its files ([`model`]), the engines that run it ([`inference`]) | core, kernels |
//! | `lamcat-gaia` | all that is Gaia's ([`gaia`]) | core, formats |
//! | `lamcat-sql` | [`functions`], [`planner`], [`session`] | core, formats, model, release |
//! | `lamcat-train` | training ([`train`]) and evaluation ([`eval`]) | core, model, plot |
//! | `lamcat-catalogue` | [`pipeline`]s with their schedules, and [`ingest`] | all but gaia and train |
//! | `lamcat` | the program ([`cli`]) | all |
//!
//! A survey is known to a program that links its crate: nothing else names it. `lamcat-sql` alone has the functions of the
//! model and of the sky, and those of no survey.
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
//! **Add a SQL function.** Write the computation as a plain function. Write a file of the function's name in the folder where
//! its like are (`src/sql/functions/model`, `src/sql/functions/sky`, `src/gaia/functions`): a [`udf::FunctionSpec`] with a
//! thin adapter round the computation, and tests with the tester that they share. Add its name, one line, to the list in the
//! `mod.rs` of the folder. The checks of its arguments, their names and the documentation follow; `LAMCAT_WRITE_PAGES=1 cargo
//! test --test it manual` writes its page. As rustfmt does not see the modules of the list, format with `cargo fmt --
//! src/sql/functions/*/*.rs src/gaia/functions/*.rs`.
//!
//! **Add a survey.** A crate with a [`survey::Survey`], handed over by the macro `survey!`; `src/lib.rs` names the crate.
//!
//! **Add a column of a survey.** A line in its table: `src/gaia/dr3_columns.csv`.
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
