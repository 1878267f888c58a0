//! The bases of functions that Gaia's releases give spectra on. Coefficients on one mean nothing on another: a plausible number
//! would come out.

use crate::error::{Error, ErrorKind};

/// Coefficients of a band of Gaia DR3.
const BAND: usize = 55;
/// Coefficients of a BP spectrum of Gaia DR4; in DR3 both bands have 55.
pub const OTHER_BAND: usize = 51;
/// Those of both bands of DR4, one after the other.
const OTHER_SPECTRUM: usize = OTHER_BAND + BAND;
/// What spectra the models are for.
pub const BASIS_HINT: &str = "the models and the tables of xp_* are for spectra of Gaia DR3, with 55 coefficients a band on the bases \
                              56 (BP) and 57 (RP): use those; where 51 of a DR3 spectrum were kept, fill the list up to 55 with NULL";

/// Checks that a list of coefficients, of a band or a whole spectrum, is not as long as those of another release are.
///
/// # Errors
/// If it is; the message names the release.
pub fn check_length(name: &str, length: usize) -> Result<(), Error> {
    if ![OTHER_BAND, OTHER_SPECTRUM].contains(&length) {
        return Ok(());
    }
    let message = format!("{name} has {length} coefficients, as spectra of Gaia DR4 have");
    Err(Error::new(ErrorKind::Plan, message).hint(BASIS_HINT))
}
