//! `lamcat functions`.

use std::io::Write;

use super::stdout::out;
use crate::{
    functions::reference,
    inference::{Engine, EngineOptions},
};

pub(super) fn run() -> anyhow::Result<()> {
    let engine = Engine::start(EngineOptions::default())?;
    out().write_all(reference::markdown(&engine).as_bytes())?;
    Ok(())
}
