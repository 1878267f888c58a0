//! The zero point of Gaia (E)DR3 parallaxes (Lindegren et al. 2021, A&A 649, A4, Appendix A).

/// `astrometric_params_solved` of a five-parameter solution.
const FIVE_PARAMETERS: i64 = 31;
/// `astrometric_params_solved` of a six-parameter solution.
const SIX_PARAMETERS: i64 = 95;

/// The G magnitudes for which the coefficients are given; between them the coefficients are interpolated linearly.
const MAGNITUDES: [f64; 13] = [6.0, 10.8, 11.2, 11.8, 12.2, 12.9, 13.1, 15.9, 16.1, 17.5, 19.0, 20.0, 21.0];

/// For each column of [`FIVE`] the indices j and k of the basis functions of colour and latitude.
const FIVE_TERMS: [(usize, usize); 8] = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (3, 0), (4, 0)];

/// Table 9: coefficients of five-parameter solutions, in µas; the numbers are those of the authors' package
/// gaiadr3-zeropoint 0.1.0 (see NOTICE.txt).
const FIVE: [[f64; 8]; 13] = [
    [-26.98, -9.62, 27.40, -25.1, 0.0, -1257.0, 0.0, 0.0],
    [-27.23, -3.07, 23.04, 35.3, 15.7, -1257.0, 0.0, 0.0],
    [-30.33, -9.23, 9.08, -88.4, -11.8, -1257.0, 0.0, 0.0],
    [-33.54, -10.08, 13.28, -126.7, 11.6, -1257.0, 0.0, 0.0],
    [-13.65, -0.07, 9.35, -111.4, 40.6, -1257.0, 0.0, 0.0],
    [-19.53, -1.64, 15.86, -66.8, 20.6, -1257.0, 0.0, 0.0],
    [-37.99, 2.63, 16.14, -5.7, 14.0, -1257.0, 107.9, 104.3],
    [-38.33, 5.61, 15.42, 0.0, 18.7, -1189.0, 243.8, 155.2],
    [-31.05, 2.83, 8.59, 0.0, 15.5, -1404.0, 105.5, 170.7],
    [-29.18, -0.09, 2.41, 0.0, 24.5, -1165.0, 189.7, 325.0],
    [-18.40, 5.98, -6.46, 0.0, 5.5, 0.0, 0.0, 276.6],
    [-12.65, -4.57, -7.46, 0.0, 97.9, 0.0, 0.0, 0.0],
    [-18.22, -15.24, -18.54, 0.0, 128.2, 0.0, 0.0, 0.0],
];

/// For each column of [`SIX`] the indices j and k.
const SIX_TERMS: [(usize, usize); 7] = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)];

/// Table 10: coefficients of six-parameter solutions, in µas; same source.
const SIX: [[f64; 7]; 13] = [
    [-27.85, -7.78, 27.47, -32.1, 14.4, 9.5, -67.0],
    [-28.91, -3.57, 22.92, 7.7, 12.6, 1.6, -572.0],
    [-26.72, -8.74, 9.36, -30.3, 5.6, 17.2, -1104.0],
    [-29.04, -9.69, 13.63, -49.4, 36.3, 17.7, -1129.0],
    [-12.39, -2.16, 10.23, -92.6, 19.8, 27.6, -365.0],
    [-18.99, -1.93, 15.90, -57.2, -8.0, 19.9, -554.0],
    [-38.29, 2.59, 16.20, -10.5, 1.4, 0.4, -960.0],
    [-36.83, 4.20, 15.76, 22.3, 11.1, 10.0, -1367.0],
    [-28.37, 1.99, 9.28, 50.4, 17.2, 13.7, -1351.0],
    [-24.68, -1.37, 3.52, 86.8, 19.8, 21.3, -1380.0],
    [-15.32, 4.01, -6.03, 29.2, 14.1, 0.4, -563.0],
    [-13.73, -10.92, -8.30, -74.4, 196.4, -42.0, 536.0],
    [-29.53, -20.34, -18.74, -39.5, 326.8, -262.3, 1598.0],
];

/// Returns the parallax zero point in mas, to be subtracted from the catalogue's parallax.
///
/// `nu_eff` (µm⁻¹) is used for five-parameter solutions (`astrometric_params_solved` 31), `pseudocolour` (µm⁻¹) for
/// six-parameter ones (95); `ecl_lat` is the ecliptic latitude in degrees. The result is `None` for other solutions and
/// outside the range for which the recipe was determined: 6 < G < 21, 1.1 < `nu_eff` < 1.9, 1.24 < `pseudocolour` <
/// 1.72.
#[must_use]
pub fn parallax_zero_point(
    phot_g_mean_mag: f64,
    nu_eff: Option<f64>,
    pseudocolour: Option<f64>,
    ecl_lat: f64,
    astrometric_params_solved: i64,
) -> Option<f64> {
    let inside = |x: f64, low: f64, high: f64| x > low && x < high;
    if !inside(phot_g_mean_mag, 6.0, 21.0) || !(-90.0..=90.0).contains(&ecl_lat) {
        return None;
    }
    let sin_beta = ecl_lat.to_radians().sin();
    let micro = match astrometric_params_solved {
        FIVE_PARAMETERS => {
            let colour = nu_eff.filter(|c| inside(*c, 1.1, 1.9))?;
            sum(&FIVE, &FIVE_TERMS, phot_g_mean_mag, colour, sin_beta)
        }
        SIX_PARAMETERS => {
            let colour = pseudocolour.filter(|c| inside(*c, 1.24, 1.72))?;
            sum(&SIX, &SIX_TERMS, phot_g_mean_mag, colour, sin_beta)
        }
        _ => return None,
    };
    Some(micro / 1000.0)
}

/// Returns the sum of the interpolated coefficients times the basis functions of colour and latitude.
fn sum<const N: usize>(
    table: &[[f64; N]; 13],
    terms: &[(usize, usize); N],
    mag: f64,
    colour: f64,
    sin_beta: f64,
) -> f64 {
    let c = [
        1.0,
        (colour - 1.48).clamp(-0.24, 0.24),
        (1.48 - colour).clamp(0.0, 0.24).powi(3),
        (colour - 1.24).min(0.0),
        (colour - 1.72).max(0.0),
    ];
    let b = [1.0, sin_beta, sin_beta * sin_beta - 1.0 / 3.0];
    let left = MAGNITUDES.partition_point(|m| *m <= mag).clamp(1, MAGNITUDES.len() - 1) - 1;
    let h = (mag - MAGNITUDES[left]) / (MAGNITUDES[left + 1] - MAGNITUDES[left]);
    let coefficients = table[left].iter().zip(&table[left + 1]).map(|(q, r)| (1.0 - h) * q + h * r);
    coefficients.zip(terms).map(|(q, (j, k))| q * c[*j] * b[*k]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_its_range_there_is_no_zero_point() {
        let five = |g, colour, beta| parallax_zero_point(g, Some(colour), None, beta, 31);
        assert!(five(15.0, 1.5, 0.0).is_some_and(|z| z < -0.02 && z > -0.06));
        for (g, colour, beta) in [
            (6.0, 1.5, 0.0),
            (21.0, 1.5, 0.0),
            (15.0, 1.1, 0.0),
            (15.0, 1.9, 0.0),
            (15.0, 1.5, 91.0),
            (f64::NAN, 1.5, 0.0),
            (15.0, f64::NAN, 0.0),
            (15.0, 1.5, f64::NAN),
        ] {
            assert_eq!(five(g, colour, beta), None, "{g} {colour} {beta}");
        }
        assert_eq!(parallax_zero_point(15.0, Some(1.5), None, 0.0, 95), None);
        assert_eq!(parallax_zero_point(15.0, Some(1.5), Some(1.24), 0.0, 95), None);
        assert!(parallax_zero_point(15.0, None, Some(1.5), 0.0, 95).is_some());
        assert_eq!(parallax_zero_point(15.0, Some(1.5), Some(1.5), 0.0, 3), None);
    }
}
