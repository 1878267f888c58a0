//! The families of networks: which blocks they have, of which sizes, and what they call their weights.
//!
//! The engines run whatever [`Weights`] describe and know no family.

mod leung_bovy_2023;

use std::fmt::Debug;

use lamcat_core::error::{Error, ErrorKind, Result};

use super::{
    config::Architecture,
    weights::{Place, Weights},
};

/// A family of networks.
pub trait Family: Debug + Sync {
    /// Its name in model files.
    fn name(&self) -> &'static str;

    /// The weights of its network of these sizes for a vocabulary of `tokens` tokens.
    fn layout(&self, architecture: &Architecture, tokens: usize) -> Weights<Place>;
}

/// The families; the first is that of files that name none.
static FAMILIES: [&dyn Family; 1] = [&leung_bovy_2023::LeungBovy2023];

/// The family of files that name none.
#[must_use]
pub fn default() -> &'static dyn Family {
    FAMILIES[0]
}

/// The family of a name.
///
/// # Errors
/// If there is none.
pub fn family(name: &str) -> Result<&'static dyn Family> {
    FAMILIES.iter().find(|family| family.name() == name).copied().ok_or_else(|| {
        let known: Vec<&str> = FAMILIES.iter().map(|family| family.name()).collect();
        Error::new(ErrorKind::Model, format!("the network is of an unknown family '{name}'"))
            .hint(format!("this lamcat knows: {}; use the lamcat that wrote the file", known.join(", ")))
    })
}
