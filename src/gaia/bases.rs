//! The bases of functions on which Gaia's releases give BP and RP spectra.

use lamcat_core::{
    error::{Error, ErrorKind, Result},
    schema::Basis,
};

/// Number of coefficients of a BP spectrum in Gaia DR4; in DR3 both photometers have 55.
pub(super) const DR4_BP_COEFFICIENTS: usize = 51;

/// Returns the bases of Gaia DR3 (numbers 56 and 57 in the archive) and of Gaia DR4.
pub(super) fn bases() -> Vec<Basis> {
    let dr3 = Basis::unsaid();
    let mut dr4 = Basis { name: "gaia-dr4-xp".to_owned(), ..dr3.clone() };
    dr4.blocks[0].length = DR4_BP_COEFFICIENTS;
    vec![dr3, dr4]
}

/// Advice for spectra that the tables of the `xp_*` functions do not cover.
pub(super) const BASIS_HINT: &str = "the models and the tables of xp_* are for spectra of Gaia DR3, with 55 coefficients a band on the bases \
                              56 (BP) and 57 (RP): use those; where 51 of a DR3 spectrum were kept, fill the list up to 55 with NULL";

/// Checks that the number of coefficients of one band is not that of BP in Gaia DR4, for which there are no tables.
///
/// # Errors
/// If it is; the message names the release.
pub(super) fn check_band_length(name: &str, length: usize) -> Result<()> {
    if length != DR4_BP_COEFFICIENTS {
        return Ok(());
    }
    let message = format!("{name} has {length} coefficients, as spectra of Gaia DR4 have");
    Err(Error::new(ErrorKind::Plan, message).hint(BASIS_HINT))
}

#[cfg(test)]
mod tests {
    use lamcat_core::survey;

    use super::*;

    #[test]
    fn lists_of_another_basis_are_told_by_their_length_and_name() {
        let [dr3, dr4] = &bases()[..] else { panic!("there are two bases") };
        assert_eq!([dr3.length(), dr4.length()], [110, 106]);
        for (model, other) in [(dr3, dr4), (dr4, dr3)] {
            let by_length = survey::check_length(model, other.length()).unwrap_err().to_string();
            let by_name = model.check_name(&other.name).unwrap_err().to_string();
            for text in [by_length, by_name] {
                assert!(text.contains(&model.name) && text.contains(&other.name), "{text}");
            }
            assert!(survey::check_length(model, model.length()).is_ok() && survey::check_length(model, 7).is_ok());
        }
    }
}
