//! The result of a function is in the range of its definition, whatever its arguments are.

use lamcat::{
    extinction::{CCM89, F99, G23, O94},
    gaia::{SOURCE_ID_LEVEL, parallax_zero_point, photometry, source_id_pixel},
    schema::{absmag, fakemag, fakemag_error, healpix},
};
use proptest::{prelude::*, strategy::Union};

/// Numbers of every magnitude, including those that mean "none" in catalogues.
fn number() -> impl Strategy<Value = f64> {
    let usual = (-400.0..400.0f64).boxed();
    let words =
        prop::sample::select(vec![f64::NAN, f64::INFINITY, -f64::INFINITY, 0.0, -0.0, -9999.0, 99.99, 1e300, 5e-324]);
    Union::new([usual, any::<f64>().boxed(), words.boxed()])
}

fn undefined_or(value: f64, fits: impl Fn(f64) -> bool) -> bool {
    !value.is_finite() || fits(value)
}

proptest! {
    #[test]
    fn pixels_exist(id in any::<i64>(), ra in number(), dec in number(), level in 0u8..=255) {
        let exists = |pixel: i64| level <= healpix::MAX_LEVEL && (0..12i64 << (2 * level)).contains(&pixel);
        prop_assert!(source_id_pixel(id, level).is_none_or(|p| exists(p) && level <= SOURCE_ID_LEVEL));
        prop_assert!(healpix::pixel(ra, dec, level).is_none_or(exists));
        prop_assert!(healpix::pixel(ra, dec, level).is_none() || (-90.0..=90.0).contains(&dec));
    }

    #[test]
    fn angles_are_angles(ra in number(), dec in number(), ra2 in number(), dec2 in number(), radius in number()) {
        prop_assert!(undefined_or(healpix::sky_distance(ra, dec, ra2, dec2), |d| (0.0..=180.0).contains(&d)));
        if let Some(inside) = healpix::in_cone(ra, dec, ra2, dec2, radius) {
            prop_assert!(radius >= 0.0 && (!inside || healpix::sky_distance(ra, dec, ra2, dec2) <= radius));
        }
        if let Ok(Some(pixels)) = healpix::cone_pixels(ra, dec, radius, 3) {
            prop_assert!(pixels.iter().all(|p| (0..768).contains(p)));
        }
    }

    #[test]
    fn luminosities_have_the_sign_of_the_parallax_and_errors_none(
        parallax in number(), error in number(), mag in number(), mag_error in number(),
    ) {
        let luminosity = fakemag(parallax, mag);
        prop_assert!(undefined_or(luminosity, |v| v == 0.0 && parallax.abs() < 1.0 || v.signum() == parallax.signum()));
        let error = fakemag_error(parallax, error, mag, mag_error);
        prop_assert!(undefined_or(error, |v| v >= 0.0));
        prop_assert!(absmag(parallax, mag, 0.0).is_nan() || parallax > 0.0);
    }

    #[test]
    fn fluxes_are_positive(mag in number(), flux in number()) {
        for zero in [photometry::G_ZERO_POINT, photometry::BP_ZERO_POINT, photometry::RP_ZERO_POINT] {
            prop_assert!(undefined_or(photometry::flux_from_mag(mag, zero), |f| f > 0.0));
            prop_assert!(photometry::mag_from_flux(flux, zero).is_nan() || flux > 0.0);
        }
    }

    #[test]
    fn zero_points_are_a_fraction_of_a_milliarcsecond(
        g in number(), nu in number(), colour in number(), lat in number(), solved in prop::sample::select(vec![31i64, 95, 3, -1]),
    ) {
        let zero = parallax_zero_point(g, Some(nu), Some(colour), lat, solved);
        prop_assert!(zero.is_none_or(|z| z.abs() < 1.0 && (6.0..21.0).contains(&g)));
    }

    #[test]
    fn extinction_is_not_negative(nm in number(), rv in number()) {
        for curve in [CCM89.at(nm, rv), O94.at(nm, rv), F99.at(nm, rv), G23.at(nm, rv)] {
            prop_assert!(curve.is_none_or(|a| (0.0..100.0).contains(&a) && nm > 0.0));
        }
    }
}
