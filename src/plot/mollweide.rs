//! The Mollweide projection, which maps the whole sphere to an ellipse and preserves areas.

use std::f64::consts::{FRAC_PI_2, PI};

/// Number of bisections of the interval that contains the auxiliary angle: enough for 1e-15.
const HALVINGS: usize = 52;

/// Returns the position of a longitude from -180 to 180 and a latitude, both in degrees, on the ellipse with semi-axes
/// 2 and 1, with x to the east and y to the north (Snyder 1987, USGS Professional Paper 1395, equations 31-1 to 31-3).
/// Longitudes beyond 180 have positions outside the ellipse.
#[must_use]
pub fn mollweide(longitude: f64, latitude: f64) -> (f64, f64) {
    let wanted = PI * latitude.to_radians().sin();
    let (mut low, mut high) = (-FRAC_PI_2, FRAC_PI_2);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        // 2 theta + sin 2 theta increases with theta.
        if 2.0 * middle + (2.0 * middle).sin() > wanted { high = middle } else { low = middle }
    }
    let theta = 0.5 * (low + high);
    (longitude / 90.0 * theta.cos(), theta.sin())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_snyders_equations() {
        // The auxiliary angle was computed with scipy.optimize.brentq.
        let known = [
            ((0.0, 0.0), (0.0, 0.0)),
            ((90.0, 0.0), (1.0, 0.0)),
            ((180.0, 0.0), (2.0, 0.0)),
            ((45.0, 30.0), (0.457_385_509, 0.403_972_753)),
            ((-120.0, -60.0), (-0.862_829_920, -0.762_386_088)),
            ((10.0, 89.0), (0.007_891_864, 0.997_474_409)),
            ((179.0, 75.0), (0.841_616_567, 0.906_055_362)),
            ((-180.0, 45.0), (-1.611_814_588, 0.592_041_750)),
        ];
        for ((longitude, latitude), (x, y)) in known {
            let found = mollweide(longitude, latitude);
            assert!((found.0 - x).abs() < 1e-8 && (found.1 - y).abs() < 1e-8, "{longitude} {latitude}: {found:?}");
        }
        // At the poles the angle is a double root, so it has only half the digits.
        let pole = mollweide(60.0, 90.0);
        assert!(pole.0.abs() < 1e-4 && (pole.1 - 1.0).abs() < 1e-8, "{pole:?}");
    }

    #[test]
    fn equal_areas_stay_equal() {
        // The ellipse has the same share of a band around the sphere as the sphere itself: half of sin(latitude).
        let band = |latitude: f64| {
            let y = mollweide(0.0, latitude).1;
            // Area of an ellipse with semi-axes 2 and 1 between 0 and y.
            2.0 * (y * (1.0 - y * y).sqrt() + y.asin()) / (2.0 * PI)
        };
        for latitude in [5.0_f64, 23.4, 60.0, 85.0] {
            assert!((band(latitude) - latitude.to_radians().sin() / 2.0).abs() < 1e-9, "{latitude}");
        }
    }
}
