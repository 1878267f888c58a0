//! Every name under a store's root.
//!
//! ```text
//! LATEST                                   the release that readers open
//! log/00000001.json                        which releases were made current, in order
//! releases/1.0.0-<job>/                    a HATS collection, and manifest.json
//! reports/1.0.0-<job>.html                 the page about a release
//! reports/1.0.0-<job>.json                 stages and gates of the run that made it
//! jobs/<job>/job.json                      the work of a run, and the inference whose units it uses
//! jobs/<job>/leases/<task>.json            who works on a tile
//! jobs/<job>/tiles/<order>-<pixel>.json    the claim of a tile
//! jobs/<job>/tiles/<order>-<pixel>/<attempt>.parquet   its rows near other tiles
//! jobs/<job>/parts/<part>.json             the claim of a margin's leaf, an index, the maps
//! jobs/<job>/checks/<manifest>-<n>.json    which files of a release were verified
//! jobs/<inference>/inference.json          what computes the units; jobs with the same content share them
//! jobs/<inference>/leases/<unit>.json      who works on a unit
//! jobs/<inference>/units/<unit>.json       the claim of a unit: which attempt's rows count
//! jobs/<inference>/units/<unit>/<attempt>.parquet
//! schedule/since.json                      the time from which on runs are due
//! schedule/begun/20261201T030000Z.json     a due time that was begun
//! schedule/ended/20261201T030000Z.json     its outcome
//! schedule/leases/00000007.json            who may run what is due; the highest number counts
//! ```

use std::path::Path;

use chrono::{DateTime, NaiveDateTime, Utc};

use super::tiles::Tile;

/// The file that names the current release.
pub const LATEST: &str = "LATEST";
/// Folder of the log, whose entries say which releases were made current, in order.
pub const LOG: &str = "log";
/// Folder of the releases.
pub const RELEASES: &str = "releases";
/// Folder of the pages about releases.
pub const REPORTS: &str = "reports";
/// Folder of the jobs.
pub const JOBS: &str = "jobs";
/// The list of a release's files, in its folder.
pub const MANIFEST: &str = "manifest.json";
/// The list of a release's units, with the rows that each read and returned, in its folder.
pub const UNITS: &str = "units.csv";
/// Properties of a collection, in its folder.
pub const COLLECTION_PROPERTIES: &str = "collection.properties";
/// Properties of a catalogue, in its folder.
pub const CATALOGUE_PROPERTIES: &str = "hats.properties";
/// The tiles of a catalogue, in its folder.
pub const PARTITION_INFO: &str = "partition_info.csv";
/// The schema of the leaves without rows, in a catalogue's `dataset`.
pub const COMMON_METADATA: &str = "dataset/_common_metadata";
/// One row of every tile, as a preview, in a catalogue's folder.
pub const THUMBNAIL: &str = "data_thumbnail.parquet";
/// Row counts of all pixels of the sky, in a catalogue's folder.
pub const SKYMAP: &str = "skymap.fits";
/// The same map at the order and under the name that older readers expect.
pub const POINT_MAP: &str = "point_map.fits";
/// The part of the sky that a catalogue covers, in its folder.
pub const MOC: &str = "moc.fits";

/// Number of pixels in one folder `Dir=`.
const PIXELS_PER_FOLDER: u64 = 10_000;
/// Number of characters of a job's identity in the name of its release's folder.
const SHORT_JOB: usize = 8;

/// The number of a log entry, from its path.
#[must_use]
pub fn log_number(path: &str) -> Option<u64> {
    path.rsplit('/').next()?.strip_suffix(".json")?.parse().ok()
}

/// Path of the log entry `number`.
#[must_use]
pub fn log_entry(number: u64) -> String {
    format!("{LOG}/{number:08}.json")
}

/// Folder of the release that `job` makes.
#[must_use]
pub fn release(version: &str, job: &str) -> String {
    format!("{RELEASES}/{version}-{}", &job[..SHORT_JOB.min(job.len())])
}

/// Path of the page about the release in a folder.
#[must_use]
pub fn report(release: &str) -> String {
    format!("{REPORTS}/{}.html", last_part(release))
}

/// Path of the record of the run that made the release in a folder.
#[must_use]
pub fn run_record(release: &str) -> String {
    format!("{REPORTS}/{}.json", last_part(release))
}

/// The folder of the release that a file in the reports folder belongs to.
#[must_use]
pub fn release_of_report(path: &str) -> Option<String> {
    let name = path.strip_prefix(REPORTS)?.strip_prefix('/')?;
    let name = name.strip_suffix(".html").or_else(|| name.strip_suffix(".json"))?;
    Some(format!("{RELEASES}/{name}"))
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a file is a claim, a record or a manifest, judging by its name.
#[must_use]
pub fn is_json(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "json")
}

/// Whether a file is a table, judging by its name.
#[must_use]
pub fn is_table(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "parquet")
}

/// Whether a folder is that of a release made by `job`.
#[must_use]
pub fn is_release_of(folder: &str, job: &str) -> bool {
    folder.rsplit_once('-').is_some_and(|(_, short)| short == &job[..SHORT_JOB.min(job.len())])
}

/// Path of a leaf, relative to its catalogue's folder.
#[must_use]
pub fn leaf(tile: Tile) -> String {
    let folder = tile.pixel / PIXELS_PER_FOLDER * PIXELS_PER_FOLDER;
    format!("dataset/Norder={}/Dir={folder}/Npix={}.parquet", tile.order, tile.pixel)
}

/// The tile of a leaf, from its path.
#[must_use]
pub fn tile_of_leaf(path: &str) -> Option<Tile> {
    let mut parts = path.rsplit('/');
    let pixel = parts.next()?.strip_prefix("Npix=")?.strip_suffix(".parquet")?.parse().ok()?;
    let order = parts.nth(1)?.strip_prefix("Norder=")?.parse().ok()?;
    Tile::new(order, pixel).filter(|tile| path.ends_with(&leaf(*tile)))
}

/// Path of a part of the index, relative to the index's folder.
#[must_use]
pub fn index_part(number: usize) -> String {
    format!("dataset/index/part.{number}.parquet")
}

/// The row groups of all files of a catalogue, in its folder.
pub const METADATA: &str = "dataset/_metadata";

/// Name of the margin catalogue of a threshold in arcseconds, as hats-import names it.
#[must_use]
pub fn margin_name(catalogue: &str, arcsec: f64) -> String {
    let (value, unit) = match arcsec {
        a if a < 1.0 => (a * 1000.0, "msec"),
        a if a < 60.0 => (a, "arcs"),
        a if a < 3600.0 => (a / 60.0, "arcmin"),
        a => (a / 3600.0, "deg"),
    };
    format!("{catalogue}_{}{unit}", value.trunc())
}

/// Name of an index catalogue.
#[must_use]
pub fn index_name(catalogue: &str, column: &str) -> String {
    format!("{catalogue}_{column}")
}

/// The file that says from which time on runs are due, if no due time has been begun or has ended yet.
pub const SCHEDULE_SINCE: &str = "schedule/since.json";
/// Folder with a file for each due time that was begun.
pub const SCHEDULE_BEGUN: &str = "schedule/begun";
/// Folder with the outcomes of due times.
pub const SCHEDULE_ENDED: &str = "schedule/ended";
/// Folder of the leases of schedules.
pub const SCHEDULE_LEASES: &str = "schedule/leases";

/// Format of due times in file names; the names sort like the times.
const DUE_TIME: &str = "%Y%m%dT%H%M%SZ";

/// Path of the file for a due time in `folder`, which is [`SCHEDULE_BEGUN`] or [`SCHEDULE_ENDED`].
#[must_use]
pub fn due_entry(folder: &str, due: DateTime<Utc>) -> String {
    format!("{folder}/{}.json", due.format(DUE_TIME))
}

/// The due time that a file is about, from its path.
#[must_use]
pub fn due_time(path: &str) -> Option<DateTime<Utc>> {
    let name = path.rsplit('/').next()?.strip_suffix(".json")?;
    NaiveDateTime::parse_from_str(name, DUE_TIME).ok().map(|time| time.and_utc())
}

/// Path of lease `number` of a schedule; [`log_number`] returns its number.
#[must_use]
pub fn schedule_lease(number: u64) -> String {
    format!("{SCHEDULE_LEASES}/{number:08}.json")
}

/// The paths of a job's files, or of an inference's; both kinds lie in one folder.
#[derive(Debug, Clone)]
pub struct JobPaths {
    folder: String,
}

impl JobPaths {
    /// The paths of the job or the inference with this identity.
    #[must_use]
    pub fn new(job: &str) -> Self {
        Self { folder: format!("{JOBS}/{job}") }
    }

    /// The record of the job.
    #[must_use]
    pub fn spec(&self) -> String {
        format!("{}/job.json", self.folder)
    }

    /// The record of the inference that computes the units.
    #[must_use]
    pub fn inference(&self) -> String {
        format!("{}/inference.json", self.folder)
    }

    /// Folder of the units' claims.
    #[must_use]
    pub fn units(&self) -> String {
        format!("{}/units", self.folder)
    }

    /// The claim of a unit.
    #[must_use]
    pub fn unit_claim(&self, unit: &str) -> String {
        format!("{}/units/{unit}.json", self.folder)
    }

    /// The rows that one attempt at a unit wrote.
    #[must_use]
    pub fn unit_rows(&self, unit: &str, attempt: &str) -> String {
        format!("{}/units/{unit}/{attempt}.parquet", self.folder)
    }

    /// The lease of a unit or a tile.
    #[must_use]
    pub fn lease(&self, task: &str) -> String {
        format!("{}/{task}.json", self.leases())
    }

    /// Folder of the leases.
    #[must_use]
    pub fn leases(&self) -> String {
        format!("{}/leases", self.folder)
    }

    /// Folder of the tiles' claims.
    #[must_use]
    pub fn tiles(&self) -> String {
        format!("{}/tiles", self.folder)
    }

    /// The claim of a tile.
    #[must_use]
    pub fn tile_claim(&self, tile: Tile) -> String {
        format!("{}/tiles/{}-{}.json", self.folder, tile.order, tile.pixel)
    }

    /// Folder of the claims of parts of the collection.
    #[must_use]
    pub fn parts(&self) -> String {
        format!("{}/parts", self.folder)
    }

    /// The claim of a part of the collection.
    #[must_use]
    pub fn part_claim(&self, part: &str) -> String {
        format!("{}/{part}.json", self.parts())
    }

    /// The claim of a check of some files of a release.
    #[must_use]
    pub fn check_claim(&self, check: &str) -> String {
        format!("{}/checks/{check}.json", self.folder)
    }

    /// The rows of a tile near other tiles, written by one attempt.
    #[must_use]
    pub fn border_rows(&self, tile: Tile, attempt: &str) -> String {
        format!("{}/tiles/{}-{}/{attempt}.parquet", self.folder, tile.order, tile.pixel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_are_where_hats_has_them() {
        let tile = Tile::new(6, 47_123).unwrap();
        assert_eq!(leaf(tile), "dataset/Norder=6/Dir=40000/Npix=47123.parquet");
        assert_eq!(tile_of_leaf(&format!("c/{}", leaf(tile))), Some(tile));
        assert_eq!(tile_of_leaf("c/dataset/Norder=6/Dir=0/Npix=47123.parquet"), None);
        assert_eq!(tile_of_leaf("c/data_thumbnail.parquet"), None);
        assert_eq!(margin_name("a", 10.0), "a_10arcs");
        assert_eq!(log_number(&log_entry(12)), Some(12));
        let due = DateTime::from_timestamp(1_796_094_000, 0).unwrap();
        assert_eq!(due_entry(SCHEDULE_ENDED, due), "schedule/ended/20261201T030000Z.json");
        assert_eq!(due_time(&due_entry(SCHEDULE_BEGUN, due)), Some(due));
        let folder = release("1.0.0", "0123456789abcdef");
        assert_eq!(report(&folder), "reports/1.0.0-01234567.html");
        for file in [report(&folder), run_record(&folder)] {
            assert_eq!(release_of_report(&file).as_ref(), Some(&folder));
        }
        assert_eq!(release_of_report("reports/notes.txt"), None);
    }
}
