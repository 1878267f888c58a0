//! The simulator: all its data, and the computation of one star after the other.

use lamcat_core::error::{Error, ErrorKind, Result};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    carried::Carried,
    ck04::Ck04,
    data::DataFolder,
    dust::{Cloud, Dust, DustKind},
    field_stars::FieldStars,
    green::{Green2020, Photometry},
    inversion::{Band, Inversion},
    labels::{Atmosphere, Labels, Population, normal},
    noise::{magnitude_error, parallax_error, two_mass_error},
    payne::Payne,
    prior::Prior,
    spectrum_noise::NoiseLibrary,
    star::{Star, source_id},
};
use crate::g_flux;

/// Scatter of the absolute magnitude at given labels in mag: that of APOGEE's giants in the test data of Green et al.
/// (2020) is 0.11-0.26, including errors of labels and parallaxes.
const LUMINOSITY_SCATTER: f64 = 0.15;
/// Range of BP - RP in mag; it is that of the training set of Leung & Bovy (2023).
const BP_RP_RANGE: (f64, f64) = (0.0, 4.0);
/// Maximum number of draws of labels for one star.
const MOST_DRAWS: usize = 1000;

/// Range of E(B-V) by which a spectrum of the network may be adjusted to have the colour without dust. The giants on
/// which the network was trained are far away and behind dust; dwarfs are near, and the network reproduces the colour
/// of 18 Sco.
const PAYNE_DUST: (f64, f64) = (-0.4, 0.0);
/// The same range for the grid, whose errors have either sign.
const CK04_DUST: (f64, f64) = (-0.2, 0.3);
/// The logg from which the network's colours are used unchanged, and the logg up to which they are fully adjusted to
/// those of Green et al. (2020); in between they are interpolated.
const DWARFS_FROM: f32 = 4.0;
const GIANTS_TO: f32 = 3.5;
/// Approximate E(BP-RP)/E(B-V), for the iteration that adjusts the colour.
const COLOUR_SLOPE: f64 = 1.35;
const COLOUR_STEPS: usize = 4;

/// A star without dust.
#[derive(Debug, Clone)]
pub struct Intrinsic {
    /// Spectrum at the wavelengths of a calibrated XP spectrum, scaled to 1 e⁻ s⁻¹ in G.
    pub flux: Vec<f32>,
    /// Magnitudes.
    pub photometry: Photometry,
    /// Whether the spectrum comes from the network and not from the grid.
    pub network: bool,
    /// E(B-V) of the dust that was added (removed if negative) so that BP - RP is about that of the photometry.
    pub adjustment: f64,
}

/// Makes simulated stars.
#[derive(Debug, Clone)]
pub struct Simulator {
    population: Population,
    payne: Payne,
    ck04: Ck04,
    green: Green2020,
    dust: Dust,
    noise: NoiseLibrary,
    inversion: Inversion,
}

impl Simulator {
    /// Returns the simulator with the embedded data and `dust` in front of the stars. Its spectra agree with those of
    /// [`Simulator::load`] to 0.02 % of the flux, in rare cases to 0.1 %.
    ///
    /// # Errors
    /// If this kind of dust is not possible.
    pub fn carried(dust: DustKind) -> Result<Self> {
        let mut data = Carried::open()?;
        Ok(Self {
            population: Population::carried(&mut data)?,
            payne: Payne::carried(&mut data)?,
            ck04: Ck04::carried(&mut data)?,
            green: Green2020::carried(&mut data)?,
            dust: Dust::new(dust)?,
            noise: NoiseLibrary::carried(&mut data)?,
            inversion: Inversion::new(&Prior::carried(&mut data)?)?,
        })
    }

    /// Reads all data of the simulator from a folder; `dust` is in front of the stars.
    ///
    /// # Errors
    /// If a file is missing or malformed; the error names it and says where to obtain it. Also if this kind of dust is
    /// not possible.
    pub fn load(data: &DataFolder, dust: DustKind) -> Result<Self> {
        let field = FieldStars::load(data)?;
        Ok(Self {
            population: Population::load(data)?,
            payne: Payne::load(data)?,
            ck04: Ck04::load(data)?,
            green: Green2020::load(data)?,
            dust: Dust::new(dust)?,
            noise: field.noise(),
            inversion: Inversion::new(&Prior::of(field.stars())?)?,
        })
    }

    /// The inversion from spectra to coefficients.
    #[must_use]
    pub fn inversion(&self) -> &Inversion {
        &self.inversion
    }

    /// The errors of real spectra.
    #[must_use]
    pub fn noise(&self) -> &NoiseLibrary {
        &self.noise
    }

    /// The network for spectra.
    #[must_use]
    pub fn payne(&self) -> &Payne {
        &self.payne
    }

    /// The dust in front of the stars.
    #[must_use]
    pub fn dust(&self) -> &Dust {
        &self.dust
    }

    /// The stars from which labels are drawn.
    #[must_use]
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// Returns a star with these labels, without dust; `None` if neither the network nor the grid covers them.
    #[must_use]
    pub fn intrinsic(&self, star: Atmosphere) -> Option<Intrinsic> {
        let network = self.payne.has_seen(star);
        let (mut flux, limits) =
            if network { (self.payne.flux(star), PAYNE_DUST) } else { (self.ck04.flux(star)?, CK04_DUST) };
        let photometry = self.green.photometry(star);
        let share = if network { ((DWARFS_FROM - star.logg) / (DWARFS_FROM - GIANTS_TO)).clamp(0.0, 1.0) } else { 1.0 };
        if !self.inversion.to_unit_g(&mut flux) {
            return None;
        }
        let own = self.bp_rp(&flux);
        let colour = own + f64::from(share) * (photometry.bp_rp - own);
        let mut adjustment = 0.0;
        for _ in 0..COLOUR_STEPS {
            if !self.inversion.to_unit_g(&mut flux) {
                return None;
            }
            let missing = (colour - self.bp_rp(&flux)) / COLOUR_SLOPE;
            let step = (adjustment + missing).clamp(limits.0, limits.1) - adjustment;
            if step.is_nan() {
                return None;
            }
            self.dust.redden(&mut flux, Cloud::usual(step));
            adjustment += step;
        }
        self.inversion.to_unit_g(&mut flux).then_some(Intrinsic { flux, photometry, network, adjustment })
    }

    fn bp_rp(&self, flux: &[f32]) -> f64 {
        self.inversion.magnitude(Band::Bp, flux) - self.inversion.magnitude(Band::Rp, flux)
    }

    /// Returns the star in a row of a simulation; it is always the same for the same seed and row.
    ///
    /// # Errors
    /// If no drawn labels are covered by the spectra, which only unusual data can cause.
    pub fn star(&self, seed: u64, row: u64) -> Result<Star> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(row);
        let draws = (0..MOST_DRAWS).find_map(|_| {
            let labels = self.population.draw(&mut rng);
            self.observe(&labels, &mut rng)
        });
        let star = draws
            .ok_or_else(|| Error::new(ErrorKind::Input, "no labels are within reach of the spectra").at("row", row))?;
        Ok(Star { source_id: source_id(row, &mut rng), ..star })
    }

    /// Returns a star as observed by Gaia and 2MASS; `None` if it has no spectrum or a colour outside the training
    /// set's range.
    fn observe(&self, labels: &Labels, rng: &mut impl Rng) -> Option<Star> {
        let Intrinsic { mut flux, photometry, .. } = self.intrinsic(labels.truth)?;
        let cloud = self.dust.cloud(labels.logebv.exp(), rng);
        let before = self.inversion.relative_g(&flux);
        self.dust.redden(&mut flux, cloud);
        let a_g = -2.5 * f64::from(self.inversion.relative_g(&flux) / before).log10();
        if !self.inversion.to_unit_g(&mut flux) {
            return None;
        }
        // Magnitudes of a source with 1 e-/s in G, shifted to the star's G.
        let faint = labels.g - self.inversion.magnitude(Band::G, &flux);
        let mag = |band: Band| self.inversion.magnitude(band, &flux) + faint;
        let mags = [labels.g, mag(Band::Bp), mag(Band::Rp)];
        let colour = mags[1] - mags[2];
        if colour.is_nan() || colour <= BP_RP_RANGE.0 || colour >= BP_RP_RANGE.1 {
            return None;
        }
        let two_mass = self.two_mass(&photometry, labels.g - a_g, cloud, rng);
        let parallax_error = parallax_error(labels.g);
        let modulus = labels.g - a_g - (photometry.m_g + LUMINOSITY_SCATTER * normal(rng));
        let parallax = 100.0 * 10f64.powf(-0.2 * modulus) + parallax_error * normal(rng);
        let mags = [(Band::G, mags[0]), (Band::Bp, mags[1]), (Band::Rp, mags[2])]
            .map(|(band, mag)| mag + magnitude_error(band, labels.g) * normal(rng));
        let real = self.noise.like(labels.g, colour, rng.random_range(0..usize::MAX));
        let g_flux = g_flux(labels.g);
        let errors: Vec<f32> = real.errors.iter().map(|e| (f64::from(*e) * g_flux) as f32).collect();
        let exact = self.inversion.coefficients(&flux).into_iter().map(|c| f64::from(c) * g_flux);
        let coefficients = exact.zip(&errors).map(|(c, e)| (c + f64::from(*e) * normal(rng)) as f32).collect();
        Some(Star {
            source_id: 0,
            labels: *labels,
            coefficients,
            errors,
            relevant: real.relevant,
            mags,
            j_h: two_mass[0] - two_mass[1],
            j_k: two_mass[0] - two_mass[2],
            parallax,
            parallax_error,
        })
    }

    /// Returns J, H and Ks with noise, for a star with G `g` without dust.
    fn two_mass(&self, photometry: &Photometry, g: f64, cloud: Cloud, rng: &mut impl Rng) -> [f64; 3] {
        let dust = self.dust.two_mass(cloud);
        let exact = [0, 1, 2].map(|i| g + photometry.two_mass_minus_g[i] + dust[i]);
        let errors = two_mass_error(exact);
        [0, 1, 2].map(|i| exact[i] + errors[i] * normal(rng))
    }
}
