//! Makes a release: units are computed, their rows are sorted into tiles, and the rest of the collection is written.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use datafusion::prelude::SessionContext;
use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_release::{
    arrange::{Arrangement, TileClaim, reader},
    assemble::{Assembly, Manifest},
    margin::Margin,
    parts::{PartClaim, parts},
    recount::recount,
    tiles::{RowCounts, Tile, Tiling},
    units::UnitClaim,
    verify::{Checked, Report, check_group, groups, times, verify_rest},
    votable,
};

use super::{
    infer,
    prepared::Run,
    progress::Watch,
    tasks::{Task, do_tasks},
    valid_claims::ValidClaims,
};
use crate::pipeline::report::Stage;

/// Number of pixels of the sky that are remembered for each unit, to find the units that may have rows in a part of a
/// tile.
const UNIT_PIXELS: usize = 1024;

/// Number of characters of a manifest's identity in the names of its checks.
const CHECK_LENGTH: usize = 16;

/// A release that this run made, or that was already finished.
pub(super) struct MadeRelease {
    pub(super) manifest: Manifest,
    pub(super) rows_inferred: u64,
    pub(super) units_here: usize,
}

impl Run {
    /// Makes the release; parts that exist are reused.
    pub(super) async fn make(self: Arc<Self>, watch: &dyn Watch) -> Result<MadeRelease> {
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
        let manifest = self.clone().assemble(layout, Arc::new(tiles), watch).await?;
        Ok(MadeRelease { manifest, rows_inferred, units_here })
    }

    /// Computes the units and adds up their rows by pixel.
    async fn infer(self: Arc<Self>, watch: &dyn Watch, counts: &mut RowCounts) -> Result<(Vec<UnitClaim>, u64, usize)> {
        let units = &self.job.units;
        watch.begin(Stage::Infer, units.len(), units.iter().filter_map(|unit| unit.range.rows).sum());
        let tasks = units.iter().enumerate().map(|(number, unit)| Task {
            number,
            claim: self.job.units_paths.unit_claim(&unit.id),
            lease: self.job.units_paths.lease(&unit.id),
        });
        let inferred = Arc::new(AtomicU64::new(0));
        let (this, counter) = (self.clone(), inferred.clone());
        let work = move |number: usize| {
            let (this, counter) = (this.clone(), counter.clone());
            async move {
                let unit = &this.job.units[number];
                let claim = infer::compute_unit(&this.session, &this.pipeline, &this.job, &this.storage, unit).await?;
                counter.fetch_add(claim.input_rows, Ordering::Relaxed);
                Ok(claim)
            }
        };
        let (mut here, mut coarse) = (0, Vec::new());
        let at_once = self.pipeline.resources.units_at_once;
        let valid = self.valid_units().await?;
        let claims = do_tasks(&self.storage, tasks.collect(), at_once, valid, work, |claim: &mut UnitClaim, own| {
            here += usize::from(own);
            // A job with larger tiles may have counted the rows in larger pixels.
            if claim.counts.order >= counts.order {
                counts.merge(&claim.counts);
            } else {
                coarse.push(claim.clone());
            }
            claim.counts.coarsen(UNIT_PIXELS);
            watch.done(claim.input_rows, own);
        });
        let claims = claims.await?;
        if here > 0 {
            self.check_inputs(&claims).await?;
        }
        for claim in &coarse {
            counts.merge(&recount(&self.storage, &self.job.units_paths, claim, counts.order).await?);
        }
        Ok((claims, inferred.load(Ordering::Relaxed), here))
    }

    /// Finds which claims of units count.
    pub(super) async fn valid_units(&self) -> Result<ValidClaims<UnitClaim>> {
        let units: Vec<_> = self.job.units.iter().map(|unit| (unit.id.clone(), unit.range.rows)).collect();
        let fits = move |number: usize, claim: &UnitClaim| {
            let (id, rows): &(String, Option<u64>) = &units[number];
            claim.unit == *id && claim.agrees(*rows)
        };
        ValidClaims::new(&self.storage, &[self.job.units_paths.units()], fits).await
    }

    /// Checks that the other inputs, with which units were joined, have not changed; if they have, no unit counts.
    async fn check_inputs(&self, claims: &[UnitClaim]) -> Result<()> {
        let Err(e) = self.job.check_inputs(&self.session).await else { return Ok(()) };
        for claim in claims {
            self.storage.delete(&self.job.units_paths.unit_claim(&claim.unit)).await?;
        }
        Err(e)
    }

    async fn arrange(self: Arc<Self>, layout: Arc<Layout>, watch: &dyn Watch) -> Result<Vec<TileClaim>> {
        let tiles = layout.tiling.tiles();
        watch.begin(Stage::Arrange, tiles.len(), layout.units.iter().map(|unit| unit.counts.total()).sum());
        let tasks = tiles.iter().enumerate().map(|(number, tile)| Task {
            number,
            claim: self.job.paths.tile_claim(*tile),
            lease: self.job.paths.lease(&tile.to_string()),
        });
        let tasks = tasks.collect();
        let (this, shared) = (self.clone(), layout.clone());
        let work = move |number: usize| {
            let (this, layout) = (this.clone(), shared.clone());
            async move {
                let tile: Tile = layout.tiling.tiles()[number];
                this.arrangement(&layout).write_tile(tile).await
            }
        };
        let (counted, folders) = (layout.clone(), [self.job.paths.tiles(), layout.main.clone()]);
        let fits = move |number: usize, claim: &TileClaim| {
            let tile = counted.tiling.tiles()[number];
            let (start, end) = tile.range();
            claim.tile == tile && claim.agrees(counted.counts.between(start, end))
        };
        let valid = ValidClaims::new(&self.storage, &folders, fits).await?;
        do_tasks(&self.storage, tasks, self.cores(), valid, work, |claim: &mut TileClaim, own| {
            watch.done(claim.leaf.rows, own);
        })
        .await
    }

    async fn assemble(
        self: Arc<Self>,
        layout: Arc<Layout>,
        tiles: Arc<Vec<TileClaim>>,
        watch: &dyn Watch,
    ) -> Result<Manifest> {
        let parts = Arc::new(parts(self.job.catalogue(), &tiles));
        watch.begin(Stage::Assemble, parts.len() + 1, 0);
        let tasks = parts.iter().enumerate().map(|(number, part)| Task {
            number,
            claim: self.job.paths.part_claim(&part.to_string()),
            lease: self.job.paths.lease(&format!("part-{part}")),
        });
        let tasks = tasks.collect();
        let shared = (self.clone(), layout.clone(), tiles.clone(), parts.clone());
        let work = move |number: usize| {
            let (this, layout, tiles, parts) = shared.clone();
            async move { this.assembly(&layout, &tiles).make(parts[number]).await }
        };
        let (this, counted, arranged) = (self.clone(), layout.clone(), tiles.clone());
        let fits =
            move |number: usize, claim: &PartClaim| this.assembly(&counted, &arranged).fits(parts[number], claim);
        let valid = ValidClaims::new(&self.storage, std::slice::from_ref(&layout.folder), fits).await?;
        let made = do_tasks(&self.storage, tasks, self.cores(), valid, work, |_: &mut PartClaim, own| {
            watch.done(0, own);
        });
        let made = made.await?;
        let manifest = self.assembly(&layout, &tiles).finish(made).await?;
        watch.done(manifest.rows, true);
        Ok(manifest)
    }

    /// Verifies the release. Each runner checks some of its files, and all runners know the results.
    pub(super) async fn verify(
        self: Arc<Self>,
        folder: &str,
        manifest: &Manifest,
        watch: &dyn Watch,
    ) -> Result<Report> {
        let groups = groups(manifest);
        watch.begin(Stage::Verify, groups.len() + 1, 0);
        // The results must be about exactly these files; a release with other files has other results.
        let files = &manifest.identity()[..CHECK_LENGTH];
        let tasks = (0..groups.len()).map(|number| Task {
            number,
            claim: self.job.paths.check_claim(&format!("{files}-{number}")),
            lease: self.job.paths.lease(&format!("check-{files}-{number}")),
        });
        let tasks = tasks.collect();
        let shared = Arc::new((self.clone(), folder.to_owned(), manifest.clone(), groups));
        let work = move |number: usize| {
            let shared = shared.clone();
            async move {
                let (this, folder, manifest, groups) = shared.as_ref();
                check_group(&this.storage, folder, manifest, &groups[number]).await
            }
        };
        let now = times(&self.storage, folder).await?;
        let valid = ValidClaims::new(&self.storage, &[], move |_, checked: &Checked| checked.is_of(&now)).await?;
        let checked = do_tasks(&self.storage, tasks, self.cores(), valid, work, |_: &mut Checked, own| {
            watch.done(0, own);
        });
        let mut known = Checked::default();
        checked.await?.into_iter().for_each(|checked| known.merge(checked));
        let report = verify_rest(&self.storage, folder, known).await?;
        watch.done(manifest.rows, true);
        Ok(report)
    }

    fn assembly<'a>(&'a self, layout: &'a Layout, tiles: &'a [TileClaim]) -> Assembly<'a> {
        let (arrangement, catalogue) = (self.arrangement(layout), self.job.catalogue());
        Assembly { arrangement, catalogue, folder: &layout.folder, tiles }
    }

    /// Number of files that are sorted, encoded and compressed at once, each on one core.
    fn cores(&self) -> usize {
        let cores = self.session.context().copied_config().target_partitions();
        self.pipeline.resources.units_at_once.max(cores)
    }

    fn arrangement<'a>(&'a self, layout: &'a Layout) -> Arrangement<'a> {
        Arrangement {
            context: &layout.reader,
            functions: self.session.context(),
            storage: &self.storage,
            job: &self.job.paths,
            units_of: &self.job.units_paths,
            schema: self.job.schema.clone(),
            footer: &layout.footer,
            main: &layout.main,
            margin: layout.margin.as_ref(),
            units: &layout.units,
            counts: &layout.counts,
        }
    }
}

/// The layout of the release.
struct Layout {
    reader: SessionContext,
    folder: String,
    main: String,
    footer: [(&'static str, String); 2],
    tiling: Tiling,
    margin: Option<Margin>,
    units: Vec<UnitClaim>,
    /// Row counts of all units together, by HEALPix pixel.
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
