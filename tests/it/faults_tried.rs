//! Which faults are tried at which steps of a run.

use std::env;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The variable of the environment that makes tests try every fault at every step, and not some by chance. Which ones they
/// try without it, `LAMCAT_SEED` says.
const ALL: &str = "LAMCAT_EVERY_STEP";

/// What is asked of a store, by what may go wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Something is changed. Only here is "done, and then refused" another thing than "refused", and only here does a
    /// process that dies leave something else behind than one that died a step before.
    Write,
    /// Something is read that may come by half.
    Body,
    /// Something short is read.
    Short,
}

impl Asked {
    /// Of a step as journals note it, which begins with the method.
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

/// The steps of a journal, each with a fault that `faults` has for what is asked there: all of them, or so many by chance,
/// then from all parts of the run, and three of four at writes.
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
