//! `losses.csv`: the progress of a run, one line per report.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
};

use lamcat_core::{
    error::{Error, ErrorKind, Result},
    outputs::write_whole,
};

const COLUMNS: &str = "step,epoch,learning_rate,train_loss,validation_loss,stars_per_second";

/// One line of `losses.csv`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossRecord {
    /// Steps done.
    pub step: u64,
    /// Index of the current pass over the training stars, from 0.
    pub epoch: u64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Mean loss of the steps since the previous line.
    pub train_loss: f64,
    /// Loss of the validation stars after the last step; `None` if there are no such stars.
    pub validation_loss: Option<f64>,
    /// Stars trained on per second since the previous line.
    pub stars_per_second: f64,
}

impl LossRecord {
    fn line(&self) -> String {
        let validation = self.validation_loss.map(|v| v.to_string()).unwrap_or_default();
        let Self { step, epoch, learning_rate, train_loss, stars_per_second, .. } = self;
        format!("{step},{epoch},{learning_rate},{train_loss},{validation},{stars_per_second:.0}\n")
    }

    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(',').collect();
        let [step, epoch, learning_rate, train_loss, validation, stars_per_second] = fields[..] else { return None };
        Some(Self {
            step: step.parse().ok()?,
            epoch: epoch.parse().ok()?,
            learning_rate: learning_rate.parse().ok()?,
            train_loss: train_loss.parse().ok()?,
            validation_loss: if validation.is_empty() { None } else { Some(validation.parse().ok()?) },
            stars_per_second: stars_per_second.parse().ok()?,
        })
    }
}

/// The records of a run and their file.
#[derive(Debug)]
pub(super) struct Losses {
    file: File,
    records: Vec<LossRecord>,
}

impl Losses {
    /// Opens the file of a run that has done `step` steps; later records are removed, because they will be reported
    /// again.
    pub(super) fn open(path: &Path, step: u64) -> Result<Self> {
        let before = if step > 0 { std::fs::read_to_string(path).unwrap_or_default() } else { String::new() };
        let records: Vec<_> = before.lines().filter_map(LossRecord::parse).filter(|r| r.step <= step).collect();
        let text = records.iter().fold(format!("{COLUMNS}\n"), |text, record| text + &record.line());
        write_whole(path, text)?;
        let file = OpenOptions::new()
            .append(true)
            .open(path)
            .map_err(|e| Error::new(ErrorKind::Io, "cannot write").at("file", path.display()).source(e))?;
        Ok(Self { file, records })
    }

    pub(super) fn add(&mut self, record: LossRecord) -> Result<()> {
        self.records.push(record);
        self.file
            .write_all(record.line().as_bytes())
            .map_err(|e| Error::new(ErrorKind::Io, "cannot write the losses").source(e))
    }

    pub(super) fn records(&self) -> &[LossRecord] {
        &self.records
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_run_forgets_what_its_checkpoint_does_not_know() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("losses.csv");
        let record = |step: u64| LossRecord {
            step,
            epoch: step / 3,
            learning_rate: 1e-4,
            train_loss: 1.0 / step as f64,
            validation_loss: (step > 1).then_some(0.1 + 0.2),
            stars_per_second: 1000.0,
        };
        let mut losses = Losses::open(&path, 0).unwrap();
        (1..=5).for_each(|step| losses.add(record(step)).unwrap());
        let resumed = Losses::open(&path, 3).unwrap();
        assert_eq!(resumed.records(), [record(1), record(2), record(3)]);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 4);
    }
}
