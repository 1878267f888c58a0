//! Selects the faults that are tried, and the steps of a run at which they are.

use std::env;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The environment variable that makes tests try every fault at every step, instead of a random selection. Without it,
/// `LAMCAT_SEED` determines the selection.
const ALL: &str = "LAMCAT_EVERY_STEP";

/// The kinds of requests to a store, by the faults that they may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Something is changed. Only for these requests does "done, and then refused" differ from "refused", and only here
    /// does a process that dies leave something else behind than one that died a step earlier.
    Write,
    /// Something is read whose body may break off.
    Body,
    /// Something short is read.
    Short,
}

impl Asked {
    /// The kind of a step in a journal; a step begins with its method.
    pub fn of(step: &str) -> Self {
        match step.split(' ').next() {
            Some("GET") => Self::Body,
            Some("LIST") if !step.starts_with("LIST folders") => Self::Body,
            Some("HEAD" | "LIST") => Self::Short,
            Some("PUT" | "POST" | "DELETE" | "COPY") => Self::Write,
            _ => panic!("what is asked for by {step}?"),
        }
    }
}

/// The steps of a journal, each with a fault from `faults` for its kind: all of them, or a random selection of
/// `sample`, which covers all parts of the run and has three in four at writes.
pub fn tried<T: Copy>(journal: &[String], faults: impl Fn(Asked) -> Vec<T>, sample: usize) -> Vec<(usize, T)> {
    let steps = journal.iter().map(|step| Asked::of(step)).enumerate();
    let (writes, reads): (Vec<_>, Vec<_>) = steps.partition(|(_, asked)| *asked == Asked::Write);
    let faults_of = |steps: Vec<(usize, Asked)>| -> Vec<(usize, T)> {
        steps.into_iter().flat_map(|(step, asked)| faults(asked).into_iter().map(move |fault| (step, fault))).collect()
    };
    let (writes, reads) = (faults_of(writes), faults_of(reads));
    if env::var_os(ALL).is_some() {
        return [writes, reads].concat();
    }
    let seed = env::var("LAMCAT_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut some = |all: Vec<(usize, T)>, sample: usize| -> Vec<(usize, T)> {
        let n = sample.min(all.len());
        (0..n).map(|i| all[rng.random_range(all.len() * i / n..all.len() * (i + 1) / n)]).collect()
    };
    let at_reads = if reads.is_empty() { 0 } else { sample / 4 };
    [some(writes, sample - at_reads), some(reads, at_reads)].concat()
}
