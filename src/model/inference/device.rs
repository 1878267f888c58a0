//! One thread owns a backend; all other code reaches it through a bounded queue. A device with several backends, such
//! as the streams of some GPUs, has a thread for each of them, and whichever is free takes the next job. Two backends
//! that share the cores of a CPU keep them busy while one alone would wait for the last part of a batch.
//!
//! The queue gives backpressure: a submitter waits while it is full. Waiting submitters hold no place in the queue, so
//! a submitter that is not polled for a while, which can happen to the streams of a query, does not block the others. A
//! job whose submitter is gone (a cancelled query) is dropped without being run. A panic in the backend becomes an
//! error of that job, and the thread continues.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use lamcat_core::{
    context::Packed,
    error::{Error, ErrorKind, Result},
};
use tokio::sync::{Notify, mpsc, mpsc::error::TrySendError, oneshot};

use super::backend::{Answers, Backend, Requests};
use crate::Model;

/// Number of jobs per thread that may wait in the queue, in addition to the running ones.
const QUEUE_JOBS: usize = 2;

/// A finished job.
#[derive(Debug)]
pub struct Completed {
    /// The answers.
    pub answers: Answers,
    /// The time that the job waited for the device.
    pub queue_wait: Duration,
    /// The time that the device worked on it.
    pub device_time: Duration,
}

struct Job {
    model: Arc<Model>,
    batch: Packed,
    requests: Arc<Requests>,
    queued: Instant,
    reply: oneshot::Sender<Result<Completed>>,
}

/// A handle to a device's threads; clones share them. The threads end when the last handle is dropped.
#[derive(Debug, Clone)]
pub struct Device {
    name: Arc<str>,
    threads: usize,
    batch_rows: usize,
    queue: mpsc::Sender<Job>,
    /// Notified whenever a thread has taken a job.
    room: Arc<Notify>,
}

impl Device {
    /// Starts a thread for each of `backends`, which must be alike.
    ///
    /// # Errors
    /// If there is no backend, or the operating system cannot start a thread.
    pub fn start(backends: Vec<Box<dyn Backend>>) -> Result<Self> {
        let Some(first) = backends.first() else {
            return Err(Error::new(ErrorKind::Device, "a device needs a backend"));
        };
        let (name, batch_rows, threads): (Arc<str>, _, _) = (first.name().into(), first.batch_rows(), backends.len());
        let (queue, jobs) = mpsc::channel::<Job>(QUEUE_JOBS * threads);
        let (jobs, room) = (Arc::new(Mutex::new(jobs)), Arc::new(Notify::new()));
        for mut backend in backends {
            let (jobs, taken) = (jobs.clone(), room.clone());
            // The thread that waits for a job holds the lock; the others have nothing to do then anyway.
            let next = move || jobs.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
            thread::Builder::new()
                .name(format!("lamcat-{}", backend.name()))
                .spawn(move || {
                    while let Some(job) = next() {
                        taken.notify_waiters();
                        run(backend.as_mut(), job);
                    }
                })
                .map_err(|e| Error::new(ErrorKind::Device, "cannot start the device thread").source(e))?;
        }
        Ok(Self { name, threads, batch_rows, queue, room })
    }

    /// The backend's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of threads, which is the number of batches processed at once.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// The preferred number of rows per batch.
    #[must_use]
    pub fn batch_rows(&self) -> usize {
        self.batch_rows
    }

    /// Runs one batch; waits while the queue is full. Dropping the future cancels the job.
    ///
    /// # Errors
    /// If the backend fails or panics.
    pub async fn infer(&self, model: Arc<Model>, batch: Packed, requests: Arc<Requests>) -> Result<Completed> {
        let (reply, answer) = oneshot::channel();
        let job = Job { model, batch, requests, queued: Instant::now(), reply };
        self.enqueue(job).await?;
        answer.await.map_err(|_| gone())?
    }

    async fn enqueue(&self, mut job: Job) -> Result<()> {
        loop {
            // Listening begins before the attempt, so that no notification is missed in between.
            let mut room = pin!(self.room.notified());
            room.as_mut().enable();
            match self.queue.try_send(job) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(back)) => job = back,
                Err(TrySendError::Closed(_)) => return Err(gone()),
            }
            room.await;
        }
    }

    /// Like [`Device::infer`], for callers outside async code.
    ///
    /// # Errors
    /// The errors of [`Device::infer`].
    pub fn infer_blocking(&self, model: Arc<Model>, batch: Packed, requests: Arc<Requests>) -> Result<Completed> {
        futures::executor::block_on(self.infer(model, batch, requests))
    }
}

fn run(backend: &mut dyn Backend, job: Job) {
    if job.reply.is_closed() {
        return;
    }
    let queue_wait = job.queued.elapsed();
    let started = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| backend.infer(&job.model, &job.batch, &job.requests)))
        .unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
    let completed = result.map(|answers| Completed { answers, queue_wait, device_time: started.elapsed() });
    // A submitter that is gone needs no answer.
    let _ = job.reply.send(completed);
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let what = panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Error::new(ErrorKind::Device, format!("the inference backend panicked: {what}"))
        .hint("this is a bug in lamcat; the query failed but the device goes on")
}

fn gone() -> Error {
    Error::new(ErrorKind::Device, "the inference device has stopped")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use futures::FutureExt;
    use lamcat_core::schema::Vocabulary;

    use super::*;
    use crate::{Architecture, init};

    /// Reports each job's row count, waits for permission to continue, and panics at 13 rows.
    struct Scripted {
        started: SyncSender<usize>,
        go: Receiver<()>,
    }

    impl Backend for Scripted {
        fn name(&self) -> &'static str {
            "scripted"
        }

        fn infer(&mut self, _: &Model, batch: &Packed, _: &Requests) -> Result<Answers> {
            self.started.send(batch.rows).unwrap();
            self.go.recv().unwrap();
            assert_ne!(batch.rows, 13, "unlucky");
            Ok(Answers { mean: vec![batch.rows as f32], ..Answers::default() })
        }
    }

    fn rows(n: usize) -> Packed {
        Packed { rows: n, context_length: 1, tokens: vec![0; n], values: vec![0.0; n] }
    }

    #[test]
    fn every_thread_takes_jobs() {
        let (started, seen) = sync_channel(8);
        let backends = (0..2).map(|_| {
            let (go, wait) = sync_channel(8);
            (go, Box::new(Scripted { started: started.clone(), go: wait }) as Box<dyn Backend>)
        });
        let (goes, backends): (Vec<_>, Vec<_>) = backends.unzip();
        let device = Device::start(backends).unwrap();
        let model = Arc::new(init::random("tiny", Architecture::tiny(), Vocabulary::leung_bovy_2023(), 1).unwrap());
        thread::scope(|scope| {
            let ask = |n| device.infer_blocking(model.clone(), rows(n), Arc::default()).unwrap().answers.mean;
            let (first, second) = (scope.spawn(move || ask(1)), scope.spawn(move || ask(2)));
            // Both are running before either may continue.
            assert_eq!(seen.recv().unwrap() + seen.recv().unwrap(), 3);
            for go in &goes {
                go.send(()).unwrap();
            }
            assert_eq!([first.join().unwrap(), second.join().unwrap()], [[1.0], [2.0]]);
        });
    }

    #[tokio::test]
    async fn cancelled_jobs_do_not_run_and_panics_do_not_end_the_thread() {
        let (started, seen) = sync_channel(8);
        let (go, wait) = sync_channel(8);
        let device = Device::start(vec![Box::new(Scripted { started, go: wait })]).unwrap();
        let model = Arc::new(init::random("tiny", Architecture::tiny(), Vocabulary::leung_bovy_2023(), 1).unwrap());
        let submit = |n| Box::pin(device.infer(model.clone(), rows(n), Arc::default()));

        let mut first = submit(1);
        assert!(first.as_mut().now_or_never().is_none());
        assert_eq!(seen.recv().unwrap(), 1);
        let mut cancelled = submit(2);
        assert!(cancelled.as_mut().now_or_never().is_none());
        let mut panics = submit(13);
        assert!(panics.as_mut().now_or_never().is_none());
        let mut blocked = submit(3);
        assert!(blocked.as_mut().now_or_never().is_none(), "the queue is full");
        drop(cancelled);

        go.send(()).unwrap();
        assert_eq!(first.await.unwrap().answers.mean, [1.0]);
        assert_eq!(seen.recv().unwrap(), 13, "the cancelled job never started");
        go.send(()).unwrap();
        let e = panics.await.unwrap_err().to_string();
        assert!(e.contains("panicked") && e.contains("unlucky"), "{e}");
        go.send(()).unwrap();
        assert_eq!(blocked.await.unwrap().answers.mean, [3.0]);
    }
}
