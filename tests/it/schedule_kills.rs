//! Schedulers that are killed: no due time is lost or run twice.

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

/// Number of schedulers that are killed; `LAMCAT_KILLS` sets a larger number.
const KILLS: usize = 12;

fn kills() -> usize {
    env::var("LAMCAT_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS)
}

fn outcomes(history: &[Value]) -> Vec<(&str, &str)> {
    history.iter().map(|e| (e["due"].as_str().unwrap(), e["outcome"].as_str().unwrap())).collect()
}

/// Kills a process after a while, unless it has ended; returns whether it was killed.
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
    let at = |hour: i32| format!("2026-12-{:02}T{:02}:00:00Z", 1 + hour / 24, hour % 24);
    let timed = |hour: i32| {
        let begun = Instant::now();
        run(&mut once(folder, &at(hour)));
        begun.elapsed()
    };
    // The duration of a scheduler that publishes, and of one that has nothing to publish.
    let took = [timed(0), timed(1)];
    let mut wanted = vec![(at(0), "published"), (at(1), "skipped")];
    let (mut killed, mut hour) = (0, 1);
    while killed < kills() {
        hour += 1;
        let changed = hour % 2 == 0;
        if changed {
            change_input(folder, if hour % 4 == 0 { "whole.parquet" } else { "half.parquet" });
        }
        // Each scheduler is killed a little later while less is left to do, and at other moments in each hour.
        for part in 1.. {
            let share = (f64::from(part) - f64::from(hour * 5 % 8) / 8.0) / 8.0;
            let process = once(folder, &at(hour)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            if !kill_after(process, took[usize::from(!changed)].mul_f64(share)) {
                break;
            }
            killed += 1;
        }
        run(&mut once(folder, &at(hour)));
        wanted.push((at(hour), if changed { "published" } else { "skipped" }));
    }
    let history = history(folder);
    let wanted: Vec<_> = wanted.iter().map(|(due, outcome)| (due.as_str(), *outcome)).collect();
    assert_eq!(outcomes(&history), wanted);
    let published = wanted.iter().filter(|(_, outcome)| *outcome == "published").count();
    let log = log(folder);
    assert_eq!((log.len(), log.iter().collect::<BTreeSet<_>>().len()), (published, published), "{log:?}");
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
