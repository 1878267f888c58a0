//! Random weights, for the start of training, for full-size benchmarks and for tests.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use lamcat_core::{error::Result, schema::Vocabulary};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{config::Architecture, file::Model, file::Provenance};

/// Returns a model with random weights: uniform within `sqrt(3 / fan_in)`, layer norms at identity, the embedding's
/// padding row at zero. The same seed gives the same weights on every machine.
///
/// # Errors
/// If the architecture is not usable.
pub fn random(name: &str, architecture: Architecture, vocabulary: Vocabulary, seed: u64) -> Result<Model> {
    architecture.validate()?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut tensors = BTreeMap::new();
    for (name, shape) in shapes(&architecture, vocabulary.len()) {
        let values = weights(&name, &shape, &mut rng);
        tensors.insert(name, Tensor::from_vec(values, shape, &Device::Cpu)?);
    }
    let provenance = Provenance::new(false, format!("random weights, seed {seed}"));
    Model::new(name, architecture, vocabulary, provenance, tensors)
}

fn weights(name: &str, shape: &[usize], rng: &mut ChaCha8Rng) -> Vec<f32> {
    let count: usize = shape.iter().product();
    let fan_in = shape.last().copied().unwrap_or(1) as f32;
    if name.contains("layernorm") && name.ends_with("weight") {
        return vec![1.0; count];
    }
    if name.contains("layernorm") {
        return vec![0.0; count];
    }
    let limit = if name.starts_with("embedding_layer") { 1.0 } else { (3.0 / fan_in).sqrt() };
    let mut values: Vec<f32> = (0..count).map(|_| rng.random_range(-limit..limit)).collect();
    if name.starts_with("embedding_layer") {
        values[..fan_in as usize].fill(0.0);
    }
    values
}

/// Returns every weight's name and shape, in a fixed order.
fn shapes(a: &Architecture, tokens: usize) -> Vec<(String, Vec<usize>)> {
    let w = a.width;
    let mut all = vec![
        ("embedding_layer.embeddings".to_owned(), vec![tokens + 1, w]),
        ("embedding_layer.bias".to_owned(), vec![tokens + 1, w]),
    ];
    for i in 0..Architecture::ENCODER_BLOCKS {
        let prefix = format!("torch_encoder.encoder_transformer_block_{}", i + 1);
        block_shapes(&mut all, &prefix, w, a.encoder_dense >> i);
    }
    for i in 0..Architecture::DECODER_BLOCKS {
        let prefix = format!("torch_decoder.decoder_transformer_block_{}", i + 1);
        block_shapes(&mut all, &prefix, w, a.decoder_dense >> i);
    }
    let mut width = w;
    for i in 0..Architecture::HEAD_LAYERS {
        let out = a.decoder_dense >> i;
        linear_shapes(&mut all, &format!("torch_decoder.decoder_dense_{}", i + 3), width, out);
        width = out;
    }
    linear_shapes(&mut all, "torch_decoder.decoder_out", width, 1);
    linear_shapes(&mut all, "torch_decoder.decoder_logvar_out", width, 1);
    all
}

fn linear_shapes(all: &mut Vec<(String, Vec<usize>)>, prefix: &str, input: usize, output: usize) {
    all.push((format!("{prefix}.weight"), vec![output, input]));
    all.push((format!("{prefix}.bias"), vec![output]));
}

fn block_shapes(all: &mut Vec<(String, Vec<usize>)>, prefix: &str, w: usize, dense: usize) {
    all.push((format!("{prefix}.attention.in_proj_weight"), vec![3 * w, w]));
    all.push((format!("{prefix}.attention.in_proj_bias"), vec![3 * w]));
    all.push((format!("{prefix}.attention.bias_k"), vec![1, 1, w]));
    all.push((format!("{prefix}.attention.bias_v"), vec![1, 1, w]));
    linear_shapes(all, &format!("{prefix}.attention.out_proj"), w, w);
    linear_shapes(all, &format!("{prefix}.dense_1"), w, dense);
    linear_shapes(all, &format!("{prefix}.dense_2"), dense, w);
    for norm in ["layernorm_1", "layernorm_2"] {
        all.push((format!("{prefix}.{norm}.weight"), vec![w]));
        all.push((format!("{prefix}.{norm}.bias"), vec![w]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_size_has_the_published_number_of_parameters() {
        let count: usize =
            shapes(&Architecture::leung_bovy_2023(), 118).iter().map(|(_, s)| s.iter().product::<usize>()).sum();
        assert_eq!(count, 8_845_529);
    }

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
