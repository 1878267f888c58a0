//! The schedule on which a pipeline runs.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

use super::spec::Misfire;

/// The schedule of a pipeline, resolved.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    /// Time zone of the times.
    pub time_zone: Tz,
    /// The policy for runs that were missed.
    pub misfire: Misfire,
}

impl Schedule {
    /// A schedule of five cron fields; returns what is wrong if the pattern is not valid.
    pub(crate) fn new(pattern: &str, time_zone: Tz, misfire: Misfire) -> Result<Self, String> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(pattern).map_err(|e| e.to_string())?;
        let schedule = Self { cron, time_zone, misfire };
        match schedule.after(Utc::now()) {
            Some(_) => Ok(schedule),
            None => Err("there is no such time".to_owned()),
        }
    }

    /// The first due time after `time`. When clocks are set forward, a time of day that does not exist is replaced by
    /// the next one that does. When they are set back, a time of day that occurs twice counts once. Patterns with `*`
    /// or a step in the minutes or hours differ: times that do not exist are left out, and times that occur twice count
    /// twice.
    #[must_use]
    pub fn after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.cron.find_next_occurrence(&time.with_timezone(&self.time_zone), false);
        next.ok().map(|next| next.with_timezone(&Utc)).filter(|next| *next > time)
    }

    /// The due times after `time`, in order.
    pub fn all_after(&self, time: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        std::iter::successors(self.after(time), |last| self.after(*last))
    }

    /// The pattern, in cron's five fields.
    #[must_use]
    pub fn pattern(&self) -> &str {
        self.cron.as_str()
    }

    /// The schedule in words, for people.
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

    /// Clock times in Berlin, where clocks are set forward on 2026-03-29 at 01:00 UTC and back on 2026-10-25 at 01:00
    /// UTC.
    #[test]
    fn clocks_that_are_set_lose_and_double_no_run() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let times = |pattern: &str, from: &str, count: usize| -> Vec<String> {
            let schedule = Schedule::new(pattern, chrono_tz::Europe::Berlin, Misfire::Once).unwrap();
            schedule.all_after(at(from)).take(count).map(|t| t.format("%dT%H:%M").to_string()).collect()
        };
        assert_eq!(times("30 2 * * *", "2026-03-28T00:00:00Z", 3), ["28T01:30", "29T01:00", "30T00:30"]);
        assert_eq!(times("30 2 * * *", "2026-10-24T00:00:00Z", 3), ["24T00:30", "25T00:30", "26T01:30"]);
        assert_eq!(times("0 * * * *", "2026-03-28T23:30:00Z", 4), ["29T00:00", "29T01:00", "29T02:00", "29T03:00"]);
        assert_eq!(times("0 * * * *", "2026-10-24T23:30:00Z", 4), ["25T00:00", "25T01:00", "25T02:00", "25T03:00"]);
        // Hourly runs over a year have no gap, and daily runs occur once on every day of the calendar.
        let hourly = Schedule::new("0 * * * *", chrono_tz::Europe::Berlin, Misfire::Once).unwrap();
        let hours: Vec<_> = hourly.all_after(at("2026-01-01T00:30:00Z")).take(24 * 365).collect();
        assert!(hours.windows(2).all(|pair| pair[1] - pair[0] == chrono::TimeDelta::hours(1)));
        let daily = Schedule::new("30 2 * * *", chrono_tz::Europe::Berlin, Misfire::Once).unwrap();
        let dates = daily.all_after(at("2026-01-01T00:00:00Z")).take(365);
        let dates: Vec<_> = dates.map(|time| time.with_timezone(&chrono_tz::Europe::Berlin).date_naive()).collect();
        assert!(dates.windows(2).all(|pair| pair[1] - pair[0] == chrono::TimeDelta::days(1)), "{dates:?}");
    }

    #[test]
    fn seconds_and_nonsense_are_refused() {
        for pattern in ["0 0 3 * * 1", "0 25 * * *", "often", "", "0 0 31 2 *"] {
            assert!(Schedule::new(pattern, Tz::UTC, Misfire::Skip).is_err(), "{pattern}");
        }
    }
}
