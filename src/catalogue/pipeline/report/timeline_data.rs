//! Which runner did which task of a job, and when, according to the claims of the job.

use futures::{StreamExt, TryStreamExt};
use lamcat_core::error::Result;
use lamcat_plot::{Span, Timeline, digits, table};
use lamcat_release::{
    Storage,
    attempt::Attempt,
    clock, commit,
    paths::{self, JobPaths},
};
use maud::Markup;
use serde::Deserialize;

/// Number of claims that are read at once.
const AT_ONCE: usize = 16;
/// Kinds of tasks.
const KINDS: [&str; 2] = ["unit", "tile"];
/// Timelines of at least this many seconds are in minutes, and those of at least this many in hours.
const LONG: f64 = 600.0;
const VERY_LONG: f64 = 4.0 * 3600.0;

/// A task that has been done.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DoneTask {
    /// Its kind, as an index into `KINDS`.
    kind: usize,
    runner: String,
    /// Start time in seconds since 1970.
    began: f64,
    seconds: f64,
    rows: u64,
}

/// The parts of a claim that are needed here, for both kinds of claims. The row counts are not parsed.
#[derive(Deserialize)]
struct Claim {
    #[serde(default)]
    seconds: f64,
    attempt: Option<Attempt>,
    input_rows: Option<u64>,
    leaf: Option<Leaf>,
}

#[derive(Deserialize)]
struct Leaf {
    rows: u64,
}

/// The parts of a job's record that are needed here.
#[derive(Deserialize)]
struct Record {
    inference: Option<String>,
    catalogue: Created,
}

#[derive(Deserialize)]
struct Created {
    created: String,
}

impl Record {
    /// The time when it was written, in seconds since 1970.
    fn since(&self) -> Option<f64> {
        clock::of_hats(&self.catalogue.created).map(|time| time.timestamp() as f64)
    }
}

/// The units and tiles of a job whose claims still exist and have times, sorted by start time. Those that began in the
/// same second are sorted by file, so that a page that is made again is the same. Units that were computed before the
/// job are left out.
///
/// # Errors
/// If the store fails or a claim is damaged.
pub(super) async fn done_tasks(storage: &Storage, job: &str) -> Result<Vec<DoneTask>> {
    let job = JobPaths::new(job);
    let record: Option<Record> = commit::read(storage, &job.spec()).await?;
    let since = record.as_ref().and_then(Record::since).unwrap_or(f64::NEG_INFINITY);
    let units = record.and_then(|record| record.inference).map_or_else(|| job.units(), |id| JobPaths::new(&id).units());
    let mut found = Vec::new();
    for (kind, folder) in [units, job.tiles()].into_iter().enumerate() {
        let files = storage.list(&folder).await?;
        let claims = files.iter().filter(|file| paths::is_json(&file.path));
        let claims = futures::stream::iter(claims.map(|file| commit::read::<Claim>(storage, &file.path)));
        let mut claims = claims.buffered(AT_ONCE);
        while let Some(claim) = claims.try_next().await? {
            found.extend(claim.and_then(|claim| claim.done_task(kind)).filter(|task| task.began >= since));
        }
    }
    found.sort_by(|a, b| a.began.total_cmp(&b.began));
    Ok(found)
}

impl Claim {
    fn done_task(self, kind: usize) -> Option<DoneTask> {
        let attempt = self.attempt?;
        let began = attempt.began_seconds()?;
        let rows = self.input_rows.or(self.leaf.map(|leaf| leaf.rows)).unwrap_or(0);
        let seconds = Some(self.seconds).filter(|s| s.is_finite() && *s >= 0.0)?;
        Some(DoneTask { kind, runner: attempt.runner, began, seconds, rows })
    }
}

/// The runners, sorted by their first task.
fn runners(tasks: &[DoneTask]) -> Vec<&str> {
    let mut runners: Vec<&str> = Vec::new();
    for task in tasks {
        if !runners.contains(&task.runner.as_str()) {
            runners.push(&task.runner);
        }
    }
    runners
}

/// One bar for each task, grouped by runner.
pub(super) fn timeline(tasks: &[DoneTask]) -> Timeline {
    let begin = tasks.first().map_or(0.0, |first| first.began);
    let end = tasks.iter().map(|task| task.began + task.seconds).fold(begin, f64::max);
    let (unit, name) = match end - begin {
        span if span < LONG => (1.0, "s"),
        span if span < VERY_LONG => (60.0, "min"),
        _ => (3600.0, "h"),
    };
    let span = |task: &DoneTask| {
        let at = |time: f64| (time - begin) / unit;
        Span { begin: at(task.began), end: at(task.began + task.seconds), kind: task.kind }
    };
    let lane = |runner: &str| {
        let own = tasks.iter().filter(|task| task.runner == runner);
        (runner.to_owned(), own.map(span).collect())
    };
    Timeline {
        title: "Units and tiles by runner".to_owned(),
        x: format!("time since the first unit began [{name}]"),
        kinds: KINDS.map(str::to_owned).to_vec(),
        lanes: runners(tasks).into_iter().map(lane).collect(),
    }
}

/// A table of what each runner did.
pub(super) fn runners_table(tasks: &[DoneTask]) -> Markup {
    let mut rows = Vec::new();
    for runner in runners(tasks) {
        for (kind, name) in KINDS.iter().enumerate() {
            let own: Vec<&DoneTask> = tasks.iter().filter(|task| task.runner == runner && task.kind == kind).collect();
            if own.is_empty() {
                continue;
            }
            let (done, seconds) = (own.iter().map(|t| t.rows).sum::<u64>(), own.iter().map(|t| t.seconds).sum::<f64>());
            rows.push(vec![
                runner.to_owned(),
                (*name).to_owned(),
                own.len().to_string(),
                done.to_string(),
                digits(seconds),
                digits(done as f64 / seconds.max(1e-3)),
            ]);
        }
    }
    table("first", &["runner", "task", "number", "rows", "seconds of all", "rows/s of one"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(runner: &str, began: f64, seconds: f64, kind: usize) -> DoneTask {
        DoneTask { kind, runner: runner.to_owned(), began, seconds, rows: 100 }
    }

    #[test]
    fn runners_have_lanes_in_the_order_they_came() {
        let tasks = [task("b:2", 1e9, 60.0, 0), task("a:1", 1e9 + 30.0, 120.0, 0), task("b:2", 1e9 + 900.0, 60.0, 1)];
        let timeline = timeline(&tasks);
        assert_eq!(timeline.lanes.iter().map(|lane| lane.0.as_str()).collect::<Vec<_>>(), ["b:2", "a:1"]);
        assert!(timeline.x.ends_with("[min]"));
        assert_eq!(timeline.lanes[0].1[1], Span { begin: 15.0, end: 16.0, kind: 1 });
        let table = runners_table(&tasks).into_string();
        assert!(table.contains("<td>tile</td><td>1</td>") && table.matches("b:2").count() == 2, "{table}");
    }

    #[test]
    fn claims_without_times_are_left_out() {
        let read = |text: &str| serde_json::from_str::<Claim>(text).unwrap().done_task(0);
        assert_eq!(read(r#"{"unit": "a", "input_rows": 9, "counts": {"order": 8, "rows": {}}, "seconds": 1.0}"#), None);
        let known = read(
            r#"{"unit": "a", "input_rows": 9, "seconds": 1.5, "attempt": {"runner": "m:1", "began": "1970-01-01T00:00:02Z"}}"#,
        );
        assert_eq!(known, Some(DoneTask { kind: 0, runner: "m:1".to_owned(), began: 2.0, seconds: 1.5, rows: 9 }));
    }
}
