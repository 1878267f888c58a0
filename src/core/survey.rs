//! Surveys: each provides the columns of its catalogues, the bases of its spectra, and its SQL functions.
//!
//! Everything that lamcat knows about a survey is in one folder, which implements [`Survey`] and registers it with
//! [`survey!`](crate::survey!).

use std::sync::LazyLock;

use datafusion::{common::Result as DataFusionResult, logical_expr::LogicalPlan};

use crate::{
    error::{Error, ErrorKind, Result},
    schema::{Basis, nearest},
    udf::FunctionSpec,
};

/// A survey of the sky.
pub trait Survey: Sync {
    /// Its name, e.g. `Gaia`.
    fn name(&self) -> &'static str;

    /// The bases on which its releases give spectra, oldest first. Several surveys may list the same basis.
    fn bases(&self) -> Vec<Basis>;

    /// Returns the column with this name in its catalogues.
    fn column(&self, name: &str) -> Option<SurveyColumn>;

    /// Columns of its table of sources that `lamcat ingest --join` adds to a table unless other columns are named.
    fn joined_columns(&self) -> &'static [&'static str] {
        &[]
    }

    /// The SQL functions for its data, in the order of the reference.
    fn functions(&self) -> Vec<&'static FunctionSpec>;

    /// Returns a plan that checks the metadata of its data, such as the basis of coefficients, where the plan itself
    /// does not use them.
    ///
    /// # Errors
    /// The errors of rewriting a plan.
    fn checked(&self, plan: LogicalPlan) -> DataFusionResult<LogicalPlan> {
        Ok(plan)
    }
}

/// A column of a survey's catalogue, for files that do not describe their columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SurveyColumn {
    /// Type in ECSV notation: `int64`, `float32`, `float64[null]` (a list), ….
    pub type_name: &'static str,
    /// VOUnit; empty when dimensionless.
    pub unit: &'static str,
    /// UCD1+; empty if there is none.
    pub ucd: &'static str,
    /// One sentence for a reader of a catalogue; empty if there is none.
    pub description: &'static str,
}

/// A survey as registered by [`survey!`](crate::survey!).
#[doc(hidden)]
pub struct Registration(pub &'static dyn Survey);

inventory::collect!(Registration);

#[doc(hidden)]
pub use inventory::submit;

/// Registers a survey with every program that links its crate: `survey!(Gaia)`, with a unit struct that is a
/// [`Survey`].
#[macro_export]
macro_rules! survey {
    ($survey:expr) => {
        $crate::survey::submit! { $crate::survey::Registration(&$survey) }
    };
}

/// All surveys, sorted by name.
#[must_use]
pub fn surveys() -> &'static [&'static dyn Survey] {
    static SURVEYS: LazyLock<Vec<&'static dyn Survey>> = LazyLock::new(|| {
        let mut surveys: Vec<_> = inventory::iter::<Registration>().map(|registration| registration.0).collect();
        surveys.sort_by_key(|survey| survey.name());
        surveys
    });
    &SURVEYS
}

/// Returns the column with this name in the catalogue of any survey.
#[must_use]
pub fn column(name: &str) -> Option<SurveyColumn> {
    surveys().iter().find_map(|survey| survey.column(name))
}

/// The columns that are joined to the tables of any survey unless others are named.
pub fn joined_columns() -> impl Iterator<Item = &'static &'static str> {
    surveys().iter().flat_map(|survey| survey.joined_columns())
}

/// The bases that this program knows by name.
#[must_use]
pub fn bases() -> &'static [Basis] {
    static BASES: LazyLock<Vec<Basis>> = LazyLock::new(|| surveys().iter().flat_map(|survey| survey.bases()).collect());
    &BASES
}

/// Returns the known basis with this name.
///
/// # Errors
/// If there is no such basis; the hint lists the known ones.
pub fn basis(name: &str) -> Result<Basis> {
    let known = bases();
    let names: Vec<&str> = known.iter().map(|basis| basis.name.as_str()).collect();
    known.iter().find(|basis| basis.name == name).cloned().ok_or_else(|| {
        let near = nearest(name, &names).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
        Error::new(ErrorKind::Config, format!("there is no basis '{name}'"))
            .hint(format!("{near}bases: {}", names.join(", ")))
    })
}

/// Checks that a list of `length` coefficients, or the coefficients of one block, are not on another known basis than
/// `basis`.
///
/// # Errors
/// If the length is that of a list or block of another known basis but of none of this one; the message names both
/// bases.
pub fn check_length(basis: &Basis, length: usize) -> Result<()> {
    let has = |basis: &Basis| basis.length() == length || basis.blocks.iter().any(|block| block.length == length);
    if has(basis) {
        return Ok(());
    }
    match bases().iter().find(|other| other.list == basis.list && has(other)) {
        Some(other) => Err(basis.mismatch(&other.name).at("coefficients", length)),
        None => Ok(()),
    }
}
