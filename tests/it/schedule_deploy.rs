//! The examples of how a system starts a scheduler.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use yaml_rust2::{Yaml, YamlLoader};

use crate::program::lamcat;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/deploy")
}

/// Checks that the program accepts a command, whose files do not exist here.
fn is_understood(arguments: &[String]) {
    let folder = tempfile::tempdir().unwrap();
    let output = lamcat(folder.path()).args(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    // Wrong usage has exit code 2.
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
    assert!(stderr.contains("cannot read the file"), "{arguments:?}: {stderr}");
}

/// The values of a key of a systemd unit.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

#[test]
fn the_services_start_the_program_as_it_wants_to_be() {
    for (name, once) in [("lamcat-schedule.service", false), ("lamcat-schedule-once.service", true)] {
        let unit = fs::read_to_string(deploy().join(name)).unwrap();
        let [command] = values(&unit, "ExecStart")[..] else { panic!("{name}: not one command") };
        let mut words = command.split(' ').map(str::to_owned);
        assert_eq!(words.next().unwrap(), "/usr/local/bin/lamcat");
        let arguments: Vec<String> = words.collect();
        assert_eq!(arguments.iter().any(|a| a == "--once"), once);
        is_understood(&arguments);
        assert!(!unit.contains("AWS_SECRET_ACCESS_KEY="), "secrets are in a file of their own");
    }
    let timer = fs::read_to_string(deploy().join("lamcat-schedule-once.timer")).unwrap();
    assert_eq!(values(&timer, "OnCalendar"), ["*:0/15"]);
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    let path = env::var_os("PATH").unwrap_or_default();
    if !env::split_paths(&path).any(|folder| folder.join("systemd-analyze").is_file()) {
        eprintln!("skipped: no systemd-analyze");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut units = Vec::new();
    for name in ["lamcat-schedule.service", "lamcat-schedule-once.service", "lamcat-schedule-once.timer"] {
        let unit = fs::read_to_string(deploy().join(name)).unwrap();
        units.push(folder.path().join(name));
        let unit = unit.replace("/usr/local/bin/lamcat", env!("CARGO_BIN_EXE_lamcat"));
        fs::write(units.last().unwrap(), unit).unwrap();
    }
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(units).output().unwrap();
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    // Errors in other units of the machine do not matter here.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("lamcat-schedule")).collect();
    assert!(ours.is_empty(), "{said}");
}

#[test]
fn the_cron_job_runs_once_at_a_time_and_has_its_secrets_from_elsewhere() {
    let text = fs::read_to_string(deploy().join("cronjob.yaml")).unwrap();
    let [job] = &YamlLoader::load_from_str(&text).unwrap()[..] else { panic!("not one document") };
    assert_eq!((job["apiVersion"].as_str(), job["kind"].as_str()), (Some("batch/v1"), Some("CronJob")));
    let spec = &job["spec"];
    assert_eq!(spec["concurrencyPolicy"].as_str(), Some("Forbid"));
    let pod = &spec["jobTemplate"]["spec"]["template"]["spec"];
    assert_eq!(pod["restartPolicy"].as_str(), Some("Never"));
    let containers = pod["containers"].as_vec().unwrap();
    let [container] = &containers[..] else { panic!("{containers:?}") };
    assert_eq!(container["command"], Yaml::Array(vec![Yaml::String("lamcat".to_owned())]));
    let arguments = container["args"].as_vec().unwrap();
    let arguments: Vec<String> = arguments.iter().map(|a| a.as_str().unwrap().to_owned()).collect();
    assert!(arguments.iter().any(|a| a == "--once"));
    is_understood(&arguments);
    assert!(container["envFrom"][0]["secretRef"]["name"].as_str().is_some());
    let named = container["env"].as_vec().unwrap().iter().filter_map(|variable| variable["name"].as_str());
    assert_eq!(named.collect::<Vec<_>>(), ["AWS_REGION"], "no secret is written here");
    let rules = &spec["jobTemplate"]["spec"]["podFailurePolicy"]["rules"];
    assert_eq!(rules[1]["onExitCodes"]["containerName"], container["name"]);
}
