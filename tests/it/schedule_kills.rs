//! Schedulers that are killed: no due time is lost or doubled.

use std::{
    collections::BTreeSet,
    env, fs,
    path::Path,
    process::{Child, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    program::run,
    schedule::{HOURLY, change_input, history, log, once, schedule, terminate, wait, workplace},
};

/// Schedulers that are killed; `LAMCAT_KILLS` makes them more.
const KILLS: usize = 12;

fn kills() -> usize {
    env::var("LAMCAT_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS)
}

fn outcomes(history: &[Value]) -> Vec<(&str, &str)> {
    history.iter().map(|e| (e["due"].as_str().unwrap(), e["outcome"].as_str().unwrap())).collect()
}

/// Kills a process after a while, if it has not ended; whether it was killed.
fn kill_after(mut process: Child, time: Duration) -> bool {
    let until = Instant::now() + time;
    while Instant::now() < until {
        if process.try_wait().unwrap().is_some() {
            return false;
        }
        sleep(Duration::from_millis(1));
    }
    process.kill().unwrap();
    process.wait().unwrap();
    true
}

#[test]
fn what_is_due_once_has_one_outcome_whatever_is_killed() {
    let folder = workplace(HOURLY);
    let folder = folder.path();
    let begun = Instant::now();
    run(&mut once(folder, "2026-12-02T00:00:00Z"));
    let time = begun.elapsed();
    let (mut killed, mut hour, mut wanted) = (0, 0, vec![("2026-12-02T00:00:00Z".to_owned(), "published")]);
    while killed < kills() && hour < 23 {
        hour += 1;
        // Every other time the input is another.
        let changed = hour % 2 == 1;
        if changed {
            change_input(folder, if hour % 4 == 1 { "half.parquet" } else { "whole.parquet" });
        }
        let now = format!("2026-12-02T{hour:02}:00:00Z");
        for share in [10, 35, 60, 85, 97].map(|share| f64::from((share + 7 * hour) % 100) / 100.0) {
            let process = once(folder, &now).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            killed += usize::from(kill_after(process, time.mul_f64(share)));
        }
        run(&mut once(folder, &now));
        wanted.push((now, if changed { "published" } else { "skipped" }));
    }
    let history = history(folder);
    let wanted: Vec<_> = wanted.iter().map(|(due, outcome)| (due.as_str(), *outcome)).collect();
    assert_eq!(outcomes(&history), wanted);
    let published = wanted.iter().filter(|(_, outcome)| *outcome == "published").count();
    let log = log(folder);
    assert_eq!((log.len(), log.iter().collect::<BTreeSet<_>>().len()), (published, published), "{log:?}");
    assert!(killed >= kills().min(8), "only {killed} were killed");
}

fn files(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn two_schedulers_that_are_killed_in_turn_lose_and_double_nothing() {
    let folder = workplace("cron = \"* * * * *\"\n");
    let folder = folder.path();
    let store = folder.join("out/demo/schedule");
    fs::create_dir_all(&store).unwrap();
    let since = chrono::Utc::now() - chrono::TimeDelta::minutes(3);
    let since = since.format("%Y-%m-%dT%H:%M:00Z").to_string();
    fs::write(store.join("since.json"), format!(r#"{{"since": "{since}"}}"#)).unwrap();
    let start = || schedule(folder, "run", &["--json"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut pair = [start(), start()];
    for kill in 0..kills() {
        sleep(Duration::from_millis((kill as u64 * 613) % 2500));
        let victim = &mut pair[kill % 2];
        victim.kill().unwrap();
        victim.wait().unwrap();
        pair[kill % 2] = start();
    }
    wait("the end of the first run", || files(&folder.join("out/demo/log")) > 0);
    for process in &mut pair {
        terminate(process);
        process.wait().unwrap();
    }
    // Another minute may have begun.
    run(&mut schedule(folder, "run", &["--once"]));
    let history = history(folder);
    let outcomes = outcomes(&history);
    let due: Vec<chrono::DateTime<chrono::Utc>> = outcomes.iter().map(|(due, _)| due.parse().unwrap()).collect();
    assert_eq!(due[0], since.parse::<chrono::DateTime<chrono::Utc>>().unwrap());
    assert!(due.windows(2).all(|pair| pair[1] - pair[0] == chrono::TimeDelta::minutes(1)), "{outcomes:?}");
    assert!(outcomes.iter().all(|(_, outcome)| *outcome != "failed" && *outcome != "begun"), "{outcomes:?}");
    let published = outcomes.iter().filter(|(_, outcome)| *outcome == "published").count();
    assert_eq!((published, log(folder).len()), (1, 1), "{outcomes:?}");
}
