//! `lamcat functions`.

use std::io::Write;

use super::stdout::out;
use crate::{functions::specs, udf::reference};

pub(super) fn run() -> anyhow::Result<()> {
    out().write_all(reference::markdown(&specs()).as_bytes())?;
    Ok(())
}
