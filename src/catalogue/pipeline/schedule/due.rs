//! Decides which times are due, and which of them are run.

use chrono::{DateTime, TimeDelta, Utc};

use super::history::History;
use crate::pipeline::{Misfire, Schedule};

/// Maximum number of due times that are recorded one by one; if there are more, the oldest are left out.
const MOST: usize = 1000;

/// The due times that need to be recorded or run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    /// The due times that were missed, oldest first.
    pub missed: Vec<DateTime<Utc>>,
    /// The due time to run, if there is one.
    pub run: Option<DateTime<Utc>>,
}

impl Due {
    /// What is due at `now` and not in `history`. If several times are due, only the last can be run, and it makes up
    /// for all of them. With [`Misfire::Skip`] it counts as missed too if it is further back than `grace`.
    #[must_use]
    pub fn new(schedule: &Schedule, history: &History, now: DateTime<Utc>, grace: TimeDelta) -> Self {
        // Due times are searched after this time, so that `since` itself is included.
        let known = history.last_until(now).or_else(|| Some(history.since? - TimeDelta::seconds(1)));
        let Some(known) = known else { return Self::default() };
        let mut times: Vec<_> = schedule.all_after(known).take_while(|time| *time <= now).collect();
        let mut missed = times.split_off(times.len().saturating_sub(MOST));
        let on_time = |last: &DateTime<Utc>| schedule.misfire == Misfire::Once || now - *last <= grace;
        let run = if missed.last().is_some_and(on_time) { missed.pop() } else { None };
        Self { missed, run }
    }

    /// Whether nothing is due.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.missed.is_empty() && self.run.is_none()
    }
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        format!("2026-12-01T{text}Z").parse().unwrap()
    }

    fn due(misfire: Misfire, history: &History, now: &str) -> (Vec<DateTime<Utc>>, Option<DateTime<Utc>>) {
        let schedule = Schedule::new("0 * * * *", Tz::UTC, misfire).unwrap();
        let due = Due::new(&schedule, history, at(now), TimeDelta::minutes(10));
        (due.missed, due.run)
    }

    #[test]
    fn one_run_makes_up_for_all_that_were_missed() {
        let history = History { ended: [at("03:00:00")].into(), ..History::default() };
        assert_eq!(due(Misfire::Once, &history, "03:59:59"), (vec![], None));
        assert_eq!(due(Misfire::Once, &history, "04:00:00"), (vec![], Some(at("04:00:00"))));
        let missed = vec![at("04:00:00"), at("05:00:00")];
        assert_eq!(due(Misfire::Once, &history, "06:50:00"), (missed, Some(at("06:00:00"))));
    }

    #[test]
    fn none_does_where_missed_runs_are_skipped() {
        let history = History { begun: [at("03:00:00")].into(), ..History::default() };
        assert_eq!(due(Misfire::Skip, &history, "04:10:00"), (vec![], Some(at("04:00:00"))));
        assert_eq!(due(Misfire::Skip, &history, "04:10:01"), (vec![at("04:00:00")], None));
        assert_eq!(due(Misfire::Skip, &history, "05:01:00"), (vec![at("04:00:00")], Some(at("05:00:00"))));
        assert_eq!(due(Misfire::Skip, &history, "05:11:00"), (vec![at("04:00:00"), at("05:00:00")], None));
    }

    #[test]
    fn without_history_times_are_due_from_the_start_on() {
        let mut history = History { since: Some(at("03:00:00")), ..History::default() };
        assert_eq!(due(Misfire::Once, &history, "03:30:00"), (vec![], Some(at("03:00:00"))));
        history.since = Some(at("03:00:01"));
        assert_eq!(due(Misfire::Once, &history, "03:30:00"), (vec![], None));
        assert_eq!(due(Misfire::Once, &History::default(), "03:30:00"), (vec![], None));
    }

    #[test]
    fn a_long_absence_is_recorded_in_part() {
        let schedule = Schedule::new("* * * * *", Tz::UTC, Misfire::Once).unwrap();
        let history = History { ended: [at("00:00:00")].into(), ..History::default() };
        let now = at("00:00:00") + TimeDelta::days(2);
        let due = Due::new(&schedule, &history, now, TimeDelta::zero());
        assert_eq!((due.missed.len(), due.run), (MOST - 1, Some(now)));
        assert_eq!(due.missed[0], now - TimeDelta::minutes(MOST as i64 - 1));
    }
}
