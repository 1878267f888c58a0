//! `lamcat schedule`: releases that are made automatically.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    object_store::server,
    program::{fail, lamcat, run},
    run_program,
};

/// Maximum time for anything in these tests.
const LIMIT: Duration = Duration::from_mins(1);
/// A schedule with a due time every hour.
pub const HOURLY: &str = "cron = \"0 * * * *\"\n";

/// A folder with a scheduled pipeline, a small model and stars.
pub fn workplace(schedule: &str) -> tempfile::TempDir {
    let folder = run_program::workplace();
    let file = folder.path().join("pipelines/demo.toml");
    let pipeline = fs::read_to_string(&file).unwrap();
    let (pipeline, _) = pipeline.split_once("[schedule]").unwrap();
    fs::write(&file, format!("{pipeline}[schedule]\n{schedule}")).unwrap();
    let query = "COPY (SELECT * FROM 'stars.parquet' WHERE source_id % 2 = 0) TO 'half.parquet'";
    run(lamcat(folder.path()).args(["sql", "-c", query]));
    fs::copy(folder.path().join("stars.parquet"), folder.path().join("whole.parquet")).unwrap();
    folder
}

/// Replaces the input by a file.
pub fn change_input(folder: &Path, file: &str) {
    fs::copy(folder.join(file), folder.join("new.parquet")).unwrap();
    fs::rename(folder.join("new.parquet"), folder.join("stars.parquet")).unwrap();
}

/// `lamcat schedule` with a subcommand, for the pipeline of the workplace.
pub fn schedule(folder: &Path, subcommand: &str, arguments: &[&str]) -> Command {
    schedule_into("out", folder, subcommand, arguments)
}

/// The same, for a catalogue in `store`.
fn schedule_into(store: &str, folder: &Path, subcommand: &str, arguments: &[&str]) -> Command {
    let mut command = lamcat(folder);
    command.args(["schedule", subcommand, "pipelines/demo.toml"]).args(arguments);
    if subcommand != "next" {
        command.args(["--store", store]);
    }
    if subcommand == "run" {
        command.args(["--input", "stars=stars.parquet", "--model", "tiny.safetensors"]);
    }
    command
}

/// Runs what is due at a time, once.
pub fn once(folder: &Path, now: &str) -> Command {
    schedule(folder, "run", &["--once", "--json", "--now", now])
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn history(folder: &Path) -> Vec<Value> {
    let (text, _) = run(&mut schedule(folder, "history", &["--json", "-n", "10000"]));
    serde_json::from_str(&text).unwrap()
}

/// The folders of the published releases, in order.
pub fn log(folder: &Path) -> Vec<String> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder.join("out/demo/log")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let entry = |file: &PathBuf| -> Value { serde_json::from_slice(&fs::read(file).unwrap()).unwrap() };
    files.iter().map(|file| entry(file)["folder"].as_str().unwrap().to_owned()).collect()
}

/// Runs a command some of whose runs must fail; returns what it wrote to stderr.
fn failed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && stderr.contains("error: a run failed\nhint:"), "{stderr}");
    stderr
}

/// Waits until a condition holds.
pub fn wait(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < LIMIT, "{what} did not come");
        sleep(Duration::from_millis(2));
    }
}

pub fn terminate(process: &Child) {
    run(Command::new("kill").args(["-TERM", &process.id().to_string()]));
}

#[test]
fn unchanged_input_is_skipped_changed_input_is_released_and_a_rollback_stays() {
    let folder = workplace(HOURLY);
    let folder = folder.path();
    let first = lines(&run(&mut once(folder, "2026-12-02T03:00:00Z")).0);
    assert_eq!((&first[0]["outcome"], &first[0]["due"]), (&json!("published"), &json!("2026-12-02T03:00:00Z")));
    let second = lines(&run(&mut once(folder, "2026-12-02T04:00:07Z")).0);
    assert_eq!((&second[0]["outcome"], &second[0]["why"]), (&json!("skipped"), &json!("unchanged")));
    assert_eq!(second[0]["job"], first[0]["job"]);
    // Nothing is run twice for the same due time.
    assert_eq!(run(&mut once(folder, "2026-12-02T04:59:59Z")).0, "");
    assert_eq!(log(folder).len(), 1);

    change_input(folder, "half.parquet");
    let third = lines(&run(&mut once(folder, "2026-12-02T05:00:00Z")).0);
    assert_eq!(third[0]["outcome"], "published");
    let releases = log(folder);
    assert_eq!(releases.len(), 2);
    // The version is the pipeline's; the folders tell the releases apart.
    assert!(releases.iter().all(|release| release.starts_with("releases/1.0.0-")) && releases[0] != releases[1]);
    let half = third[0]["rows"].as_u64().unwrap();
    assert!(half > 0 && half < first[0]["rows"].as_u64().unwrap());

    run(lamcat(folder).args(["release", "rollback", "out/demo"]));
    let fourth = lines(&run(&mut once(folder, "2026-12-02T06:00:00Z")).0);
    assert_eq!((&fourth[0]["outcome"], &fourth[0]["why"]), (&json!("skipped"), &json!("rolled_back")));
    assert_eq!(log(folder), [0, 1, 0].map(|i: usize| releases[i].clone()));
    let (text, _) = run(&mut schedule(folder, "history", &[]));
    let outcomes: Vec<&str> = text.lines().skip(1).map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    assert_eq!(outcomes, ["published", "skipped", "published", "skipped"], "{text}");
}

#[test]
fn a_failed_gate_is_recorded_and_the_release_before_stays() {
    let folder = workplace(&format!("{HOURLY}[gates]\nmax_row_change = 0.1\n"));
    let folder = folder.path();
    run(&mut once(folder, "2026-12-02T03:00:00Z"));
    change_input(folder, "half.parquet");
    for hour in [4, 5] {
        let e = failed(&mut once(folder, &format!("2026-12-02T0{hour}:00:00Z")));
        assert!(e.contains("the release fails its gates") && e.contains("max_row_change"), "{e}");
    }
    assert_eq!(log(folder).len(), 1);
    change_input(folder, "whole.parquet");
    run(&mut once(folder, "2026-12-02T06:00:00Z"));
    let history = history(folder);
    let outcomes: Vec<&str> = history.iter().map(|entry| entry["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["published", "failed", "failed", "published"]);
    let error = history[1]["error"].as_str().unwrap();
    assert!(error.contains("the release fails its gates") && error.contains("is still the current release"), "{error}");
    assert_eq!(log(folder).len(), 2);
}

#[test]
fn missed_runs_are_made_up_for_by_one_or_left_out() {
    for (policy, now, last) in [
        ("once", "2026-12-02T06:40:00Z", "skipped"),
        ("skip", "2026-12-02T06:40:00Z", "missed"),
        ("skip", "2026-12-02T06:09:00Z", "skipped"),
    ] {
        let folder = workplace(&format!("{HOURLY}misfire = \"{policy}\"\n"));
        let folder = folder.path();
        run(&mut once(folder, "2026-12-02T03:00:00Z"));
        run(&mut once(folder, now));
        let history = history(folder);
        let outcomes: Vec<&str> = history.iter().map(|entry| entry["outcome"].as_str().unwrap()).collect();
        assert_eq!(outcomes, ["published", "missed", "missed", last], "{policy} at {now}");
        assert_eq!(history[3]["due"], "2026-12-02T06:00:00Z");
    }
}

#[test]
fn sigterm_lets_go_of_the_lease_and_keeps_what_is_done() {
    let folder = workplace(HOURLY);
    let folder = folder.path();
    let mut process = once(folder, "2026-12-02T03:00:00Z").stderr(Stdio::piped()).spawn().unwrap();
    let jobs = folder.join("out/demo/jobs");
    wait("a unit", || {
        let mut folders = fs::read_dir(&jobs).into_iter().flatten().map(|folder| folder.unwrap().path());
        folders.any(|folder| fs::read_dir(folder.join("units")).is_ok_and(|units| units.count() > 0))
    });
    terminate(&process);
    assert_eq!(process.wait().unwrap().code(), Some(1));
    let mut said = String::new();
    process.stderr.unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("stopped; what is done is kept") && said.contains("hint:"), "{said}");
    assert_eq!(history(folder)[0]["outcome"], "begun");
    let lease: Value =
        serde_json::from_slice(&fs::read(folder.join("out/demo/schedule/leases/00000001.json")).unwrap()).unwrap();
    assert_eq!(lease["released"], true);
    let begun = Instant::now();
    assert_eq!(lines(&run(&mut once(folder, "2026-12-02T03:30:00Z")).0)[0]["outcome"], "published");
    assert!(begun.elapsed() < Duration::from_secs(30), "it waited for the lease");
    assert_eq!(history(folder).len(), 1);
}

/// Sends a GET request; returns the status and the body.
fn get(port: u16, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let status = reply.split(' ').nth(1).unwrap().parse().unwrap();
    (status, reply.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// A scheduler that serves its state, and the port.
fn healthy(folder: &Path) -> (Child, u16) {
    let mut process = schedule(folder, "run", &["--health", "0"])
        .env("AWS_SECRET_ACCESS_KEY", "verysecret")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.starts_with("health: ")).unwrap();
    let port = line.split(':').next_back().unwrap().split('/').next().unwrap().parse().unwrap();
    // The rest must be read, otherwise the process could not write.
    std::thread::spawn(move || lines.for_each(drop));
    (process, port)
}

#[test]
fn health_is_served_on_loopback_alone_and_says_when_a_run_failed() {
    let folder = workplace("cron = \"0 3 1 1 *\"\n[gates]\nmin_rows = 700\n");
    let folder = folder.path();
    let (mut process, port) = healthy(folder);
    wait("the first look", || get(port, "/healthz").1.contains("\"next\":[\"2"));
    let (status, body) = get(port, "/healthz");
    let state: Value = serde_json::from_str(&body).unwrap();
    let pipeline = &state["pipelines"][0];
    assert_eq!((status, &state["ok"], &pipeline["catalogue"]), (200, &json!(true), &json!("demo")), "{body}");
    assert!(pipeline["next"][0].as_str().unwrap().contains("-01-01T03:00:00Z"), "{body}");
    assert!(pipeline["run"].is_null() && !body.contains("secret"), "{body}");
    assert!(get(port, "/metrics").1.contains("\nlamcat_schedule_ok{catalogue=\"demo\"} 1\n"));
    assert_eq!(get(port, "/other").0, 404);
    // The kernel's table of listeners has addresses in hexadecimal: 127.0.0.1 is 0100007F.
    let listeners = fs::read_to_string("/proc/net/tcp").unwrap();
    let wanted = format!(":{port:04X} 00000000:0000 0A");
    let own: Vec<&str> = listeners.lines().filter(|line| line.contains(&wanted)).collect();
    assert!(matches!(own[..], [line] if line.contains(" 0100007F:")), "{own:?}");
    terminate(&process);
    assert!(process.wait().unwrap().success());

    change_input(folder, "half.parquet");
    // The history ends with a failed run.
    fs::remove_dir_all(folder.join("out/demo/schedule")).unwrap();
    failed(&mut once(folder, "2026-01-01T03:00:00Z"));
    let (mut process, port) = healthy(folder);
    let (status, body) = get(port, "/healthz");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("the release fails its gates") && get(port, "/metrics").1.contains("last_run_failed{"));
    // Restarting would not help, so the liveness probe reports that the process is alive.
    assert_eq!(get(port, "/livez"), (200, "alive\n".to_owned()));
    terminate(&process);
    assert!(process.wait().unwrap().success());
}

#[test]
fn health_is_answered_at_once_however_many_connections_are_idle() {
    let folder = workplace("cron = \"0 3 1 1 *\"\n");
    let (mut process, port) = healthy(folder.path());
    let mut idle = Vec::new();
    for i in 0..300 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        if i % 2 == 0 {
            write!(stream, "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Never-Ends: ").unwrap();
        }
        idle.push(stream);
        if i % 50 == 0 {
            let asked = Instant::now();
            assert_eq!(get(port, "/livez").0, 200);
            assert!(asked.elapsed() < Duration::from_secs(2), "after {i}: {:?}", asked.elapsed());
        }
    }
    let asked = Instant::now();
    assert_eq!(get(port, "/healthz").0, 200);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    terminate(&process);
    assert!(process.wait().unwrap().success());
}

#[test]
fn a_run_is_seen_while_it_goes_on() {
    let folder = workplace("cron = \"0 * * * *\"\n");
    let folder = folder.path();
    fs::create_dir_all(folder.join("out/demo/schedule")).unwrap();
    // A run has been due for a long time.
    fs::write(folder.join("out/demo/schedule/since.json"), r#"{"since": "2026-01-01T00:00:00Z"}"#).unwrap();
    let (mut process, port) = healthy(folder);
    let mut stages = Vec::new();
    wait("the end of the run", || {
        let state: Value = serde_json::from_str(&get(port, "/healthz").1).unwrap();
        let pipeline = &state["pipelines"][0];
        if let Some(stage) = pipeline["run"]["stage"].as_str()
            && stages.last().is_none_or(|last| last != stage)
        {
            assert!(pipeline["doing"] == "running" && pipeline["run"]["share_done"].as_f64().is_some_and(|s| s <= 1.0));
            stages.push(stage.to_owned());
        }
        pipeline["last"]["outcome"] == "published"
    });
    assert_eq!(stages[0], "infer");
    terminate(&process);
    assert!(process.wait().unwrap().success());
}

#[test]
fn two_at_once_run_what_is_due_once() {
    let folder = workplace(HOURLY);
    let folder = folder.path();
    let spawn = || once(folder, "2026-12-02T03:00:00Z").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let ends = [spawn(), spawn(), spawn()].map(|child| child.wait_with_output().unwrap());
    assert!(ends.iter().all(|end| end.status.success()));
    let told: Vec<Value> = ends.iter().flat_map(|end| lines(&String::from_utf8_lossy(&end.stdout))).collect();
    assert!(matches!(&told[..], [entry] if entry["outcome"] == "published"), "{told:?}");
    assert_eq!((history(folder).len(), log(folder).len()), (1, 1));
}

#[test]
fn a_schedule_on_s3_is_kept_by_many() {
    let Some(server) = server() else { return };
    let folder = workplace(HOURLY);
    let remote = |subcommand: &str, arguments: &[&str]| {
        let mut command = schedule_into("s3://stars/catalogues", folder.path(), subcommand, arguments);
        server.tell(&mut command);
        command
    };
    for (hour, outcome) in [(3, "published"), (4, "skipped")] {
        let now = format!("2026-12-02T0{hour}:00:00Z");
        let spawn = || {
            let mut command = remote("run", &["--once", "--json", "--now", &now]);
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
        };
        let ends = [spawn(), spawn()].map(|child| child.wait_with_output().unwrap());
        assert!(ends.iter().all(|end| end.status.success()));
        let told: Vec<Value> = ends.iter().flat_map(|end| lines(&String::from_utf8_lossy(&end.stdout))).collect();
        assert!(matches!(&told[..], [entry] if entry["outcome"] == outcome), "{told:?}");
    }
    let entries: Vec<Value> = serde_json::from_str(&run(&mut remote("history", &["--json"])).0).unwrap();
    assert_eq!(entries.len(), 2);
}

#[test]
fn the_next_times_are_said_and_what_cannot_be_scheduled() {
    let folder = workplace("cron = \"30 2 * * *\"\ntime_zone = \"Europe/Berlin\"\n");
    let folder = folder.path();
    let (text, _) = run(&mut schedule(folder, "next", &["-n", "2", "--from", "2026-10-24T12:00:00Z"]));
    let rows: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(
        rows,
        [
            "2026-10-25T00:30:00Z  Sun 2026-10-25 02:30 CEST  demo",
            "2026-10-26T01:30:00Z  Mon 2026-10-26 02:30 CET   demo"
        ]
    );
    let (text, _) = run(&mut schedule(folder, "next", &["-n", "1", "--from", "2026-03-28T12:00:00Z", "--json"]));
    let next: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&next[0]["next"], &next[0]["time_zone"]), (&json!(["2026-03-29T01:00:00Z"]), &json!("Europe/Berlin")));

    let twice = fail(&mut schedule(folder, "run", &["pipelines/demo.toml", "--once"]));
    assert!(twice.contains("are of the same catalogue"), "{twice}");
    let file = folder.join("pipelines/demo.toml");
    let without = fs::read_to_string(&file).unwrap().split("[schedule]").next().unwrap().to_owned();
    fs::write(&file, without).unwrap();
    let none = fail(&mut schedule(folder, "run", &[]));
    assert!(none.contains("the pipeline has no schedule") && none.contains("hint: add e.g."), "{none}");
}

#[test]
fn a_run_that_is_later_than_its_grace_is_left_out() {
    let folder = workplace(&format!("{HOURLY}misfire = \"skip\"\n"));
    let folder = folder.path();
    run(&mut once(folder, "2026-12-02T03:00:00Z"));
    let late = |now: &str, more: &[&str]| run(once(folder, now).args(more)).0;
    assert!(late("2026-12-02T04:05:00Z", &["--grace", "1m"]).contains("\"missed\""));
    assert!(late("2026-12-02T05:05:00Z", &["--grace", "6m"]).contains("\"skipped\""));
}
