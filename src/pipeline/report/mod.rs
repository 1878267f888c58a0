//! The page on a release: what it is, what its columns look like beside the release before, whether its errors are right,
//! and how it was made. One HTML file that holds its pictures in itself.
//!
//! ```text
//! columns ──> contents ──> plan ──────────> tally ──────────> sections ──> page
//! (schema)    (what there  (limits by a     (every leaf       (pictures,
//!              is to show)  sample)          read once)        tables)
//! ```
//!
//! Sections whose columns a release does not have are left out.

mod contents;
mod limits;
mod pictures;
mod plan;
mod quantity;
mod sections;
mod tables;
mod tally;
mod work;

use datafusion::prelude::SessionContext;
use serde::{Deserialize, Serialize};

use super::{gates::GateCheck, stages::StageTime};
use crate::{
    error::{Error, ErrorKind, Result},
    plot::html,
    release::{
        Storage,
        assemble::Manifest,
        attempt::runner,
        clock, commit,
        diff::{Diff, diff},
        paths, publish, releases, summary,
    },
};
use contents::Contents;
use pictures::Counted;
use tally::{Plan, Tally};

const STYLE: &str = "body{max-width:75em}table{border-collapse:collapse;margin:1em 0}\
                     td,th{padding:.2em .7em;border-bottom:1px solid #ddd;text-align:right}\
                     th{vertical-align:bottom}.text td,.text th{text-align:left;vertical-align:top}\
                     .first td:first-child,.first th:first-child{text-align:left}\
                     .pictures{display:flex;flex-wrap:wrap;gap:1em}.pictures svg{width:36em}\
                     .last td:last-child,.last th:last-child{text-align:left}.text td{overflow-wrap:anywhere}\
                     td:first-child{white-space:nowrap}nav a{margin-right:1em;white-space:nowrap}.wide{overflow-x:auto}";

/// What is kept of the run that made a release, beside the page: what no file of the release says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The process that finished the release: `machine:process`.
    pub runner: String,
    /// When: `2026-12-02T10:00:00Z`.
    pub time: String,
    /// What its stages took.
    pub stages: Vec<StageTime>,
    /// The gates with what the release has.
    pub gates: Vec<GateCheck>,
}

impl RunRecord {
    /// Of this process, now.
    #[must_use]
    pub fn new(stages: Vec<StageTime>, gates: Vec<GateCheck>) -> Self {
        Self { runner: runner(), time: clock::now_seconds(), stages, gates }
    }

    /// With the stages of an earlier run that this one did not repeat, and its gates if the release was published since and
    /// so is judged no more.
    fn after(mut self, earlier: Self) -> Self {
        if self.gates.is_empty() {
            self.gates = earlier.gates;
        }
        let own = std::mem::take(&mut self.stages);
        let old = earlier.stages.into_iter().filter(|old| own.iter().all(|new| new.stage != old.stage));
        self.stages = old.chain(own.iter().cloned()).collect();
        self
    }
}

/// Writes the page on the release in `folder` beside the releases, and what is kept of its run; gives where the page is.
///
/// # Errors
/// If the release is not whole, or the store fails.
pub async fn write(context: &SessionContext, storage: &Storage, folder: &str, record: RunRecord) -> Result<String> {
    let file = paths::run_record(folder);
    let record = match commit::read::<RunRecord>(storage, &file).await? {
        Some(earlier) => record.after(earlier),
        None => record,
    };
    storage.put(&file, serde_json::to_vec_pretty(&record).unwrap_or_default()).await?;
    rewrite(context, storage, folder).await
}

/// Writes the page on the release in `folder` again; gives where it is.
///
/// # Errors
/// As [`page`], or if the store cannot be written to.
pub async fn rewrite(context: &SessionContext, storage: &Storage, folder: &str) -> Result<String> {
    let page = page(context, storage, folder).await?;
    let file = paths::report(folder);
    storage.put(&file, page).await?;
    Ok(storage.shown(&file))
}

/// The page on the release in `folder`, beside the release that was current before it.
///
/// # Errors
/// If the release is not whole, or the store fails.
pub async fn page(context: &SessionContext, storage: &Storage, folder: &str) -> Result<String> {
    let Some(new) = Release::open(storage, folder).await? else {
        let error = Error::new(ErrorKind::Input, "there is no release: it has no manifest");
        return Err(error.at("folder", storage.shown(folder)).hint("`lamcat release list` shows what there is"));
    };
    let old = match releases::predecessor(&publish::log(storage).await?, folder) {
        Some(before) => Release::open(storage, &before).await?,
        None => None,
    };
    let found = Findings::of(context, storage, new, old).await?;
    Ok(html(&found.title(), STYLE, &sections::all(&found)?))
}

/// A release and what its files say of it.
struct Release {
    folder: String,
    manifest: Manifest,
    properties: Vec<(String, String)>,
}

impl Release {
    async fn open(storage: &Storage, folder: &str) -> Result<Option<Self>> {
        let Some(manifest) = releases::manifest(storage, folder).await? else { return Ok(None) };
        let properties = releases::collection_properties(storage, folder).await?;
        Ok(Some(Self { folder: folder.to_owned(), manifest, properties }))
    }

    /// A property; empty if it has none of the name.
    fn property(&self, key: &str) -> &str {
        self.properties.iter().find(|(k, _)| k == key).map_or("", |(_, value)| value)
    }

    fn leaves(&self) -> Vec<String> {
        summary::leaves(&self.manifest, &self.folder)
    }
}

/// All that a page shows.
struct Findings {
    path: String,
    new: Release,
    old: Option<(Release, Tally, Diff)>,
    /// Names of both in keys.
    names: [String; 2],
    contents: Contents,
    plan: Plan,
    tally: Tally,
    work: Vec<work::Work>,
    record: Option<RunRecord>,
}

impl Findings {
    async fn of(context: &SessionContext, storage: &Storage, new: Release, old: Option<Release>) -> Result<Self> {
        let schema = summary::schema(storage, &new.folder, &new.manifest.name).await?;
        let contents = Contents::of(&schema);
        let leaves = [new.leaves(), old.as_ref().map(Release::leaves).unwrap_or_default()];
        let plan = plan::plan(storage, [&leaves[0], &leaves[1]], &contents, new.manifest.rows).await?;
        let tally = Tally::of(storage, &leaves[0], &plan).await?;
        let names = names(&new, old.as_ref());
        let old = match old {
            Some(old) => {
                let before = Tally::of(storage, &leaves[1], &plan.without_diagrams()).await?;
                let diff = diff(context, storage, &old.folder, &new.folder).await?;
                Some((old, before, diff))
            }
            None => None,
        };
        let work = work::work(storage, &new.manifest.job).await?;
        let record = commit::read(storage, &paths::run_record(&new.folder)).await?;
        let path = storage.shown(&new.folder);
        Ok(Self { path, new, old, names, contents, plan, tally, work, record })
    }

    fn title(&self) -> String {
        let title = self.new.property("obs_title");
        let title = if title.is_empty() { &self.new.manifest.name } else { title };
        format!("{title}, version {}", self.new.manifest.version)
    }

    fn counted(&self) -> Counted<'_> {
        Counted { name: &self.names[0], tally: &self.tally }
    }

    fn counted_before(&self) -> Option<Counted<'_>> {
        self.old.as_ref().map(|(_, tally, _)| Counted { name: &self.names[1], tally })
    }
}

/// The versions of both releases, or their folders if those are the same.
fn names(new: &Release, old: Option<&Release>) -> [String; 2] {
    let version = |release: &Release| release.manifest.version.clone();
    match old {
        Some(old) if version(old) == version(new) => {
            [new, old].map(|release| release.folder.rsplit('/').next().unwrap_or_default().to_owned())
        }
        Some(old) => [version(new), version(old)],
        None => [version(new), String::new()],
    }
}
