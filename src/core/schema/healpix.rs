//! Positions on the sky: distances, and HEALPix pixels (Górski et al. 2005, ApJ 622, 759) in the NESTED scheme, for
//! ICRS coordinates in degrees. A level has `12 · 4^level` pixels.

use cdshealpix::{
    best_starting_depth, has_best_starting_depth,
    nested::{self, Layer},
};

/// Deepest HEALPix level: pixels of 0.4 mas.
pub const MAX_LEVEL: u8 = 29;

/// Maximum number of pixels that [`cone_pixels`] returns for one cone.
pub const MAX_CONE_PIXELS: usize = 1 << 20;

/// Added to every radius, in radians: far above the rounding errors of positions (1e-15), far below the smallest pixel
/// (2e-9).
const ROUNDING: f64 = 1e-13;

/// Returns the pixel that contains a position at `level` (0 to [`MAX_LEVEL`]); `None` unless `ra` is finite and `dec`
/// in [-90, 90].
#[must_use]
pub fn pixel(ra: f64, dec: f64, level: u8) -> Option<i64> {
    let (lon, lat) = radians(ra, dec)?;
    (level <= MAX_LEVEL).then(|| nested::hash(level, lon, lat) as i64)
}

/// Returns the angle between two positions, all in degrees, accurate at any separation; NaN if either is not a valid
/// position.
///
/// This is Vincenty's formula, with half angles in place of differences of nearly equal numbers, so that the relative
/// error stays near the rounding of the inputs from microarcseconds to antipodes.
#[must_use]
pub fn sky_distance(ra1: f64, dec1: f64, ra2: f64, dec2: f64) -> f64 {
    if !(-90.0..=90.0).contains(&dec1) || !(-90.0..=90.0).contains(&dec2) {
        return f64::NAN;
    }
    let half = (0.5 * delta_ra(ra1, ra2)).to_radians();
    let cos = |dec: f64| (90.0 - dec.abs()).to_radians().sin();
    let delta_dec = (dec2 - dec1).to_radians();
    separation(half.sin(), half.cos(), (dec1.to_radians().sin(), cos(dec1)), cos(dec2), delta_dec).to_degrees()
}

/// Returns the difference of two right ascensions, in [-180, 180]; differences across ra = 0 do not suffer from the
/// rounding of values near 360.
fn delta_ra(ra1: f64, ra2: f64) -> f64 {
    let turned = |ra: f64| {
        let ra = ra % 360.0;
        if ra.abs() > 180.0 { ra - 360f64.copysign(ra) } else { ra }
    };
    let direct = ra2 - ra1;
    if direct.abs() <= 180.0 { direct } else { turned(turned(ra2) - turned(ra1)) }
}

/// Returns the angle between two positions from the sine and cosine of half the difference in longitude, the sine and
/// cosine of the first latitude, the cosine of the second latitude and the difference of the latitudes; angles are in
/// radians.
fn separation(half_sin: f64, half_cos: f64, (sin1, cos1): (f64, f64), cos2: f64, delta_lat: f64) -> f64 {
    let half2 = half_sin * half_sin;
    let across = cos2 * 2.0 * half_sin * half_cos;
    let along = delta_lat.sin() + 2.0 * sin1 * cos2 * half2;
    across.hypot(along).atan2(delta_lat.cos() - 2.0 * cos1 * cos2 * half2)
}

/// Whether a position is at most `radius` degrees from the centre; `None` if either is not a valid position or the
/// radius is negative.
#[must_use]
pub fn in_cone(ra: f64, dec: f64, ra0: f64, dec0: f64, radius: f64) -> Option<bool> {
    let distance = sky_distance(ra, dec, ra0, dec0);
    (distance.is_finite() && radius >= 0.0).then_some(distance <= radius)
}

/// Returns the pixels at `level` that overlap the cone of `radius` degrees, ascending: all that overlap, and a few at
/// the rim that only come near. `None` if the centre is not a valid position or the radius is negative.
///
/// The cone lies within the nine pixels around its centre at the level that cdshealpix proposes for its radius. From
/// there, level by level, pixels are dropped if their centre is farther away than the radius plus the largest radius of
/// any pixel.
///
/// # Errors
/// The expected number of pixels, if it exceeds [`MAX_CONE_PIXELS`].
pub fn cone_pixels(ra: f64, dec: f64, radius: f64, level: u8) -> Result<Option<Vec<i64>>, f64> {
    let Some((lon, lat)) = radians(ra, dec) else { return Ok(None) };
    if !(radius >= 0.0 && level <= MAX_LEVEL) {
        return Ok(None);
    }
    let radius = radius.min(180.0).to_radians() + ROUNDING;
    let expected = expected_pixels(radius, level);
    if expected > MAX_CONE_PIXELS as f64 {
        return Err(expected);
    }
    let (mut at, mut pixels) = if has_best_starting_depth(radius) {
        let start = best_starting_depth(radius).min(level);
        let layer = nested::get(start);
        let mut pixels = layer.neighbours(layer.hash(lon, lat), true).values_vec();
        pixels.sort_unstable();
        (start, pixels)
    } else {
        (0, (0..12).collect())
    };
    loop {
        let layer = nested::get(at);
        let limit = radius + pixel_radius(at);
        pixels.retain(|p| centre_distance(layer, *p, lon, lat) <= limit);
        if at == level {
            return Ok(Some(pixels.into_iter().map(|p| p as i64).collect()));
        }
        at += 1;
        pixels = pixels.iter().flat_map(|p| (4 * p)..(4 * p + 4)).collect();
    }
}

fn centre_distance(layer: &Layer, pixel: u64, lon: f64, lat: f64) -> f64 {
    let (lon2, lat2) = layer.center(pixel);
    let half = (lon2 - lon) * 0.5;
    separation(half.sin(), half.cos(), lat.sin_cos(), lat2.cos(), lat2 - lat)
}

/// Returns the largest distance from a pixel's centre to its corners over all pixels of a level, in radians: that of
/// the pixel at the edge of the polar cap next to the border of a base pixel.
fn pixel_radius(level: u8) -> f64 {
    let sides = f64::from(1u32 << level);
    let centre = (2f64 / 3.0).asin();
    let corner = (1.0 - (1.0 - 1.0 / sides).powi(2) / 3.0).asin();
    let half = std::f64::consts::FRAC_PI_8 / sides;
    separation(half.sin(), half.cos(), centre.sin_cos(), corner.cos(), corner - centre)
}

/// Returns the ratio of the area of the cone, widened by one pixel, to that of a pixel.
fn expected_pixels(radius: f64, level: u8) -> f64 {
    let wider = (radius + pixel_radius(level)).min(std::f64::consts::PI);
    (0.5 * wider).sin().powi(2) * 12.0 * 4f64.powi(i32::from(level))
}

/// Returns the longitude in [0, 2π) and the latitude, in radians.
fn radians(ra: f64, dec: f64) -> Option<(f64, f64)> {
    let limit = std::f64::consts::FRAC_PI_2;
    (ra.is_finite() && (-90.0..=90.0).contains(&dec)).then(|| {
        let turned = ra.rem_euclid(360.0);
        let turned = if turned < 360.0 { turned } else { 0.0 };
        (turned.to_radians(), dec.to_radians().clamp(-limit, limit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pixel_is_wider_than_the_bound() {
        for level in 0..=6u8 {
            let layer = nested::get(level);
            let bound = pixel_radius(level);
            let mut widest = 0f64;
            for p in 0..12 * 4u64.pow(u32::from(level)) {
                for (lon, lat) in layer.vertices(p) {
                    widest = widest.max(centre_distance(layer, p, lon, lat));
                }
            }
            assert!(widest <= bound + 1e-15, "level {level}: {widest} > {bound}");
            assert!(widest > 0.999 * bound, "level {level}: the bound {bound} is far from {widest}");
        }
    }

    #[test]
    fn odd_positions_have_no_pixel() {
        for (ra, dec) in [(f64::NAN, 0.0), (0.0, f64::NAN), (f64::INFINITY, 0.0), (0.0, 90.000_001), (0.0, -91.0)] {
            assert_eq!(pixel(ra, dec, 5), None);
            assert_eq!(cone_pixels(ra, dec, 1.0, 5), Ok(None));
            assert_eq!(in_cone(ra, dec, 0.0, 0.0, 1.0), None);
        }
        assert_eq!(pixel(0.0, 0.0, 30), None);
        assert_eq!(cone_pixels(0.0, 0.0, -1.0, 5), Ok(None));
        assert_eq!(cone_pixels(0.0, 0.0, f64::NAN, 5), Ok(None));
        assert_eq!(in_cone(0.0, 0.0, 0.0, 0.0, -1.0), None);
    }

    #[test]
    fn right_ascension_wraps() {
        for (ra, turned) in [(-1e-20, 0.0), (370.0, 10.0), (-350.0, 10.0), (360.0, 0.0), (1e308, 1e308 % 360.0)] {
            assert_eq!(pixel(ra, 12.0, 20), pixel(turned, 12.0, 20), "{ra}");
            assert!(sky_distance(ra, 12.0, turned, 12.0) < 1e-10, "{ra}");
        }
    }

    #[test]
    fn a_cone_of_the_whole_sky_has_every_pixel() {
        assert_eq!(cone_pixels(12.0, 34.0, 180.0, 3), Ok(Some((0..768).collect())));
        assert_eq!(cone_pixels(12.0, 34.0, 1e300, 0), Ok(Some((0..12).collect())));
        assert!(cone_pixels(12.0, 34.0, 180.0, 12).is_err_and(|n| n > 2e8));
    }
}
