//! A run: from a pipeline to a published release. Whatever was done by an earlier run, or is done by another one at the
//! same time, is taken over and not repeated.

use std::sync::Arc;

use arrow::datatypes::Schema;

use super::{
    begun::Begun,
    check::plan_check,
    gates::judged_gates,
    job::Job,
    making::Made,
    report::{self, RunRecord},
    resolve::Pipeline,
    stages::{Stage, StageTime, Stopwatch, Watch},
};
use crate::{
    error::{Error, ErrorKind, Result},
    model::Model,
    release::{
        Storage,
        assemble::Manifest,
        paths,
        publish::{self, Action, Current, current, repeat_latest},
        releases,
        verify::{Check, Fault, missing_files},
    },
    session::{LazyStores, Session},
};

/// A planned run.
pub struct Run {
    pub(super) session: Session,
    pub(super) pipeline: Pipeline,
    pub(super) storage: Storage,
    pub(super) job: Job,
    begun: Begun,
    accepting: bool,
}

/// What a run came to.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Outcome {
    /// The release that is current now.
    pub release: Current,
    /// Rows of the catalogue.
    pub rows: u64,
    /// Tiles of the catalogue.
    pub tiles: usize,
    /// Units worked here, and by others or earlier.
    pub units_here: usize,
    /// See `units_here`.
    pub units_elsewhere: usize,
    /// Rows of the input that went through the model here.
    pub rows_inferred: u64,
    /// What each stage of this run took, in order; none if there was nothing to do.
    pub stages: Vec<StageTime>,
    /// The page on the release; `None` if it could not be made.
    pub report: Option<String>,
    /// Gates that the release fails, in words, and was published all the same.
    pub failed_gates: Vec<String>,
}

/// What was found of a release before it is published.
#[derive(Default)]
struct Judged {
    report: Option<String>,
    failed_gates: Vec<String>,
}

impl Run {
    /// Opens a session for `pipeline`, with the `stores` of another one if given, checks it and plans a run.
    ///
    /// # Errors
    /// If the model or an input cannot be read, the query does not suit a catalogue, or the store cannot be opened.
    pub async fn open(pipeline: Pipeline, stores: Option<Arc<LazyStores>>) -> Result<Self> {
        let session = pipeline.open_session_with(stores).await?;
        pipeline.register_inputs(&session).await?;
        let checked = Box::pin(plan_check(&session, &pipeline)).await?;
        let model = session.engine().model(None)?;
        Box::pin(Self::plan(session, pipeline, &model, &checked.schema)).await
    }

    /// Plans a run of `pipeline`, whose query gives `columns`, with `model` as the default model of `session`, which has
    /// the inputs as tables ([`Pipeline::register_inputs`]).
    ///
    /// # Errors
    /// If the inputs cannot be read or the store cannot be opened.
    pub async fn plan(session: Session, pipeline: Pipeline, model: &Model, columns: &Schema) -> Result<Self> {
        let storage = session.storage(pipeline.root().exposed())?;
        let begun = Begun::now(&storage).await?;
        let job = Job::plan(&session, &pipeline, model, columns).await?;
        Ok(Self { session, pipeline, storage, job, begun, accepting: false })
    }

    /// The job.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// The same run, which publishes a release even if it fails gates.
    #[must_use]
    pub fn accepting(mut self, accept: bool) -> Self {
        self.accepting = accept;
        self
    }

    /// Where the release goes.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Runs to the end. If the job's release is the current one there is nothing to do; if it is finished but was not
    /// published, as when it failed a gate, it is verified and published.
    ///
    /// # Errors
    /// If a unit cannot be worked, the store fails, a gate fails, or a later run has published; what was done is kept.
    pub async fn execute(mut self, watch: &dyn Watch) -> Result<Outcome> {
        if let Some(done) = self.published().await? {
            return Ok(done);
        }
        let decided = self.begun.decided(self.storage.check().await?);
        self.job.record(&self.storage).await?;
        let this = Arc::new(self);
        let watch = &Stopwatch::new(watch);
        let folder = this.job.release_folder();
        let made = match this.finished(&folder).await? {
            Some(manifest) => Made { manifest, rows_inferred: 0, units_here: 0 },
            None => Box::pin(this.clone().make(watch)).await?,
        };
        let judged = Box::pin(this.judge(&folder, &made.manifest, watch)).await?;
        watch.begin(Stage::Publish, 1, 0);
        let release = publish::make_current_if(&this.storage, &folder, Action::Publish, decided).await?;
        watch.done(0, true);
        Ok(this.outcome(release, &made, judged, watch.stages()))
    }

    /// The manifest of the release in `folder`, if this job finished it and its files are still there.
    pub(super) async fn finished(&self, folder: &str) -> Result<Option<Manifest>> {
        let manifest = releases::manifest(&self.storage, folder).await?;
        let Some(manifest) = manifest.filter(|manifest| manifest.job == self.job.id) else { return Ok(None) };
        let faults = missing_files(&self.storage, folder).await?;
        Ok(faults.is_empty().then_some(manifest))
    }

    /// The outcome of a run whose release is the current one already.
    async fn published(&self) -> Result<Option<Outcome>> {
        // Whoever published it may have died before readers could see it.
        let Some(release) = repeat_latest(&self.storage).await? else { return Ok(None) };
        if release.folder != self.job.release_folder() {
            return Ok(None);
        }
        let Some(manifest) = self.finished(&release.folder).await? else { return Ok(None) };
        let made = Made { manifest, rows_inferred: 0, units_here: 0 };
        let page = paths::report(&release.folder);
        let report = self.storage.exists(&page).await?.then(|| self.storage.shown(&page));
        let judged = Judged { report, ..Judged::default() };
        Ok(Some(self.outcome(release, &made, judged, Vec::new())))
    }

    fn outcome(&self, release: Current, made: &Made, judged: Judged, stages: Vec<StageTime>) -> Outcome {
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

    /// Verifies the release, looks at its gates, and writes its report; an error if it fails a gate and may not.
    async fn judge(self: &Arc<Self>, folder: &str, manifest: &Manifest, watch: &Stopwatch<'_>) -> Result<Judged> {
        let verified = self.clone().verify(folder, manifest, watch).await?;
        if let Some(fault) = verified.faults.first() {
            self.withdraw(folder, manifest, &verified.faults).await?;
            let error = Error::new(ErrorKind::Io, format!("the release is not as it must be: {}", fault.what));
            return Err(error
                .at("file", format!("{folder}/{}", fault.file))
                .at("faults", verified.faults.len())
                .hint(format!(
                    "the old release is still the current one; run again: what was damaged is made anew. If it is so again \
                     the store may be at fault: mend it, delete {folder}, jobs/{} and jobs/{}, and run again",
                    self.job.id, self.job.spec.inference
                )));
        }
        let stages = watch.stages();
        watch.begin(Stage::Report, 1, 0);
        let gates = judged_gates(&self.storage, folder, manifest, &self.pipeline.gates).await?;
        let failed_gates: Vec<String> = gates.iter().filter_map(|check| check.failure.clone()).collect();
        let report = self.report(folder, RunRecord::new(stages, gates)).await;
        watch.done(manifest.rows, true);
        if failed_gates.is_empty() || self.accepting {
            return Ok(Judged { report, failed_gates });
        }
        let still = match current(&self.storage).await? {
            Some(current) => format!("{} is still the current release", current.folder),
            None => "no release is current".to_owned(),
        };
        let page = report.map(|page| format!("look at {page}, ")).unwrap_or_default();
        let error = Error::new(ErrorKind::Input, format!("the release fails its gates: {}", failed_gates.join("; ")));
        Err(error.at("release", folder).hint(format!(
            "{still}; {page}compare with `lamcat release diff`, and if the new one is right publish it with \
             `lamcat run --accept`"
        )))
    }

    /// Withdraws the claims of damaged files of a release that was never published, and its manifest: the next run makes
    /// them anew.
    async fn withdraw(&self, folder: &str, manifest: &Manifest, faults: &[Fault]) -> Result<()> {
        if publish::log(&self.storage).await?.iter().any(|entry| entry.folder == folder) {
            return Ok(());
        }
        let leaves = manifest.tiles();
        let damaged = |file: &str| faults.iter().any(|fault| fault.check == Check::Files && fault.file == file);
        for (tile, _) in leaves.iter().filter(|(_, leaf)| damaged(leaf)) {
            self.storage.delete(&self.job.paths.tile_claim(*tile)).await?;
        }
        if faults.iter().any(|fault| leaves.iter().all(|(_, leaf)| *leaf != fault.file)) {
            let parts = self.storage.list(&self.job.paths.parts()).await?;
            self.storage.delete_all(&parts.iter().map(|file| &file.path).collect::<Vec<_>>()).await?;
        }
        self.storage.delete(&format!("{folder}/{}", paths::MANIFEST)).await
    }

    /// Writes the page on the release. A good release is published even if the page cannot be made.
    async fn report(&self, folder: &str, record: RunRecord) -> Option<String> {
        match report::write(self.session.context(), &self.storage, folder, record).await {
            Ok(page) => Some(page),
            Err(e) => {
                tracing::warn!("there is no report of {folder}: {e}");
                None
            }
        }
    }
}
