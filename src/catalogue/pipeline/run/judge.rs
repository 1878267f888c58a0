//! Judges a release before it is published: the release is verified, its gates are evaluated, and its page is written.

use std::sync::Arc;

use lamcat_core::error::{Error, ErrorKind, Result};
use lamcat_release::{
    assemble::Manifest,
    paths,
    publish::{self, current},
    verify::{Check, Fault},
};

use super::{
    prepared::Run,
    progress::{Stopwatch, Watch},
};
use crate::pipeline::report::{self, RunRecord, Stage, judged_gates};

/// What is known about a release before it is published.
#[derive(Default)]
pub(super) struct Judged {
    /// The page about it; `None` if it could not be made.
    pub(super) report: Option<String>,
    /// Gates that it fails, in words.
    pub(super) failed_gates: Vec<String>,
}

impl Run {
    /// Verifies the release, evaluates its gates, and writes its report. Failed gates are an error unless the run
    /// accepts them.
    pub(super) async fn judge(
        self: &Arc<Self>,
        folder: &str,
        manifest: &Manifest,
        watch: &Stopwatch<'_>,
    ) -> Result<Judged> {
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

    /// Withdraws the claims of damaged files of a release that was never published, and deletes its manifest, so that
    /// the next run makes these files again.
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

    /// Writes the page about the release. A good release is published even if its page cannot be made.
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
