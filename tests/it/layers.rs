//! A module imports only from lower layers.

use std::{fs, path::Path};

/// Modules by layer, lowest first; those of one row never import each other.
const LAYERS: [&[&str]; 9] = [
    &["schema", "error", "outputs", "udf", "survey", "extinction"],
    &["sources", "context", "model", "plot", "release"],
    &["inference", "gaia"],
    &["functions"],
    &["planner"],
    &["session"],
    &["ingest", "train", "pipeline"],
    &["eval"],
    &["cli"],
];

fn layer(module: &str) -> usize {
    LAYERS.iter().position(|l| l.contains(&module)).unwrap_or_else(|| panic!("module '{module}' is in no layer"))
}

fn rust_files(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
}

/// The crate's modules that a source text names, `use crate::{a::B, c}` and `crate::a::B` alike; tests left out.
fn imports(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code: String = code.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for part in code.split("crate::").skip(1) {
        let word =
            |s: &str| s.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        let Some(list) = part.strip_prefix('{') else {
            found.push(word(part));
            continue;
        };
        let mut depth = 0;
        let mut start = true;
        for (i, c) in list.char_indices() {
            if start && depth == 0 && !c.is_whitespace() {
                found.push(word(&list[i..]));
                start = false;
            }
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start = true,
                _ => {}
            }
        }
    }
    found.retain(|m| !m.is_empty());
    found
}

#[test]
fn modules_import_only_from_lower_layers() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let mut checked = 0;
    for file in files {
        let relative = file.strip_prefix(&src).unwrap();
        let own = relative.components().next().unwrap().as_os_str().to_string_lossy().replace(".rs", "");
        if own == "main" || own == "lib" {
            continue;
        }
        for module in imports(&fs::read_to_string(&file).unwrap()) {
            checked += 1;
            let lower = layer(&module) < layer(&own) || module == own || layer(&own) == 0;
            assert!(lower, "{} ({own}) imports {module}", relative.display());
        }
    }
    assert!(checked > 50, "only {checked} imports found: the reader of imports is broken");
}

#[test]
fn the_model_knows_nothing_of_sql() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/model");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("datafusion") && !text.contains("arrow::"), "{}", file.display());
    }
}

#[test]
fn source_files_are_short() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests", "benches"] {
        rust_files(&root.join(folder), &mut files);
    }
    for file in files {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 400, "{} has {lines} lines", file.display());
    }
}
