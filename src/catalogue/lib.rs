//! Catalogues: [`pipeline`]s that make releases of them, now or by a schedule, and the [`ingest`]ion of archive files.

pub mod ingest;
pub mod pipeline;
