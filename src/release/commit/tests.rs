use lamcat_core::outputs::LocalStore;
use object_store::path::Path;

use super::*;
use crate::unsure::{Fate, Unsure};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Claim {
    who: String,
}

fn of(who: &str) -> Claim {
    Claim { who: who.to_owned() }
}

async fn said(storage: &Storage) -> Option<Claim> {
    read(storage, "claim.json").await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_wrote_the_file_wins_whatever_the_store_answers() {
    for fate in [Fate::Done, Fate::DoneSaysNo, Fate::DoneTwice] {
        let store = Unsure::default();
        store.next("claim", fate);
        let storage = store.storage();
        assert_eq!(create(&storage, "claim.json", &of("a")).await.unwrap(), Commit::Won, "{fate:?}");
        // Another attempt that writes the same content is not the same attempt.
        assert_eq!(create(&storage, "claim.json", &of("a")).await.unwrap(), Commit::Lost(of("a")), "{fate:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_did_not_write_it_learns_whose_it_is() {
    for fate in [Fate::Done, Fate::Lost] {
        let store = Unsure::default();
        let storage = store.storage();
        create(&storage, "claim.json", &of("a")).await.unwrap();
        store.next("claim", fate);
        assert_eq!(create(&storage, "claim.json", &of("b")).await.unwrap(), Commit::Lost(of("a")), "{fate:?}");
    }
    let store = Unsure::default();
    store.next("claim", Fate::Lost);
    assert!(create(&store.storage(), "claim.json", &of("a")).await.is_err());
    assert_eq!(said(&store.storage()).await, None);
}

/// What a power failure leaves behind.
const DAMAGED: [&[u8]; 3] = [b"", b"{\n  \"who\": \"a", &[0; 20]];

#[tokio::test(start_paused = true)]
async fn a_damaged_file_is_replaced_once() {
    for damaged in DAMAGED {
        for fate in [Fate::Done, Fate::DoneSaysNo, Fate::DoneTwice] {
            let store = Unsure::default();
            let storage = store.storage();
            storage.put("claim.json", damaged).await.unwrap();
            assert_eq!(said(&storage).await, None);
            // The first write finds the file; the second replaces it.
            store.next("claim", Fate::Done);
            store.next("claim", fate);
            assert_eq!(create(&storage, "claim.json", &of("a")).await.unwrap(), Commit::Won, "{fate:?}");
            assert_eq!(create(&storage, "claim.json", &of("b")).await.unwrap(), Commit::Lost(of("a")), "{fate:?}");
            assert_eq!(said(&storage).await, Some(of("a")));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn of_many_who_replace_a_damaged_file_one_wins() {
    let storage = Unsure::default().storage();
    storage.put("claim.json", "").await.unwrap();
    let names: Vec<String> = (0..8).map(|i| i.to_string()).collect();
    let all = names.iter().map(|who| async { create(&storage, "claim.json", &of(who)).await.map(|c| (of(who), c)) });
    let all = futures::future::try_join_all(all).await.unwrap();
    let won: Vec<_> = all.iter().filter(|(_, commit)| *commit == Commit::Won).map(|(who, _)| who.clone()).collect();
    assert_eq!(won.len(), 1);
    assert_eq!(all.iter().filter(|(_, commit)| *commit == Commit::Lost(won[0].clone())).count(), 7);
    assert_eq!(said(&storage).await.as_ref(), won.first());
}

#[tokio::test]
async fn a_damaged_file_of_a_folder_is_replaced_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::from_absolute_path(folder.path()).unwrap();
    let store = std::sync::Arc::new(LocalStore::default());
    let storage = Storage::new(store, root, "file:///".parse().unwrap());
    for damaged in DAMAGED {
        std::fs::write(folder.path().join("claim.json"), damaged).unwrap();
        let storage = &storage;
        let all = ["a", "b", "c", "d"];
        let all = all.map(|who| async move { create(storage, "claim.json", &of(who)).await.map(|c| (who, c)) });
        let all = futures::future::try_join_all(all).await.unwrap();
        let won: Vec<_> = all.iter().filter(|(_, commit)| *commit == Commit::Won).map(|(who, _)| of(who)).collect();
        assert_eq!(won.len(), 1);
        assert_eq!(said(storage).await.as_ref(), won.first());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_damage_is_never_replaced() {
    let storage = Unsure::default().storage();
    let other = br#"{"version": 2, "claimed_by": "another version"}"#;
    storage.put("claim.json", other.to_vec()).await.unwrap();
    let e = create(&storage, "claim.json", &of("a")).await.unwrap_err().to_string();
    assert!(e.contains("/demo/claim.json") && e.contains("hint: it may be of another version"), "{e}");
    assert!(read::<Claim>(&storage, "claim.json").await.is_err());
    assert_eq!(storage.get("claim.json").await.unwrap().unwrap(), other.as_slice());
}

#[tokio::test(start_paused = true)]
async fn a_file_whose_owner_is_over_is_replaced() {
    let storage = Unsure::default().storage();
    create(&storage, "claim.json", &of("a")).await.unwrap();
    let over = |who: &'static str| move |there: &Claim| there.who == who;
    assert_eq!(create_over(&storage, "claim.json", &of("b"), over("x")).await.unwrap(), Commit::Lost(of("a")));
    assert_eq!(create_over(&storage, "claim.json", &of("b"), over("a")).await.unwrap(), Commit::Won);
    assert_eq!(said(&storage).await, Some(of("b")));
}

#[tokio::test(start_paused = true)]
async fn a_store_is_found_fit_though_it_answers_wrongly() {
    let store = Unsure::default();
    for fates in [[Fate::DoneSaysNo, Fate::Lost], [Fate::DoneTwice, Fate::Done]] {
        for fate in fates {
            store.next("probe", fate);
        }
        store.storage().check().await.unwrap();
    }
    assert!(store.storage().list("jobs").await.unwrap().is_empty());
}
