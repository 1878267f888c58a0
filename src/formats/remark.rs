//! What a user should know of a file that can be read all the same.

use std::{
    collections::HashSet,
    sync::{LazyLock, Mutex, PoisonError},
};

/// Remarks that were made.
static MADE: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);
/// Remarks that are remembered; beyond them one may be made again.
const REMEMBERED: usize = 10_000;

/// Says a remark in the log, once, however often the file is opened.
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
