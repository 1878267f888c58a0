//! The framework for SQL functions.
//!
//! A function is a [`FunctionSpec`]: its name, its arguments, its documentation and a thin adapter around plain code.
//! Each function has its own file, with its tests, in a folder of related functions; the macro
//! [`functions!`](crate::functions!) lists the functions of a folder. [`SqlFunction`] is the form that DataFusion
//! calls; it checks calls, names arguments and documents them. [`mod@reference`] writes the SQL reference.

mod argument;
mod arguments;
mod columns;
pub mod reference;
mod results;
mod spec;
mod sql_function;
#[cfg(any(test, feature = "testing"))]
pub mod tester;

pub use argument::{Argument, ArgumentKind, LengthCheck, ListRule, Usage};
pub use arguments::{Arguments, Call, Literals};
pub use columns::{Counts, Integers, Lists, Numbers};
pub use results::{booleans, described, fixed_lists, floats, integer_lists, integers, item, lists};
pub use spec::{Body, FunctionSpec, Section};
pub use sql_function::{Models, SqlFunction};

/// Lists the functions of a folder: declares the module of each and collects their specifications, in the order of the
/// reference.
///
/// Each module has a static `SPEC`, which is a [`FunctionSpec`] unless another type is given in front of the list.
#[macro_export]
macro_rules! functions {
    ($kind:ty: $($name:ident,)*) => {
        $(mod $name;)*

        /// The functions of this folder.
        #[must_use]
        pub fn specs() -> Vec<&'static $kind> {
            vec![$(&$name::SPEC),*]
        }
    };
    ($($name:ident,)*) => {
        $crate::functions! { $crate::udf::FunctionSpec: $($name,)* }
    };
}
