//! What is written to stderr besides a command's own messages: the log, panics, usage errors. None of it contains
//! secrets.

use std::io::{self, IsTerminal, Write};

use lamcat_core::error::{Error, ErrorKind, without_secrets};
use tracing_subscriber::EnvFilter;

/// The filter of the log by default.
const DEFAULT: &str = "warn";

/// Starts the log with the given filter.
///
/// # Errors
/// If the filter is not valid.
pub(super) fn start(filter: Option<&str>) -> anyhow::Result<()> {
    let filter = filter.filter(|text| !text.trim().is_empty()).unwrap_or(DEFAULT);
    let filter = EnvFilter::try_new(filter).map_err(|e| {
        let error = Error::new(ErrorKind::Config, format!("'{filter}' does not say what to log")).source(e);
        error.hint("write --log or RUST_LOG as e.g. debug or warn,object_store=debug")
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Discreet(io::stderr()))
        .with_ansi(io::stderr().is_terminal())
        .init();
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let words = panic.to_string();
        let discreet = without_secrets(&words);
        if discreet == words { report(panic) } else { eprintln!("{discreet}") }
    }));
    Ok(())
}

/// Prints what is wrong with the arguments and ends the program.
pub(super) fn wrong_usage<T>(error: &clap::Error) -> T {
    if !error.use_stderr() {
        error.exit();
    }
    let words = error.render();
    let words = if io::stderr().is_terminal() { words.ansi().to_string() } else { words.to_string() };
    eprint!("{}", without_secrets(&words));
    std::process::exit(error.exit_code())
}

/// Removes the secrets from each event or line before writing it.
struct Discreet<W>(W);

impl<W: Write> Write for Discreet<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(without_secrets(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
