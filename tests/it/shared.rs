//! The shared data folder: real spectra and reference vectors that are too large for the repository.

use std::path::PathBuf;

/// The path `parts` in the shared folder; `None`, with a message, if it does not exist.
pub fn shared(parts: &str) -> Option<PathBuf> {
    let root = std::env::var_os("LAMCAT_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join(parts);
    if path.exists() {
        return Some(path);
    }
    assert!(
        std::env::var_os("LAMCAT_REQUIRE_SHARED").is_none_or(|v| v != "1"),
        "LAMCAT_REQUIRE_SHARED is set but {} is missing",
        path.display()
    );
    let name = std::thread::current().name().unwrap_or("test").to_owned();
    eprintln!("{name} skipped: no shared data");
    None
}
