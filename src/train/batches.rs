//! Makes batches on another thread, a few ahead of the network.

use std::{
    sync::mpsc::{Receiver, sync_channel},
    thread::Scope,
};

use super::{
    sample::{Batch, Sampler},
    set::TrainingSet,
};

/// Maximum number of batches that wait.
const AHEAD: usize = 4;

/// Sends the batches from step `first` on, without end; the thread ends when the receiver is dropped.
pub(super) fn batches<'scope>(
    scope: &'scope Scope<'scope, '_>,
    sampler: &'scope Sampler,
    set: &'scope TrainingSet,
    first: u64,
) -> Receiver<Batch> {
    let (sender, receiver) = sync_channel(AHEAD);
    scope.spawn(move || {
        let per_epoch = sampler.steps_per_epoch();
        for epoch in first / per_epoch.. {
            let order = sampler.order(epoch);
            let begin = if epoch == first / per_epoch { first % per_epoch } else { 0 };
            for step in begin..per_epoch {
                if sender.send(sampler.draw(set, &order, epoch, step)).is_err() {
                    return;
                }
            }
        }
    });
    receiver
}
