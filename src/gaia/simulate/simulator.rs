//! The simulator: everything that was read, and what is made of it star by star.

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

/// Scatter of the absolute magnitude at given labels in mag: that of giants of APOGEE in the test data of Green et al.
/// (2020) is 0.11-0.26, errors of labels and parallaxes included.
const LUMINOSITY_SCATTER: f64 = 0.15;
/// Range of BP - RP in mag, that of the training set of Leung & Bovy (2023).
const BP_RP_RANGE: (f64, f64) = (0.0, 4.0);
/// Draws of labels for one star before giving up.
const MOST_DRAWS: usize = 1000;

/// E(B-V) that may be taken from a spectrum of the network to meet the colour without dust. The giants that it is trained
/// on are far away and behind dust; dwarfs are near, and it has the colour of 18 Sco.
const PAYNE_DUST: (f64, f64) = (-0.4, 0.0);
/// The same for the grid, whose errors go both ways.
const CK04_DUST: (f64, f64) = (-0.2, 0.3);
/// logg from which the network's colours are kept, and to which those of Green et al. (2020) are met.
const DWARFS_FROM: f32 = 4.0;
const GIANTS_TO: f32 = 3.5;
/// About E(BP-RP)/E(B-V), for the iteration that meets the colour.
const COLOUR_SLOPE: f64 = 1.35;
const COLOUR_STEPS: usize = 4;

/// A star without dust.
#[derive(Debug, Clone)]
pub struct Intrinsic {
    /// Spectrum at the wavelengths of a calibrated XP spectrum, scaled to 1 e⁻ s⁻¹ in G.
    pub flux: Vec<f32>,
    /// Magnitudes.
    pub photometry: Photometry,
    /// Whether the spectrum is of the network, not of the grid.
    pub network: bool,
    /// E(B-V) of the dust that was added (taken away if negative) so that BP - RP is about that of the photometry.
    pub adjustment: f64,
}

/// Makes stars.
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
    /// The simulator of the data that the program carries; `dust` is before the stars. Samples of spectra are those of
    /// [`Simulator::load`] to 0.02 % of the flux, rarely to 0.1 %.
    ///
    /// # Errors
    /// If there is no such dust.
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

    /// Reads everything the simulator is made of from a folder; `dust` is before the stars.
    ///
    /// # Errors
    /// If a file is missing or malformed; the error names it and where it is to be had. If there is no such dust.
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

    /// The dust before the stars.
    #[must_use]
    pub fn dust(&self) -> &Dust {
        &self.dust
    }

    /// The stars whose labels are drawn.
    #[must_use]
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// A star of these labels without dust; `None` where neither network nor grid reaches.
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

    /// The star of a row of a simulation: the same for the same seed and row.
    ///
    /// # Errors
    /// If no drawn labels are within reach of the spectra, which only unusual data can cause.
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

    /// What Gaia and 2MASS see of a star; `None` if it has no spectrum or a colour outside the training set's range.
    fn observe(&self, labels: &Labels, rng: &mut impl Rng) -> Option<Star> {
        let Intrinsic { mut flux, photometry, .. } = self.intrinsic(labels.truth)?;
        let cloud = self.dust.cloud(labels.logebv.exp(), rng);
        let before = self.inversion.relative_g(&flux);
        self.dust.redden(&mut flux, cloud);
        let a_g = -2.5 * f64::from(self.inversion.relative_g(&flux) / before).log10();
        if !self.inversion.to_unit_g(&mut flux) {
            return None;
        }
        // Magnitudes of a source of 1 e-/s in G, moved to the star's G.
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

    /// J, H and Ks with noise, of a star that has G `g` without dust.
    fn two_mass(&self, photometry: &Photometry, g: f64, cloud: Cloud, rng: &mut impl Rng) -> [f64; 3] {
        let dust = self.dust.two_mass(cloud);
        let exact = [0, 1, 2].map(|i| g + photometry.two_mass_minus_g[i] + dust[i]);
        let errors = two_mass_error(exact);
        [0, 1, 2].map(|i| exact[i] + errors[i] * normal(rng))
    }
}
