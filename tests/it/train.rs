//! Compares training with PyTorch's step.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor, Var};
use lamcat::{
    model::import,
    train::{AdamW, AdamWSettings, Batch, Learner},
};
use ndarray::ArrayD;

use crate::{
    npz::{flat, read_npz},
    shared::shared,
};

/// Largest allowed relative difference of the loss.
const LOSS_TOLERANCE: f64 = 1e-6;
/// Largest allowed distance of a gradient, relative to its norm.
const GRADIENT_TOLERANCE: f64 = 1e-4;
/// Learning rate of the reference's step.
const RATE: f64 = 1e-4;
/// Largest allowed difference of a weight after the step, which changes every weight by about the learning rate.
const WEIGHT_TOLERANCE: f64 = 1e-6;
/// A first step of Adam has the size of the learning rate however small the gradient is; for gradients below this,
/// rounding determines the result.
const SMALL_GRADIENT: f32 = 1e-6;
/// Largest allowed difference of a weight if the gradients are the reference's own, relative to the weight or 0.01.
const ADAMW_TOLERANCE: f64 = 1e-6;

fn reference_batch(a: &BTreeMap<String, ArrayD<f64>>) -> Batch {
    let ids = |name: &str| a[name].iter().map(|x| *x as u32).collect::<Vec<_>>();
    Batch {
        stars: a["labels"].shape()[0],
        tokens: ids("input_tokens"),
        values: flat(&a["inputs"]),
        requests: ids("request_tokens"),
        labels: flat(&a["labels"]),
        label_errors: flat(&a["label_errors"]),
    }
}

fn host(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|x| x * x).sum::<f64>().sqrt()
}

#[test]
fn a_step_matches_pytorch() {
    let Some(folder) = shared("reference/tiny_train") else { return };
    let model = import::import(&folder, "tiny_train", false).unwrap();
    let a = read_npz(&folder.join("train_step.npz"), |_| true);
    let batch = reference_batch(&a);
    let mut learner =
        Learner::new(model.tensors(), model.architecture(), model.vocabulary().len(), None, &Device::Cpu).unwrap();
    let (loss, gradients) = learner.gradients(&batch, 0.0, 0).unwrap();
    let expected = a["loss"].iter().next().unwrap();
    println!("loss {loss} for {expected}: {:.1e}", (loss / expected - 1.0).abs());
    assert!((loss / expected - 1.0).abs() <= LOSS_TOLERANCE, "loss {loss} for {expected}");

    let (mut worst, mut compared) = (0.0f64, 0);
    for name in model.tensors().keys() {
        let expected = flat(&a[&format!("grad/{name}")]);
        let got = host(&gradients[name]);
        assert_eq!(got.len(), expected.len(), "{name}");
        let off = norm(got.iter().zip(&expected).map(|(g, e)| f64::from(g - e)));
        let size = norm(expected.iter().map(|e| f64::from(*e)));
        let off = if size > 0.0 { off / size } else { off };
        assert!(off <= GRADIENT_TOLERANCE, "gradient of {name} off by {off:.1e} of its norm {size:.1e}");
        worst = worst.max(off);
        compared += 1;
    }
    println!("{compared} gradients within {worst:.1e} of their norms");
    assert_eq!(compared, a.keys().filter(|k| k.starts_with("grad/")).count());

    learner.step(&batch, RATE, 0.0, 0).unwrap();
    let (mut worst, mut left_out, mut all) = (0.0f64, 0, 0);
    for (name, weight) in learner.weights().unwrap() {
        let gradients = flat(&a[&format!("grad/{name}")]);
        let after = flat(&a[&format!("after/{name}")]);
        for ((w, e), g) in host(&weight).iter().zip(after).zip(gradients) {
            all += 1;
            if g != 0.0 && g.abs() < SMALL_GRADIENT {
                left_out += 1;
                continue;
            }
            let off = f64::from((w - e).abs());
            assert!(off <= WEIGHT_TOLERANCE, "{name} off by {off:.1e} after a step");
            worst = worst.max(off);
        }
    }
    println!("weights after a step within {worst:.1e}, {left_out} of {all} left out");
    assert!(left_out * 50 < all, "{left_out} of {all} weights left out");
}

#[test]
fn adamw_moves_weights_by_given_gradients_as_pytorch_does() {
    let Some(folder) = shared("reference/tiny_train") else { return };
    let model = import::import(&folder, "tiny_train", false).unwrap();
    let a = read_npz(&folder.join("train_step.npz"), |n| n.contains('/'));
    let var = |(name, t): (&String, &Tensor)| (name.clone(), Var::from_tensor(t).unwrap());
    let weights: BTreeMap<String, Var> = model.tensors().iter().map(var).collect();
    let gradient = |(name, t): (&String, &Tensor)| {
        let values = flat(&a[&format!("grad/{name}")]);
        (name.clone(), Tensor::from_vec(values, t.shape(), &Device::Cpu).unwrap())
    };
    let gradients = model.tensors().iter().map(gradient).collect();
    AdamW::new(&weights, AdamWSettings::default()).unwrap().step(&weights, &gradients, RATE).unwrap();
    let mut worst = 0.0f64;
    for (name, weight) in &weights {
        for (w, e) in host(weight).iter().zip(flat(&a[&format!("after/{name}")])) {
            let off = f64::from((w - e).abs()) / f64::from(e.abs()).max(1e-2);
            assert!(off <= ADAMW_TOLERANCE, "{name}: {w} for {e}");
            worst = worst.max(off);
        }
    }
    println!("AdamW within {worst:.1e}");
}
