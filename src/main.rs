//! The `lamcat` program.

use std::process::ExitCode;

/// Batches are large and short-lived: with the system's allocator a fifth of the time is the kernel's, most of it faulting
/// their pages in. This one gives back what threads leave behind.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What jemalloc reads as it starts: freed pages are given back after a tenth of a second, by a thread of its own. Large pieces
/// come from one arena: each of the others, four to a core, would keep pages of its own for them.
#[expect(unsafe_code, reason = "jemalloc looks for a symbol of this name")]
// SAFETY: the name is jemalloc's own, and jemalloc expects a pointer to a zero-terminated text there.
#[unsafe(export_name = "malloc_conf")]
static MALLOC_CONF: &[u8; 68] = b"background_thread:true,dirty_decay_ms:100,oversize_threshold:262144\0";

fn main() -> ExitCode {
    lamcat::cli::main()
}
