//! Rows that get lost between two stages of a run. Whatever file is removed, truncated or exchanged, and whenever that
//! happens, the next run publishes every row, or publishes none and says why, and the run after it publishes every row.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
};

use lamcat::{
    pipeline::Outcome,
    release::{assemble::Manifest, verify::verify},
};

use crate::releases::{COLUMNS, Store, copy, files, query, read, rewrite, sign, take};

/// Ways to damage a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    Deleted,
    Halved,
    Emptied,
    /// It has the same length, but contains only zeros.
    Blank,
    /// It is replaced by another file of its kind, or removed if there is no other.
    Exchanged,
}

const DAMAGES: [Damage; 5] = [Damage::Deleted, Damage::Halved, Damage::Emptied, Damage::Blank, Damage::Exchanged];

impl Damage {
    fn leaves_json(self) -> bool {
        matches!(self, Self::Deleted | Self::Exchanged)
    }
}

fn damage(root: &Path, file: &str, how: Damage) {
    let path = root.join(file);
    let length = fs::metadata(&path).unwrap().len();
    match how {
        Damage::Deleted => fs::remove_file(path).unwrap(),
        Damage::Halved => File::options().write(true).open(path).unwrap().set_len(length / 2).unwrap(),
        Damage::Emptied => fs::write(path, "").unwrap(),
        Damage::Blank => fs::write(path, vec![0; length as usize]).unwrap(),
        Damage::Exchanged => {
            let ending = file.rsplit('.').next().unwrap();
            let kind =
                |f: &str| (f.split('/').take(3).last().map(str::to_owned), f.ends_with(ending), f.split('/').count());
            match files(root).into_iter().find(|other| other != file && kind(other) == kind(file)) {
                Some(other) => drop(fs::copy(root.join(other), path).unwrap()),
                None => fs::remove_file(path).unwrap(),
            }
        }
    }
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    /// All units are done.
    Infer,
    /// All tiles are done.
    Arrange,
    /// The manifest is written, but nothing was published.
    Assemble,
}

/// Removes what a run writes after a stage.
fn undo(store: &Store, until: Until) {
    let (root, release) = (store.root(), store.root().join(store.release("1.0.0")));
    for name in ["log", "reports"] {
        fs::remove_dir_all(root.join(name)).unwrap();
    }
    fs::remove_file(root.join("LATEST")).unwrap();
    if until != Until::Assemble {
        fs::remove_file(release.join("manifest.json")).unwrap();
        for file in files(&root).iter().filter(|file| is_later(file, until)) {
            fs::remove_file(root.join(file)).unwrap();
        }
    }
}

/// Whether a file is written in a later stage than this one.
fn is_later(file: &str, until: Until) -> bool {
    let of_tiles = file.contains("/tiles/") || file.contains("/labels/dataset/Norder");
    file.contains("/parts/") || file.contains("/checks/") || (of_tiles && until == Until::Infer)
}

/// Hashes of the tables of the release, which contain no times.
fn tables(store: &Store) -> BTreeMap<String, String> {
    let manifest = store.root().join(store.release("1.0.0")).join("manifest.json");
    let manifest: Manifest = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    let tables = manifest.files.into_iter().filter(|file| file.path.ends_with(".parquet"));
    tables.map(|file| (file.path, file.sha256)).collect()
}

/// A store after a stage of a run, which is damaged repeatedly.
struct After {
    store: Store,
    kept: tempfile::TempDir,
    tables: BTreeMap<String, String>,
    sql: String,
}

impl After {
    async fn new(until: Until) -> Self {
        let store = Store::good().await;
        let tables = tables(&store);
        undo(&store, until);
        let kept = tempfile::tempdir().unwrap();
        copy(&store.root(), kept.path());
        Self { store, kept, tables, sql: query(COLUMNS, "source_id <= 300") }
    }

    /// Restores the store to its state after the stage.
    fn restore(&self) {
        fs::remove_dir_all(self.store.root()).unwrap();
        copy(self.kept.path(), &self.store.root());
    }

    /// One or two files of each kind: claims and rows of units and tiles, leaves.
    fn chosen(&self) -> Vec<String> {
        let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in files(self.kept.path()) {
            let folder = ["/units/", "/tiles/", "/parts/", "/dataset/Norder", "/dataset/index"]
                .into_iter()
                .find(|f| file.contains(f));
            let catalogue = file.split('/').nth(2).filter(|_| file.starts_with("releases/")).unwrap_or_default();
            let kind = format!("{}{catalogue}.{}", folder.unwrap_or_default(), file.rsplit('.').next().unwrap());
            if folder.is_some() {
                kinds.entry(kind).or_default().push(file);
            }
        }
        // Readers take the schema from the first file.
        let chosen = |files: Vec<String>| {
            let first = files.first().filter(|file| file.contains("/units/")).cloned();
            first.into_iter().chain([files[files.len() / 2].clone()]).collect::<Vec<_>>()
        };
        kinds.into_values().flat_map(chosen).collect()
    }
}

#[tokio::test]
async fn whatever_is_lost_after_a_stage_no_row_is_missing_from_what_is_published() {
    for until in [Until::Infer, Until::Arrange, Until::Assemble] {
        let after = After::new(until).await;
        let chosen = after.chosen();
        assert!(chosen.iter().any(|file| is_json(file)) && chosen.iter().any(|file| file.ends_with(".parquet")));
        let cases = chosen.iter().flat_map(|file| DAMAGES.map(|how| (file, how)));
        for (file, how) in cases.filter(|(file, how)| file.ends_with(".parquet") || how.leaves_json()) {
            let store = &after.store;
            after.restore();
            damage(&store.root(), file, how);
            let case = format!("{file} {how:?} after {until:?}");
            let mut ended = store.publish("1.0.0", &after.sql).await;
            if let Err(e) = &ended {
                assert!(e.to_string().contains("hint:"), "{case}: {e}");
                assert!(!store.root().join("LATEST").exists(), "{case}");
                ended = store.publish("1.0.0", &after.sql).await;
            }
            let outcome = ended.unwrap_or_else(|e| panic!("{case}: {e}"));
            assert_eq!(outcome.rows, 300, "{case}");
            assert_eq!(tables(store), after.tables, "{case}");
            assert_eq!(verify(&store.storage, &outcome.release.folder).await.unwrap().faults, [], "{case}");
        }
    }
}

/// The claims in folders of this name, with their original content.
fn claims(root: &Path, folder: &str) -> BTreeMap<String, Vec<u8>> {
    let claims = files(root).into_iter().filter(|file| file.contains(folder) && is_json(file));
    claims.map(|file| (file.clone(), fs::read(root.join(file)).unwrap())).collect()
}

#[tokio::test]
async fn parts_and_checks_that_others_did_are_not_done_again() {
    let after = After::new(Until::Assemble).await;
    let root = after.store.root();
    fs::remove_file(root.join(after.store.release("1.0.0")).join("manifest.json")).unwrap();
    let (parts, checks) = (claims(&root, "/parts/"), claims(&root, "/checks/"));
    for part in ["margin-", "index-", "main", "cuts"] {
        assert!(parts.keys().any(|file| file.contains(part)), "{part}: {parts:?}");
    }
    assert!(!checks.is_empty());
    let outcome = after.store.publish("1.0.0", &after.sql).await.unwrap();
    assert_eq!((outcome.rows, tables(&after.store)), (300, after.tables.clone()));
    // Each claim contains the time of its attempt, so a repeated one would differ.
    assert_eq!((claims(&root, "/parts/"), claims(&root, "/checks/")), (parts.clone(), checks.clone()));

    // If one is missing, its work is repeated, and the result is verified.
    undo(&after.store, Until::Assemble);
    fs::remove_file(root.join(after.store.release("1.0.0")).join("manifest.json")).unwrap();
    let lost = parts.keys().find(|file| file.contains("index-")).unwrap();
    fs::remove_file(root.join(lost)).unwrap();
    let outcome = after.store.publish("1.0.0", &after.sql).await.unwrap();
    assert_eq!((outcome.rows, tables(&after.store)), (300, after.tables));
    let again = claims(&root, "/parts/");
    assert_ne!(again[lost], parts[lost]);
    assert!(parts.iter().filter(|(file, _)| *file != lost).all(|(file, claim)| again[file] == *claim));
    assert_ne!(claims(&root, "/checks/"), checks);
}

async fn published(store: &Store, sql: &str) -> Outcome {
    let outcome = store.publish("1.0.0", sql).await.unwrap();
    assert_eq!(verify(&store.storage, &outcome.release.folder).await.unwrap().faults, []);
    outcome
}

#[tokio::test]
async fn an_input_that_changes_after_it_was_planned_is_an_error_and_the_next_run_has_its_rows() {
    let sql = query(COLUMNS, "source_id <= 300");
    let changes: [fn(&Path); 4] = [
        |stars| rewrite(stars, |rows| take(rows, 0..200)),
        |stars| rewrite(stars, |rows| take(rows, (0..rows.num_rows() as u32).rev())),
        |stars| rewrite(stars, |rows| take(rows, (0..rows.num_rows() as u32).chain(0..1))),
        |stars| fs::remove_file(stars).unwrap(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let store = Store::new("");
        let stars = store.folder.path().join("stars.parquet");
        let kept = fs::read(&stars).unwrap();
        let run = store.run("1.0.0", &sql).await;
        change(&stars);
        let e = run.execute(&crate::releases::Silent).await.unwrap_err().to_string();
        assert!(e.contains("stars.parquet") && e.contains("hint:"), "change {number}: {e}");
        assert!(!store.root().join("LATEST").exists(), "change {number}");
        fs::write(&stars, kept).unwrap();
        assert_eq!(published(&store, &sql).await.rows, 300, "change {number}");
    }
}

#[tokio::test]
async fn a_joined_input_that_changes_meanwhile_spoils_no_unit() {
    let join = "[inputs.more]\npath = \"more.parquet\"\n";
    let store = Store::new("");
    let toml = store.folder.path().join("labels.toml");
    let text = fs::read_to_string(&toml)
        .unwrap()
        .replace("path = \"stars.parquet\"\n", "path = \"stars.parquet\"\ncut = true\n");
    fs::write(&toml, text + join).unwrap();
    let (stars, more) = (store.folder.path().join("stars.parquet"), store.folder.path().join("more.parquet"));
    fs::copy(&stars, &more).unwrap();
    let sql = query(COLUMNS, "source_id <= 300 AND source_id IN (SELECT CAST(source_id AS BIGINT) >> 35 FROM more)");
    let run = store.run("1.0.0", &sql).await;
    rewrite(&more, |rows| take(rows, 0..100));
    let e = run.execute(&crate::releases::Silent).await.unwrap_err().to_string();
    assert!(e.contains("more.parquet") && e.contains("hint:"), "{e}");
    assert!(!store.root().join("LATEST").exists());
    fs::copy(&stars, &more).unwrap();
    assert_eq!(published(&store, &sql).await.rows, 300);
}

#[tokio::test]
async fn the_verifier_counts_the_rows_that_the_units_gave() {
    let store = Store::good().await;
    let release = store.root().join(store.release("1.0.0"));
    let report = verify(&store.storage, &store.release("1.0.0")).await.unwrap();
    assert_eq!((report.rows, report.input_rows), (300, Some(1000)));
    let units = fs::read_to_string(release.join("units.csv")).unwrap();
    let shorter = units.lines().take(units.lines().count() - 1).collect::<Vec<_>>().join("\n");
    fs::write(release.join("units.csv"), shorter).unwrap();
    sign(&release);
    let faults = verify(&store.storage, &store.release("1.0.0")).await.unwrap().faults;
    assert!(
        faults.iter().any(|fault| fault.what.contains("the list of units is not that of the manifest")),
        "{faults:?}"
    );
    let rows: usize = crate::releases::leaves(&release, "labels").iter().map(|leaf| read(leaf).num_rows()).sum();
    assert_eq!(rows, 300);
}

fn is_json(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|ending| ending == "json")
}
