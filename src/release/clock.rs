//! Times in the forms that releases use, in UTC.

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};

/// The current time, to the second: `2026-12-02T10:00:00Z`.
#[must_use]
pub fn now_seconds() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Format of times in HATS: `2026-12-02T10:00UTC`.
const HATS: &str = "%Y-%m-%dT%H:%MUTC";

/// The current time in the format of HATS.
#[must_use]
pub fn now_hats() -> String {
    Utc::now().format(HATS).to_string()
}

/// Parses a time in the format of HATS; `None` if the text is not one.
#[must_use]
pub fn of_hats(text: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text, HATS).ok().map(|time| time.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_hats_are_read_as_they_are_written() {
        let time = of_hats("2026-12-02T10:07UTC").unwrap();
        assert_eq!(time.to_rfc3339(), "2026-12-02T10:07:00+00:00");
        assert!((Utc::now() - of_hats(&now_hats()).unwrap()).num_seconds() < 120);
        assert_eq!(of_hats("2026-12-02"), None);
    }
}
