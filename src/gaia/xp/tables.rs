//! Reads the generated tables; `tables/generate.py` describes their content.

/// Returns the numbers of a `.bin` table.
pub(super) fn numbers(bytes: &[u8]) -> Vec<f64> {
    bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect()
}

/// Returns the records of a `.csv` table, without comment and header.
pub(super) fn records(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    text.lines().filter(|l| !l.starts_with('#')).skip(1).map(|l| l.split(',').collect())
}

/// Returns a number of a record; NaN if it is missing.
pub(super) fn number(record: &[&str], field: usize) -> f64 {
    record.get(field).and_then(|v| v.parse().ok()).unwrap_or(f64::NAN)
}
