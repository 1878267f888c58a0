//! Measures devices that process several batches at once: stars per second when batches wait in their queue.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use lamcat_model::{
    Model,
    inference::{Backend, Device},
};

use super::{BenchArgs, Figures, ORDERS, requests, spectra};

/// Number of batches for each thread of the device: one in progress and one waiting.
const BATCHES: usize = 2;

/// Measures the model on a device of `backends`.
pub(super) fn measure(args: &BenchArgs, model: Model, backends: Vec<Box<dyn Backend>>) -> anyhow::Result<Figures> {
    let device = Device::start(backends)?;
    let requests = Arc::new(requests(args, &model)?);
    let model = Arc::new(model);
    let packed = spectra(&model, args.batch_rows.unwrap_or_else(|| device.batch_rows()))?;
    let ask = || device.infer_blocking(model.clone(), packed.clone(), requests.clone());
    let at_once = BATCHES * device.threads();
    // Every thread of the device allocates its memory before the clock starts.
    thread::scope(|scope| {
        let first: Vec<_> = (0..at_once).map(|_| scope.spawn(ask)).collect();
        first.into_iter().try_for_each(|batch| batch.join().map_or(Ok(()), |done| done.map(drop)))
    })?;
    let (started, done) = (Instant::now(), AtomicUsize::new(0));
    let (best, failed) = (Mutex::new(Duration::MAX), Mutex::new(None));
    let work = || {
        while started.elapsed().as_secs_f64() < args.seconds {
            match ask() {
                Ok(batch) => {
                    done.fetch_add(1, Ordering::Relaxed);
                    let mut best = best.lock().unwrap_or_else(PoisonError::into_inner);
                    *best = batch.device_time.min(*best);
                }
                Err(e) => {
                    failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
                    return;
                }
            }
        }
    };
    thread::scope(|scope| (0..at_once).for_each(|_| drop(scope.spawn(work))));
    let seconds = started.elapsed().as_secs_f64();
    if let Some(e) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(e.into());
    }
    let best = best.into_inner().unwrap_or_else(PoisonError::into_inner);
    let flops = model.architecture().flops(2 * ORDERS, requests.tokens.len()) as f64;
    let rate = (done.into_inner() * packed.rows) as f64 / seconds;
    Ok(Figures {
        model: model.name().to_owned(),
        backend: device.name().to_owned(),
        labels: requests.tokens.len(),
        precision: args.precision,
        batch_rows: packed.rows,
        threads: device.threads(),
        stars_per_second: rate,
        best_stars_per_second: packed.rows as f64 / best.as_secs_f64(),
        mflop_per_star: flops / 1e6,
        gflops: rate * flops / 1e9,
        sgemm_gflops: None,
        share_of_sgemm: None,
        sql: None,
    })
}
