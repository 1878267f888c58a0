//! Estimates what a run would do and how long it would take, without doing it.

use futures::{StreamExt, TryStreamExt, stream};
use lamcat_core::error::Result;
use lamcat_release::{commit, publish::current, units::UnitClaim};

use super::{infer, job::Unit, prepared::Run};

/// Number of claims that are read at once.
const CLAIMS_AT_ONCE: usize = 16;

/// What is left to do for a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pending {
    /// Nothing: the job's release is the current one.
    Nothing,
    /// Verify the job's release, which is finished, and publish it.
    Publish,
    /// Compute the remaining units, and make the release from all units.
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
    /// Rows of the input, if its files say how many they have.
    pub rows: Option<u64>,
    /// Bytes of the input.
    pub bytes: u64,
    /// Number of units.
    pub units: usize,
    /// Number of units that are done.
    pub done: usize,
    /// Number of units whose claims do not count, because their files are missing or changed; these units are computed
    /// again.
    pub damaged: usize,
    /// Input rows per second, measured with the first rows of a unit.
    pub rows_per_second: Option<f64>,
    /// Seconds for the remaining units.
    pub seconds: Option<f64>,
}

/// The state of a unit's computation.
#[derive(PartialEq, Eq)]
enum UnitState {
    Done,
    Damaged,
    Open,
}

impl Run {
    /// What remains to be done, and how long it will take, judging by a sample of the first rows. Writes nothing.
    ///
    /// # Errors
    /// If the sample cannot be computed or the store cannot be read.
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

    /// The state of each unit. A unit is done if its claim counts by the same rules as in a run.
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
