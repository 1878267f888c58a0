//! The `lamcat` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    lamcat::cli::main()
}
