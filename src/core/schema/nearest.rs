//! Suggests the name that was probably meant.

/// Returns the candidate closest to `name`, if it is close enough to be a typing error.
#[must_use]
pub fn nearest<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    use strsim::levenshtein;
    candidates
        .iter()
        .map(|c| (levenshtein(&name.to_lowercase(), &c.to_lowercase()), *c))
        .filter(|(distance, c)| *distance <= 2 && *distance < c.len())
        .min()
        .map(|(_, c)| c)
}
