//! A prepared run: the session, the pipeline, the storage and the job, which all stages use.

use std::sync::Arc;

use arrow::datatypes::Schema;
use lamcat_core::error::Result;
use lamcat_model::Model;
use lamcat_release::{Storage, assemble::Manifest, releases, verify::missing_files};
use lamcat_sql::session::{LazyStores, Session};

use super::{job::Job, prepared_at::PreparedAt};
use crate::pipeline::document::{Pipeline, check_query};

/// A run that is ready to be executed.
pub struct Run {
    pub(super) session: Session,
    pub(super) pipeline: Pipeline,
    pub(super) storage: Storage,
    pub(super) job: Job,
    pub(super) prepared_at: PreparedAt,
    /// Whether a release is published even if it fails gates.
    pub(super) accepting: bool,
}

impl Run {
    /// Opens a session for `pipeline`, with the `stores` of another session if given, checks the pipeline and prepares
    /// a run.
    ///
    /// # Errors
    /// If the model or an input cannot be read, the query is not suitable for a catalogue, or the store cannot be
    /// opened.
    pub async fn open(pipeline: Pipeline, stores: Option<Arc<LazyStores>>) -> Result<Self> {
        let session = pipeline.open_session_with(stores).await?;
        pipeline.register_inputs(&session).await?;
        let checked = Box::pin(check_query(&session, &pipeline)).await?;
        let model = session.engine().model(None)?;
        Box::pin(Self::prepare(session, pipeline, &model, &checked.schema)).await
    }

    /// Prepares a run of `pipeline`, whose query returns `columns`. The session has `model` as its default model and
    /// the
    /// inputs as tables ([`Pipeline::register_inputs`]).
    ///
    /// # Errors
    /// If the inputs cannot be read or the store cannot be opened.
    pub async fn prepare(session: Session, pipeline: Pipeline, model: &Model, columns: &Schema) -> Result<Self> {
        let storage = session.storage(pipeline.root().exposed())?;
        let prepared_at = PreparedAt::now(&storage).await?;
        let job = Job::prepare(&session, &pipeline, model, columns).await?;
        Ok(Self { session, pipeline, storage, job, prepared_at, accepting: false })
    }

    /// The job.
    #[must_use]
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// The same run, except that it publishes a release even if it fails gates.
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

    /// The manifest of the release in `folder`, if this job finished the release and its files still exist.
    pub(super) async fn finished(&self, folder: &str) -> Result<Option<Manifest>> {
        let manifest = releases::manifest(&self.storage, folder).await?;
        let Some(manifest) = manifest.filter(|manifest| manifest.job == self.job.id) else { return Ok(None) };
        let faults = missing_files(&self.storage, folder).await?;
        Ok(faults.is_empty().then_some(manifest))
    }
}
