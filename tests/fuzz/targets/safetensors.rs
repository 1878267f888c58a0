//! A model file.
//!
//! An input is a file, or the parts of one: lamcat's header, the JSON of the tensors, and the numbers, which are zero as far
//! as they are not said.

use lamcat::model::Model;
use serde_json::{Value, json};

use super::parts;

/// Most numbers that are made up.
const MOST_BYTES: usize = 1 << 20;

pub fn run(data: &[u8]) {
    let bytes = if data.starts_with(b"{") { file(data) } else { Some(data.to_vec()) };
    let Some(Ok(model)) = bytes.map(|bytes| Model::from_bytes(&bytes)) else { return };
    let _ = (model.label(), model.parameters(), model.domain());
}

/// The file of which these are the parts; `None` if the tensors are not described as JSON.
fn file(data: &[u8]) -> Option<Vec<u8>> {
    let parts = parts(data);
    let [header, tensors, numbers @ ..] = &parts[..] else { return None };
    let mut tensors: Value = serde_json::from_slice(tensors).ok()?;
    let entries = tensors.as_object_mut()?;
    let end = |entry: &Value| entry["data_offsets"][1].as_u64();
    let claimed = entries.values().filter_map(end).max().unwrap_or(0);
    entries.insert("__metadata__".to_owned(), json!({"lamcat": String::from_utf8_lossy(header)}));
    let json = tensors.to_string();
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(json.as_bytes());
    let mut numbers = numbers.concat();
    let length = usize::try_from(claimed).unwrap_or(MOST_BYTES).min(MOST_BYTES);
    numbers.resize(numbers.len().max(length), 0);
    bytes.extend_from_slice(&numbers);
    Some(bytes)
}
