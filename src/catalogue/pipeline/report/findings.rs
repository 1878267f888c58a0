//! Everything that the page about a release shows.

use datafusion::prelude::SessionContext;
use lamcat_core::error::Result;
use lamcat_release::{
    Storage,
    assemble::Manifest,
    commit,
    diff::{Diff, diff},
    paths, releases, summary,
};

use super::{
    binning::{Binning, binning},
    contents::Contents,
    counts::Counts,
    pictures::NamedCounts,
    record::RunRecord,
    timeline_data::{DoneTask, done_tasks},
};

/// A release with its manifest and properties.
pub(super) struct Release {
    pub(super) folder: String,
    pub(super) manifest: Manifest,
    properties: Vec<(String, String)>,
}

impl Release {
    /// The release in `folder`; `None` if there is no manifest.
    pub(super) async fn open(storage: &Storage, folder: &str) -> Result<Option<Self>> {
        let Some(manifest) = releases::manifest(storage, folder).await? else { return Ok(None) };
        let properties = releases::collection_properties(storage, folder).await?;
        Ok(Some(Self { folder: folder.to_owned(), manifest, properties }))
    }

    /// The value of a property; empty if there is no property of this name.
    pub(super) fn property(&self, key: &str) -> &str {
        self.properties.iter().find(|(k, _)| k == key).map_or("", |(_, value)| value)
    }

    fn leaves(&self) -> Vec<String> {
        summary::leaves(&self.manifest, &self.folder)
    }
}

/// Everything that the page about a release shows.
pub(super) struct Findings {
    pub(super) path: String,
    pub(super) new: Release,
    /// The previous release with its counts, and the changes since then.
    pub(super) old: Option<(Release, Counts, Diff)>,
    /// Names of both releases for the legends of plots.
    names: [String; 2],
    pub(super) contents: Contents,
    pub(super) binning: Binning,
    pub(super) counts: Counts,
    pub(super) tasks: Vec<DoneTask>,
    pub(super) record: Option<RunRecord>,
}

impl Findings {
    /// Collects what the page shows of `new`, compared with `old`.
    ///
    /// # Errors
    /// If a release is incomplete, or the store fails.
    pub(super) async fn of(
        context: &SessionContext,
        storage: &Storage,
        new: Release,
        old: Option<Release>,
    ) -> Result<Self> {
        let schema = summary::schema(storage, &new.folder, &new.manifest.name).await?;
        let contents = Contents::of(&schema);
        let leaves = [new.leaves(), old.as_ref().map(Release::leaves).unwrap_or_default()];
        let binning = binning(storage, [&leaves[0], &leaves[1]], &contents, new.manifest.rows).await?;
        let counts = Counts::of(storage, &leaves[0], &binning).await?;
        let names = names(&new, old.as_ref());
        let old = match old {
            Some(old) => {
                let before = Counts::of(storage, &leaves[1], &binning.without_diagrams()).await?;
                let diff = diff(context, storage, &old.folder, &new.folder).await?;
                Some((old, before, diff))
            }
            None => None,
        };
        let tasks = done_tasks(storage, &new.manifest.job).await?;
        let record = commit::read(storage, &paths::run_record(&new.folder)).await?;
        let path = storage.shown(&new.folder);
        Ok(Self { path, new, old, names, contents, binning, counts, tasks, record })
    }

    /// The title of the page.
    pub(super) fn title(&self) -> String {
        let title = self.new.property("obs_title");
        let title = if title.is_empty() { &self.new.manifest.name } else { title };
        format!("{title}, version {}", self.new.manifest.version)
    }

    /// The counts of the release.
    pub(super) fn named_counts(&self) -> NamedCounts<'_> {
        NamedCounts { name: &self.names[0], counts: &self.counts }
    }

    /// The counts of the previous release.
    pub(super) fn named_counts_before(&self) -> Option<NamedCounts<'_>> {
        self.old.as_ref().map(|(_, counts, _)| NamedCounts { name: &self.names[1], counts })
    }
}

/// The versions of both releases, or their folders if the versions are the same.
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
