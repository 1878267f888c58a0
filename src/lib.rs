//! Turn Gaia's spectra into catalogues with SQL and a Large Astronomy Model.
//!
//! lamcat registers the Transformer of Leung & Bovy (2023, arXiv:2308.10944) in DataFusion, so that
//!
//! ```sql
//! SELECT source_id, lam_infer(xp, 'teff'), lam_error(xp, 'teff') FROM 's3://bucket/xp/*.parquet'
//! ```
//!
//! streams any number of rows through batched inference. A single model predicts labels with errors from spectra,
//! spectra from labels, and missing coefficients, and gives embeddings.
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
//! Each crate has a folder of its name in `src`. This crate is the program; its library re-exports the other crates
//! under one name, for its tests and for users who want everything. Code that needs only one part can depend on that
//! part's crate alone.
//!
//! | crate | what it contains | what it depends on |
//! |---|---|---|
//! | `lamcat-core` | [`error`]s, the quantities of models ([`schema`]), [`context`]s, output files, the framework of SQL functions ([`udf`]), and what a [survey](mod@survey) is | |
//! | `lamcat-plot` | charts as SVG ([`plot`]) | core |
//! | `lamcat-formats` | readers of files ([`sources`]) | core |
//! | `lamcat-release` | catalogues in object stores ([`release`]) | core |
//! | `lamcat-kernels` | the arithmetic of the CPU engine for each set of instructions, and nearly all unsafe code | |
//! | `lamcat-model` | the network and its files ([`model`]), the engines that run it ([`inference`]) | core, kernels |
//! | `lamcat-gaia` | everything that is specific to Gaia ([`gaia`]) | core, formats |
//! | `lamcat-sql` | [`functions`], [`planner`], [`session`] | core, formats, model, release |
//! | `lamcat-cluster` | queries on several machines ([`cluster`]) | core, formats, model, sql |
//! | `lamcat-train` | training ([`train`]) and evaluation ([`eval`]) | core, model, plot |
//! | `lamcat-catalogue` | [`pipeline`]s with their schedules, and [`ingest`] | all but gaia and train |
//! | `lamcat` | the program ([`cli`]) | all |
//!
//! A program supports a survey if it links the survey's crate; no other crate refers to it. `lamcat-sql` on its own has
//! the functions of the model and of the sky, and none of any survey.
//!
//! # Glossary
//!
//! - **token**: a quantity that the model knows, such as `teff` or `bp0`, with its normalisation.
//! - **vocabulary**: all tokens of a model.
//! - **context**: the known values of a star, as tokens in a fixed number of slots, in which missing values are
//!   padding.
//! - **perception**: the encoder's output for a context.
//! - **request**: a token that the decoder is asked to predict, with a mean and a 1-sigma error as the answer.
//! - **coefficients**: a BP/RP spectrum in Gaia's basis functions; an `xp` list holds all of them, divided by the G
//!   flux.
//! - **device batch**: rows from one or more batches of a scan that are sent to the inference device together.
//! - **plan**: a query plan of DataFusion, logical or physical.
//! - **hoist**: to move the `lam_*` calls of a query into one operator of its plan.
//! - **pipeline**: a TOML file that describes a catalogue: its inputs, its query, its layout and its gates.
//! - **job**: the work for one pipeline on its inputs as they are now.
//! - **run**: one execution of a job, of which several may be in progress on different machines.
//! - **unit**: a part of a pipeline's input that is computed, and if necessary repeated, as a whole.
//! - **lease**: the file that says who works on something; it ends with its holder, and only avoids duplicate work.
//! - **claim**: the file that says which attempt at a unit or a tile counts; only one attempt can create it.
//! - **tile**: a HEALPix pixel that is a partition of a catalogue.
//! - **leaf**: the Parquet file with the rows of a tile.
//! - **margin**: copies of the rows just outside a tile.
//! - **release**: one finished version of a catalogue.
//! - **due time**: a time at which a pipeline's schedule says that it must run; each due time has one *outcome*.
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
//! **Add a SQL function.** Write the computation as a plain function. Write a file named after the function in the
//! folder with similar functions (`src/sql/functions/model`, `src/sql/functions/sky`, `src/gaia/functions`): a
//! [`udf::FunctionSpec`] with a thin adapter around the computation, and tests with the shared tester. Add its name,
//! one line, to the list in the folder's `mod.rs`. The checks of its arguments, their names and the documentation
//! follow from the specification; `LAMCAT_WRITE_PAGES=1 cargo test --test it manual` writes its page. As rustfmt does
//! not see the modules of the list, format with `cargo fmt -- src/sql/functions/*/*.rs src/gaia/functions/*.rs`.
//!
//! **Add a survey.** Write a crate with a [`survey::Survey`], registered by the macro `survey!`, and link it in
//! `src/lib.rs`.
//!
//! **Add a column of a survey.** Add a line to its table: `src/gaia/dr3_columns.csv`.
//!
//! **Add an output of the model.** Add a variant to [`inference::Output`], its column to [`inference::Program`], and a
//! function that requests it. The planner needs no change.
//!
//! **Add a token's unit and UCD.** Extend [`schema::column_meta`].
//!
//! **Add a shipped query.** Put it in `sql/`; a test plans every file there.
//!
//! **Add a pipeline.** Add a TOML file to `pipelines/` and its query to `sql/release/`; tests check and plan every one.
//!
//! **Add a file format.** Write a reader in `sources` that returns Arrow batches, and add it to
//! [`sources::ArchiveFormat`] with its file suffixes. Quoted paths, `STORED AS` and `lamcat ingest` then work without
//! further changes.
//!
//! The manual is in [`docs`], with a page for each SQL function in [`docs::sql`].

pub mod cli;
pub mod docs;

pub use lamcat_catalogue::{ingest, pipeline};
#[cfg(feature = "cluster")]
pub use lamcat_cluster as cluster;
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
