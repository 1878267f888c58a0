//! Random weights, for the start of training, for full-size benchmarks and for tests.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use lamcat_core::{error::Result, schema::Vocabulary};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    families::Architecture,
    file::{Model, Provenance},
    weights::{Initial, Place},
};

/// Returns a model with random weights: uniform within `sqrt(3 / fan_in)`, layer norms at identity, the embedding's
/// padding row at zero. The same seed gives the same weights on every machine.
///
/// # Errors
/// If the architecture is not usable.
pub fn random(name: &str, architecture: Architecture, vocabulary: Vocabulary, seed: u64) -> Result<Model> {
    architecture.validate()?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut tensors = BTreeMap::new();
    for place in architecture.layout(vocabulary.len())?.places() {
        let values = values(&place, &mut rng);
        tensors.insert(place.name, Tensor::from_vec(values, place.shape, &Device::Cpu)?);
    }
    let provenance = Provenance::new(false, format!("random weights, seed {seed}"));
    Model::new(name, architecture, vocabulary, provenance, tensors)
}

fn values(place: &Place, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let count: usize = place.shape.iter().product();
    let last = place.shape.last().copied().unwrap_or(1);
    let limit = match place.initial {
        Initial::Zeros => return vec![0.0; count],
        Initial::Ones => return vec![1.0; count],
        Initial::Embedding => 1.0,
        Initial::Uniform => (3.0 / last as f32).sqrt(),
    };
    let mut values: Vec<f32> = (0..count).map(|_| rng.random_range(-limit..limit)).collect();
    if place.initial == Initial::Embedding {
        values[..last].fill(0.0);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_model_loads_to_the_same_hash_and_a_damaged_one_does_not_load() {
        let made = || random("tiny", Architecture::tiny(), Vocabulary::leung_bovy_2023(), 1).unwrap();
        let model = made();
        assert!(!model.provenance().trained);
        let bytes = model.to_bytes().unwrap();
        assert_eq!(bytes, made().to_bytes().unwrap(), "deterministic");
        assert_eq!(Model::from_bytes(&bytes).unwrap().hash(), model.hash());

        let mut flipped = bytes.clone();
        let last = flipped.len() - 3;
        flipped[last] ^= 1;
        let e = Model::from_bytes(&flipped).unwrap_err().to_string();
        assert!(e.contains("does not match its hash"), "{e}");
        let e = Model::from_bytes(&bytes[..bytes.len() / 2]).unwrap_err().to_string();
        assert!(e.contains("not a complete safetensors file"), "{e}");
        let e = Model::from_bytes(b"not a model").unwrap_err().to_string();
        assert!(e.contains("not a usable model file"), "{e}");
        assert!(Model::from_bytes(&[]).is_err());
    }
}
