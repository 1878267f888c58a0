//! Who made something, and when.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// Maximum number of characters of the host name in a runner's name.
const MACHINE_LENGTH: usize = 24;

/// An attempt at a unit or a tile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The process that made it: `machine:process`.
    pub runner: String,
    /// When it began, in UTC: `2026-12-02T10:00:00.123Z`.
    pub began: String,
}

impl Attempt {
    /// Starts an attempt of this process, as of now.
    #[must_use]
    pub fn begin() -> Self {
        Self { runner: runner(), began: Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true) }
    }

    /// The start time in seconds since 1970; `None` if it cannot be parsed.
    #[must_use]
    pub fn began_seconds(&self) -> Option<f64> {
        let began = DateTime::parse_from_rfc3339(&self.began).ok()?;
        Some(began.timestamp_millis() as f64 / 1e3)
    }
}

/// Name of this process among the runners of a release: the host name up to its first dot, and the process number.
#[must_use]
pub fn runner() -> String {
    let name = hostname::get().unwrap_or_default();
    format!("{}:{}", machine(&name.to_string_lossy()), std::process::id())
}

/// The first part of a host name, reduced to characters that need no quoting anywhere.
fn machine(hostname: &str) -> String {
    let first = hostname.trim().split('.').next().unwrap_or_default();
    let plain = first.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(MACHINE_LENGTH);
    let plain: String = plain.collect();
    if plain.is_empty() { "machine".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_is_its_machine_and_process() {
        assert_eq!(machine("node-17.cluster.example.org\n"), "node-17");
        assert_eq!(machine("<b>&\"x\""), "bx");
        assert_eq!(machine(""), "machine");
        assert!(runner().ends_with(&format!(":{}", std::process::id())));
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        let began = |text: &str| Attempt { runner: String::new(), began: text.to_owned() }.began_seconds();
        // date -u -d 2026-12-02T10:00:00 +%s
        assert_eq!(began("2026-12-02T10:00:00.250Z"), Some(1_796_205_600.25));
        assert_eq!(began("yesterday"), None);
        let now = Attempt::begin().began_seconds().unwrap();
        assert!((now - Utc::now().timestamp() as f64).abs() < 5.0);
    }
}
