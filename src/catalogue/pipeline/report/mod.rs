//! Judges whether a release passes the gates of its pipeline, and writes the page about it: what the release is, how
//! its columns compare with the previous release, whether its errors are right, and how it was made. The page is one
//! HTML file with its plots embedded.
//!
//! ```text
//! columns ──> contents ──> binning ───────> counts ─────────> sections ──> page
//! (schema)    (what there  (ranges by a     (every leaf       (pictures,
//!              is to show)  sample)          is read once)     tables)
//! ```
//!
//! Sections whose columns a release does not have are left out.

mod axis_range;
mod binning;
mod contents;
mod counts;
mod findings;
mod gates;
mod pictures;
mod quantity;
mod record;
mod sections;
mod tables;
mod timeline_data;

use datafusion::prelude::SessionContext;

pub use gates::GateCheck;
pub(crate) use gates::judged_gates;
pub use record::{RunRecord, Stage, StageTime};

use findings::{Findings, Release};
use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_plot::html_page;
use lamcat_release::{Storage, commit, paths, publish, releases};

const STYLE: &str = "body{max-width:75em}table{border-collapse:collapse;margin:1em 0}\
                     td,th{padding:.2em .7em;border-bottom:1px solid #ddd;text-align:right}\
                     th{vertical-align:bottom}.text td,.text th{text-align:left;vertical-align:top}\
                     .first td:first-child,.first th:first-child{text-align:left}\
                     .pictures{display:flex;flex-wrap:wrap;gap:1em}.pictures svg{width:36em}\
                     .last td:last-child,.last th:last-child{text-align:left}.text td{overflow-wrap:anywhere}\
                     td:first-child{white-space:nowrap}nav a{margin-right:1em;white-space:nowrap}.wide{overflow-x:auto}";

/// Writes the page about the release in `folder`, and the record of its run, to the reports folder. Returns the path of
/// the page.
///
/// # Errors
/// If the release is incomplete, or the store fails.
pub async fn write(context: &SessionContext, storage: &Storage, folder: &str, record: RunRecord) -> Result<String> {
    let file = paths::run_record(folder);
    let record = match commit::read::<RunRecord>(storage, &file).await? {
        Some(earlier) => record.after(earlier),
        None => record,
    };
    storage.put(&file, serde_json::to_vec_pretty(&record).unwrap_or_default()).await?;
    rewrite(context, storage, folder).await
}

/// Writes the page about the release in `folder` again. Returns its path.
///
/// # Errors
/// The same as for [`page`], or if the store cannot be written to.
pub async fn rewrite(context: &SessionContext, storage: &Storage, folder: &str) -> Result<String> {
    let page = page(context, storage, folder).await?;
    let file = paths::report(folder);
    storage.put(&file, page).await?;
    Ok(storage.shown(&file))
}

/// The page about the release in `folder`, compared with the release that was current before it.
///
/// # Errors
/// If the release is incomplete, or the store fails.
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
    Ok(html_page(&found.title(), STYLE, &sections::all(&found)?))
}
