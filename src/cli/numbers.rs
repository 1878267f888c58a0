//! Numbers on the command line, with their ranges.

use std::{
    ops::{RangeBounds, RangeInclusive},
    time::Duration,
};

use chrono::{DateTime, Datelike, Utc};
use clap::builder::RangedU64ValueParser;

/// Parses a whole number in a range.
pub(super) fn within<T: TryFrom<u64> + Clone + Send + Sync + 'static>(
    range: RangeInclusive<u64>,
) -> RangedU64ValueParser<T>
where
    <T as TryFrom<u64>>::Error: Send + Sync + 'static + std::error::Error + ToString,
{
    RangedU64ValueParser::new().range(range)
}

/// Parses a number in a range; NaN is in no range.
pub(super) fn real(
    range: impl RangeBounds<f64> + Clone,
    words: &'static str,
) -> impl Fn(&str) -> Result<f64, String> + Clone {
    move |text| {
        let number: f64 = text.trim().parse().map_err(|_| "write a number, e.g. 0.5".to_owned())?;
        if range.contains(&number) { Ok(number) } else { Err(format!("{text} is not {words}")) }
    }
}

/// Parses a length of time such as `12h` or `7d`, at most a hundred years.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const LONGEST: Duration = Duration::from_hours(36_525 * 24);
    let length = humantime::parse_duration(text).map_err(|e| e.to_string())?;
    if length <= LONGEST { Ok(length) } else { Err("it is more than a hundred years".to_owned()) }
}

/// Parses a time such as `2026-12-02T03:00:00Z`, between the years 1970 and 2999.
pub(super) fn time(text: &str) -> Result<DateTime<Utc>, String> {
    let time: DateTime<Utc> = text.parse().map_err(|e| format!("{e}; write e.g. 2026-12-02T03:00:00Z"))?;
    if (1970..3000).contains(&time.year()) { Ok(time) } else { Err("the year is not from 1970 to 2999".to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::any::TypeId;

    use clap::{Command, CommandFactory, error::ErrorKind};

    use super::super::Cli;

    /// Options that accept any number, or whose number is compared with others after parsing.
    const UNBOUNDED: [&str; 13] = [
        "seed",
        "max-rows",
        "inpaint-stars",
        "requests",
        "restarts",
        "keep",
        "context-length",
        "context",
        "width",
        "encoder-heads",
        "encoder-dense",
        "decoder-heads",
        "decoder-dense",
    ];

    /// Finds every option with a whole number, and the words of its command.
    fn whole_numbers(command: &Command, words: &[String], found: &mut Vec<Vec<String>>) {
        let kinds =
            [TypeId::of::<usize>(), TypeId::of::<u64>(), TypeId::of::<u32>(), TypeId::of::<u8>(), TypeId::of::<i32>()];
        for argument in command.get_arguments() {
            let parser = argument.get_value_parser().type_id();
            let Some(name) = argument.get_long().filter(|_| kinds.iter().any(|kind| parser == *kind)) else { continue };
            found.push([words, &[format!("--{name}")]].concat());
        }
        for below in command.get_subcommands() {
            whole_numbers(below, &[words, &[below.get_name().to_owned()]].concat(), found);
        }
    }

    #[test]
    fn every_option_with_a_number_has_a_range() {
        let mut options = Vec::new();
        whole_numbers(&Cli::command(), &["lamcat".to_owned()], &mut options);
        assert!(options.len() > 30, "{options:?}");
        for option in options {
            let name = option.last().unwrap().trim_start_matches("--");
            for absurd in ["18446744073709551615", "99999999999999999999999"] {
                let read = Cli::command().try_get_matches_from([&option[..], &[absurd.to_owned()]].concat());
                let refused = read.is_err_and(|e| e.kind() == ErrorKind::ValueValidation);
                let may = UNBOUNDED.contains(&name) && absurd.len() == 20;
                assert!(refused || may, "{option:?} takes {absurd}");
            }
        }
    }

    #[test]
    fn times_and_lengths_have_ranges() {
        for absurd in ["584542046090years", "200years", "", "7"] {
            assert!(super::duration(absurd).is_err(), "{absurd}");
        }
        assert_eq!(super::duration("7d").unwrap().as_secs(), 7 * 86_400);
        for absurd in ["+262142-01-01T00:00:00Z", "1969-12-31T00:00:00Z", "now"] {
            assert!(super::time(absurd).is_err(), "{absurd}");
        }
        let share = super::real(0.0..=1.0, "from 0 to 1");
        assert!(share("0.5").is_ok() && ["nan", "inf", "-1", "1.5", "x"].iter().all(|text| share(text).is_err()));
    }
}
