//! Remote stores that survive single faults.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use lamcat::{
    error::is_transient,
    session::{Retries, Retrying},
};
use object_store::{
    Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload, Result, buffered::BufWriter, memory::InMemory, path::Path,
};
use tokio::io::AsyncWriteExt;

use crate::{
    faults_tried::Asked,
    faulty_store::{Fault, Faulty, Seen},
};

/// Number of files in the store.
const FILES: usize = 40;

fn path(number: usize) -> Path {
    Path::from(format!("in/{number:03}"))
}

fn content(number: usize) -> Bytes {
    (0..1000 + number).map(|i| (i * 7 + number) as u8).collect()
}

async fn filled() -> Arc<InMemory> {
    let store = Arc::new(InMemory::new());
    for number in 0..FILES {
        store.put(&path(number), content(number).into()).await.unwrap();
    }
    store
}

fn retries() -> Retries {
    Retries { pause: Duration::from_millis(1), longest: Duration::from_millis(4), ..Retries::default() }
}

/// A store whose operations are retried, with faults at given steps.
async fn retrying(faults: &[(usize, Fault)]) -> (Retrying, Arc<Faulty>) {
    let store = Faulty::new(filled().await, faults.iter().copied());
    (Retrying::new(Seen(store.clone()), retries()), store)
}

/// Whether a refused write may have been done by an earlier attempt.
fn unsure(e: &Error) -> bool {
    e.to_string().contains("an earlier attempt may have written it")
}

/// Calls every operation of a store once, and checks the results.
async fn everything(store: Arc<dyn ObjectStore>) -> Result<()> {
    assert_eq!(store.get(&path(1)).await?.bytes().await?, content(1));
    assert_eq!(store.get_range(&path(2), 10..500).await?, content(2).slice(10..500));
    let ranges = store.get_ranges(&path(3), &[0..4, 600..900]).await?;
    assert_eq!(ranges, [content(3).slice(0..4), content(3).slice(600..900)]);
    assert_eq!(store.head(&path(4)).await?.size, 1004);
    let in_folder = Path::from("in");
    let listed: Vec<Path> = store.list(Some(&in_folder)).map_ok(|object| object.location).try_collect().await?;
    assert_eq!(listed, (0..FILES).map(path).collect::<Vec<_>>());
    let rest = store.list_with_offset(Some(&in_folder), &path(29)).map_ok(|object| object.location);
    assert_eq!(rest.try_collect::<Vec<_>>().await?, (30..FILES).map(path).collect::<Vec<_>>());
    assert_eq!(store.list_with_delimiter(None).await?.common_prefixes, [in_folder]);
    store.put(&Path::from("out/a"), content(5).into()).await?;
    store.copy(&path(6), &Path::from("out/b")).await?;
    store.delete(&path(7)).await?;
    let many = stream::iter((10..20).map(path).map(Ok)).boxed();
    assert_eq!(store.delete_stream(many).try_collect::<Vec<_>>().await?, (10..20).map(path).collect::<Vec<_>>());
    let mut upload = BufWriter::with_capacity(store.clone(), Path::from("out/c"), 400);
    upload.put(content(0)).await?;
    upload.put(content(9)).await?;
    upload.shutdown().await.unwrap();
    let mut created = store.put_opts(&Path::from("out/d"), content(8).into(), PutMode::Create.into()).await;
    if created.as_ref().is_err_and(unsure) {
        created = store.put(&Path::from("out/d"), content(8).into()).await;
    }
    created.map(|_| ())
}

#[tokio::test]
async fn one_fault_at_any_step_is_not_seen() {
    let (store, faulty) = retrying(&[]).await;
    everything(Arc::new(store)).await.unwrap();
    let steps = faulty.journal();
    assert!(steps.len() >= 20, "{steps:?}");
    let mut tried = 0;
    for (step, asked) in steps.iter().enumerate() {
        for fault in Fault::at(Asked::of(asked)).into_iter().filter(|fault| fault.is_survived()) {
            tried += 1;
            let memory = filled().await;
            let faulty = Faulty::new(memory.clone(), [(step, fault)]);
            let store: Arc<dyn ObjectStore> = Arc::new(Retrying::new(Seen(faulty.clone()), retries()));
            let done = everything(store).await;
            assert!(done.is_ok(), "{fault:?} at {step}: {done:?}\n{:#?}", faulty.journal());
            for (name, wanted) in [("a", content(5)), ("b", content(6)), ("d", content(8))] {
                let got = memory.get(&Path::from(format!("out/{name}"))).await.unwrap().bytes().await.unwrap();
                assert_eq!(got, wanted, "{fault:?} at {step}");
            }
            let got = memory.get(&Path::from("out/c")).await.unwrap().bytes().await.unwrap();
            assert_eq!(got, [content(0), content(9)].concat(), "{fault:?} at {step}");
            assert_eq!(memory.list(Some(&Path::from("in"))).count().await, FILES - 11, "{fault:?} at {step}");
        }
    }
    eprintln!("{tried} faults at {} steps", steps.len());
}

#[tokio::test]
async fn a_body_goes_on_where_it_broke_off() {
    let (store, faulty) =
        retrying(&[(0, Fault::Cut), (1, Fault::Cut), (2, Fault::Refused(503)), (3, Fault::Cut)]).await;
    assert_eq!(store.get_range(&path(5), 5..805).await.unwrap(), content(5).slice(5..805));
    let wanted =
        ["GET bytes=5-804", "GET bytes=405-804", "GET bytes=605-804", "GET bytes=605-804", "GET bytes=705-804"];
    assert_eq!(faulty.journal(), wanted.map(|get| format!("{get} in/005")));
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_not_mixed_with_its_new_bytes() {
    let memory = filled().await;
    let store = Retrying::new(Seen(Faulty::new(memory.clone(), [(0, Fault::Cut)])), retries());
    let mut body = store.get(&path(1)).await.unwrap().into_stream();
    assert_eq!(body.try_next().await.unwrap().unwrap().len(), 500);
    memory.put(&path(1), content(1).into()).await.unwrap();
    let e = body.try_next().await.unwrap_err();
    assert!(matches!(e, Error::Precondition { .. }) && !is_transient(&e), "{e}");
}

#[tokio::test]
async fn a_listing_goes_on_after_the_last_name_that_came() {
    let (store, faulty) = retrying(&[(0, Fault::Cut), (1, Fault::Cut)]).await;
    let listed: Vec<Path> = store.list(None).map_ok(|object| object.location).try_collect().await.unwrap();
    assert_eq!(listed, (0..FILES).map(path).collect::<Vec<_>>());
    assert_eq!(faulty.journal(), ["LIST ", "LIST after ", "LIST after "]);
}

#[tokio::test]
async fn a_refusal_after_an_attempt_that_may_have_been_done_says_so() {
    let create = |store: Retrying, name: &'static str| async move {
        store.put_opts(&Path::from(name), PutPayload::from_static(b"mine"), PutMode::Create.into()).await
    };
    for fault in [Fault::DoneThen(503), Fault::DoneThenReset] {
        let (store, _) = retrying(&[(0, fault)]).await;
        let e = create(store, "out/new").await.unwrap_err();
        assert!(matches!(e, Error::AlreadyExists { .. }) && unsure(&e), "{fault:?}: {e}");
    }
    // The first attempt did nothing, so the repeated write succeeds.
    for fault in [Fault::Refused(503), Fault::Refused(429), Fault::Reset] {
        let (store, _) = retrying(&[(0, fault)]).await;
        assert!(create(store, "out/new").await.is_ok(), "{fault:?}");
    }
    // The file certainly belongs to somebody else.
    let (store, _) = retrying(&[]).await;
    let e = create(store, "in/001").await.unwrap_err();
    assert!(matches!(e, Error::AlreadyExists { .. }) && !unsure(&e), "{e}");
}

#[tokio::test]
async fn what_cannot_be_helped_is_not_tried_again() {
    for status in [400, 501] {
        let (store, faulty) = retrying(&[(0, Fault::Refused(status))]).await;
        assert!(store.head(&path(1)).await.is_err());
        assert_eq!(faulty.steps(), 1, "{status}");
    }
    let (store, faulty) = retrying(&[]).await;
    assert!(matches!(store.get(&Path::from("absent")).await.unwrap_err(), Error::NotFound { .. }));
    assert_eq!(faulty.steps(), 1);
}

#[tokio::test(start_paused = true)]
async fn attempts_end_after_so_many_and_after_so_long() {
    let always = |n: usize| (0..n).map(|step| (step, Fault::Refused(503)));
    let tried = |retries: Retries| async move {
        let faulty = Faulty::new(filled().await, always(1000));
        let since = tokio::time::Instant::now();
        let e = Retrying::new(Seen(faulty.clone()), retries).head(&path(1)).await.unwrap_err();
        assert!(is_transient(&e), "{e}");
        (faulty.steps(), since.elapsed())
    };
    let (steps, took) = tried(Retries::default()).await;
    assert_eq!(steps, 9);
    assert!(took > Duration::from_secs(20) && took < Duration::from_mins(1), "{took:?}");
    let (steps, took) = tried(Retries { times: 1000, ..Retries::default() }).await;
    assert!(steps > 9 && took < Duration::from_secs(80), "{steps} {took:?}");
    let (steps, _) = tried(Retries { times: 0, ..Retries::default() }).await;
    assert_eq!(steps, 1);
}
