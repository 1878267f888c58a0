//! What a worker must know of the session whose stages it runs: version, models and settings.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use datafusion::{common::Result, config::ConfigOptions, prelude::SessionConfig};
use http::{HeaderMap, HeaderName, HeaderValue};
use lamcat_core::error::{Error, ErrorKind};
use lamcat_model::inference::{Engine, Precision};
use lamcat_sql::{planner::LamcatOptions, session::Session};
use serde::{Deserialize, Serialize};

use crate::codec::unknown_model;

/// The version that all members of a cluster must have, since plans of one are not those of another.
pub const VERSION: &str = concat!("lamcat ", env!("CARGO_PKG_VERSION"), " datafusion 55");

const HEADER: HeaderName = HeaderName::from_static("x-lamcat-session");

/// Settings that each machine has for itself.
const OF_MACHINES: [&str; 2] = ["datafusion.execution.target_partitions", "lamcat.batch_rows"];

/// What a session tells the workers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    version: String,
    /// Content hash of the model that calls without a model's name use.
    default_model: String,
    /// Content hashes of the models by name.
    models: BTreeMap<String, String>,
    /// The precision in which models compute.
    precision: Precision,
    /// Settings that are not DataFusion's defaults.
    options: BTreeMap<String, String>,
}

impl Settings {
    pub(crate) fn of(config: &SessionConfig, engine: &Engine, precision: Precision) -> Result<Self> {
        let usual: BTreeMap<String, Option<String>> =
            SessionConfig::new().options().entries().into_iter().map(|entry| (entry.key, entry.value)).collect();
        let is_sent = |key: &str, value: &Option<String>| {
            !OF_MACHINES.contains(&key)
                && (key.starts_with("datafusion.") || key.starts_with("lamcat."))
                && usual.get(key) != Some(value)
        };
        let options = config.options().entries().into_iter();
        let options = options.filter(|entry| is_sent(&entry.key, &entry.value));
        Ok(Self {
            version: VERSION.to_owned(),
            default_model: engine.model(None)?.hash().to_owned(),
            models: engine.models().iter().map(|m| (m.name().to_owned(), m.hash().to_owned())).collect(),
            precision,
            options: options.filter_map(|entry| Some((entry.key, entry.value?))).collect(),
        })
    }

    pub(crate) fn to_headers(&self) -> Result<HeaderMap> {
        let damaged =
            |e: &dyn std::fmt::Display| Error::new(ErrorKind::Internal, format!("cannot write settings: {e}"));
        let text = serde_json::to_vec(self).map_err(|e| damaged(&e))?;
        let value = HeaderValue::from_str(&BASE64_STANDARD.encode(text)).map_err(|e| damaged(&e))?;
        Ok(HeaderMap::from_iter([(HEADER, value)]))
    }

    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Self, Error> {
        let Some(value) = headers.get(&HEADER) else {
            return Err(Error::new(ErrorKind::Config, "the request does not say which session it comes from"));
        };
        let damaged = || Error::new(ErrorKind::Config, "the settings of the session cannot be read");
        let text = BASE64_STANDARD.decode(value.as_bytes()).map_err(|e| damaged().source(e))?;
        serde_json::from_slice(&text).map_err(|e| damaged().source(e))
    }

    /// Checks that this worker gives the same results as the session would.
    pub(crate) fn check(&self, session: &Session) -> Result<(), Error> {
        let engine = session.engine();
        if self.version != VERSION {
            let message = format!("the session is {}, the worker is {VERSION}", self.version);
            return Err(Error::new(ErrorKind::Config, message).hint("run the same version of lamcat on all machines"));
        }
        let own = engine.models();
        for (name, hash) in &self.models {
            let known = own.iter().find(|model| model.name() == name);
            if known.is_none_or(|model| model.hash() != hash) {
                return Err(unknown_model(name, hash));
            }
        }
        let default = engine.model(None)?;
        if default.hash() != self.default_model {
            let message = format!("the default model of the worker is {}, not that of the session", default.name());
            let hint = "start every worker with the same --model files as the session, in the same order";
            return Err(Error::new(ErrorKind::Plan, message).hint(hint));
        }
        if session.precision() != self.precision {
            let message = format!("the worker computes in {}, the session in {}", session.precision(), self.precision);
            return Err(Error::new(ErrorKind::Config, message).hint("give --precision to all of them, or to none"));
        }
        Ok(())
    }

    /// Returns the options of a worker's session whose own ones are `own`: those of the asking session, except for what each
    /// machine has for itself.
    pub(crate) fn options(&self, own: &ConfigOptions) -> Result<ConfigOptions> {
        let mut options = ConfigOptions::default();
        options.execution.target_partitions = own.execution.target_partitions;
        if let Some(lamcat) = own.extensions.get::<LamcatOptions>() {
            options.extensions.insert(lamcat.clone());
        }
        self.options.iter().try_for_each(|(key, value)| options.set(key, value))?;
        Ok(options)
    }
}
