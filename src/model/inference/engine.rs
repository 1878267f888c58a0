//! The device and the models that a session can use.

use std::{
    collections::BTreeMap,
    hash::{Hash, Hasher},
    sync::{Arc, PoisonError, RwLock},
};

use lamcat_core::error::{Error, ErrorKind, Result};

use super::{
    backend::{Backend, Precision},
    cpu::CpuBackend,
    device::Device,
    device_kind::DeviceKind,
};
use crate::{Model, default};

/// The settings of an engine.
pub struct EngineOptions {
    /// The backends, at least one and all alike, each for a thread of its own.
    pub backends: Vec<Box<dyn Backend>>,
}

impl EngineOptions {
    /// Returns the options for a device and a precision; the CPU uses `threads` threads, or one per core available to
    /// the process if `None`.
    ///
    /// # Errors
    /// If the device is missing or does not support `precision`, or the operating system cannot start threads.
    pub fn on(device: DeviceKind, precision: Precision, threads: Option<usize>) -> Result<Self> {
        Ok(Self { backends: device.backends(precision, threads)? })
    }
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { backends: CpuBackend::default().overlapping() }
    }
}

/// A device and the registered models; one of them is the default.
#[derive(Debug)]
pub struct Engine {
    device: Device,
    models: RwLock<Models>,
}

#[derive(Debug)]
struct Models {
    by_name: BTreeMap<String, Arc<Model>>,
    default: String,
}

impl Engine {
    /// Starts an engine with the embedded model as the default.
    ///
    /// # Errors
    /// If the device thread cannot be started.
    pub fn start(options: EngineOptions) -> Result<Arc<Self>> {
        let model = Arc::new(default::model()?);
        let default = model.name().to_owned();
        let models = Models { by_name: BTreeMap::from([(default.clone(), model)]), default };
        Ok(Arc::new(Self { device: Device::start(options.backends)?, models: RwLock::new(models) }))
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Registers a model under its name and makes it the default.
    pub fn set_default_model(&self, model: Model) {
        let name = model.name().to_owned();
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        models.by_name.insert(name.clone(), Arc::new(model));
        models.default = name;
    }

    /// Registers a model under its name.
    pub fn register_model(&self, model: Model) {
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        models.by_name.insert(model.name().to_owned(), Arc::new(model));
    }

    /// Returns the model called `name`, or the default one if `None`.
    ///
    /// # Errors
    /// If no model has this name; the hint lists the registered ones.
    pub fn model(&self, name: Option<&str>) -> Result<Arc<Model>> {
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        let name = name.unwrap_or(&models.default);
        models.by_name.get(name).cloned().ok_or_else(|| {
            let known: Vec<_> = models.by_name.keys().map(String::as_str).collect();
            Error::new(ErrorKind::Plan, format!("unknown model '{name}'"))
                .hint(format!("registered models: {}; add one with --model FILE", known.join(", ")))
        })
    }

    /// Returns every registered model, sorted by name.
    #[must_use]
    pub fn models(&self) -> Vec<Arc<Model>> {
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        models.by_name.values().cloned().collect()
    }
}

// Engines are compared by identity: SQL functions of two engines are different functions.
impl PartialEq for Engine {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Engine {}

impl Hash for Engine {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::hash(self, state);
    }
}
