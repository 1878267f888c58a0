//! The `lamcat` program.

use std::process::ExitCode;

/// Batches are large and short-lived: with the system's allocator a fifth of the time
/// is the kernel's, most of it faulting their pages in.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    lamcat::cli::main()
}
