//! Nothing that a complete run writes or prints contains a secret of its inputs and stores.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, path::Path as Location, signer::Signer};
use reqwest::Method;

use crate::{
    file_server::{Answer, FileServer},
    object_store::{SECRET_KEY, bucket, server},
    program::lamcat,
    run_program::workplace,
};

const USER: &str = "observer";
/// The secrets. Each contains characters that URLs and JSON encode.
const PASSWORD: &str = "hunter2+PASS/wd=1";
const SIGNATURE: &str = "SASsecret+/Zm9v=";
const WRONG: &str = "WRONGsignature/+42=";
const SESSION: &str = "SESSIONtoken/+abc==";
/// Environment variables that contain a secret.
const VARIABLES: [(&str, &str); 8] = [
    ("AWS_ACCESS_KEY_ID", "AKIAKEYOFTHETEST"),
    ("AWS_SECRET_ACCESS_KEY", "AWSsecret/+of/the+test="),
    ("AWS_SESSION_TOKEN", SESSION),
    ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
    ("AZURE_STORAGE_ACCOUNT_KEY", "QVpVUkVzZWNyZXQrL29mIHRoZSB0ZXN0"),
    ("AZURE_STORAGE_CLIENT_SECRET", "AZUREclient~secret/+1"),
    ("GOOGLE_SERVICE_ACCOUNT_KEY", r#"{"private_key": "GCSprivate/+key\nof two lines", "client_email": "a@b"}"#),
    ("HOME", "home"),
];
/// The texts that must not appear.
const SECRETS: [&str; 8] = [
    PASSWORD,
    SIGNATURE,
    WRONG,
    SESSION,
    "AWSsecret/+of/the+test=",
    "QVpVUkVzZWNyZXQrL29mIHRoZSB0ZXN0",
    "AZUREclient~secret/+1",
    "GCSprivate/+key",
];

/// A text in the form in which a query contains it.
fn encoded(text: &str) -> String {
    text.chars().map(|c| if c.is_alphanumeric() { c.to_string() } else { format!("%{:02X}", c as u32) }).collect()
}

/// The forms in which a secret could appear.
fn spellings(secret: &str) -> Vec<String> {
    let user = STANDARD.encode(format!("{USER}:{secret}"));
    let (upper, plain) = (encoded(secret), STANDARD.encode(secret));
    let lower = upper.replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d");
    let mut found = vec![secret.to_owned(), lower, upper.replace('%', "%25"), upper, plain, user];
    // The longest part without characters that could be encoded.
    let part = secret.split(|c: char| !c.is_alphanumeric()).max_by_key(|part| part.len()).unwrap();
    found.push(part.to_owned());
    found
}

/// Serves stars to clients with the password or the signature; others get an answer that repeats what they sent.
fn observatory(stars: Vec<u8>) -> FileServer {
    let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let sig = format!("sig={}", encoded(SIGNATURE));
    FileServer::start(move |asked| {
        let allowed = asked.header("authorization") == Some(&basic) || asked.target.contains(&sig);
        if !allowed {
            let sent = asked.header("authorization").unwrap_or_default();
            return Answer::Status(
                403,
                format!("<Error><Sent>{sent}</Sent><Address>{}</Address></Error>", asked.target),
            );
        }
        if asked.path().ends_with(".parquet") {
            Answer::File(stars.clone())
        } else {
            Answer::Status(404, asked.target.clone())
        }
    })
}

/// Runs commands, and stores what they print in files beside those that they write.
struct Recorder {
    folder: PathBuf,
    printed: usize,
}

impl Recorder {
    /// Runs a command that has a secret in every variable that may contain one.
    fn run(&mut self, arguments: &[&str], input: &str) {
        self.run_with(arguments, input, |command| {
            command.envs(VARIABLES).env("AWS_ENDPOINT", "http://127.0.0.1:9").env("AWS_ALLOW_HTTP", "true");
        });
    }

    /// Runs a command after `tell` has changed its settings.
    fn run_with(&mut self, arguments: &[&str], input: &str, tell: impl Fn(&mut Command)) {
        let mut command: Command = lamcat(&self.folder);
        tell(&mut command);
        command.args(arguments).env("RUST_LOG", "debug").env("LAMCAT_STORE_RETRIES", "1");
        command.env("HOME", self.folder.join("home"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that reads nothing has already ended.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let printed = [output.stdout, b"\n".to_vec(), output.stderr].concat();
        let place = self.folder.join(format!("printed-{:02}-{}.txt", self.printed, arguments[0]));
        fs::write(place, printed).unwrap();
        self.printed += 1;
    }

    /// What the last command printed.
    fn last(&self) -> String {
        let prefix = format!("printed-{:02}-", self.printed - 1);
        let place = files(&self.folder).into_iter().find(|file| file.to_string_lossy().contains(&prefix)).unwrap();
        String::from_utf8_lossy(&fs::read(place).unwrap()).into_owned()
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn no_secret_is_in_what_a_run_writes_or_prints() {
    let folder = workplace();
    let root = folder.path();
    fs::create_dir(root.join("home")).unwrap();
    let server = observatory(fs::read(root.join("stars.parquet")).unwrap());
    let host = format!("127.0.0.1:{}", server.port);
    let signed = format!("http://{host}/st,ars(1).parquet?sv=2024&sig={}", encoded(SIGNATURE));
    let user = format!("http://{USER}:{}@{host}/it''s;<stars>.parquet", encoded(PASSWORD));
    let wrong = format!("http://{USER}:{}@{host}/stars.parquet?sig={}", encoded(WRONG), encoded(WRONG));
    let torn = format!("http://{USER}:{PASSWORD}@{host}/stars.parquet?sig={SIGNATURE}");
    let mut recorder = Recorder { folder: root.to_owned(), printed: 0 };

    for sql in [
        format!("EXPLAIN SELECT count(teff_true) FROM '{signed}'"),
        format!("EXPLAIN VERBOSE SELECT a.ra FROM '{user}' a JOIN '{signed}' b USING (source_id)"),
        format!("EXPLAIN ANALYZE SELECT count(ra) FROM \"{signed}\" WHERE ra > 100"),
        format!("SELECT count(\"{signed}\".ra), max(\"{signed}\".dec) FROM '{signed}'"),
        format!("SELECT ra FROM '{wrong}'"),
        format!("SELECT ra FROM '{torn}'"),
        format!("SELECT nosuch, \"{signed}\".other FROM '{signed}'"),
        format!("SELECT FROM WHERE '{signed}'"),
        format!("COPY (SELECT count(ra) FROM '{user}') TO 'copied.parquet'"),
        format!("COPY (SELECT 1 AS x) TO '{wrong}'"),
        format!("EXPLAIN COPY (SELECT 1 AS x) TO '{wrong}'"),
        format!(
            "CREATE VIEW v AS SELECT * FROM '{signed}'; SELECT * FROM information_schema.views; \
             CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{signed}'; SHOW CREATE TABLE t; \
             SELECT * FROM information_schema.tables; EXPLAIN SELECT * FROM v, t"
        ),
        "SELECT * FROM 's3://bucket/stars.parquet'".to_owned(),
        format!("SELECT * FROM 's3://AKIAURL:{}@bucket/stars.parquet'", encoded(PASSWORD)),
        format!("SELECT * FROM 'abfss://c@account.dfs.core.windows.net/x.parquet?sv=1&sig={}'", encoded(SIGNATURE)),
        "SELECT * FROM 'gs://bucket/stars.parquet'".to_owned(),
    ] {
        recorder.run(&["sql", "--format", "csv", "-c", &sql], "");
    }
    recorder.run(&["sql", "-o", "written.parquet", "-c", &format!("SELECT count(ra), min(dec) FROM '{signed}'")], "");
    assert!(root.join("written.parquet").is_file(), "{}", recorder.last());
    recorder.run(&["sql", "-o", &wrong, "-c", "SELECT 1 AS x"], "");
    recorder.run(&["sql"], &format!("SELECT count(ra) FROM '{signed}';\nSELECT x FROM '{wrong}';\n\\q\n"));
    assert!(recorder.last().contains("1000"), "{}", recorder.last());
    recorder.run(&["sql", "--model", &wrong, "-c", "SELECT 1"], "");
    recorder.run(
        &["plot", "-o", "plot.svg", "-c", &format!("SELECT \"{signed}\".ra, \"{signed}\".dec FROM '{signed}'")],
        "",
    );

    recorder.run(&["ingest", &signed, "-o", "ingested/"], "");
    recorder.run(&["ingest", &wrong, "-o", "ingested/"], "");
    recorder.run(&["ingest", "stars.parquet", "-o", &wrong], "");

    let input = format!("stars={signed}");
    let overrides = ["--input", &input, "--model", "tiny.safetensors", "--store", "out"];
    let with = |first: &[&'static str]| [first, &overrides[..]].concat();
    recorder.run(&with(&["run", "pipelines/demo.toml", "--json"]), "");
    assert!(root.join("out/demo/LATEST").is_file(), "{}", recorder.last());
    recorder.run(&with(&["pipeline", "explain", "pipelines/demo.toml"]), "");
    recorder.run(&with(&["run", "pipelines/demo.toml", "--dry-run"]), "");
    let monday = ["--now", "2026-11-23T03:00:05Z", "--once", "--store", "scheduled"];
    let scheduled = ["--input", &input, "--model", "tiny.safetensors"];
    recorder.run(&[&["schedule", "run", "pipelines/demo.toml"], &scheduled[..], &monday].concat(), "");
    recorder.run(&["schedule", "history", "pipelines/demo.toml", "--store", "scheduled"], "");
    assert!(recorder.last().contains("published"), "{}", recorder.last());
    let by_user = format!("stars={}", user.replace("''", "'"));
    let demo = ["run", "pipelines/demo.toml", "--model", "tiny.safetensors", "--store", "by-user", "--input", &by_user];
    recorder.run(&demo, "");
    assert!(root.join("by-user/demo/LATEST").is_file(), "{}", recorder.last());
    let wrong_input = format!("stars={wrong}");
    recorder.run(&["run", "pipelines/demo.toml", "--input", &wrong_input, "--store", "other"], "");
    recorder.run(&["run", "pipelines/demo.toml", "--input", &input, "--store", &wrong], "");
    recorder.run(&["run", "pipelines/demo.toml", "--input", &wrong, "--nosuch", &wrong], "");
    for subcommand in ["show", "verify", "list"] {
        recorder.run(&["release", subcommand, "out/demo"], "");
        recorder.run(&["release", subcommand, &wrong], "");
    }
    recorder.run(&["release", "diff", "out/demo", "1.0.0", "1.0.0"], "");

    let written = files(root);
    assert!(written.iter().any(|file| file.ends_with("home/.lamcat_history")), "the prompt keeps its history");
    let written = written.into_iter().map(|file| (file.display().to_string(), fs::read(&file).unwrap()));
    no_secret_of(&SECRETS, written);
}

/// Fails if a file contains one of the secrets.
fn no_secret_of(secrets: &[&str], files: impl Iterator<Item = (String, Vec<u8>)>) {
    let mut found = Vec::new();
    for (name, bytes) in files {
        let text = String::from_utf8_lossy(&bytes);
        for spelling in secrets.iter().flat_map(|secret| spellings(secret)) {
            if let Some(at) = text.find(&spelling) {
                let line = text[..at].rfind('\n').map_or(0, |start| start + 1);
                let line: String = text[line..].chars().take(300).collect();
                found.push(format!("{name} has {spelling}: {line}"));
            }
        }
    }
    assert!(found.is_empty(), "{} secrets:\n{}", found.len(), found.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_a_catalogue_on_s3_or_what_its_run_prints() {
    let Some(server) = server() else { return };
    let folder = workplace();
    let root = folder.path();
    fs::create_dir(root.join("home")).unwrap();
    let bucket = bucket(server.port()).build().unwrap();
    let stars = Location::from("in/stars.parquet");
    bucket.put(&stars, fs::read(root.join("stars.parquet")).unwrap().into()).await.unwrap();
    let signed = bucket.signed_url(Method::GET, &stars, Duration::from_mins(10)).await.unwrap();
    let signature = signed.query_pairs().find(|(name, _)| name == "X-Amz-Signature").unwrap().1.into_owned();
    let mut recorder = Recorder { folder: root.to_owned(), printed: 0 };
    let mut run = |arguments: &[&str]| {
        recorder.run_with(arguments, "", |command| server.tell(command));
        recorder.last()
    };
    let input = format!("stars={signed}");
    let job = ["--input", &input, "--model", "tiny.safetensors"];
    let with = |first: &[&'static str], last: &[&'static str]| [first, &job[..], last].concat();
    let said = run(&with(&["run", "pipelines/demo.toml", "--json"], &["--store", "s3://stars/out"]));
    assert!(said.contains(r#""rows":"#), "{said}");
    run(&with(&["run", "pipelines/demo.toml", "--dry-run"], &["--store", "s3://stars/out"]));
    let now = ["--store", "s3://stars/scheduled", "--now", "2026-11-23T03:00:05Z", "--once"];
    run(&with(&["schedule", "run", "pipelines/demo.toml"], &now));
    let said = run(&["schedule", "history", "pipelines/demo.toml", "--store", "s3://stars/scheduled"]);
    assert!(said.contains("published"), "{said}");
    for subcommand in ["show", "verify", "list"] {
        run(&["release", subcommand, "s3://stars/out/demo"]);
    }
    run(&["sql", "-o", "s3://stars/own.parquet", "-c", &format!("EXPLAIN SELECT count(ra) FROM '{signed}'")]);
    run(&["ingest", signed.as_str(), "-o", "s3://stars/ingested/"]);
    let forged = signature.replace(char::is_numeric, "7");
    let wrong = signed.as_str().replace(&signature, &forged);
    let said = run(&["sql", "-c", &format!("SELECT ra FROM '{wrong}'")]);
    assert!(said.contains("error"), "{said}");

    let mut all: Vec<(String, Vec<u8>)> =
        files(root).into_iter().map(|file| (file.display().to_string(), fs::read(&file).unwrap())).collect();
    let printed = all.len();
    for object in bucket.list(None).try_collect::<Vec<_>>().await.unwrap() {
        let bytes = bucket.get(&object.location).await.unwrap().bytes().await.unwrap();
        all.push((object.location.to_string(), bytes.to_vec()));
    }
    assert!(all.len() > printed + 40, "{} objects", all.len() - printed);
    no_secret_of(&[SECRET_KEY, &signature, &forged], all.into_iter());
}

#[test]
fn the_log_says_what_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let sql = ["sql", "-q", "-c", "SELECT * FROM 'http://me:hunter2@127.0.0.1:9/x.csv?sig=SASSECRET'"];
    let log = |command: &mut Command| {
        let output = command.env("LAMCAT_STORE_RETRIES", "1").args(sql).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let quiet = log(lamcat(folder.path()).env_remove("RUST_LOG"));
    let by_variable = log(lamcat(folder.path()).env("RUST_LOG", "debug"));
    let by_option = log(lamcat(folder.path()).env_remove("RUST_LOG").args(["--log", "lamcat=info"]));
    assert!(!quiet.contains("DEBUG") && by_variable.contains("DEBUG"), "{by_variable}");
    assert!(by_option.contains("INFO lamcat_sql::session") && !by_option.contains("DEBUG"), "{by_option}");
    let wrong = log(lamcat(folder.path()).args(["--log", "warn=loud"]));
    assert!(wrong.contains("'warn=loud' does not say what to log"), "{wrong}");
}
