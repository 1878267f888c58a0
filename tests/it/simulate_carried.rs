//! Compares the built-in data of the simulator with the files that it was made from; `-- --nocapture` prints the
//! figures.

use std::sync::LazyLock;

use lamcat::gaia::{
    simulate::{Atmosphere, DustKind, Simulator, Star},
    xp::wavelengths_nm,
};

use crate::simulate_parts::SIMULATOR;

/// The simulator with the built-in data, read once.
pub static CARRIED: LazyLock<Simulator> = LazyLock::new(|| Simulator::carried(DustKind::default()).unwrap());

/// Number of stars to compare.
const STARS: u64 = 500;

fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The value that a fraction `share` of the sorted values does not exceed.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

/// Atmospheres on a grid that extends beyond both the network and ATLAS9.
fn atmospheres() -> impl Iterator<Item = Atmosphere> {
    let grid = (0..13).flat_map(|t| (0..6).flat_map(move |g| (0..5).map(move |m| (t, g, m))));
    grid.map(|(t, g, m)| Atmosphere {
        teff: 3150.0 + 400.0 * t as f32,
        logg: -0.2 + 1.0 * g as f32,
        m_h: -2.6 + 0.75 * m as f32,
    })
}

#[test]
fn carried_spectra_are_those_of_the_files() {
    let Some(files) = &*SIMULATOR else { return };
    let (mut flux, mut coefficients, mut network, mut grid) = (Vec::new(), Vec::new(), 0, 0);
    for labels in atmospheres() {
        let (carried, star) = (CARRIED.intrinsic(labels), files.intrinsic(labels));
        assert_eq!(carried.is_some(), star.is_some(), "{labels:?}");
        let (Some(carried), Some(star)) = (carried, star) else { continue };
        assert_eq!(carried.network, star.network, "{labels:?}");
        assert_eq!(carried.photometry, star.photometry);
        *(if star.network { &mut network } else { &mut grid }) += 1;
        let inside = |nm: f64| (400.0..=1000.0).contains(&nm);
        let ratios = carried.flux.iter().zip(&star.flux).zip(wavelengths_nm()).filter(|(_, nm)| inside(**nm));
        flux.extend(ratios.map(|((a, b), _)| f64::from((a / b - 1.0).abs())));
        // The errors of the brightest stars are the smallest.
        let errors = &files.noise().stars()[0].errors;
        let [a, b] = [CARRIED.inversion().coefficients(&carried.flux), files.inversion().coefficients(&star.flux)];
        coefficients.extend(a.iter().zip(&b).zip(errors).map(|((a, b), e)| f64::from(((a - b) / e).abs())));
    }
    let [flux, coefficients] = [sorted(flux), sorted(coefficients)];
    let shown = |values: &[f64]| [0.5, 0.99, 1.0].map(|share| quantile(values, share));
    let [flux, coefficients] = [shown(&flux), shown(&coefficients)];
    println!("{network} spectra of the network and {grid} of the grid: median, 99th percentile and largest deviation");
    for (what, [middle, most, worst]) in [("of the flux", flux), ("in errors of a star of G 7.3", coefficients)] {
        println!("{what}: {middle:.1e}, {most:.1e}, {worst:.1e}");
    }
    assert!(network > 30 && grid > 100, "{network} {grid}");
    assert!(flux[1] < 5e-4 && flux[2] < 2e-3, "{flux:?}");
    assert!(coefficients[2] < 0.2, "{coefficients:?}");
}

#[test]
fn carried_errors_are_those_of_the_files() {
    let Some(files) = &*SIMULATOR else { return };
    let (carried, real) = (CARRIED.noise().stars(), files.noise().stars());
    assert_eq!((carried.len(), CARRIED.population().len()), (real.len(), files.population().len()));
    for (a, b) in carried.iter().zip(real) {
        assert!((a.g - b.g).abs() < 1e-5 && (a.bp_rp - b.bp_rp).abs() < 1e-5 && a.relevant == b.relevant);
        let worst = a.errors.iter().zip(&b.errors).map(|(a, b)| (a / b - 1.0).abs()).fold(0.0, f32::max);
        assert!(worst < 6e-4, "{worst}");
    }
}

/// Whether two stars have the same position in the sequence of random numbers, and the errors of the same real star.
fn alike(a: &Star, b: &Star) -> bool {
    let errors = || a.errors.iter().zip(&b.errors);
    a.source_id == b.source_id && a.relevant == b.relevant && errors().all(|(a, b)| (a / b - 1.0).abs() < 0.01)
}

#[test]
fn carried_stars_are_those_of_the_files() {
    let Some(files) = &*SIMULATOR else { return };
    let stars = |simulator: &Simulator| (0..STARS).map(|row| simulator.star(5, row).unwrap()).collect::<Vec<_>>();
    let pairs: Vec<_> = stars(&CARRIED).into_iter().zip(stars(files)).filter(|(a, b)| alike(a, b)).collect();
    let deviations = |(a, b): &(Star, Star)| {
        let terms = a.coefficients.iter().zip(&b.coefficients).zip(&b.errors);
        terms.map(|((a, b), e)| f64::from(((a - b) / e).abs())).collect::<Vec<_>>()
    };
    let off = sorted(pairs.iter().flat_map(deviations));
    let [middle, most, worst] = [0.5, 0.99, 1.0].map(|share| quantile(&off, share));
    println!(
        "{} of {STARS} stars are alike; their coefficients differ by {middle:.1e}, 99 % of them by less than",
        pairs.len()
    );
    println!("{most:.1e}, and none by more than {worst:.1e} of their errors");
    assert!(pairs.len() as f64 > 0.95 * STARS as f64, "{}", pairs.len());
    assert!(most < 0.1, "{most}");
    for (a, b) in &pairs {
        let labels = a.labels.measured.values().into_iter().zip(b.labels.measured.values());
        assert!(labels.zip([0.26, 6e-4, 6e-4]).all(|((a, b), within)| (a - b).abs() < within));
    }
}
