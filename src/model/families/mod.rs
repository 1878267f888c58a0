//! The families of networks. A family says which blocks its network has, how large they are, and how its weights are named.
//!
//! The engines run any network that [`Weights`] describe; they do not depend on a family.

mod architecture;
mod leung_bovy_2023;

use std::fmt::Debug;

use lamcat_core::error::{Error, ErrorKind, Result};

pub use architecture::Architecture;

use super::weights::{Place, Weights};

/// A family of networks.
pub trait Family: Debug + Sync {
    /// Its name in model files.
    fn name(&self) -> &'static str;

    /// Returns the layout of the weights of its network, of these sizes and for a vocabulary of `tokens` tokens.
    fn layout(&self, architecture: &Architecture, tokens: usize) -> Weights<Place>;
}

/// The known families. Files that do not name a family are of the first one.
static FAMILIES: [&dyn Family; 1] = [&leung_bovy_2023::LeungBovy2023];

/// The family of files that do not name one.
#[must_use]
pub fn default() -> &'static dyn Family {
    FAMILIES[0]
}

/// Finds a family by its name.
///
/// # Errors
/// If there is no such family.
pub fn family(name: &str) -> Result<&'static dyn Family> {
    FAMILIES.iter().find(|family| family.name() == name).copied().ok_or_else(|| {
        let known: Vec<&str> = FAMILIES.iter().map(|family| family.name()).collect();
        Error::new(ErrorKind::Model, format!("the network is of an unknown family '{name}'"))
            .hint(format!("this lamcat knows: {}; use the lamcat that wrote the file", known.join(", ")))
    })
}
