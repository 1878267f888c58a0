//! Every reader on inputs that nobody wrote on purpose: none may panic, abort, or hold more than a gigabyte.
//!
//! As a test it reads the inputs in `corpus`; see the README there is beside it for how others are found.

#[cfg(feature = "fuzz")]
mod driver;
mod memory;
mod targets;

use std::{
    panic::{self, AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

#[global_allocator]
static ALLOCATOR: memory::Bounded = memory::Bounded;

/// A reader by its name.
#[derive(Clone, Copy)]
pub struct Target {
    name: &'static str,
    run: fn(&[u8]),
}

/// Panics so far, those that somebody caught included.
static PANICS: AtomicUsize = AtomicUsize::new(0);
/// What is being read.
static CURRENT: Mutex<String> = Mutex::new(String::new());

fn current() -> String {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A folder of inputs of a target: `corpus`; `found`, by which a search reached more of the code; and `inflating`, which are
/// far longer than they look, so that many of them would make a search slow.
fn folder(kind: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(kind).join(target)
}

/// Reads every input of a target: how many there are, and those that it fails on.
fn replay(target: Target) -> (usize, Vec<String>) {
    let folders = ["corpus", "found", "inflating"].map(|kind| std::fs::read_dir(folder(kind, target.name)));
    let entries = folders.into_iter().flatten().flatten();
    let mut inputs: Vec<PathBuf> = entries.map(|entry| entry.expect("the corpus can be read").path()).collect();
    assert!(!inputs.is_empty(), "every target has a corpus");
    inputs.sort();
    let fails = |path: &PathBuf| {
        *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = path.display().to_string();
        let data = std::fs::read(path).expect("the corpus can be read");
        let before = PANICS.load(Ordering::SeqCst);
        let ended = catch_unwind(AssertUnwindSafe(|| (target.run)(&data)));
        (ended.is_err() || PANICS.load(Ordering::SeqCst) > before).then(current)
    };
    let failed = inputs.iter().filter_map(fails).collect();
    (inputs.len(), failed)
}

fn test(targets: &[Target]) -> ExitCode {
    let shown = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::SeqCst);
        shown(panic);
    }));
    let mut failed = 0;
    for target in targets {
        let begin = std::time::Instant::now();
        let (inputs, fails) = replay(*target);
        let held = memory::peak() >> 20;
        println!("fuzz {}: {inputs} inputs in {:.1?}, at most {held} MiB so far", target.name, begin.elapsed());
        for input in &fails {
            println!("FAILED: {input}");
        }
        failed += fails.len();
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(feature = "fuzz")]
fn fuzz(target: Target, further: &[String]) -> ExitCode {
    let shown = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        shown(panic);
        std::process::abort();
    }));
    std::process::exit(driver::fuzz(target, further));
}

#[cfg(not(feature = "fuzz"))]
fn fuzz(_: Target, _: &[String]) -> ExitCode {
    eprintln!("this is built without libFuzzer: see tests/fuzz/README.md");
    ExitCode::FAILURE
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // libFuzzer runs the program anew for some of its tasks, with arguments of its own alone.
    if let Ok(name) = std::env::var("LAMCAT_FUZZ") {
        let Some(target) = targets::ALL.into_iter().find(|target| target.name == name) else {
            eprintln!("there is no target '{name}': {}", targets::ALL.map(|target| target.name).join(", "));
            return ExitCode::FAILURE;
        };
        return fuzz(target, &arguments);
    }
    let filter = arguments.iter().find(|argument| !argument.starts_with('-')).map_or("", String::as_str);
    let chosen: Vec<Target> = targets::ALL.into_iter().filter(|target| target.name.contains(filter)).collect();
    test(&chosen)
}
