//! Reports the progress of a run to a listener, and measures the time that each stage takes.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use crate::pipeline::report::{Stage, StageTime};

/// Receives reports about the progress of a run.
pub trait Watch: Send + Sync {
    /// A stage begins; its `tasks` tasks have `rows` rows together.
    fn begin(&self, stage: Stage, tasks: usize, rows: u64);
    /// A task with `rows` rows is done, by this run (`here`) or by another one.
    fn done(&self, rows: u64, here: bool);
}

/// Measures the time of each stage of a run, and forwards all reports.
pub(super) struct Stopwatch<'a> {
    watch: &'a dyn Watch,
    times: Mutex<Times>,
}

#[derive(Default)]
struct Times {
    ended: Vec<StageTime>,
    running: Option<(Stage, Instant, u64)>,
}

impl<'a> Stopwatch<'a> {
    pub(super) fn new(watch: &'a dyn Watch) -> Self {
        Self { watch, times: Mutex::default() }
    }

    /// The stages so far; the current stage ends now.
    pub(super) fn stages(&self) -> Vec<StageTime> {
        let mut times = self.times();
        times.end();
        times.ended.clone()
    }

    fn times(&self) -> std::sync::MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Times {
    fn end(&mut self) {
        if let Some((stage, begun, rows)) = self.running.take() {
            self.ended.push(StageTime { stage, seconds: begun.elapsed().as_secs_f64(), rows });
        }
    }
}

impl Watch for Stopwatch<'_> {
    fn begin(&self, stage: Stage, tasks: usize, rows: u64) {
        let mut times = self.times();
        times.end();
        times.running = Some((stage, Instant::now(), 0));
        drop(times);
        self.watch.begin(stage, tasks, rows);
    }

    fn done(&self, rows: u64, here: bool) {
        if let Some((_, _, worked)) = self.times().running.as_mut().filter(|_| here) {
            *worked += rows;
        }
        self.watch.done(rows, here);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Silent;

    impl Watch for Silent {
        fn begin(&self, _: Stage, _: usize, _: u64) {}
        fn done(&self, _: u64, _: bool) {}
    }

    #[test]
    fn each_stage_has_its_own_rows_and_time() {
        let watch = Stopwatch::new(&Silent);
        watch.begin(Stage::Infer, 3, 30);
        std::thread::sleep(std::time::Duration::from_millis(20));
        watch.done(10, true);
        watch.done(10, false);
        watch.done(10, true);
        watch.begin(Stage::Arrange, 1, 30);
        watch.done(30, true);
        let stages = watch.stages();
        assert_eq!(
            stages.iter().map(|s| (s.stage, s.rows)).collect::<Vec<_>>(),
            [(Stage::Infer, 20), (Stage::Arrange, 30)]
        );
        assert!(stages[0].seconds >= 0.02 && stages[1].seconds >= 0.0, "{stages:?}");
        assert_eq!(watch.stages(), stages);
    }
}
