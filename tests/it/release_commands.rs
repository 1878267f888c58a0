//! Finished releases: rolled back, compared, held back by gates, cleaned up.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    time::{Duration, SystemTime},
};

use chrono::{TimeDelta, Utc};
use lamcat::release::{
    diff::{ColumnChange, diff},
    garbage::{self, Keep, Reason},
    paths, publish, releases,
    verify::verify,
};

use crate::{
    program::{fail, lamcat, run},
    releases::{COLUMNS, Store, files, query},
};

const DAY: TimeDelta = TimeDelta::days(1);

fn keep() -> Keep {
    Keep { older_than: DAY, releases: None, units: false, unfinished: true }
}

/// Two releases: the second has 50 K more in teff, lacks the stars 1 to 20, has the additional stars 301 to 310, has no
/// logg below star 30, and has a flag on every fifth star.
async fn two() -> Store {
    let store = Store::good().await;
    let columns = "teff + CAST(50 AS REAL) AS teff, CASE WHEN source_id >= 30 THEN logg END AS logg, \
                   CASE WHEN source_id % 5 = 0 THEN CAST(16 AS INT) ELSE CAST(0 AS INT) END AS quality_flags, \
                   teff AS teff_error";
    store.publish("1.1.0", &query(columns, "source_id > 20 AND source_id <= 310")).await.unwrap();
    store
}

#[tokio::test]
async fn a_diff_has_the_known_figures() {
    let store = two().await;
    let session = lamcat::session::Session::new(&lamcat::session::SessionOptions::default()).unwrap();
    let (old, new) = (store.release("1.0.0"), store.release("1.1.0"));
    let diff = diff(session.context(), &store.storage, &old, &new).await.unwrap();
    assert_eq!((diff.old.rows, diff.new.rows), (300, 290));
    assert_eq!((diff.gained, diff.lost, diff.common), (10, 20, 280));
    let added = ColumnChange { name: "teff_error".to_owned(), old: None, new: Some("Float32".to_owned()) };
    assert_eq!(diff.changed_columns, [added]);
    let column = |name: &str| diff.columns.iter().find(|c| c.name == name).unwrap();
    let teff = column("teff");
    assert_eq!((teff.compared, teff.changed, teff.unit.as_str()), (280, 280, "K"));
    assert!((teff.shift.unwrap() - 50.0).abs() < 1e-3 && teff.scatter.unwrap() < 1e-3, "{teff:?}");
    // numpy.median of teff for the stars 1 to 300, and for 21 to 310 plus 50.
    let medians = (teff.old_median.unwrap(), teff.new_median.unwrap());
    assert!((medians.0 - 4706.4495).abs() < 1e-3 && (medians.1 - 4762.5969).abs() < 1e-3, "{medians:?}");
    let logg = column("logg");
    // The stars 21 to 29 have no logg.
    assert_eq!((logg.compared, logg.changed, logg.shift, logg.scatter), (271, 0, Some(0.0), Some(0.0)));
    assert!(logg.old_missing == 0.0 && (logg.new_missing - 9.0 / 290.0).abs() < 1e-12, "{logg:?}");
    let [flag] = &diff.flags[..] else { panic!("{:?}", diff.flags) };
    // There are 58 multiples of 5 from 21 to 310, and 56 from 21 to 300.
    assert_eq!((flag.bit, flag.old, flag.new, flag.set, flag.cleared), (4, 0, 58, 56, 0));

    let (text, _) = run(lamcat(store.folder.path()).args(["release", "diff", "catalogues/labels"]));
    assert!(text.contains("10 sources gained, 20 lost, 280 in both"), "{text}");
    assert!(text.contains("column teff_error (Float32) is new") && text.contains("out_of_range"), "{text}");
    let command = ["release", "diff", "catalogues/labels", "1.1.0", "1.0.0", "--json"];
    let (text, _) = run(lamcat(store.folder.path()).args(command));
    let back: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&back["gained"], &back["lost"]), (&serde_json::json!(20), &serde_json::json!(10)));
}

#[tokio::test]
async fn rolling_back_makes_the_release_before_current() {
    let store = two().await;
    let folder = store.folder.path();
    let (old, new) = (store.release("1.0.0"), store.release("1.1.0"));
    let latest =
        || -> serde_json::Value { serde_json::from_slice(&fs::read(store.root().join("LATEST")).unwrap()).unwrap() };
    assert_eq!(latest()["folder"], new);
    let (path, words) = run(lamcat(folder).args(["release", "rollback", "catalogues/labels"]));
    assert!(path.trim_end().ends_with(&old) && words.contains("1.0.0 is the current release again"), "{path}{words}");
    assert_eq!((&latest()["folder"], &latest()["action"]), (&old.clone().into(), &"rollback".into()));
    let log: Vec<(u64, String)> =
        publish::log(&store.storage).await.unwrap().into_iter().map(|entry| (entry.number, entry.folder)).collect();
    assert_eq!(log, [(1, old.clone()), (2, new.clone()), (3, old.clone())]);
    let (list, _) = run(lamcat(folder).args(["release", "list", "catalogues/labels"]));
    let current: Vec<&str> = list.lines().filter(|line| line.starts_with('*')).collect();
    assert!(matches!(current[..], [line] if line.contains("1.0.0") && line.contains("300")), "{list}");

    let e = fail(lamcat(folder).args(["release", "rollback", "catalogues/labels"]));
    assert!(e.contains("there is no release before the current one") && e.contains("hint:"), "{e}");
    let e = fail(lamcat(folder).args(["release", "rollback", "catalogues/labels", "1.0.0"]));
    assert!(e.contains("the release is the current one"), "{e}");
    // An incomplete release, or one without a manifest, cannot become current.
    let table = store.root().join(&new).join("schema.md");
    let text = fs::read(&table).unwrap();
    fs::remove_file(&table).unwrap();
    let e = fail(lamcat(folder).args(["release", "rollback", "catalogues/labels", "1.1.0"]));
    assert!(e.contains("the release is not whole: the file is missing") && e.contains("schema.md"), "{e}");
    fs::write(&table, text).unwrap();
    let manifest = store.root().join(&new).join("manifest.json");
    fs::rename(&manifest, store.folder.path().join("manifest.json")).unwrap();
    let e = fail(lamcat(folder).args(["release", "rollback", "catalogues/labels", "1.1.0"]));
    assert!(e.contains("there is no release '1.1.0'"), "{e}");
    fs::rename(store.folder.path().join("manifest.json"), &manifest).unwrap();
    assert_eq!(latest()["folder"], old);
    run(lamcat(folder).args(["release", "rollback", "catalogues/labels", "1.1.0"]));
    assert_eq!(latest()["folder"], new);
}

#[tokio::test]
async fn show_has_columns_and_the_path_to_open() {
    let store = Store::good().await;
    let (text, _) = run(lamcat(store.folder.path()).args(["release", "show", "catalogues/labels"]));
    let release = store.release("1.0.0");
    assert!(text.contains(&format!("{release}\")")) && text.contains("lsdb.open_catalog(\"/"), "{text}");
    assert!(text.contains("phys.temperature.effective") && text.contains("CC-BY-4.0"), "{text}");
    let (json, _) = run(lamcat(store.folder.path()).args(["release", "show", "catalogues/labels", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["rows"], &json["columns"][0]["name"]), (&300.into(), &"_healpix_29".into()));
}

#[tokio::test]
async fn a_release_that_fails_a_gate_is_not_published_unless_accepted() {
    let store =
        Store::new("[gates]\nmax_row_change = 0.1\nmax_shift = { teff = 40.0 }\nmax_null_fraction = { logg = 0.2 }\n");
    store.publish("1.0.0", &query(COLUMNS, "source_id <= 300")).await.unwrap();
    let worse = query(
        "teff + CAST(50 AS REAL) AS teff, CASE WHEN source_id > 90 THEN logg END AS logg, CAST(0 AS INT) AS quality_flags",
        "source_id <= 240",
    );
    let e = store.publish("1.1.0", &worse).await.unwrap_err().to_string();
    for words in [
        "the release fails its gates",
        "logg is missing in 0.3750 of the rows, but max_null_fraction is 0.2",
        "rows changed by 0.2000, from 300 to 240, but max_row_change is 0.1",
        "the median of teff moved by",
        "is still the current release",
        "lamcat run --accept",
    ] {
        assert!(e.contains(words), "{words}: {e}");
    }
    assert_eq!(publish::current(&store.storage).await.unwrap().unwrap().version, "1.0.0");
    let listed = releases::list(&store.storage).await.unwrap();
    assert_eq!(listed.iter().map(|r| r.published.is_some()).collect::<Vec<_>>(), [true, false]);

    // Finished work is not repeated.
    let outcome = store.accept("1.1.0", &worse).await;
    assert_eq!((outcome.release.version.as_str(), outcome.rows, outcome.rows_inferred), ("1.1.0", 240, 0));
    assert_eq!(outcome.failed_gates.len(), 3, "{:?}", outcome.failed_gates);
    // Compared with the current release, the earlier one differs just as much, while a similar one does not.
    assert!(store.publish("1.0.1", &query(COLUMNS, "source_id <= 300")).await.is_err());
    store.publish("1.1.1", &worse.replace("> 90", "> 40")).await.unwrap();
}

#[tokio::test]
async fn garbage_is_found_and_the_release_stays_whole() {
    let store = two().await;
    let root = store.root();
    let before: BTreeSet<String> = files(&root).into_iter().collect();
    let release = store.release("1.1.0");
    let put = |path: &str| {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), "x").unwrap();
        path.to_owned()
    };
    let unit = before.iter().find(|f| f.contains("/units/") && f.ends_with(".parquet")).unwrap();
    let unit_folder = unit.rsplit_once('/').unwrap().0;
    let orphans = BTreeSet::from([
        put(&format!("{unit_folder}/0123.parquet")),
        put(&format!("{}/leases/0-1.json", unit.split("/units").next().unwrap())),
        put("jobs/probe-0123"),
        put(&format!("{release}/notes.txt")),
        put("releases/0.9.0-00000000/labels/dataset/Norder=0/Dir=0/Npix=0.parquet"),
        put(&format!("{release}/labels/dataset/Norder=0/Dir=0/Npix=0.parquet#1")),
        put("LATEST#12"),
        put("jobs/00000000ffffffff/units/0123/4567.parquet"),
    ]);
    let now = Utc::now();
    let young = garbage::find(&store.storage, &keep(), now).await.unwrap();
    assert_eq!(young, [], "what is young is left alone");

    let later = now + DAY * 2;
    let found = garbage::find(&store.storage, &Keep { units: true, ..keep() }, later).await.unwrap();
    let paths: BTreeSet<String> = found.iter().map(|file| file.path.clone()).collect();
    assert_eq!(paths, orphans);
    let why = |end: &str| found.iter().find(|file| file.path.ends_with(end)).unwrap().why;
    assert_eq!(why("0123.parquet"), Reason::Attempt);
    assert_eq!(why("0-1.json"), Reason::Lease);
    assert_eq!(why("probe-0123"), Reason::Probe);
    assert_eq!(why("notes.txt"), Reason::Unlisted);
    assert_eq!(why("Npix=0.parquet"), Reason::NoManifest);
    assert_eq!(why("#1"), Reason::Upload);
    garbage::remove(&store.storage, &found).await.unwrap();
    assert_eq!(files(&root).into_iter().collect::<BTreeSet<_>>(), before);
    assert!(!root.join("releases/0.9.0-00000000").exists() && !root.join("jobs/00000000ffffffff").exists());

    // The jobs are published, so everything except their records can go.
    let found = garbage::find(&store.storage, &keep(), later).await.unwrap();
    let left: Vec<&String> = before.iter().filter(|f| found.iter().all(|gone| gone.path != **f)).collect();
    assert!(found.iter().all(|file| file.why == Reason::Published && file.path.starts_with("jobs/")), "{found:?}");
    assert_eq!(left.iter().filter(|f| f.starts_with("jobs/")).count(), 2, "{left:?}");
    garbage::remove(&store.storage, &found).await.unwrap();
    assert_eq!(garbage::find(&store.storage, &keep(), later).await.unwrap(), []);
    for version in ["1.0.0", "1.1.0"] {
        assert_eq!(verify(&store.storage, &store.release(version)).await.unwrap().faults, [], "{version}");
    }
    // Another run finds the release, even without the units.
    let (again, old) = (query(COLUMNS, "source_id <= 300"), store.release("1.0.0"));
    let outcome = store.publish("1.0.0", &again).await.unwrap();
    assert_eq!((outcome.rows_inferred, outcome.release.folder.as_str()), (0, old.as_str()));
}

#[tokio::test]
async fn older_releases_go_if_few_are_kept_and_the_current_one_never_does() {
    let store = two().await;
    publish::make_current(&store.storage, &store.release("1.0.0"), publish::Action::Rollback).await.unwrap();
    let (old, new) = (store.release("1.0.0"), store.release("1.1.0"));
    let few = Keep { releases: Some(0), unfinished: false, ..keep() };
    let found = garbage::find(&store.storage, &few, Utc::now() + DAY * 2).await.unwrap();
    assert!(found.iter().all(|f| !f.path.starts_with(&old) && !f.path.starts_with("log") && f.path != "LATEST"));
    let of_new = files(&store.root().join(&new)).len();
    assert_eq!(found.iter().filter(|f| f.why == Reason::OldRelease).count(), of_new);
    garbage::remove(&store.storage, &found).await.unwrap();
    assert!(!store.root().join(&new).exists());
    assert_eq!(verify(&store.storage, &old).await.unwrap().faults, []);
    assert_eq!(releases::find(&store.storage, None).await.unwrap().folder, old);
    assert!(releases::before_current(&store.storage).await.is_err());
}

#[tokio::test]
async fn a_job_that_may_run_or_is_not_finished_keeps_its_work() {
    let store = Store::new("[gates]\nmin_rows = 1000000\n");
    let sql = query(COLUMNS, "source_id <= 300");
    store.publish("1.0.0", &sql).await.unwrap_err();
    let root = store.root();
    let release = store.release("1.0.0");
    // The state is the same as if the run had ended before the manifest was written.
    fs::remove_file(root.join(&release).join("manifest.json")).unwrap();
    let all = files(&root);
    let of_job = all[0].split('/').take(2).collect::<Vec<_>>().join("/");
    let young = format!("{of_job}/units/0123/4567.parquet");
    fs::create_dir_all(root.join(&young).parent().unwrap()).unwrap();
    fs::write(root.join(&young), "x").unwrap();
    for file in &all {
        let two_days_ago = SystemTime::now() - Duration::from_hours(48);
        File::options().write(true).open(root.join(file)).unwrap().set_modified(two_days_ago).unwrap();
    }
    let (text, _) = run(lamcat(store.folder.path()).args(["release", "gc", "catalogues/labels", "--unfinished"]));
    assert_eq!(text, "", "one file is young: the job may be running");

    let later = Utc::now() + DAY * 2;
    let found = garbage::find(&store.storage, &keep(), later).await.unwrap();
    assert!(found.iter().any(|f| f.path == young) && found.iter().all(|f| !paths::is_json(&f.path)), "{found:?}");
    let leaves = all.iter().filter(|f| f.contains("releases/") && f.contains("/labels/") && f.contains("Npix="));
    assert!(leaves.clone().count() > 3 && leaves.clone().all(|leaf| found.iter().all(|gone| gone.path != *leaf)));
    garbage::remove(&store.storage, &found).await.unwrap();
    // It can be continued without the model, and the result is complete.
    let outcome = store.accept("1.0.0", &sql).await;
    assert_eq!((outcome.units_here, outcome.rows), (0, 300));
    assert_eq!(verify(&store.storage, &release).await.unwrap().faults, []);
}

#[tokio::test]
async fn gc_deletes_only_if_told_to() {
    let store = Store::good().await;
    let root = store.root();
    let command = |args: &[&str]| {
        let mut command = lamcat(store.folder.path());
        command.args(["release", "gc", "catalogues/labels"]).args(args);
        command
    };
    let all = files(&root);
    let (text, words) = run(&mut command(&["--older-than", "0s"]));
    assert!(
        text.contains("jobs whose release is published") && words.contains("nothing was deleted yet"),
        "{text}{words}"
    );
    assert_eq!(files(&root), all);
    let (_, words) = run(&mut command(&["--delete"]));
    assert!(words.contains("there is nothing to delete"), "{words}");
    let (json, _) = run(&mut command(&["--older-than", "0s", "--delete", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(files(&root).len(), all.len() - json["files"].as_array().unwrap().len());
    run(lamcat(store.folder.path()).args(["release", "verify", "catalogues/labels"]));
    let e = fail(lamcat(store.folder.path()).args(["release", "gc", "."]));
    assert!(e.contains("there is no catalogue"), "{e}");
}
