//! Gordon et al. (2023, ApJ 950, 86): (a(x) + b(x) (1/R(V) − 1/3.1)) / 0.9854.
//!
//! The infrared, optical and ultraviolet shapes blend over 0.9-1.1 µm and 0.30-0.33 µm. The divisor corrects the offset
//! between the law's ground-based and space-based data, as in `dust_extinction`, the package of its authors; the
//! numbers are taken from that package (see NOTICE.txt).

use super::{fitzpatrick_massa, polynomial};

const NORMALISATION: f64 = 0.9854;

/// A Drude profile's amplitude, centre and width.
type Drude = [f64; 3];

/// The shape in the optical: a polynomial (highest power first) and three Drude profiles in µm⁻¹.
struct Optical {
    polynomial: [f64; 5],
    amplitudes: [f64; 3],
}

const OPTICAL_A: Optical =
    Optical { polynomial: [0.00674, -0.05403, 0.08746, 0.7122, -0.35848], amplitudes: [0.03893, 0.02965, 0.01747] };
const OPTICAL_B: Optical =
    Optical { polynomial: [0.03355, -0.39299, 2.01901, -2.68335, 0.12354], amplitudes: [0.18453, 0.19728, 0.1713] };

/// Centre and width of the optical profiles.
const OPTICAL_PROFILES: [(f64, f64); 3] = [(2.288, 0.243), (2.054, 0.179), (1.587, 0.243)];

const ULTRAVIOLET_A: [f64; 6] = [0.81297, 0.2775, 1.06295, 0.11303, 4.60, 0.99];
const ULTRAVIOLET_B: [f64; 6] = [-2.97868, 1.89808, 3.10334, 0.65484, 4.60, 0.99];

pub(super) fn g23(x: f64, rv: f64) -> f64 {
    let wavelength = 1.0 / x;
    let (a, b) = if wavelength >= 0.9 {
        let infrared = (infrared_a(wavelength), -1.01251 * wavelength.powf(-1.06099));
        if wavelength <= 1.1 { blend(optical(x), infrared, smooth_step(wavelength, 0.9, 1.1)) } else { infrared }
    } else if wavelength > 0.33 {
        optical(x)
    } else {
        let ultraviolet = (fitzpatrick_massa(x, ULTRAVIOLET_A), fitzpatrick_massa(x, ULTRAVIOLET_B));
        blend(ultraviolet, optical(x), smooth_step(wavelength, 0.3, 0.33))
    };
    (a + b * (1.0 / rv - 1.0 / 3.1)) / NORMALISATION
}

fn blend(from: (f64, f64), to: (f64, f64), weight: f64) -> (f64, f64) {
    let mix = |f: f64, t: f64| (1.0 - weight) * f + weight * t;
    (mix(from.0, to.0), mix(from.1, to.1))
}

/// Returns 0 below `low`, 1 above `high`, and a cubic with flat ends between them.
fn smooth_step(x: f64, low: f64, high: f64) -> f64 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

fn optical(x: f64) -> (f64, f64) {
    let value = |shape: &Optical| {
        let profiles = shape.amplitudes.iter().zip(OPTICAL_PROFILES).map(|(a, (x0, w))| drude(x, [*a, x0, w]));
        polynomial(&shape.polynomial, x) + profiles.sum::<f64>()
    };
    (value(&OPTICAL_A), value(&OPTICAL_B))
}

fn drude(x: f64, [amplitude, centre, width]: Drude) -> f64 {
    let relative = (width / centre).powi(2);
    amplitude * relative / ((x / centre - centre / x).powi(2) + relative)
}

/// Two power laws that blend around 4.3 µm, and the silicate features at 10 and 20 µm.
fn infrared_a(wavelength: f64) -> f64 {
    const SCALE: f64 = 0.38526;
    const SHORT: f64 = 1.68467;
    const LONG: f64 = 0.78791;
    const CENTRE: f64 = 4.30578;
    const WIDTH: f64 = 4.78338;
    let short = SCALE * wavelength.powf(-SHORT);
    let long = SCALE * CENTRE.powf(LONG - SHORT) * wavelength.powf(-LONG);
    let weight = smooth_step(wavelength, CENTRE - WIDTH / 2.0, CENTRE + WIDTH / 2.0);
    short * (1.0 - weight)
        + long * weight
        + skewed_drude(wavelength, [0.06652, 9.8434, 2.21205], -0.24703)
        + skewed_drude(wavelength, [0.0267, 19.58294, 17.0], -0.27)
}

/// A Drude profile whose width varies across it.
fn skewed_drude(x: f64, [amplitude, centre, width]: Drude, asymmetry: f64) -> f64 {
    drude(x, [amplitude, centre, 2.0 * width / (1.0 + (asymmetry * (x - centre)).exp())])
}
