//! Rules that hold for every source file and every crate.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn the_network_knows_nothing_of_sql() {
    let mut files = Vec::new();
    rust_files(&root().join("src/model"), &mut files);
    files.retain(|file| !file.starts_with(root().join("src/model/inference")));
    assert!(files.len() > 10);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("datafusion") && !text.contains("arrow::"), "{}", file.display());
    }
}

#[test]
fn source_files_are_short() {
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches"] {
        rust_files(&root().join(folder), &mut files);
    }
    for file in files {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 400, "{} has {lines} lines", file.display());
    }
}

/// The libraries on which other projects may build. None of them, nor any of their dependencies, contains anything that
/// belongs to a program or draws charts.
const LIBRARIES: [&str; 8] = ["cluster", "core", "formats", "gaia", "kernels", "model", "release", "sql"];

#[test]
fn libraries_are_free_of_what_a_program_needs() {
    for library in LIBRARIES {
        let manifest = fs::read_to_string(root().join("src").join(library).join("Cargo.toml")).unwrap();
        let (_, dependencies) = manifest.split_once("\n[dependencies]\n").unwrap();
        let (dependencies, _) = dependencies.split_once("\n[").unwrap();
        for line in dependencies.lines().filter(|line| !line.contains("optional = true")) {
            let name = line.split(['.', ' ']).next().unwrap();
            let needs = ["anyhow", "clap", "comfy-table", "indicatif", "plotters", "rustyline", "tikv-jemallocator"];
            assert!(!needs.contains(&name), "{library} depends on {name}");
            let own = name.strip_prefix("lamcat-").is_none_or(|other| LIBRARIES.contains(&other));
            assert!(own, "{library} depends on {name}");
        }
    }
}
