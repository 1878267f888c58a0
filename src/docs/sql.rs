//! The SQL functions that lamcat adds to those of DataFusion, a page for each.
//!
//! In the examples `stars` has the columns of Gaia's `gaia_source` and `xp_continuous_mean_spectrum`, and `xp`, which is
//! `xp(bp_coefficients, rp_coefficients, phot_g_mean_mag)`.

use super::pages;

pages!(
    "sql/":
    lam_infer,
    lam_error,
    lam_predict,
    lam_spectrum,
    lam_spectrum_error,
    lam_inpaint,
    lam_embed,
    lam_ood_score,
    lam_flags,
    lam_context,
    xp,
    xp_calibrate,
    xp_calibrate_error,
    xp_wavelength,
    xp_convert,
    xp_convert_error,
    xp_synth_mag,
    xp_synth_mag_error,
    xp_synth_flux,
    xp_synth_flux_error,
    gaia_healpix,
    mag_to_flux,
    flux_to_mag,
    parallax_zero_point,
    healpix,
    healpix_29,
    cone,
    cone_pixels,
    sky_distance,
    fakemag,
    fakemag_error,
    absmag,
    extinction_curve,
);
