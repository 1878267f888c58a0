//! What decides between concurrent runs: who publishes, what happens to a run that continues too late, and what is left
//! after a power failure.

use std::{fs, path::Path};

use chrono::{TimeDelta, Utc};
use lamcat::{
    error::ErrorKind,
    release::{
        garbage::{self, Keep},
        publish, releases,
        verify::verify,
    },
};
use serde_json::Value;

use crate::{
    program::{fail, lamcat, run},
    releases::{COLUMNS, Silent, Store, files, query},
};

fn latest(store: &Store) -> Option<Value> {
    serde_json::from_slice(&fs::read(store.root().join("LATEST")).ok()?).ok()
}

fn stars(count: u32) -> String {
    query(COLUMNS, &format!("source_id <= {count}"))
}

#[tokio::test]
async fn a_run_that_was_stopped_does_not_put_its_release_over_a_later_one() {
    let store = Store::good().await;
    let old = store.run("1.1.0", &stars(200)).await;
    let new = store.run("1.2.0", &stars(250)).await.execute(&Silent).await.unwrap();
    let e = old.execute(&Silent).await.unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Superseded, "{e}");
    assert!(e.to_string().contains(&new.release.folder), "{e}");
    assert_eq!(latest(&store).unwrap()["version"], "1.2.0");
    // The release exists, and can be published if somebody asks for it now.
    let again = store.publish("1.1.0", &stars(200)).await.unwrap();
    assert_eq!((again.rows_inferred, again.release.number), (0, 3));
    assert_eq!(latest(&store).unwrap()["version"], "1.1.0");
}

#[tokio::test]
async fn a_run_that_began_later_publishes_after_one_that_began_before() {
    let store = Store::good().await;
    let old = store.run("1.1.0", &stars(200)).await;
    let new = store.run("1.2.0", &stars(250)).await;
    let twin = store.run("1.1.0", &stars(200)).await;
    old.execute(&Silent).await.unwrap();
    new.execute(&Silent).await.unwrap();
    // A twin of a run that was published has nothing to add.
    assert_eq!(twin.execute(&Silent).await.unwrap().release.version, "1.1.0");
    assert_eq!(latest(&store).unwrap()["version"], "1.2.0");
}

#[tokio::test]
async fn whoever_finds_the_release_published_writes_latest() {
    let store = Store::good().await;
    let expected = latest(&store).unwrap();
    for damage in [None, Some(""), Some("{")] {
        let file = store.root().join("LATEST");
        match damage {
            None => fs::remove_file(file).unwrap(),
            Some(damage) => fs::write(file, damage).unwrap(),
        }
        store.publish("1.0.0", &stars(300)).await.unwrap();
        assert_eq!(latest(&store).as_ref(), Some(&expected));
    }
    fs::remove_file(store.root().join("LATEST")).unwrap();
    let rollback = ["release", "rollback", "catalogues/labels", "1.0.0"];
    assert!(fail(lamcat(store.folder.path()).args(rollback)).contains("the release is the current one"));
    assert_eq!(latest(&store), Some(expected));
}

#[tokio::test]
async fn files_that_a_power_failure_left_empty_hold_up_no_run() {
    let store = Store::good().await;
    let (root, release) = (store.root(), store.release("1.0.0"));
    let manifest = fs::read(root.join(&release).join("manifest.json")).unwrap();
    // The power fails while the release is published: of every second file that decides something, nothing or half is
    // left.
    let decide = |f: &String| is_json(f) && !f.contains("manifest");
    let mut damaged: Vec<String> = files(&root).into_iter().filter(decide).step_by(2).collect();
    damaged.extend(["LATEST", "log/00000001.json"].map(str::to_owned));
    damaged.extend(files(&root).into_iter().filter(|f| f.ends_with("job.json") || f.ends_with("manifest.json")));
    for (i, file) in damaged.iter().enumerate() {
        let bytes = fs::read(root.join(file)).unwrap();
        fs::write(root.join(file), &bytes[..bytes.len() / 2 * (i % 2)]).unwrap();
    }
    let outcome = store.publish("1.0.0", &stars(300)).await.unwrap();
    assert_eq!((outcome.rows, outcome.release.number), (300, 1));
    assert_eq!(verify(&store.storage, &release).await.unwrap().faults, []);
    assert_eq!(latest(&store).unwrap()["folder"], release.as_str());
    let found = releases::find(&store.storage, None).await.unwrap();
    assert_eq!((found.folder, found.rows), (release.clone(), 300));
    let again: Value = serde_json::from_slice(&fs::read(root.join(&release).join("manifest.json")).unwrap()).unwrap();
    let before: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(again["files"].as_array().unwrap().len(), before["files"].as_array().unwrap().len());
}

#[tokio::test]
async fn a_release_that_the_log_names_is_kept_without_its_manifest() {
    for (damage, units) in [(None, true), (None, false), (Some(""), false), (Some("{\"name\": \"la"), false)] {
        let store = Store::good().await;
        store.publish("1.1.0", &stars(200)).await.unwrap();
        let root = store.root();
        for version in ["1.0.0", "1.1.0"] {
            let file = root.join(store.release(version)).join("manifest.json");
            match damage {
                None => fs::remove_file(file).unwrap(),
                Some(damage) => fs::write(file, damage).unwrap(),
            }
        }
        let before = files(&root);
        for unfinished in [true, false] {
            let keep = Keep { older_than: TimeDelta::zero(), releases: None, units, unfinished };
            let found = garbage::find(&store.storage, &keep, Utc::now() + TimeDelta::days(1)).await.unwrap();
            assert_eq!(found, [], "{damage:?}");
            // The current release is always kept, the one before only if it is among the number to keep.
            let keep = Keep { releases: Some(1), ..keep };
            let found = garbage::find(&store.storage, &keep, Utc::now() + TimeDelta::days(1)).await.unwrap();
            let current = store.release("1.1.0");
            assert!(!found.is_empty() && found.iter().all(|gone| !gone.path.starts_with(&current)), "{found:?}");
        }
        let text = releases::find(&store.storage, None).await.unwrap_err().to_string();
        assert!(
            text.contains("the current release, has lost its manifest") && text.contains("hint: run its"),
            "{text}"
        );
        // A run makes it again.
        store.publish("1.1.0", &stars(200)).await.unwrap();
        assert_eq!(verify(&store.storage, &store.release("1.1.0")).await.unwrap().faults, []);
        assert_eq!(files(&root).len(), before.len() + usize::from(damage.is_none()));
        run(lamcat(store.folder.path()).args(["release", "list", "catalogues/labels"]));
    }
}

#[tokio::test]
async fn nothing_is_removed_while_it_is_not_known_what_is_needed() {
    let store = Store::good().await;
    store.publish("1.1.0", &stars(200)).await.unwrap();
    let root = store.root();
    let keep = Keep { older_than: TimeDelta::zero(), releases: Some(1), units: true, unfinished: true };
    let later = Utc::now() + TimeDelta::days(1);
    // Rows that no claim names are garbage only if all claims can be read.
    let claims = files(&root).into_iter().filter(|f| f.contains("/units/") && is_json(f));
    for claim in claims {
        fs::write(root.join(claim), "").unwrap();
    }
    let all = Keep { releases: None, ..keep.clone() };
    assert_eq!(garbage::find(&store.storage, &all, later).await.unwrap(), []);
    // The same holds for releases and the log.
    fs::write(root.join("log/00000001.json"), "").unwrap();
    let e = garbage::find(&store.storage, &keep, later).await.unwrap_err().to_string();
    assert!(e.contains("log/00000001.json") && e.contains("hint: nothing is removed"), "{e}");
    assert_eq!(publish::current(&store.storage).await.unwrap().unwrap().version, "1.1.0");
    // This does not delay the next publication.
    store.publish("1.2.0", &stars(250)).await.unwrap();
    assert_eq!(latest(&store).unwrap()["number"], 3);
}

fn is_json(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|ending| ending == "json")
}
