//! Times as releases write them, in UTC.

use chrono::{SecondsFormat, Utc};

/// Now, to the second: `2026-12-02T10:00:00Z`.
#[must_use]
pub fn now_seconds() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Now as HATS writes it: `2026-12-02T10:00UTC`.
#[must_use]
pub fn now_hats() -> String {
    Utc::now().format("%Y-%m-%dT%H:%MUTC").to_string()
}
