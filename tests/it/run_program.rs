//! `lamcat run` makes a release from a pipeline, whatever dies on the way.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    model_files::tiny,
    object_store::server,
    program::{fail, lamcat, run},
};

/// Number of rows of the sample, of a row group, and therefore of a unit.
const ROWS: usize = 1000;
const GROUP: usize = 25;
/// Number of runs that are killed; `LAMCAT_KILLS` sets a larger number.
const KILLS: usize = 8;

/// A folder with a pipeline, a small model, and stars in many row groups, some of which are close to each other.
pub fn workplace() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let stars = root.join("src/cli/demo_stars.parquet");
    // The stars form a clump at the corner of four tiles, so that margins have rows.
    let query = format!(
        "SELECT source_id, CASE WHEN source_id % 3 = 0 THEN 45 + 0.02 * sin(ra * 100) ELSE ra END AS ra, \
         CASE WHEN source_id % 3 = 0 THEN 0.02 * sin(dec * 100) ELSE dec END AS dec, * EXCEPT (source_id, ra, dec) FROM '{}'",
        stars.display()
    );
    let setting = format!("SET datafusion.execution.parquet.max_row_group_size = {GROUP};");
    let query = format!("{setting} SET datafusion.execution.target_partitions = 1; COPY ({query}) TO 'stars.parquet'");
    run(lamcat(folder.path()).args(["sql", "-c", &query]));
    tiny().save(folder.path().join("tiny.safetensors")).unwrap();
    fs::create_dir(folder.path().join("pipelines")).unwrap();
    fs::create_dir_all(folder.path().join("sql/release")).unwrap();
    fs::copy(root.join("sql/release/demo.sql"), folder.path().join("sql/release/demo.sql")).unwrap();
    let pipeline = fs::read_to_string(root.join("pipelines/demo.toml")).unwrap();
    let pipeline = pipeline.replace("rows = 300", &format!("rows = {GROUP}"));
    fs::write(folder.path().join("pipelines/demo.toml"), pipeline).unwrap();
    folder
}

/// A run into `store`.
pub fn command(folder: &Path, store: &str) -> Command {
    let mut command = lamcat(folder);
    command.args(["run", "pipelines/demo.toml", "--input", "stars=stars.parquet", "--model", "tiny.safetensors"]);
    command.args(["--json", "--store", store]);
    command
}

fn outcome(folder: &Path, store: &str) -> Value {
    serde_json::from_str(&run(&mut command(folder, store)).0).unwrap()
}

/// The folder of the current release.
fn current(catalogue: &Path) -> PathBuf {
    let latest: Value = serde_json::from_slice(&fs::read(catalogue.join("LATEST")).unwrap()).unwrap();
    catalogue.join(latest["folder"].as_str().unwrap())
}

/// Hashes of the tables of the current release, which contain no times.
fn hashes(catalogue: &Path) -> BTreeMap<String, String> {
    let manifest: Value = serde_json::from_slice(&fs::read(current(catalogue).join("manifest.json")).unwrap()).unwrap();
    let files = manifest["files"].as_array().unwrap().iter();
    let tables = files.filter(|file| file["path"].as_str().unwrap().ends_with(".parquet"));
    tables
        .map(|file| (file["path"].as_str().unwrap().to_owned(), file["sha256"].as_str().unwrap().to_owned()))
        .collect()
}

fn log_entries(catalogue: &Path) -> usize {
    fs::read_dir(catalogue.join("log")).unwrap().count()
}

fn start(folder: &Path, store: &str) -> Child {
    command(folder, store).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn kills() -> usize {
    env::var("LAMCAT_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(KILLS)
}

#[test]
fn killed_runs_end_in_the_release_of_an_undisturbed_one() {
    let folder = workplace();
    let folder = folder.path();
    let begun = Instant::now();
    let whole = outcome(folder, "whole");
    let mut time = begun.elapsed();
    assert_eq!(whole["rows"], ROWS);
    assert_eq!(whole["units_here"], ROWS / GROUP);
    let wanted = hashes(&folder.join("whole/demo"));
    assert!(wanted.keys().any(|path| path.contains("demo_10arcs/")), "the sample has no margin: {wanted:?}");

    let (mut killed, mut stores) = (0, 0);
    while killed < kills() {
        let store = format!("killed{stores}");
        stores += 1;
        // Each run is killed a little later while less is left to do, so that all stages are hit.
        loop {
            let (fresh, begun) = (!folder.join(&store).exists(), Instant::now());
            let mut child = start(folder, &store);
            let share = ((killed * 37) % 100) as f64 / 100.0;
            let until = begun + time.mul_f64(share);
            let mut ended = None;
            while ended.is_none() && Instant::now() < until {
                sleep(Duration::from_millis(1));
                ended = child.try_wait().unwrap();
            }
            if let Some(status) = ended {
                assert!(status.success());
                if fresh {
                    // The machine was busier when the time was measured; late moments would never be reached otherwise.
                    time = time.min(begun.elapsed());
                }
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            killed += 1;
            if killed % 4 == 0 {
                break;
            }
        }
        outcome(folder, &store);
        let catalogue = folder.join(&store).join("demo");
        assert_eq!(hashes(&catalogue), wanted, "after {killed} kills");
        assert_eq!(log_entries(&catalogue), 1);
    }
}

#[test]
fn a_release_on_s3_survives_kills() {
    let Some(server) = server() else { return };
    let folder = workplace();
    let folder = folder.path();
    outcome(folder, "local");
    let remote = || {
        let mut command = command(folder, "s3://stars/catalogues");
        server.tell(&mut command);
        command
    };
    for kill in 0..4 {
        let mut child = remote().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(Duration::from_millis(300 * (kill + 1)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let ends = [remote(), remote()].map(|mut c| c.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let ends = ends.map(|child| child.wait_with_output().unwrap());
    assert!(ends.iter().all(|end| end.status.success()));
    let end: Value = serde_json::from_slice(&ends[0].stdout).unwrap();
    // The same rows as in a folder, margin and index included.
    let release = end["release"]["folder"].as_str().unwrap();
    let local = current(&folder.join("local/demo"));
    for part in ["demo", "demo_10arcs", "demo_source_id/dataset/index"] {
        let (there, here) =
            (format!("'s3://stars/catalogues/demo/{release}/{part}/'"), format!("'{}/'", local.join(part).display()));
        let query = format!(
            "SELECT count(*) FROM (SELECT * FROM {there} EXCEPT ALL SELECT * FROM {here}); \
             SELECT count(*) FROM (SELECT * FROM {here} EXCEPT ALL SELECT * FROM {there})"
        );
        let mut sql = lamcat(folder);
        sql.args(["sql", "-q", "--format", "csv", "-c", &query]);
        server.tell(&mut sql);
        let counts = run(&mut sql).0;
        assert_eq!(counts.lines().filter(|line| *line == "0").count(), 2, "{part}: {counts}");
    }
    assert_eq!(end["release"]["number"], 1);
}

#[test]
fn a_dry_run_says_what_a_run_would_do_and_takes_no_damaged_unit_for_done() {
    let folder = workplace();
    let folder = folder.path();
    let dry = || -> Value { serde_json::from_str(&run(command(folder, "dry").arg("--dry-run")).0).unwrap() };
    let stand = |dry: &Value| (dry["plan"].as_str().unwrap().to_owned(), dry["done"].as_u64(), dry["damaged"].as_u64());
    let units = (ROWS / GROUP) as u64;
    assert_eq!(stand(&dry()), ("work".to_owned(), Some(0), Some(0)));
    outcome(folder, "dry");
    assert_eq!(stand(&dry()).0, "nothing");
    // The state is as if a run was stopped before its release was complete.
    let catalogue = folder.join("dry/demo");
    fs::remove_file(current(&catalogue).join("manifest.json")).unwrap();
    fs::remove_file(catalogue.join("LATEST")).unwrap();
    fs::remove_dir_all(catalogue.join("log")).unwrap();
    let files = walkdir::WalkDir::new(&catalogue).into_iter().map(|file| file.unwrap().into_path());
    let mut rows = files
        .filter(|path| path.to_str().unwrap().contains("/units/") && path.extension().is_some_and(|e| e == "parquet"));
    let (cut, gone) = (rows.next().unwrap(), rows.next().unwrap());
    fs::write(&cut, &fs::read(&cut).unwrap()[..100]).unwrap();
    fs::remove_file(gone).unwrap();
    assert_eq!(stand(&dry()), ("work".to_owned(), Some(units - 2), Some(2)));
    assert_eq!(outcome(folder, "dry")["units_here"], 2);
    assert_eq!(stand(&dry()).0, "nothing");
}

#[test]
fn the_time_of_a_run_follows_from_the_rows_that_it_reads() {
    let folder = workplace();
    let folder = folder.path();
    let query = folder.join("sql/release/demo.sql");
    let text = fs::read_to_string(&query).unwrap();
    fs::write(&query, text.replace("FROM stars", "FROM stars WHERE source_id < 0")).unwrap();
    assert_ne!(fs::read_to_string(&query).unwrap(), text);
    let dry: Value = serde_json::from_str(&run(command(folder, "dry").arg("--dry-run")).0).unwrap();
    let (rate, seconds) = (dry["rows_per_second"].as_f64().unwrap(), dry["seconds"].as_f64().unwrap());
    assert!(rate > 0.0 && (seconds * rate / ROWS as f64 - 1.0).abs() < 1e-9, "{dry}");
}

#[test]
fn a_second_run_repeats_nothing_and_two_at_once_share() {
    let folder = workplace();
    let folder = folder.path();
    outcome(folder, "one");
    let again = outcome(folder, "one");
    assert_eq!((again["units_here"].as_u64(), again["rows_inferred"].as_u64()), (Some(0), Some(0)));
    assert_eq!(log_entries(&folder.join("one/demo")), 1);

    let spawn = || command(folder, "two").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let runners = [spawn(), spawn()];
    let ends = runners.map(|child| child.wait_with_output().unwrap());
    assert!(ends.iter().all(|end| end.status.success()));
    let done: Vec<u64> = ends
        .iter()
        .map(|end| serde_json::from_slice::<Value>(&end.stdout).unwrap()["units_here"].as_u64().unwrap())
        .collect();
    assert_eq!(done.iter().sum::<u64>(), (ROWS / GROUP) as u64, "every unit counts once: {done:?}");
    assert_eq!(hashes(&folder.join("two/demo")), hashes(&folder.join("one/demo")));
    assert_eq!(log_entries(&folder.join("two/demo")), 1);
}

#[test]
fn a_run_that_dies_near_the_end_repeats_little() {
    let folder = workplace();
    let folder = folder.path();
    let jobs = folder.join("late/demo/jobs");
    let claims = || {
        let job = fs::read_dir(&jobs).ok()?.flatten().find(|entry| entry.path().join("units").exists())?;
        let files = fs::read_dir(job.path().join("units")).ok()?.flatten();
        Some(files.filter(|file| file.path().extension().is_some_and(|e| e == "json")).count())
    };
    let mut child = start(folder, "late");
    while claims().unwrap_or(0) < ROWS / GROUP * 9 / 10 {
        assert!(child.try_wait().unwrap().is_none(), "the run was over before it could be killed");
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let rest = outcome(folder, "late");
    let share = rest["rows_inferred"].as_f64().unwrap() / ROWS as f64;
    assert!(share < 0.12, "{share} of the rows went through the model again");
}

#[test]
fn readers_see_one_whole_release_while_others_are_published_and_rolled_back_to() {
    let folder = workplace();
    let folder = folder.path();
    outcome(folder, "store");
    let catalogue = folder.join("store/demo");
    let mut publish = command(folder, "store");
    publish.args(["--release-version", "2.0.0"]);
    let mut roll_back = lamcat(folder);
    roll_back.args(["release", "rollback", "store/demo"]);
    let mut seen = Vec::new();
    for mut change in [publish, roll_back] {
        let mut changing = change.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        loop {
            let ended = changing.try_wait().unwrap();
            let version = whole_release(&catalogue);
            if seen.last() != Some(&version) {
                seen.push(version);
            }
            if let Some(status) = ended {
                assert!(status.success());
                break;
            }
        }
    }
    assert_eq!(seen, ["1.0.0", "2.0.0", "1.0.0"]);
}

/// The version of the current release, after checking that all of its files exist.
fn whole_release(catalogue: &Path) -> String {
    let release = current(catalogue);
    let manifest: Value = serde_json::from_slice(&fs::read(release.join("manifest.json")).unwrap()).unwrap();
    for file in manifest["files"].as_array().unwrap() {
        let path = release.join(file["path"].as_str().unwrap());
        assert_eq!(fs::metadata(&path).unwrap().len(), file["bytes"].as_u64().unwrap(), "{}", path.display());
    }
    manifest["version"].as_str().unwrap().to_owned()
}

#[test]
fn units_are_parts_of_row_groups_that_are_too_large() {
    let folder = workplace();
    let folder = folder.path();
    outcome(folder, "small");
    // The same rows in a single row group, with one column in another file.
    let query = "SET datafusion.execution.target_partitions = 1; COPY (SELECT * EXCEPT (j_h) FROM 'stars.parquet') TO 'large.parquet'; \
                 COPY (SELECT source_id, j_h FROM 'stars.parquet' ORDER BY source_id) TO 'colours.parquet'";
    run(lamcat(folder).args(["sql", "-c", query]));
    let sql = folder.join("sql/release/demo.sql");
    let joined =
        fs::read_to_string(&sql).unwrap().replace("FROM stars\n", "FROM stars JOIN colours USING (source_id)\n");
    assert!(joined.contains("colours"));
    fs::write(&sql, joined).unwrap();
    let file = folder.join("pipelines/demo.toml");
    let pipeline = fs::read_to_string(&file).unwrap();
    let other = "[inputs.colours]\npath = \"../colours.parquet\"\n\n[output]";
    fs::write(&file, pipeline.replace("[output]", other)).unwrap();
    let mut command = command(folder, "large");
    let end: Value = serde_json::from_str(&run(command.args(["--input", "stars=large.parquet"])).0).unwrap();
    assert_eq!(end["units_here"], ROWS / GROUP);
    assert_eq!(hashes(&folder.join("large/demo")), hashes(&folder.join("small/demo")));
}

#[test]
fn what_cannot_be_published_is_said() {
    let folder = workplace();
    let folder = folder.path();
    let sql = folder.join("sql/release/demo.sql");
    let query = fs::read_to_string(&sql).unwrap();
    let with =
        |condition: &str| fs::write(&sql, query.replace("FROM stars\n", &format!("FROM stars {condition}\n"))).unwrap();
    with("WHERE ra > 1000");
    let e = fail(&mut command(folder, "bad"));
    assert!(e.contains("the query gives no rows") && e.contains("hint:"), "{e}");
    fs::write(
        &sql,
        query.replace(
            "    ra,\n    dec,\n    lam",
            "    nullif(ra, 45) AS ra,\n    CASE WHEN source_id % 7 = 0 THEN NULL ELSE dec END AS dec,\n    lam",
        ),
    )
    .unwrap();
    let e = fail(&mut command(folder, "bad"));
    assert!(e.contains("stars.parquet") && e.contains("_healpix_29") && e.contains("WHERE"), "{e}");
    with("CROSS JOIN (SELECT 1 FROM generate_series(1, 2)) AS twice");
    let e = fail(&mut command(folder, "bad"));
    assert!(e.contains("source_id") && e.contains("twice"), "{e}");
    assert!(!folder.join("bad/demo/LATEST").exists(), "nothing was published");
}
