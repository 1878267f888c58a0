//! Warnings about files that can be read all the same.

use std::{
    collections::HashSet,
    sync::{LazyLock, Mutex, PoisonError},
};

/// The remarks that were made.
static MADE: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
/// Number of remarks that are remembered; beyond it a remark may be repeated.
const REMEMBERED: usize = 10_000;

/// Writes a remark to the log, once, however often the file is opened.
pub fn remark(text: String) {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    if made.len() > REMEMBERED {
        made.clear();
    }
    if !made.contains(&text) {
        tracing::warn!("{text}");
        made.insert(text);
    }
}
