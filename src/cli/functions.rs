//! `lamcat functions`.

use std::io::Write;

use crate::{
    functions::reference,
    inference::{Engine, EngineOptions},
};

pub(super) fn run() -> anyhow::Result<()> {
    let engine = Engine::start(EngineOptions::default())?;
    std::io::stdout().write_all(reference::markdown(&engine).as_bytes())?;
    Ok(())
}
