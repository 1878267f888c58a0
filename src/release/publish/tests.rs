use chrono::TimeDelta;

use super::*;
use crate::unsure::{Fate, Unsure};

/// Writes a finished release; returns its folder.
async fn finished(storage: &Storage, version: &str) -> String {
    let (name, job) = ("demo".to_owned(), "0123456789abcdef".to_owned());
    let folder = paths::release(version, &job);
    let (cuts, units, files) = (Vec::new(), None, Vec::new());
    let manifest = Manifest { name, version: version.to_owned(), job, rows: 1, cuts, units, files };
    storage.put(&format!("{folder}/{}", paths::MANIFEST), json(&manifest)).await.unwrap();
    folder
}

async fn folders(storage: &Storage) -> Vec<String> {
    log(storage).await.unwrap().into_iter().map(|entry| entry.folder).collect()
}

/// Whether `LATEST` repeats the last entry of the log.
async fn is_repeated(storage: &Storage) -> bool {
    latest(storage).await.unwrap() == current(storage).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_release_is_published_once_whatever_the_store_answers() {
    for fate in [Fate::Done, Fate::DoneSaysNo, Fate::DoneTwice, Fate::Lost] {
        for part in ["log/", "LATEST"] {
            let store = Unsure::default();
            let storage = store.storage();
            let (one, two) = (finished(&storage, "1.0.0").await, finished(&storage, "1.1.0").await);
            make_current(&storage, &one, Action::Publish).await.unwrap();
            store.next(part, fate);
            let published = make_current(&storage, &two, Action::Publish).await;
            // If the first write was lost, another attempt succeeds.
            let lost = fate == Fate::Lost && part == "log/";
            assert_eq!(published.is_err(), lost, "{fate:?} {part}");
            make_current(&storage, &two, Action::Publish).await.unwrap();
            assert_eq!(folders(&storage).await, [one, two], "{fate:?} {part}");
            assert!(is_repeated(&storage).await, "{fate:?} {part}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_died_before_writing_latest_leaves_it_to_the_next() {
    for damaged in [None, Some("{\"number\": 1"), Some(""), Some("{}")] {
        let storage = Unsure::default().storage();
        let folder = finished(&storage, "1.0.0").await;
        make_current(&storage, &folder, Action::Publish).await.unwrap();
        match damaged {
            None => storage.delete(paths::LATEST).await.unwrap(),
            Some(damaged) => storage.put(paths::LATEST, damaged).await.unwrap(),
        }
        let entry = repeat_latest(&storage).await.unwrap();
        assert_eq!((entry.unwrap().folder, is_repeated(&storage).await), (folder, true), "{damaged:?}");
    }
    let empty = Unsure::default().storage();
    assert_eq!(repeat_latest(&empty).await.unwrap(), None);
    assert_eq!(empty.list("").await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn latest_that_was_read_before_another_publishes_is_not_written_after() {
    let storage = Unsure::default().storage();
    let (one, two) = (finished(&storage, "1.0.0").await, finished(&storage, "1.1.0").await);
    let old = make_current(&storage, &one, Action::Publish).await.unwrap();
    storage.delete(paths::LATEST).await.unwrap();
    // One process reads the log, is stopped, and writes its entry after another process has published.
    make_current(&storage, &two, Action::Publish).await.unwrap();
    assert!(!storage.put_if(paths::LATEST, json(&old).into(), PutMode::Create).await.unwrap());
    assert!(is_repeated(&storage).await);
    let many: Vec<String> = futures::future::join_all((0..8).map(|i| {
        let storage = &storage;
        async move { finished(storage, &format!("2.{i}.0")).await }
    }))
    .await;
    let all = many.iter().map(|folder| make_current(&storage, folder, Action::Publish));
    futures::future::try_join_all(all).await.unwrap();
    assert_eq!((folders(&storage).await.len(), is_repeated(&storage).await), (10, true));
}

#[tokio::test(start_paused = true)]
async fn who_wakes_after_a_later_run_has_published_does_not_publish() {
    let storage = Unsure::default().storage();
    let [zero, old, new] = ["1.0.0", "1.1.0", "1.2.0"];
    let (zero, old, new) =
        (finished(&storage, zero).await, finished(&storage, old).await, finished(&storage, new).await);
    make_current(&storage, &zero, Action::Publish).await.unwrap();
    let stopped = Decided::now(&storage).await.unwrap();
    let later = Decided { at: stopped.at + TimeDelta::seconds(1), after: stopped.after };
    make_current_if(&storage, &new, Action::Publish, later).await.unwrap();
    let e = make_current_if(&storage, &old, Action::Publish, stopped).await.unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Superseded);
    let (e, hint) = (e.to_string(), "to publish it all the same start the same run again");
    assert!(e.contains(&format!("{new} was published after this run had begun")) && e.contains(hint), "{e}");
    assert_eq!(folders(&storage).await, [zero.clone(), new.clone()]);
    // If it is chosen again now, it becomes current.
    make_current(&storage, &old, Action::Publish).await.unwrap();
    assert_eq!(folders(&storage).await, [zero, new, old]);
}

#[tokio::test(start_paused = true)]
async fn a_later_run_publishes_after_an_earlier_one_that_was_slower_to_begin_with() {
    let storage = Unsure::default().storage();
    let (old, new) = (finished(&storage, "1.0.0").await, finished(&storage, "1.1.0").await);
    let first = Decided::now(&storage).await.unwrap();
    let second = Decided { at: first.at + TimeDelta::seconds(1), after: first.after };
    make_current_if(&storage, &old, Action::Publish, first).await.unwrap();
    make_current_if(&storage, &new, Action::Publish, second).await.unwrap();
    // Another runner of the first job finds that its release was published, and does nothing.
    let done = make_current_if(&storage, &old, Action::Publish, first).await.unwrap();
    assert_eq!((done.number, folders(&storage).await), (1, vec![old, new]));
}

#[tokio::test(start_paused = true)]
async fn going_back_holds_against_a_run_that_had_begun() {
    let storage = Unsure::default().storage();
    let (one, two, three) = (finished(&storage, "1.0.0").await, finished(&storage, "1.1.0").await, "1.2.0");
    let three = finished(&storage, three).await;
    for folder in [&one, &two] {
        make_current(&storage, folder, Action::Publish).await.unwrap();
    }
    let mut running = Decided::now(&storage).await.unwrap();
    running.at -= TimeDelta::seconds(1);
    make_current(&storage, &one, Action::Rollback).await.unwrap();
    let e = make_current_if(&storage, &three, Action::Publish, running).await.unwrap_err().to_string();
    assert!(e.contains(&format!("{one} was rolled back to after this run had begun")), "{e}");
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_says_nothing_is_known_by_latest_or_never_counted() {
    for damaged in ["", "{\"number\": 2, \"action\": \"pu"] {
        let storage = Unsure::default().storage();
        let mut all = Vec::new();
        for version in ["1.0.0", "1.1.0", "1.2.0"] {
            all.push(finished(&storage, version).await);
        }
        for folder in &all[..2] {
            make_current(&storage, folder, Action::Publish).await.unwrap();
        }
        storage.put(&paths::log_entry(2), damaged).await.unwrap();
        assert_eq!(current(&storage).await.unwrap().unwrap().folder, all[1]);
        assert_eq!(folders(&storage).await, all[..2]);
        make_current(&storage, &all[2], Action::Publish).await.unwrap();
        assert_eq!(folders(&storage).await, all);
        // Without `LATEST` nobody can have read the entry.
        storage.put(&paths::log_entry(3), damaged).await.unwrap();
        storage.put(paths::LATEST, "").await.unwrap();
        assert_eq!(current(&storage).await.unwrap().unwrap().folder, all[1]);
        assert_eq!(Log::read(&storage).await.unwrap().damaged, [paths::log_entry(3)]);
        let again = make_current(&storage, &all[2], Action::Publish).await.unwrap();
        assert_eq!((again.number, folders(&storage).await, is_repeated(&storage).await), (3, all, true));
    }
}
