//! A run: from a pipeline to a published release. Whatever was done by an earlier run, or is done by another one at the
//! same time, is taken over and not repeated.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use arrow::datatypes::Schema;
use datafusion::prelude::SessionContext;

use super::{
    begun::Begun,
    check::plan_check,
    gates::judged_gates,
    infer,
    job::{Job, Unit},
    report::{self, RunRecord},
    resolve::Pipeline,
    share::{Task, share},
    stages::{Stage, StageTime, Stopwatch, Watch},
};
use crate::{
    error::{Error, ErrorKind, Result},
    model::Model,
    release::{
        Storage,
        arrange::{Arrangement, TileClaim, reader},
        assemble::{self, Manifest},
        margin::Margin,
        paths,
        publish::{self, Action, Current, current, repeat_latest},
        releases,
        tiles::{RowCounts, Tile, Tiling},
        units::UnitClaim,
        verify::verify,
        votable,
    },
    session::{LazyStores, Session},
};

/// Pixels of the sky that are remembered of a unit, to know which units a part of a tile may have rows in.
const UNIT_PIXELS: usize = 1024;

/// A planned run.
pub struct Run {
    session: Session,
    pipeline: Pipeline,
    storage: Storage,
    job: Job,
    begun: Begun,
    accepting: bool,
}

/// What there is to do.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Estimate {
    /// Identity of the job.
    pub job: String,
    /// Rows of the input, if its files say.
    pub rows: Option<u64>,
    /// Bytes of the input.
    pub bytes: u64,
    /// Units of work, and how many are done.
    pub units: usize,
    /// See `units`.
    pub done: usize,
    /// Rows of the input that a sample took a second for.
    pub rows_per_second: Option<f64>,
    /// Seconds for the units that are left.
    pub seconds: Option<f64>,
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

/// A release that this run made or found finished.
struct Made {
    manifest: Manifest,
    rows_inferred: u64,
    units_here: usize,
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
        let checked = plan_check(&session, &pipeline).await?;
        let model = session.engine().model(None)?;
        Self::plan(session, pipeline, &model, &checked.schema).await
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

    /// How much there is to do, and how long it will take by a sample of its first rows; writes nothing.
    ///
    /// # Errors
    /// If the sample cannot be worked or the store cannot be listed.
    pub async fn estimate(&self) -> Result<Estimate> {
        let units = &self.job.units;
        let mut left = Vec::new();
        for unit in units {
            if !self.storage.exists(&self.job.paths.unit_claim(&unit.id)).await? {
                left.push(unit);
            }
        }
        let rate = match left.first() {
            Some(unit) => infer::sample_rate(&self.session, &self.pipeline, &self.job, unit).await?,
            None => None,
        };
        let rows_of = |units: &[&Unit]| units.iter().map(|unit| unit.cut.rows).sum::<Option<u64>>();
        Ok(Estimate {
            job: self.job.id.clone(),
            rows: units.iter().map(|unit| unit.cut.rows).sum(),
            bytes: units.iter().map(|unit| unit.cut.bytes).sum(),
            units: units.len(),
            done: units.len() - left.len(),
            rows_per_second: rate,
            seconds: rate.zip(rows_of(&left)).map(|(rate, rows)| rows as f64 / rate),
        })
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
        let finished = releases::manifest(&this.storage, &folder).await?.filter(|manifest| manifest.job == this.job.id);
        let made = match finished {
            Some(manifest) => Made { manifest, rows_inferred: 0, units_here: 0 },
            None => this.clone().make(watch).await?,
        };
        let judged = this.judge(&folder, &made.manifest, watch).await?;
        watch.begin(Stage::Publish, 1, 0);
        let release = publish::make_current_if(&this.storage, &folder, Action::Publish, decided).await?;
        watch.done(0, true);
        Ok(this.outcome(release, &made, judged, watch.stages()))
    }

    /// The outcome of a run whose release is the current one already.
    async fn published(&self) -> Result<Option<Outcome>> {
        // Whoever published it may have died before readers could see it.
        let Some(release) = repeat_latest(&self.storage).await? else { return Ok(None) };
        if release.folder != self.job.release_folder() {
            return Ok(None);
        }
        let Some(manifest) = releases::manifest(&self.storage, &release.folder).await? else { return Ok(None) };
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

    async fn make(self: Arc<Self>, watch: &dyn Watch) -> Result<Made> {
        let catalogue = self.job.catalogue();
        let mut counts = RowCounts::new(catalogue.skymap_order);
        let (units, rows_inferred, units_here) = self.clone().infer(watch, &mut counts).await?;
        if counts.total() == 0 {
            let error = Error::new(ErrorKind::Input, "the query gives no rows: there is nothing to publish");
            return Err(error.at("file", self.pipeline.sql.path.display()).hint("look at its conditions"));
        }
        let coarse = counts.at_order(catalogue.highest_order);
        let tiling = Tiling::new(coarse.tiles(catalogue.lowest_order, catalogue.max_rows));
        let layout = Arc::new(Layout::new(&self, tiling, units, counts)?);
        let tiles = self.clone().arrange(layout.clone(), watch).await?;
        watch.begin(Stage::Assemble, 1, 0);
        let manifest = self.assemble(&layout, &tiles).await?;
        watch.done(manifest.rows, true);
        Ok(Made { manifest, rows_inferred, units_here })
    }

    /// Verifies the release, looks at its gates, and writes its report; an error if it fails a gate and may not.
    async fn judge(&self, folder: &str, manifest: &Manifest, watch: &Stopwatch<'_>) -> Result<Judged> {
        watch.begin(Stage::Verify, 1, 0);
        let verified = verify(&self.storage, folder).await?;
        if let Some(fault) = verified.faults.first() {
            let error = Error::new(ErrorKind::Io, format!("the release is not as it must be: {}", fault.what));
            return Err(error
                .at("file", format!("{folder}/{}", fault.file))
                .at("faults", verified.faults.len())
                .hint(format!(
                    "the old release is still the current one; `lamcat release verify` lists the faults. If the store is at \
                     fault, mend it, delete {folder} and jobs/{}, and run again",
                    self.job.id
                )));
        }
        watch.done(manifest.rows, true);
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

    /// Works the units and adds up their rows in the pixels of the sky.
    async fn infer(self: Arc<Self>, watch: &dyn Watch, counts: &mut RowCounts) -> Result<(Vec<UnitClaim>, u64, usize)> {
        let units = &self.job.units;
        watch.begin(Stage::Infer, units.len(), units.iter().filter_map(|unit| unit.cut.rows).sum());
        let tasks = units.iter().enumerate().map(|(number, unit)| Task {
            number,
            claim: self.job.paths.unit_claim(&unit.id),
            lease: self.job.paths.lease(&unit.id),
        });
        let inferred = Arc::new(AtomicU64::new(0));
        let (this, counter) = (self.clone(), inferred.clone());
        let work = move |number: usize| {
            let (this, counter) = (this.clone(), counter.clone());
            async move {
                let unit = &this.job.units[number];
                let claim = infer::work(&this.session, &this.pipeline, &this.job, &this.storage, unit).await?;
                counter.fetch_add(claim.input_rows, Ordering::Relaxed);
                Ok(claim)
            }
        };
        let mut here = 0;
        let at_once = self.pipeline.resources.units_at_once;
        let claims = share(&self.storage, tasks.collect(), at_once, work, |claim: &mut UnitClaim, own| {
            here += usize::from(own);
            counts.merge(&claim.counts);
            claim.counts.coarsen(UNIT_PIXELS);
            watch.done(claim.input_rows, own);
        });
        Ok((claims.await?, inferred.load(Ordering::Relaxed), here))
    }

    async fn arrange(self: Arc<Self>, layout: Arc<Layout>, watch: &dyn Watch) -> Result<Vec<TileClaim>> {
        let tiles = layout.tiling.tiles();
        watch.begin(Stage::Arrange, tiles.len(), layout.units.iter().map(|unit| unit.counts.total()).sum());
        let tasks = tiles.iter().enumerate().map(|(number, tile)| Task {
            number,
            claim: self.job.paths.tile_claim(*tile),
            lease: self.job.paths.lease(&tile.to_string()),
        });
        let (tasks, this, shared) = (tasks.collect(), self.clone(), layout.clone());
        let work = move |number: usize| {
            let (this, layout) = (this.clone(), shared.clone());
            async move {
                let tile: Tile = layout.tiling.tiles()[number];
                this.arrangement(&layout).write_tile(tile).await
            }
        };
        // A tile is sorted out, encoded and compressed on one core.
        let cores = self.session.context().copied_config().target_partitions();
        let at_once = self.pipeline.resources.units_at_once.max(cores);
        share(&self.storage, tasks, at_once, work, |claim: &mut TileClaim, own| watch.done(claim.leaf.rows, own)).await
    }

    async fn assemble(&self, layout: &Layout, tiles: &[TileClaim]) -> Result<Manifest> {
        let catalogue = self.job.catalogue();
        assemble::assemble(&self.arrangement(layout), catalogue, &layout.folder, tiles).await
    }

    fn arrangement<'a>(&'a self, layout: &'a Layout) -> Arrangement<'a> {
        Arrangement {
            context: &layout.reader,
            functions: self.session.context(),
            storage: &self.storage,
            job: &self.job.paths,
            schema: self.job.schema.clone(),
            footer: &layout.footer,
            main: &layout.main,
            margin: layout.margin.as_ref(),
            units: &layout.units,
            counts: &layout.counts,
        }
    }
}

/// How the release is laid out.
struct Layout {
    reader: SessionContext,
    folder: String,
    main: String,
    footer: [(&'static str, String); 2],
    tiling: Tiling,
    margin: Option<Margin>,
    units: Vec<UnitClaim>,
    /// Rows of all units in the pixels of the sky.
    counts: RowCounts,
}

impl Layout {
    fn new(run: &Run, tiling: Tiling, units: Vec<UnitClaim>, counts: RowCounts) -> Result<Self> {
        let catalogue = run.job.catalogue();
        let folder = run.job.release_folder();
        let margin = catalogue.margin_arcsec.map(|arcsec| Margin::new(&tiling, arcsec)).transpose()?;
        let footer = votable::footer(catalogue, &run.job.schema)?;
        let (reader, main) = (reader(run.session.context())?, format!("{folder}/{}", catalogue.name));
        Ok(Self { reader, folder, main, footer, tiling, margin, units, counts })
    }
}
