//! `lamcat functions`.

use std::io::Write;

use lamcat_core::udf::reference;
use lamcat_sql::functions::specs;

use super::stdout::out;

pub(super) fn run() -> anyhow::Result<()> {
    out().write_all(reference::markdown(&specs()).as_bytes())?;
    Ok(())
}
