//! Panics, which must not end a stream of rows as if it were complete.
//!
//! Rows pass through tasks and channels of several libraries. A task that panics closes its channel, which looks to the
//! receiver like the end of the rows. Therefore a worker ends when anything in it panics, and its queries fail as after
//! any other loss; and a result does not count if there was a panic in the process that asked for it.

use std::{
    panic,
    process::abort,
    sync::{
        Once,
        atomic::{AtomicU64, Ordering},
    },
};

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Counts the panics of this process from now on.
pub(crate) fn count() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            report(info);
        }));
    });
}

/// The number of panics since they are counted.
pub(crate) fn counted() -> u64 {
    PANICS.load(Ordering::SeqCst)
}

/// Ends this process when it panics.
pub(crate) fn end_the_process() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        report(info);
        eprintln!("the worker ends, so that no query takes the rows before the panic for all rows");
        abort();
    }));
}
