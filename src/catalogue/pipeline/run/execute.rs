//! Executes a run to its end, from a pipeline to a published release. Work that an earlier run has done, or that
//! another run does at the same time, is reused and not repeated.

use std::sync::Arc;

use lamcat_core::error::Result;
use lamcat_release::{
    paths,
    publish::{self, Action, Current, repeat_latest},
};

use super::{
    judge::Judged,
    make::MadeRelease,
    outcome::Outcome,
    prepared::Run,
    progress::{Stopwatch, Watch},
};
use crate::pipeline::report::{Stage, StageTime};

impl Run {
    /// Executes the run to its end. If the job's release is the current one, there is nothing to do. If it is finished
    /// but was not published, for example because it failed a gate, it is verified and published.
    ///
    /// # Errors
    /// If a unit cannot be computed, the store fails, a gate fails, or a run that was prepared later has published.
    /// Finished work stays.
    pub async fn execute(mut self, watch: &dyn Watch) -> Result<Outcome> {
        if let Some(done) = self.published().await? {
            return Ok(done);
        }
        let decided = self.prepared_at.decided(self.storage.check().await?);
        self.job.record(&self.storage).await?;
        let this = Arc::new(self);
        let watch = &Stopwatch::new(watch);
        let folder = this.job.release_folder();
        let made = match this.finished(&folder).await? {
            Some(manifest) => MadeRelease { manifest, rows_inferred: 0, units_here: 0 },
            None => Box::pin(this.clone().make(watch)).await?,
        };
        let judged = Box::pin(this.judge(&folder, &made.manifest, watch)).await?;
        watch.begin(Stage::Publish, 1, 0);
        let release = publish::make_current_if(&this.storage, &folder, Action::Publish, decided).await?;
        watch.done(0, true);
        Ok(this.outcome(release, &made, judged, watch.stages()))
    }

    /// The outcome of a run whose release is the current one already.
    async fn published(&self) -> Result<Option<Outcome>> {
        // The process that published it may have died before it updated `LATEST`.
        let Some(release) = repeat_latest(&self.storage).await? else { return Ok(None) };
        if release.folder != self.job.release_folder() {
            return Ok(None);
        }
        let Some(manifest) = self.finished(&release.folder).await? else { return Ok(None) };
        let made = MadeRelease { manifest, rows_inferred: 0, units_here: 0 };
        let page = paths::report(&release.folder);
        let report = self.storage.exists(&page).await?.then(|| self.storage.shown(&page));
        let judged = Judged { report, ..Judged::default() };
        Ok(Some(self.outcome(release, &made, judged, Vec::new())))
    }

    fn outcome(&self, release: Current, made: &MadeRelease, judged: Judged, stages: Vec<StageTime>) -> Outcome {
        Outcome {
            release,
            rows: made.manifest.rows,
            tiles: made.manifest.tiles().len(),
            units_here: made.units_here,
            units_elsewhere: self.job.units.len() - made.units_here,
            rows_inferred: made.rows_inferred,
            stages,
            report: judged.report,
            failed_gates: judged.failed_gates,
        }
    }
}
