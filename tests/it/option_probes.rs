//! Calls of the program with and without an option, which must differ.

use std::{fs, path::Path};

use crate::{
    ingest_files::archive,
    model_files::tiny,
    options::call,
    pipeline_files::{GOOD, folder},
    program::{lamcat, run},
};

/// An option, and its visible effect.
pub struct Probe {
    /// The words of the command.
    pub command: &'static str,
    pub option: &'static str,
    /// The arguments without the option, and those that are added. `~` stands for a blank within an argument, and `OUT`
    /// for a file that belongs to this call only.
    without: &'static str,
    with: &'static str,
    seen: Seen,
}

enum Seen {
    /// The call with the option fails with this message.
    Fails(&'static str),
    /// The call with the option prints this text, and the call without it does not.
    Prints(&'static str),
    /// The call with the option prints something else than the call without it.
    Differs,
    /// The file `OUT` differs between the two calls.
    Writes,
}

/// Commands with a session, and the arguments that they need in addition.
pub const SESSIONS: &[(&str, &str)] = &[
    ("demo", "--dir OUT"),
    ("sql", "-c SELECT~1"),
    ("plot", "-c SELECT~1~AS~x -o OUT"),
    ("model domain", "tiny.safetensors -c SELECT~1 -o OUT"),
    ("train", "-c SELECT~1 --dir OUT"),
    ("eval", "-c SELECT~1 -o OUT"),
    ("cluster worker", "--listen 192.0.2.1:8815 --cluster-token x"),
];

/// Options of sessions with invalid values, and the messages about them.
pub const SESSION_OPTIONS: &[(&str, &str, &str)] = &[
    ("--model", "absent.safetensors", "absent.safetensors"),
    ("--threads", "0", "--threads <N>"),
    ("--memory", "0MB", "--memory <BYTES>"),
    ("--batch-rows", "0", "--batch-rows <N>"),
    ("--device", "cuda", NO_GPU),
    ("--precision", "bf16", if cfg!(feature = "cuda") { "" } else { "does not compute in bf16" }),
];

/// The message if there is no GPU; with the feature `cuda` it depends on the machine.
const NO_GPU: &str = if cfg!(feature = "cuda") { "" } else { "built without support for GPUs" };

const fn probe(
    command: &'static str,
    option: &'static str,
    without: &'static str,
    with: &'static str,
    seen: Seen,
) -> Probe {
    Probe { command, option, without, with, seen }
}

use Seen::{Differs, Fails, Prints, Writes};

const POINTS: &str = "-c SELECT~*~FROM~'points.parquet' -o OUT";
const BENCH: &str = "--seconds 0.01 --batch-rows 16 --json";
const INGEST: &str = "xp --overwrite --no-verify -o OUT";
const SCHEDULE: &str = "labels.toml --once --json --now 2026-12-02T04:00:00Z --store OUT";

pub const PROBES: &[Probe] = &[
    probe("demo", "--dir", "--model tiny.safetensors", "--dir OUT", Prints("OUT")),
    probe("sql", "--max-rows", "-q -c SELECT~value~FROM~generate_series(1,9)", "--max-rows 2", Prints("7 more rows")),
    probe("plot", "--file", "-c SELECT~1~AS~x -o OUT", "-f other.sql", Fails("2 pictures")),
    probe("plot", "--y", POINTS, "--x x --y z", Writes),
    probe("plot", "--band", POINTS, "--x x --y y --band low,high", Writes),
    probe("plot", "--no-group", POINTS, "--no-group", Writes),
    probe("plot", "--log-x", POINTS, "--log-x", Writes),
    probe("plot", "--log-y", POINTS, "--log-y", Writes),
    probe("plot", "--invert-x", POINTS, "--invert-x", Writes),
    probe("plot", "--invert-y", POINTS, "--invert-y", Writes),
    probe("plot", "--title", POINTS, "--title Points", Writes),
    probe("plot", "--x-label", POINTS, "--x-label abscissa", Writes),
    probe("plot", "--y-label", POINTS, "--y-label ordinate", Writes),
    probe("model check", "<path>", "--json --tolerance 1", "tiny.safetensors", Prints("\"tiny\"")),
    probe("model check", "--device", "tiny.safetensors --tolerance 1", "--device cuda", Fails(NO_GPU)),
    probe(
        "model check",
        "--precision",
        "tiny.safetensors --json --tolerance 1",
        "--precision int8",
        Prints("\"int8\""),
    ),
    probe("model check", "--tolerance", "tiny.safetensors --json", "--tolerance 1e-30", Fails("1e-30")),
    probe("model check", "--json", "tiny.safetensors --tolerance 1", "--json", Prints("\"tolerance\"")),
    probe("model info", "<file>", "--json", "tiny.safetensors", Prints("\"tiny\"")),
    probe("model domain", "<file>", "", "absent.safetensors -c SELECT~1 -o OUT", Fails("absent.safetensors")),
    probe("model domain", "--sql", "tiny.safetensors -o OUT", "--sql absent.sql", Fails("absent.sql")),
    probe("model domain", "--seed", "tiny.safetensors -o OUT -c SELECT~1", "--seed x", Fails("'x'")),
    probe("model convert", "<file>", "-o OUT", "absent.safetensors", Fails("absent.safetensors")),
    probe("model import", "<folder>", "-o OUT", "absent", Fails("absent")),
    probe("run", "--model", "labels.toml --dry-run --json", "--model absent.safetensors", Fails("absent.safetensors")),
    probe("run", "--device", "labels.toml --dry-run --json", "--device cuda", Fails(NO_GPU)),
    probe("run", "--dry-run", "labels.toml --store catalogues --json", "--dry-run", Prints("\"units\"")),
    probe("run", "--accept", "strict.toml --store OUT --json", "--accept", Prints("\"failed_gates\"")),
    probe("schedule run", "--release-version", SCHEDULE, "--release-version 9.8.7", Prints("releases/9.8.7-")),
    probe("schedule run", "--device", SCHEDULE, "--device cuda", Fails(NO_GPU)),
    probe("release list", "--json", "catalogues/labels", "--json", Prints("\"current\": true")),
    probe("release diff", "--threads", "catalogues/labels", "--threads 0", Fails("--threads <N>")),
    probe("release diff", "--memory", "catalogues/labels", "--memory 0MB", Fails("--memory <BYTES>")),
    probe("release report", "--threads", "catalogues/labels", "--threads 0", Fails("--threads <N>")),
    probe("release report", "--memory", "catalogues/labels", "--memory 0MB", Fails("--memory <BYTES>")),
    probe("release gc", "--keep", "catalogues/labels --older-than 0s --json", "--keep 1", Differs),
    probe("release gc", "--keep-units", "catalogues/labels --older-than 0s --json", "--keep-units", Differs),
    probe(
        "release gc",
        "--dry-run",
        "catalogues/labels --delete --older-than 9d",
        "--dry-run",
        Fails("cannot be used with"),
    ),
    probe("cluster status", "--cluster-token", "--cluster 127.0.0.1:9", "--cluster-token a\u{7f}b", Fails("a header")),
    probe("bench", "--model", BENCH, "--model absent.safetensors", Fails("absent.safetensors")),
    probe("bench", "--labels", BENCH, "--labels teff", Prints("\"labels\":1")),
    probe("bench", "--batch-rows", "--seconds 0.01 --json", "--batch-rows 7", Prints("\"batch_rows\":7")),
    probe("bench", "--threads", BENCH, "--threads 3", Prints("\"threads\":3")),
    probe("bench", "--precision", BENCH, "--precision int8", Prints("\"precision\":\"int8\"")),
    probe("bench", "--backend", BENCH, "--backend candle", Prints("candle")),
    probe("bench", "--sql", BENCH, "--sql absent.parquet", Fails("absent.parquet")),
    probe("bench", "--seconds", "--batch-rows 4 --json", "--seconds soon", Fails("soon")),
    probe("bench", "--feed", BENCH, "--feed absent.parquet", Fails("absent.parquet")),
    probe("bench", "--json", "--seconds 0.01 --batch-rows 16", "--json", Prints("\"gflops\"")),
    probe("ingest", "--join-columns", "xp --dry-run -o OUT --join gs", "--join-columns nonsense", Fails("nonsense")),
    probe("ingest", "--no-fold", "wide.ecsv --dry-run -o OUT", "--no-fold", Differs),
    probe("ingest", "--compression-level", INGEST, "--compression-level 19", Writes),
    probe("pipeline check", "--input", "labels.toml", "--input nope=x", Fails("has no input 'nope'")),
    probe("pipeline check", "--store", "labels.toml", "--store ftp://host/x", Fails("not a store")),
    probe("pipeline check", "--release-version", "labels.toml", "--release-version 9.8.7", Prints("9.8.7")),
    probe("pipeline check", "--model", "labels.toml", "--model absent.safetensors", Fails("absent.safetensors")),
    probe("pipeline check", "--device", "labels.toml", "--device cuda", Fails(NO_GPU)),
    probe(
        "pipeline explain",
        "--no-inputs",
        "labels.toml --input stars=absent.parquet",
        "--no-inputs",
        Prints("cut into units"),
    ),
    probe("pipeline explain", "--release-version", "labels.toml", "--release-version 9.8.7", Prints("9.8.7")),
    probe("pipeline explain", "--model", "labels.toml", "--model tiny.safetensors", Prints("tiny.safetensors")),
    probe("pipeline explain", "--device", "labels.toml", "--device cuda", Fails(NO_GPU)),
];

/// A folder with all files that the probes use.
fn workplace() -> tempfile::TempDir {
    let toml = format!("{GOOD}[schedule]\ncron = \"0 * * * *\"\n");
    let folder = folder(&toml, "SELECT CAST(source_id AS BIGINT) AS source_id, ra, dec FROM stars");
    let path = folder.path();
    fs::write(path.join("strict.toml"), format!("{GOOD}[gates]\nmin_rows = 5000\n")).unwrap();
    tiny().save(path.join("tiny.safetensors")).unwrap();
    fs::write(path.join("other.sql"), "SELECT value AS x FROM generate_series(1, 9)").unwrap();
    let points = "COPY (SELECT value AS x, value * value AS y, 10.0 / value AS z, value * 1.5 AS low, value * 2.5 AS high, \
                  concat('g', value % 2) AS g FROM generate_series(1, 9)) TO 'points.parquet'";
    run(lamcat(path).args(["sql", "-c", points]));
    for version in ["1.0.0", "2.0.0"] {
        run(lamcat(path).args(["run", "labels.toml", "--release-version", version]));
    }
    let wide = [0, 1, 2, 3].map(|i| format!("# - {{name: bp_coeff_{i}, datatype: float64}}\n")).concat();
    let names = "source_id,bp_coeff_0,bp_coeff_1,bp_coeff_2,bp_coeff_3\n7,1,2,3,4\n";
    let wide = format!(
        "# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n# - {{name: source_id, datatype: int64}}\n{wide}{names}"
    );
    fs::write(path.join("wide.ecsv"), wide).unwrap();
    let spectra = archive(20);
    for table in ["xp", "gs"] {
        fs::rename(spectra.path().join(table), path.join(table)).unwrap();
    }
    folder
}

/// The words of a command, with the omitted parts filled in.
fn words<'a>(parts: &[&'a str], own: &'a str) -> Vec<String> {
    let words = parts.iter().flat_map(|part| part.split_whitespace());
    words.map(|word| if word == "OUT" { own.to_owned() } else { word.replace('~', " ") }).collect()
}

fn called(folder: &Path, parts: &[&str], own: &str) -> (bool, String) {
    let command = parts[0].split(' ').map(str::to_owned);
    let all: Vec<String> = command.chain(words(&parts[1..], own)).collect();
    call(folder, &all.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The bytes of a file, or of all files in a folder.
fn bytes(path: &Path) -> Vec<u8> {
    if !path.is_dir() {
        return fs::read(path).unwrap_or_default();
    }
    let mut files: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|file| bytes(file)).collect()
}

#[test]
fn options_change_what_a_call_does() {
    let folder = workplace();
    let folder = folder.path();
    for (number, probe) in PROBES.iter().enumerate() {
        let Probe { command, option, without, with, seen } = probe;
        let ending = if *command == "plot" { "svg" } else { "out" };
        let [own, other] = ["a", "b"].map(|name| format!("{name}{number}.{ending}"));
        let (went, before) = called(folder, &[command, without], &own);
        let (succeeded, after) = called(folder, &[command, without, with], &other);
        let (before, after) = (before.replace(&own, "OUT"), after.replace(&other, "OUT"));
        let acts = match seen {
            Fails(words) => !succeeded && after.contains(words) && (words.is_empty() || !before.contains(words)),
            Prints(words) => succeeded && after.contains(words) && !before.contains(words),
            Differs => went && succeeded && before != after,
            Writes => went && succeeded && bytes(&folder.join(&own)) != bytes(&folder.join(&other)),
        };
        assert!(acts, "{command} {option}:\n{before}\n--- with {with}:\n{after}");
    }
}

#[test]
fn options_of_sessions_reach_every_command_that_has_one() {
    let folder = workplace();
    for (command, needs) in SESSIONS {
        for (option, value, words) in SESSION_OPTIONS {
            let (succeeded, said) = called(folder.path(), &[command, needs, option, value], "x.svg");
            assert!(words.is_empty() || (!succeeded && said.contains(words)), "{command} {option} {value}: {said}");
        }
    }
    let shown = |options: &[&str], name: &str| {
        let show = format!("SHOW {name}");
        call(folder.path(), &[&["sql", "-q", "--format", "csv", "-c", &show], options].concat()).1
    };
    assert!(shown(&["--threads", "3"], "datafusion.execution.target_partitions").ends_with(",3\n"));
    assert!(shown(&["--batch-rows", "77"], "lamcat.batch_rows").ends_with(",77\n"));
    let sort = "SELECT max(a.n) FROM (SELECT value, row_number() OVER (ORDER BY sin(value)) AS n FROM \
                generate_series(1, 300000)) AS a";
    let sorted = |options: &[&str]| call(folder.path(), &[&["sql", "-q", "-c", sort], options].concat());
    assert!(sorted(&[]).0);
    let (succeeded, said) = sorted(&["--memory", "100KB"]);
    assert!(!succeeded && said.to_lowercase().contains("memory"), "{said}");
}
