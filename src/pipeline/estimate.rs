//! What a run would do, looked up without doing it.

use futures::{StreamExt, TryStreamExt, stream};

use super::{infer, job::Unit, run::Run, standing::Standing};
use crate::{
    error::Result,
    release::{commit, publish::current, units::UnitClaim},
};

/// Claims that are read at once.
const CLAIMS_AT_ONCE: usize = 16;

/// What a run would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Plan {
    /// Nothing: its release is the current one.
    Nothing,
    /// Verify its release, which is finished, and publish it.
    Publish,
    /// Work the units that are left, and make the release of all of them.
    Work,
}

/// What there is to do.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Estimate {
    /// Identity of the job.
    pub job: String,
    /// What the run would do.
    pub plan: Plan,
    /// Rows of the input, if its files say.
    pub rows: Option<u64>,
    /// Bytes of the input.
    pub bytes: u64,
    /// Units of work, and how many are done.
    pub units: usize,
    /// See `units`.
    pub done: usize,
    /// Claims of units that do not count, as their files are gone or others than were written: their work is done again.
    pub damaged: usize,
    /// Rows of the input that a sample took a second for.
    pub rows_per_second: Option<f64>,
    /// Seconds for the units that are left.
    pub seconds: Option<f64>,
}

/// How a unit stands.
#[derive(PartialEq, Eq)]
enum Stand {
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
        let plan = self.what_to_do().await?;
        let stands =
            if plan == Plan::Work { self.stands().await? } else { units.iter().map(|_| Stand::Done).collect() };
        let left: Vec<&Unit> =
            units.iter().zip(&stands).filter(|(_, stand)| **stand != Stand::Done).map(|(unit, _)| unit).collect();
        let rate = match left.first() {
            Some(unit) => infer::sample_rate(&self.session, &self.pipeline, &self.job, unit).await?,
            None => None,
        };
        let rows_of = |units: &[&Unit]| units.iter().map(|unit| unit.cut.rows).sum::<Option<u64>>();
        Ok(Estimate {
            job: self.job.id.clone(),
            plan,
            rows: units.iter().map(|unit| unit.cut.rows).sum(),
            bytes: units.iter().map(|unit| unit.cut.bytes).sum(),
            units: units.len(),
            done: units.len() - left.len(),
            damaged: stands.iter().filter(|stand| **stand == Stand::Damaged).count(),
            rows_per_second: rate,
            seconds: rate.zip(rows_of(&left)).map(|(rate, rows)| rows as f64 / rate),
        })
    }

    async fn what_to_do(&self) -> Result<Plan> {
        let folder = self.job.release_folder();
        if self.finished(&folder).await?.is_none() {
            return Ok(Plan::Work);
        }
        let is_current = current(&self.storage).await?.is_some_and(|release| release.folder == folder);
        Ok(if is_current { Plan::Nothing } else { Plan::Publish })
    }

    /// How each unit stands: one is done if its claim counts, by the rule of the run itself.
    async fn stands(&self) -> Result<Vec<Stand>> {
        let standing = self.units_standing().await?;
        let looked_at = self.job.units.iter().enumerate().map(|(number, unit)| {
            let claim = self.job.units_paths.unit_claim(&unit.id);
            let standing = &standing;
            async move {
                let Some(claim) = commit::read::<UnitClaim>(&self.storage, &claim).await? else {
                    return Ok(Stand::Open);
                };
                let counts = standing.holds(&self.storage, number, &claim).await?;
                Ok(if counts { Stand::Done } else { Stand::Damaged })
            }
        });
        stream::iter(looked_at).buffered(CLAIMS_AT_ONCE).try_collect().await
    }

    /// Which claims of the units count.
    pub(super) async fn units_standing(&self) -> Result<Standing<UnitClaim>> {
        let units: Vec<_> = self.job.units.iter().map(|unit| (unit.id.clone(), unit.cut.rows)).collect();
        let fits = move |number: usize, claim: &UnitClaim| {
            let (id, rows): &(String, Option<u64>) = &units[number];
            claim.unit == *id && claim.agrees(*rows)
        };
        Standing::new(&self.storage, &[self.job.units_paths.units()], fits).await
    }
}
