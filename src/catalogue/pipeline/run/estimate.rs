//! An estimate of what a run would do and how long it would take, without doing it.

use futures::{StreamExt, TryStreamExt, stream};
use lamcat_core::error::Result;
use lamcat_release::{commit, publish::current, units::UnitClaim};

use super::{infer, job::Unit, planned::Run};

/// Claims that are read at once.
const CLAIMS_AT_ONCE: usize = 16;

/// What is left to do for a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pending {
    /// Nothing: its release is the current one.
    Nothing,
    /// Verify its release, which is finished, and publish it.
    Publish,
    /// Work the units that are left, and make the release of all of them.
    Work,
}

/// What a run would do, and how long it would take.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Estimate {
    /// Identity of the job.
    pub job: String,
    /// What is left to do.
    #[serde(rename = "plan")]
    pub pending: Pending,
    /// Rows of the input, if its files say.
    pub rows: Option<u64>,
    /// Bytes of the input.
    pub bytes: u64,
    /// Units of work.
    pub units: usize,
    /// Units that are done.
    pub done: usize,
    /// Claims of units that do not count, as their files are gone or others than were written: their work is done again.
    pub damaged: usize,
    /// Rows of the input that a sample took a second for.
    pub rows_per_second: Option<f64>,
    /// Seconds for the units that are left.
    pub seconds: Option<f64>,
}

/// Whether the work on a unit is done.
#[derive(PartialEq, Eq)]
enum UnitState {
    Done,
    Damaged,
    Open,
}

impl Run {
    /// What there is to do, and how long it will take by a sample of its first rows; writes nothing.
    ///
    /// # Errors
    /// If the sample cannot be worked or the store cannot be read.
    pub async fn estimate(&self) -> Result<Estimate> {
        let units = &self.job.units;
        let pending = self.pending().await?;
        let states = if pending == Pending::Work {
            self.unit_states().await?
        } else {
            units.iter().map(|_| UnitState::Done).collect()
        };
        let left: Vec<&Unit> =
            units.iter().zip(&states).filter(|(_, state)| **state != UnitState::Done).map(|(unit, _)| unit).collect();
        let rate = match left.first() {
            Some(unit) => infer::sample_rate(&self.session, &self.pipeline, &self.job, unit).await?,
            None => None,
        };
        let rows_of = |units: &[&Unit]| units.iter().map(|unit| unit.range.rows).sum::<Option<u64>>();
        Ok(Estimate {
            job: self.job.id.clone(),
            pending,
            rows: units.iter().map(|unit| unit.range.rows).sum(),
            bytes: units.iter().map(|unit| unit.range.bytes).sum(),
            units: units.len(),
            done: units.len() - left.len(),
            damaged: states.iter().filter(|state| **state == UnitState::Damaged).count(),
            rows_per_second: rate,
            seconds: rate.zip(rows_of(&left)).map(|(rate, rows)| rows as f64 / rate),
        })
    }

    async fn pending(&self) -> Result<Pending> {
        let folder = self.job.release_folder();
        if self.finished(&folder).await?.is_none() {
            return Ok(Pending::Work);
        }
        let is_current = current(&self.storage).await?.is_some_and(|release| release.folder == folder);
        Ok(if is_current { Pending::Nothing } else { Pending::Publish })
    }

    /// The state of each unit, which is done if its claim counts, by the rule of the run itself.
    async fn unit_states(&self) -> Result<Vec<UnitState>> {
        let valid = self.valid_units().await?;
        let looked_at = self.job.units.iter().enumerate().map(|(number, unit)| {
            let claim = self.job.units_paths.unit_claim(&unit.id);
            let valid = &valid;
            async move {
                let Some(claim) = commit::read::<UnitClaim>(&self.storage, &claim).await? else {
                    return Ok(UnitState::Open);
                };
                let counts = valid.contains(&self.storage, number, &claim).await?;
                Ok(if counts { UnitState::Done } else { UnitState::Damaged })
            }
        });
        stream::iter(looked_at).buffered(CLAIMS_AT_ONCE).try_collect().await
    }
}
