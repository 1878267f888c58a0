//! Compares the network and every backend, with every instruction set of the machine, with vectors made by the authors'
//! PyTorch implementation.

use std::{collections::BTreeMap, path::Path};

use candle_core::{Device, Tensor};
use lamcat::{
    context::Packed,
    inference::{Backend, CandleBackend, CpuBackend, CpuPath, Precision, Requests},
    model::{Architecture, Model, import, init},
    schema::Vocabulary,
};
use ndarray::ArrayD;
use serde_json::Value;

use crate::{
    npz::{flat, read_npz},
    shared::shared,
};

const CASES: [&str; 6] =
    ["xp_to_labels", "xp_with_missing", "labels_to_xp", "inpaint_rp_from_bp", "mixed_order", "rows_with_own_tokens"];

/// Largest allowed difference of a prediction, in units of its token's scale.
const PREDICTION_TOLERANCE: f64 = 2e-5;
/// The same for products in 8 bits. The reference has random weights, which were not trained to tolerate rounding.
const INT8_TOLERANCE: f64 = 0.25;
/// Largest allowed absolute difference of a perception.
const PERCEPTION_TOLERANCE: f32 = 1e-4;

struct Case {
    packed: Packed,
    requests: Requests,
    arrays: BTreeMap<String, ArrayD<f64>>,
}

fn strings(v: &Value) -> Vec<String> {
    v.as_array().unwrap().iter().map(|s| s.as_str().unwrap().to_owned()).collect()
}

fn read_case(folder: &Path, name: &str, model: &Model) -> Case {
    let json: Value = serde_json::from_slice(&std::fs::read(folder.join(format!("{name}.json"))).unwrap()).unwrap();
    let arrays = read_npz(&folder.join(format!("{name}.npz")), |_| true);
    let v = model.vocabulary();
    let names = &json["input_tokens"];
    let shared_names = names[0].is_string().then(|| strings(names));
    let mut packed = Packed::with_capacity(arrays["inputs"].shape()[0], model.architecture().context_length);
    for (row, values) in arrays["inputs"].outer_iter().enumerate() {
        let own = shared_names.clone().unwrap_or_else(|| strings(&names[row]));
        let ids = own.iter().map(|n| v.require(n).unwrap());
        packed.push(v, ids.zip(values.iter().map(|x| *x as f32))).unwrap();
    }
    let tokens = strings(&json["requests"]).iter().map(|n| v.require(n).unwrap()).collect();
    Case { packed, requests: Requests { tokens, embedding: false }, arrays }
}

fn check(label: &str, model: &Model, requests: &Requests, got: &[f32], expected: &[f32], tolerance: f64) -> f64 {
    assert_eq!(got.len(), expected.len(), "{label}");
    let mut worst = 0.0f64;
    for (i, (g, e)) in got.iter().zip(expected).enumerate() {
        let token = model.vocabulary().token(requests.tokens[i % requests.tokens.len()]);
        let off = f64::from((g - e).abs()) / token.scale;
        assert!(off <= tolerance, "{label} {}: {g} for {e}, off by {off:.1e} of its scale", token.name);
        worst = worst.max(off);
    }
    worst
}

fn host(t: &Tensor) -> Vec<f32> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

/// A backend, with a name for messages.
struct Contestant {
    name: String,
    backend: Box<dyn Backend>,
    tolerance: f64,
}

/// All backends in all precisions.
fn backends() -> Vec<Contestant> {
    let candle =
        Contestant { name: "candle".to_owned(), backend: Box::new(CandleBackend), tolerance: PREDICTION_TOLERANCE };
    let precisions = [(Precision::F32, PREDICTION_TOLERANCE), (Precision::Int8, INT8_TOLERANCE)];
    let cpu = CpuPath::all().into_iter().flat_map(|path| {
        precisions.map(|(precision, tolerance)| Contestant {
            name: format!("{} {precision}", path.name()),
            backend: Box::new(CpuBackend::with_path(path, precision)),
            tolerance,
        })
    });
    std::iter::once(candle).chain(cpu).collect()
}

fn run_case(folder: &Path, name: &str, model: &Model) {
    let case = read_case(folder, name, model);
    for mut contestant in backends() {
        contestant.run(&case, name, model);
    }
    let perception = model.network().perceive(&case.packed.tokens, &case.packed.values).unwrap();
    let off = host(&perception.tokens)
        .iter()
        .zip(flat(&case.arrays["perception"]))
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max);
    assert!(off <= PERCEPTION_TOLERANCE, "{name}: perception off by {off:.1e}");
    println!("{name}: perception within {off:.1e}");
}

impl Contestant {
    fn run(&mut self, case: &Case, case_name: &str, model: &Model) {
        let name = format!("{case_name} ({})", self.name);
        let answers = ["prediction", "prediction_error"].map(|answer| flat(&case.arrays[answer]));
        let n = case.requests.tokens.len();
        let check = |what: &str, got: [&[f32]; 2], rows: std::ops::Range<usize>| {
            let of = ["mean", "sigma"].iter().zip(got).zip(&answers);
            of.map(|((kind, got), expected)| {
                let expected = &expected[rows.start * n..rows.end * n];
                check(&format!("{name} {what}{kind}"), model, &case.requests, got, expected, self.tolerance)
            })
            .fold(0.0, f64::max)
        };
        let batched = self.backend.infer(model, &case.packed, &case.requests).unwrap();
        let worst = check("", [&batched.mean, &batched.sigma], 0..case.packed.rows);
        for row in 0..case.packed.rows {
            let (tokens, values) = case.packed.slice(row..row + 1);
            let one = Packed { rows: 1, tokens: tokens.to_vec(), values: values.to_vec(), ..case.packed };
            let single = self.backend.infer(model, &one, &case.requests).unwrap();
            check(&format!("row {row} "), [&single.mean, &single.sigma], row..row + 1);
        }
        println!("{name}: prediction within {worst:.1e} of a token's scale");
    }
}

fn run_size(size: &str) {
    let Some(folder) = shared(&format!("reference/{size}")) else { return };
    let model = import::import(&folder, size, false).unwrap();
    for case in CASES {
        run_case(&folder, case, &model);
    }
}

#[test]
fn tiny_matches_the_reference() {
    run_size("tiny");
}

#[test]
fn small_matches_the_reference() {
    run_size("small");
}

#[test]
fn an_imported_model_survives_its_own_file_format() {
    let Some(folder) = shared("reference/tiny") else { return };
    let model = import::import(&folder, "tiny", true).unwrap();
    let again = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
    assert_eq!(again.hash(), model.hash());
    let case = read_case(&folder, "xp_to_labels", &model);
    let ask = |m: &Model| CandleBackend.infer(m, &case.packed, &case.requests).unwrap();
    assert_eq!(ask(&model), ask(&again));
}

#[test]
fn the_training_forward_matches_the_reference() {
    let Some(folder) = shared("reference/tiny_train") else { return };
    let model = import::import(&folder, "tiny_train", false).unwrap();
    let a = read_npz(&folder.join("train_step.npz"), |n| !n.contains('/'));
    let ids = |name: &str| a[name].iter().map(|x| *x as u32).collect::<Vec<_>>();
    let rows = a["inputs"].shape()[0];
    let requests = Tensor::from_vec(ids("request_tokens"), (rows, 1), &Device::Cpu).unwrap();
    let perception = model.network().perceive(&ids("input_tokens"), &flat(&a["inputs"])).unwrap();
    let p = model.network().request_per_row(&perception, &requests).unwrap();
    let (mean, log_variance) = (host(&p.mean), host(&p.log_variance));
    for (what, got, name) in [("mean", &mean, "mean"), ("log variance", &log_variance, "log_variance")] {
        let off = got.iter().zip(flat(&a[name])).map(|(g, e)| (g - e).abs()).fold(0.0, f32::max);
        println!("{what} within {off:.1e}");
        assert!(off <= 2e-5, "{what} off by {off:.1e}");
    }
    let (labels, errors) = (flat(&a["labels"]), flat(&a["label_errors"]));
    let loss = labels
        .iter()
        .zip(&errors)
        .zip(mean.iter().zip(&log_variance))
        .map(|((y, e), (m, lv))| {
            let v = f64::from(*lv).exp() + f64::from(*e).powi(2);
            0.5 * ((f64::from(*y) - f64::from(*m)).powi(2) / v + v.ln())
        })
        .sum::<f64>()
        / labels.len() as f64;
    let expected = f64::from(flat(&a["loss"])[0]);
    println!("loss {loss} for {expected}");
    assert!((loss / expected - 1.0).abs() <= 1e-6, "loss {loss} for {expected}");
}

#[test]
fn a_full_size_random_model_runs_batched_as_single() {
    let model = init::random("full", Architecture::leung_bovy_2023(), Vocabulary::leung_bovy_2023(), 7).unwrap();
    assert_eq!(model.parameters(), 8_845_529);
    let v = model.vocabulary();
    let mut packed = Packed::with_capacity(3, 64);
    for row in 0..3 {
        let ids = (1..=32).chain(56..88);
        packed.push(v, ids.map(|id| (id, (v.token(id).median + f64::from(row) * v.token(id).scale) as f32))).unwrap();
    }
    let requests = Requests { tokens: vec![v.require("teff").unwrap(), v.require("logg").unwrap()], embedding: true };
    let all = CandleBackend.infer(&model, &packed, &requests).unwrap();
    assert!(all.mean.iter().chain(&all.sigma).chain(&all.embedding).all(|x| x.is_finite()));
    let (tokens, values) = packed.slice(1..2);
    let one = Packed { rows: 1, tokens: tokens.to_vec(), values: values.to_vec(), ..packed };
    let single = CandleBackend.infer(&model, &one, &requests).unwrap();
    check("full", &model, &requests, &single.mean, &all.mean[2..4], PREDICTION_TOLERANCE);
    assert_eq!(all.embedding.len(), 3 * 128);
}
