//! The `lamcat` program.

use std::process::ExitCode;

/// Batches are large and short-lived: with the system's allocator, a fifth of the time is spent in the kernel, mostly
/// on page faults. This allocator also returns the memory that threads leave behind.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The settings that jemalloc reads when it starts: a separate thread returns freed pages after a tenth of a second.
/// Large pieces come from one arena; otherwise each of the other arenas, four per core, would keep pages of its own for
/// them.
#[expect(unsafe_code, reason = "jemalloc looks for a symbol of this name")]
// SAFETY: the name is jemalloc's own, and jemalloc expects a pointer to a zero-terminated text there.
#[unsafe(export_name = "malloc_conf")]
static MALLOC_CONF: &[u8; 68] = b"background_thread:true,dirty_decay_ms:100,oversize_threshold:262144\0";

fn main() -> ExitCode {
    lamcat::cli::main()
}
