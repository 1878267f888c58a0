//! Surveys: each brings the columns of its catalogues, the bases that its spectra are given on, and its SQL functions.
//!
//! All that lamcat knows of a survey is in one folder, which implements [`Survey`] and hands it over with [`survey!`](crate::survey!).

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

    /// The bases that its releases give spectra on, the oldest first. The same list may occur in several.
    fn bases(&self) -> Vec<Basis>;

    /// The column of this name in its catalogues.
    fn column(&self, name: &str) -> Option<SurveyColumn>;

    /// The SQL functions of its data, in the order of the reference.
    fn functions(&self) -> Vec<&'static FunctionSpec>;

    /// A plan that checks what its data say of themselves, where the plan does not use that: the basis of coefficients.
    ///
    /// # Errors
    /// As those of rewriting a plan.
    fn checked(&self, plan: LogicalPlan) -> DataFusionResult<LogicalPlan> {
        Ok(plan)
    }
}

/// A column of a survey's catalogue, for files that do not say what their columns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SurveyColumn {
    /// Type in the words of ECSV: `int64`, `float32`, `float64[null]` (a list), ….
    pub type_name: &'static str,
    /// VOUnit; empty when dimensionless.
    pub unit: &'static str,
    /// UCD1+; empty if there is none.
    pub ucd: &'static str,
    /// One sentence for a reader of a catalogue; empty if there is none.
    pub description: &'static str,
}

/// A survey as [`survey!`](crate::survey!) hands it over.
#[doc(hidden)]
pub struct Registration(pub &'static dyn Survey);

inventory::collect!(Registration);

#[doc(hidden)]
pub use inventory::submit;

/// Makes a survey known to every program that links its crate: `survey!(Gaia)`, with a unit struct that is a [`Survey`].
#[macro_export]
macro_rules! survey {
    ($survey:expr) => {
        $crate::survey::submit! { $crate::survey::Registration(&$survey) }
    };
}

/// All surveys, by their names.
#[must_use]
pub fn surveys() -> &'static [&'static dyn Survey] {
    static SURVEYS: LazyLock<Vec<&'static dyn Survey>> = LazyLock::new(|| {
        let mut surveys: Vec<_> = inventory::iter::<Registration>().map(|registration| registration.0).collect();
        surveys.sort_by_key(|survey| survey.name());
        surveys
    });
    &SURVEYS
}

/// The column of a name in the catalogue of any survey.
#[must_use]
pub fn column(name: &str) -> Option<SurveyColumn> {
    surveys().iter().find_map(|survey| survey.column(name))
}

/// The bases that this program knows by name.
#[must_use]
pub fn bases() -> &'static [Basis] {
    static BASES: LazyLock<Vec<Basis>> = LazyLock::new(|| surveys().iter().flat_map(|survey| survey.bases()).collect());
    &BASES
}

/// The known basis of a name.
///
/// # Errors
/// If there is none; the hint lists the known ones.
pub fn basis(name: &str) -> Result<Basis> {
    let known = bases();
    let names: Vec<&str> = known.iter().map(|basis| basis.name.as_str()).collect();
    known.iter().find(|basis| basis.name == name).cloned().ok_or_else(|| {
        let near = nearest(name, &names).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
        Error::new(ErrorKind::Config, format!("there is no basis '{name}'"))
            .hint(format!("{near}bases: {}", names.join(", ")))
    })
}

/// Checks that a list of `length` coefficients, or those of one block, are not on another known basis than `basis`.
///
/// # Errors
/// If it is as long as a list or a block of another known basis and of this one none is; the message names both.
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
