//! The bases of functions that Gaia's releases give BP and RP spectra on.

use crate::error::{Error, ErrorKind};

/// A release's basis.
pub(super) struct GaiaBasis {
    pub(super) name: &'static str,
    /// Coefficients of BP and of RP.
    pub(super) lengths: [usize; 2],
}

/// Coefficients of a BP spectrum of Gaia DR4; in DR3 both photometers have 55.
pub const OTHER_BAND: usize = 51;

/// Those of Gaia DR3 (bases number 56 and 57 of the archive) and of Gaia DR4, the first one of the models that do not say
/// which they are for.
pub(super) const GAIA_BASES: [GaiaBasis; 2] = [
    GaiaBasis { name: "gaia-dr3-xp", lengths: [55, 55] },
    GaiaBasis { name: "gaia-dr4-xp", lengths: [OTHER_BAND, 55] },
];

/// What spectra the tables of the `xp_*` functions are for.
pub const BASIS_HINT: &str = "the models and the tables of xp_* are for spectra of Gaia DR3, with 55 coefficients a band on the bases \
                              56 (BP) and 57 (RP): use those; where 51 of a DR3 spectrum were kept, fill the list up to 55 with NULL";

/// Checks that the coefficients of one band are not as many as those of BP in Gaia DR4, for which there are no tables.
///
/// # Errors
/// If they are; the message names the release.
pub fn check_length(name: &str, length: usize) -> Result<(), Error> {
    if length != OTHER_BAND {
        return Ok(());
    }
    let message = format!("{name} has {length} coefficients, as spectra of Gaia DR4 have");
    Err(Error::new(ErrorKind::Plan, message).hint(BASIS_HINT))
}
