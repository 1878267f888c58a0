//! The SQL functions.
//!
//! A function is a [`FunctionSpec`]: its name, its arguments, its documentation and a thin adapter round plain code of
//! the layers below. Each has a file of its own, with its tests, in the folder `model`, `sky` or `gaia`. The files beside
//! these folders serve all functions alike: [`SqlFunction`] is a function as DataFusion knows it, which checks calls, names
//! arguments and documents them; [`mod@reference`] writes the SQL reference.
//!
//! The functions of the model (`lam_*` with a context) are planned, not called: see [`crate::planner`]. A [`SqlFunction`]
//! says what such a call asks for, and computes the calls that the planner cannot place.
//!
//! Specifications may come from other folders as well: [`FunctionSpec::udf`] makes functions of them that a session can
//! register, and [`reference::markdown`] documents them.

mod argument;
mod arguments;
mod ask;
mod columns;
mod gaia;
mod model;
pub mod reference;
mod results;
mod sky;
mod spec;
#[cfg(test)]
mod tester;
mod udf;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;

/// The functions of a folder: declares the module of each and lists what they specify, in the order of the reference.
macro_rules! functions {
    ($($name:ident,)*) => {
        $(mod $name;)*

        /// The functions of this folder.
        #[must_use]
        pub fn specs() -> Vec<&'static crate::functions::FunctionSpec> {
            vec![$(&$name::SPEC),*]
        }
    };
}
pub(crate) use functions;

pub use argument::{Argument, ArgumentKind, LengthCheck, ListRule, Usage};
pub use arguments::{Arguments, Call, Literals};
pub use ask::Ask;
pub use columns::{Counts, Integers, Lists, Numbers};
pub(crate) use gaia::with_bases_checked;
pub use model::ModelCall;
pub use results::{booleans, described, fixed_lists, floats, integer_lists, integers, item, lists};
pub use spec::{Body, FunctionSpec, Section};
pub use udf::SqlFunction;

use crate::inference::Engine;

/// What lamcat adds to SQL, in the order of the reference.
#[must_use]
pub fn specs() -> Vec<&'static FunctionSpec> {
    [model::specs(), gaia::specs(), sky::specs()].concat()
}

/// Every function that lamcat adds to SQL.
#[must_use]
pub fn all(engine: &Arc<Engine>) -> Vec<ScalarUDF> {
    specs().into_iter().map(|spec| spec.udf(engine)).collect()
}

/// Whether a function of this name takes pairs `name => value` of any names.
#[must_use]
pub fn takes_pairs(name: &str) -> bool {
    specs().iter().any(|spec| spec.takes_pairs() && spec.name.eq_ignore_ascii_case(name))
}
