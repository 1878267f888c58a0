//! Every `lamcat` command of the README runs and prints what the README shows.

use std::{fs, io::Write, path::Path, process::Command};

use flate2::{Compression, write::GzEncoder};

use crate::shared::shared;

/// A command of the README and the output shown below it.
struct Shown {
    command: String,
    output: String,
}

fn shown(readme: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for block in readme.split("```console\n").skip(1) {
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
            // A command goes on while a quote is open.
            while command.matches('"').count() % 2 == 1 {
                command.push('\n');
                command += lines.next().unwrap_or_default();
            }
            all.push(Shown { command, output: String::new() });
        }
    }
    all
}

/// Numbers that depend on the machine are not compared.
fn stable(line: &str) -> bool {
    !line.contains("rows/s") && !line.contains(" rows in ") && !line.trim().is_empty()
}

#[test]
fn the_readmes_commands_run_and_print_what_it_shows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_lamcat"), bin.join("lamcat")).unwrap();
    std::os::unix::fs::symlink(root.join("sql"), folder.path().join("sql")).unwrap();
    fs::create_dir(folder.path().join("pipelines")).unwrap();
    for file in fs::read_dir(root.join("pipelines")).unwrap().flatten().filter(|file| file.path().is_file()) {
        // Their paths are relative to where they are, not to where a link points.
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
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut ran = 0;
    for Shown { command, output } in shown(&readme) {
        // Cargo itself runs the first two commands; CI does.
        let needs_real = ["field_stars", "XpContinuous", "labels"].iter().any(|name| command.contains(name));
        if command.starts_with("cargo ") || (needs_real && real.is_none()) {
            continue;
        }
        let result = Command::new("bash")
            .args(["-c", &command])
            .current_dir(folder.path())
            .env("PATH", &path)
            .env_remove("LAMCAT_MODEL")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&result.stdout) + String::from_utf8_lossy(&result.stderr);
        assert!(result.status.success(), "{command}\n{text}");
        for line in output.lines().filter(|l| stable(l)) {
            assert!(text.contains(line.trim_end()), "{command}\nshould print\n{line}\nbut printed\n{text}");
        }
        ran += 1;
    }
    assert!(ran >= 4, "only {ran} commands found in the README");
}
