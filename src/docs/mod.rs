//! The manual: a page for each subject, and in [`sql`] one for each SQL function.
//!
//! The same pages are files in the folder `src/docs`. A test runs every command and every example that they show.

pub mod sql;

/// Includes pages of this folder as the documentation of modules of their names.
macro_rules! pages {
    ($folder:literal: $($page:ident),+ $(,)?) => {
        $(
            #[doc = include_str!(concat!($folder, stringify!($page), ".md"))]
            pub mod $page {}
        )+
    };
}
pub(crate) use pages;

pages!("": archive_files, reading_tables, models, training, pictures, releases, schedules, object_stores, clusters, performance);
