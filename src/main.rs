//! The `lamcat` program.

use std::{
    ffi::{CStr, c_char},
    process::ExitCode,
    sync::atomic::AtomicPtr,
};

/// Batches are large and short-lived: with the system's allocator a fifth of the time is the kernel's, most of it faulting
/// their pages in. This one gives back what threads leave behind.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What jemalloc reads as it starts: freed pages are given back after a tenth of a second, by a thread of its own. Where it
/// can, it has one arena for each core in place of four: every arena keeps pages of its own.
#[expect(unsafe_code, reason = "jemalloc looks for a symbol of this name")]
// SAFETY: the name is jemalloc's own, which reads a pointer to a text there.
#[unsafe(export_name = "malloc_conf")]
static MALLOC_CONF: AtomicPtr<c_char> = AtomicPtr::new(OPTIONS.as_ptr().cast_mut());

const OPTIONS: &CStr = if cfg!(target_os = "linux") {
    c"background_thread:true,dirty_decay_ms:100,percpu_arena:percpu"
} else {
    c"background_thread:true,dirty_decay_ms:100"
};

fn main() -> ExitCode {
    lamcat::cli::main()
}
