//! Runs the `lamcat` program as a user does.

use std::{
    path::Path,
    process::{Command, Output},
};

/// The program, in `folder`, without settings from the environment.
pub fn lamcat(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lamcat"));
    command.current_dir(folder).env_remove("LAMCAT_MODEL").env("RUST_BACKTRACE", "0").env("COLUMNS", "100");
    command
}

/// Runs a command that must succeed; returns what it wrote to stdout and stderr.
pub fn run(command: &mut Command) -> (String, String) {
    let output = command.output().unwrap();
    let (stdout, stderr) = text(&output);
    assert!(output.status.success(), "{command:?} failed:\n{stdout}\n{stderr}");
    (stdout, stderr)
}

/// Runs a command that must fail with exit code 1; returns what it wrote to stderr. A lamcat that was built for GPUs
/// may have printed before that there is no GPU; this is left out.
pub fn fail(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (stdout, stderr) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{command:?} should fail:\n{stdout}\n{stderr}");
    let said = |line: &&str| {
        // Remarks about an input are printed when it is opened, and retries before an operation is given up.
        !(cfg!(feature = "cuda") && line.contains("computing on the CPU") || line.contains(" WARN lamcat"))
    };
    let first = stderr.lines().find(said).unwrap_or_default();
    assert!(first.starts_with("error: "), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}
