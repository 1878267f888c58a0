//! When a pipeline runs by itself.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

use super::spec::Misfire;

/// When a pipeline runs by itself, resolved.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    /// Time zone of the times.
    pub time_zone: Tz,
    /// What becomes of runs that were missed.
    pub misfire: Misfire,
}

impl Schedule {
    /// A schedule of five cron fields; gives what is wrong with the pattern if it is none.
    pub(super) fn new(pattern: &str, time_zone: Tz, misfire: Misfire) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(pattern).map_err(|e| e.to_string())?;
        let schedule = Self { cron, time_zone, misfire };
        match schedule.after(Utc::now()) {
            Some(_) => Ok(schedule),
            None => Err("there is no such time".to_owned()),
        }
    }

    /// The first time after `time`. Where clocks are set forward, times that do not exist are replaced by the next that does.
    #[must_use]
    pub fn after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.cron.find_next_occurrence(&time.with_timezone(&self.time_zone), false);
        next.ok().map(|next| next.with_timezone(&Utc))
    }

    /// In cron's five fields.
    #[must_use]
    pub fn pattern(&self) -> &str {
        self.cron.as_str()
    }

    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        self.cron.describe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mondays_at_three_in_berlin_are_at_one_in_utc_in_summer() {
        let schedule = Schedule::new("0 3 * * 1", chrono_tz::Europe::Berlin, Misfire::Once).unwrap();
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        assert_eq!(schedule.after(at("2026-07-22T00:00:00Z")), Some(at("2026-07-27T01:00:00Z")));
        assert_eq!(schedule.after(at("2026-12-01T00:00:00Z")), Some(at("2026-12-07T02:00:00Z")));
    }

    #[test]
    fn seconds_and_nonsense_are_refused() {
        for pattern in ["0 0 3 * * 1", "0 25 * * *", "often", "", "0 0 31 2 *"] {
            assert!(Schedule::new(pattern, Tz::UTC, Misfire::Skip).is_err(), "{pattern}");
        }
    }
}
