//! A network from labels to XP spectra, trained on the spectra of APOGEE's stars: `payne_cool_gaiaxp` from the package
//! gaiaxpspec (D. Nidever, MIT licence), similar to The Payne (Ting et al. 2019, ApJ 879, 69).

use std::collections::{HashMap, HashSet};

use lamcat_core::error::Result;

use super::{
    carried::Carried,
    data::{DataFolder, malformed},
    labels::Atmosphere,
    matrix::Dense,
    numpy::Npz,
};
use crate::xp::CALIBRATED_SAMPLES;

const FILE: &str = "forward_model/payne_xp/payne_cool_gaiaxp.npz";
const ORIGIN: &str = "https://github.com/dnidever/gaiaxpspec (python/gaiaxpspec/data/payne_cool_gaiaxp.npz)";
/// Numbers of labels, of neurons in two layers, and of samples.
const SIZES: [usize; 4] = [3, 300, 300, CALIBRATED_SAMPLES];

/// Sizes in Teff (K), logg and [Fe/H] of the cells in which training stars are counted.
const CELL: [f32; 3] = [100.0, 0.2, 0.2];
/// Minimum number of training stars in a cell and its 26 neighbours for which the network is trusted.
const NEAR_STARS: u32 = 5;

/// The network: 3 labels, two layers of 300 units with leaky ReLU, 343 samples.
#[derive(Debug, Clone)]
pub struct Payne {
    layers: [Dense; 3],
    /// Minimum and range of each label.
    scaling: [[f32; 3]; 2],
    /// Cells with enough training stars in them and their neighbours.
    seen: HashSet<[i32; 3]>,
}

impl Payne {
    /// Reads the network and its training labels.
    ///
    /// # Errors
    /// If the file is missing or does not contain this network.
    pub fn load(data: &DataFolder) -> Result<Self> {
        let path = data.file(FILE, ORIGIN)?;
        let mut npz = Npz::open(&path)?;
        let mut layer = |i: usize| -> Result<Dense> {
            Ok(Dense {
                weights: npz.array::<f32>(&format!("w_array_{i}"), &[SIZES[i + 1], SIZES[i]])?,
                bias: npz.array::<f32>(&format!("b_array_{i}"), &[SIZES[i + 1]])?,
            })
        };
        let layers = [layer(0)?, layer(1)?, layer(2)?];
        let (low, high) = (npz.array::<f64>("x_min", &[3])?, npz.array::<f64>("x_max", &[3])?);
        let labels = npz.array::<f64>("labels", &[0, 3])?;
        let scaling = [[low[0], low[1], low[2]], [high[0] - low[0], high[1] - low[1], high[2] - low[2]]];
        if scaling[1].iter().any(|reach| reach.is_nan() || *reach <= 0.0) {
            return Err(malformed(&path, "the range of the labels is empty"));
        }
        Ok(Self { layers, scaling, seen: seen(&labels) })
    }

    /// Returns the embedded network, with weights in 16 bits.
    pub(super) fn carried(data: &mut Carried) -> Result<Self> {
        let mut layer = |i: usize| -> Result<Dense> {
            Ok(Dense {
                weights: data.scaled(&format!("payne_weights_{i}"), &[SIZES[i + 1], SIZES[i]])?,
                bias: data.floats(&format!("payne_bias_{i}"), &[SIZES[i + 1]])?,
            })
        };
        let layers = [layer(0)?, layer(1)?, layer(2)?];
        let scaling = data.floats("payne_labels", &[2, 3])?;
        let seen = data.integers("payne_seen", &[0, 3])?;
        Ok(Self {
            layers,
            scaling: [[scaling[0], scaling[1], scaling[2]], [scaling[3], scaling[4], scaling[5]]],
            seen: seen.as_chunks().0.iter().map(|cell| cell.map(i32::from)).collect(),
        })
    }

    /// Whether the network was trained on similar stars: at least 5 of its training stars are within one or two cells
    /// of 100 K, 0.2 dex and 0.2 dex.
    #[must_use]
    pub fn has_seen(&self, star: Atmosphere) -> bool {
        self.seen.contains(&cell(star.values()))
    }

    /// Returns the flux per nm at the wavelengths of a calibrated XP spectrum ([`crate::xp::wavelengths_nm`]), in
    /// arbitrary units.
    #[must_use]
    pub fn flux(&self, star: Atmosphere) -> Vec<f32> {
        let [low, reach] = self.scaling;
        let labels = star.values();
        let mut x: Vec<f32> = (0..3).map(|i| (labels[i] - low[i]) / reach[i] - 0.5).collect();
        for layer in &self.layers[..2] {
            x = layer.forward(&x);
            for v in &mut x {
                *v = v.max(0.01 * *v);
            }
        }
        self.layers[2].forward(&x)
    }
}

fn cell(labels: [f32; 3]) -> [i32; 3] {
    [0, 1, 2].map(|i| (labels[i] / CELL[i]).floor() as i32)
}

/// Returns the cells that have, together with their neighbours, at least [`NEAR_STARS`] of the stars with these labels.
fn seen(labels: &[f32]) -> HashSet<[i32; 3]> {
    let mut counts: HashMap<[i32; 3], u32> = HashMap::new();
    for star in labels.as_chunks::<3>().0 {
        let [t, g, m] = cell(*star);
        for step in 0..27 {
            *counts.entry([t + step % 3 - 1, g + step / 3 % 3 - 1, m + step / 9 - 1]).or_default() += 1;
        }
    }
    counts.into_iter().filter(|(_, stars)| *stars >= NEAR_STARS).map(|(cell, _)| cell).collect()
}
