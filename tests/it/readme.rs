//! Every `lamcat` command of the README and of the manual runs and prints what the page shows.

use std::{fs, io::Write, path::Path, process::Command};

use flate2::{Compression, write::GzEncoder};

use crate::shared::shared;

/// A command on a page, and the output shown below it.
struct Shown {
    command: String,
    output: String,
}

fn shown(page: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for block in page.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        let mut lines = block.lines().peekable();
        while let Some(line) = lines.next() {
            let Some(first) = line.strip_prefix("$ ") else {
                if let Some(last) = all.last_mut() {
                    last.output += line;
                    last.output.push('\n');
                }
                continue;
            };
            let mut command = first.to_owned();
            // A command continues while a quote is open.
            while command.matches('"').count() % 2 == 1 {
                command.push('\n');
                command += lines.next().unwrap_or_default();
            }
            all.push(Shown { command, output: String::new() });
        }
    }
    all
}

/// Whether a line is compared: lines with numbers that depend on the machine are not.
fn stable(line: &str) -> bool {
    !line.contains("rows/s") && !line.contains(" rows in ") && !line.trim().is_empty()
}

/// A folder with the files that the commands expect, and `lamcat` in its `bin`; also returns whether it has real
/// spectra.
fn folder() -> (tempfile::TempDir, bool) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_lamcat"), bin.join("lamcat")).unwrap();
    std::os::unix::fs::symlink(root.join("sql"), folder.path().join("sql")).unwrap();
    fs::create_dir(folder.path().join("pipelines")).unwrap();
    for file in fs::read_dir(root.join("pipelines")).unwrap().flatten().filter(|file| file.path().is_file()) {
        // The pipelines are copied because their paths are relative to the place of the file, not to the target of a
        // link.
        fs::copy(file.path(), folder.path().join("pipelines").join(file.file_name())).unwrap();
    }
    let real = shared("data/xp_continuous/field_stars/xp_continuous_combined_chunk0.fits");
    if let Some(fits) = &real {
        fs::copy(fits, folder.path().join("field_stars.fits")).unwrap();
        let spectra = shared("data/xp_continuous/gaiaxpy/XP_CONTINUOUS_RAW.ecsv").unwrap();
        let file = fs::File::create(folder.path().join("XpContinuousMeanSpectrum_000000-003111.csv.gz")).unwrap();
        let mut zipped = GzEncoder::new(file, Compression::default());
        zipped.write_all(&fs::read(spectra).unwrap()).unwrap();
        zipped.finish().unwrap();
    }
    (folder, real.is_some())
}

/// Runs the commands of a page, given as a path from the project's root, one after the other in a folder, which it
/// returns.
pub fn run_page(page: &str) -> tempfile::TempDir {
    let (folder, real) = folder();
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
    let path = format!("{}:{}", folder.path().join("bin").display(), std::env::var("PATH").unwrap_or_default());
    for Shown { command, output } in shown(&text) {
        let needs_real = ["field_stars", "XpContinuous", "labels.parquet"].iter().any(|name| command.contains(name));
        // The README's first two commands run cargo itself; CI runs these.
        if command.starts_with("cargo ") || (needs_real && !real) {
            continue;
        }
        assert!(command.starts_with("lamcat "), "{page} shows a command that no test can run: {command}");
        let mut bash = Command::new("bash");
        bash.args(["-c", &command]).current_dir(folder.path()).env("PATH", &path).env_remove("LAMCAT_MODEL");
        let result = bash.output().unwrap();
        let text = String::from_utf8_lossy(&result.stdout) + String::from_utf8_lossy(&result.stderr);
        assert!(result.status.success(), "{page}: {command}\n{text}");
        for line in output.lines().filter(|l| stable(l)) {
            assert!(text.contains(line.trim_end()), "{page}: {command}\nshould print\n{line}\nbut printed\n{text}");
        }
    }
    folder
}

/// Number of points in a plot.
fn points(svg: &Path) -> usize {
    fs::read_to_string(svg).unwrap().matches("<circle").count()
}

#[test]
fn the_readmes_commands_run_and_print_what_it_shows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("README.md")).unwrap();
    let commands = shown(&text);
    let cargo: Vec<_> = commands.iter().map(|c| c.command.as_str()).filter(|c| c.starts_with("cargo ")).collect();
    let ci = fs::read_to_string(root.join(".ci/run")).unwrap();
    assert_eq!(cargo, ["cargo run --release -- demo", "cargo test"], "CI runs these two");
    assert!(ci.contains("cargo run --release --locked -- demo") && ci.contains("\ncargo test\n"));
    assert!(commands.len() >= 9, "only {} commands found in the README", commands.len());
    assert!(text.lines().count() <= 200, "the README is long: the manual has room");
    let folder = run_page("README.md");
    // The plot is the one that the command draws, except for the last digits, which depend on the processor.
    let [now, then] = [folder.path().join("kiel.svg"), root.join("src/docs/kiel.svg")].map(|svg| points(&svg));
    assert!(now == then && now > 400, "{now} points, {then} in the README's picture");
}
