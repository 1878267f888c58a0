//! stdout, which remembers whether its reader has gone, as `head` does.

use std::{
    io::{ErrorKind, Result, Stdout, Write},
    sync::atomic::{AtomicBool, Ordering},
};

static READER_GONE: AtomicBool = AtomicBool::new(false);

/// Whether a write failed because nobody reads the output any more; then the program has nothing left to do.
pub(super) fn reader_gone() -> bool {
    READER_GONE.load(Ordering::Relaxed)
}

/// The stdout of the process.
pub(super) struct Out(Stdout);

pub(super) fn out() -> Out {
    Out(std::io::stdout())
}

fn note<T>(result: Result<T>) -> Result<T> {
    if result.as_ref().is_err_and(|e| e.kind() == ErrorKind::BrokenPipe) {
        READER_GONE.store(true, Ordering::Relaxed);
    }
    result
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        note(self.0.write(bytes))
    }

    fn flush(&mut self) -> Result<()> {
        note(self.0.flush())
    }
}
