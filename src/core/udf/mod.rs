//! The one way to write a SQL function.
//!
//! A function is a [`FunctionSpec`]: its name, its arguments, its documentation and a thin adapter round plain code. Each has
//! a file of its own, with its tests, in a folder of functions that belong together; the macro [`functions!`](crate::functions!) lists those of
//! a folder. [`SqlFunction`] is a function as DataFusion knows it, which checks calls, names arguments and documents them;
//! [`mod@reference`] writes the SQL reference.

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

/// The functions of a folder: declares the module of each and lists what they specify, in the order of the reference.
///
/// Each module has a static `SPEC`, a [`FunctionSpec`] if no other type is given in front of the list.
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
