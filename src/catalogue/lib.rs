//! Catalogues: [`pipeline`]s that make releases of them, on demand or on a schedule, and the [`ingest`]ion of archive
//! files.

pub mod ingest;
pub mod pipeline;
