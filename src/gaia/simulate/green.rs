//! Absolute magnitudes and colours without dust: the network of Green et al. (2020, arXiv 2006.16258), trained on stars
//! of APOGEE, GALAH and LAMOST with parallaxes and dust maps.

use std::path::Path;

use hdf5_pure::File;
use lamcat_core::error::Result;
use serde::Deserialize;

use super::{
    carried::Carried,
    data::{DataFolder, malformed, open},
    labels::Atmosphere,
    matrix::Dense,
};

const NETWORK: &str = "labels/green2020/green2020_nn_model.h5";
const SCALING: &str = "labels/green2020/green2020_theta_normalization.json";
const ORIGIN: &str = "https://github.com/gregreen/green2020-stellar-model";

const HIDDEN: usize = 32;
/// Outputs of the network: M_G, then BP, RP, PS1 grizy, J, H, Ks, W1 and W2 each minus G.
const BANDS: usize = 13;
const BP: usize = 1;
const RP: usize = 2;
const J: usize = 8;

/// The network: 3 labels, two layers of 32 units with sigmoid, 13 magnitudes.
#[derive(Debug, Clone)]
pub struct Green2020 {
    layers: [Dense; 3],
    scaling: Scaling,
}

/// Photometry of a star without dust, in magnitudes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Photometry {
    /// Absolute magnitude in G.
    pub m_g: f64,
    /// BP - RP.
    pub bp_rp: f64,
    /// J - G, H - G and Ks - G.
    pub two_mass_minus_g: [f64; 3],
}

#[derive(Debug, Clone, Deserialize)]
struct Scaling {
    theta_med: [f32; 3],
    theta_std: [f32; 3],
}

impl Green2020 {
    /// Reads the network and the scaling of its inputs.
    ///
    /// # Errors
    /// If a file is missing or does not contain this network.
    pub fn load(data: &DataFolder) -> Result<Self> {
        let path = data.file(SCALING, ORIGIN)?;
        let scaling = serde_json::from_reader(open(&path)?)
            .map_err(|e| malformed(&path, "the scaling of the labels cannot be read").source(e))?;
        let path = data.file(NETWORK, ORIGIN)?;
        let file = File::open(&path).map_err(|e| malformed(&path, "it is not an HDF5 file").source(e))?;
        let layers = [
            layer(&file, &path, "stellar_model_hidden_1", 3, HIDDEN)?,
            layer(&file, &path, "stellar_model_hidden_2", HIDDEN, HIDDEN)?,
            layer(&file, &path, "BM", HIDDEN, BANDS)?,
        ];
        Ok(Self { layers, scaling })
    }

    /// Returns the embedded network.
    pub(super) fn carried(data: &mut Carried) -> Result<Self> {
        let sizes = [3, HIDDEN, HIDDEN, BANDS];
        let mut layer = |i: usize| -> Result<Dense> {
            Ok(Dense {
                weights: data.floats(&format!("green_weights_{i}"), &[sizes[i + 1], sizes[i]])?,
                bias: data.floats(&format!("green_bias_{i}"), &[sizes[i + 1]])?,
            })
        };
        let layers = [layer(0)?, layer(1)?, layer(2)?];
        let scaling = data.floats("green_labels", &[2, 3])?;
        let scaling = Scaling {
            theta_med: [scaling[0], scaling[1], scaling[2]],
            theta_std: [scaling[3], scaling[4], scaling[5]],
        };
        Ok(Self { layers, scaling })
    }

    /// Returns the photometry of a star with these labels.
    #[must_use]
    pub fn photometry(&self, star: Atmosphere) -> Photometry {
        let Scaling { theta_med, theta_std } = &self.scaling;
        let labels = star.values();
        let mut x: Vec<f32> = (0..3).map(|i| (labels[i] - theta_med[i]) / theta_std[i]).collect();
        for layer in &self.layers[..2] {
            x = layer.forward(&x);
            for v in &mut x {
                *v = 1.0 / (1.0 + (-*v).exp());
            }
        }
        let mags: Vec<f64> = self.layers[2].forward(&x).into_iter().map(f64::from).collect();
        Photometry { m_g: mags[0], bp_rp: mags[BP] - mags[RP], two_mass_minus_g: [mags[J], mags[J + 1], mags[J + 2]] }
    }
}

/// Reads a Keras layer, whose kernel has a row of outputs for each input.
fn layer(file: &File, path: &Path, name: &str, inputs: usize, outputs: usize) -> Result<Dense> {
    let read = |what: &str, len: usize| -> Result<Vec<f32>> {
        let dataset = format!("model_weights/{name}/{name}/{what}:0");
        let unreadable = |e| malformed(path, "the weights cannot be read").at("dataset", &dataset).source(e);
        let weights = file.dataset(&dataset).map_err(unreadable)?;
        // The shape is checked before memory is allocated for it.
        let claimed = weights.shape().map_err(unreadable)?.into_iter().fold(1u64, u64::saturating_mul);
        if claimed != len as u64 {
            return Err(malformed(path, format!("a layer has {claimed} weights, not {len}")).at("dataset", &dataset));
        }
        weights.read_f32().map_err(unreadable)
    };
    let kernel = read("kernel", inputs * outputs)?;
    let weights = (0..inputs * outputs).map(|i| kernel[i % inputs * outputs + i / inputs]).collect();
    Ok(Dense { weights, bias: read("bias", outputs)? })
}
