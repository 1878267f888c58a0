//! Model files and checkpoints that cannot be used, tested with the program.

use std::fs;

use lamcat::model::{Architecture, Model, Provenance, init};
use lamcat::schema::{Basis, Token, Vocabulary};

use crate::{
    program::{fail, lamcat, run},
    shared::shared,
};

/// A small model with random weights.
pub fn tiny() -> Model {
    init::random("tiny", Architecture::tiny(), Vocabulary::leung_bovy_2023(), 1).unwrap()
}

#[test]
fn damaged_model_files_are_refused_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = tiny().to_bytes().unwrap();
    let mut flipped = bytes.clone();
    let last = flipped.len() - 5;
    flipped[last] ^= 0x40;
    let cases: [(&str, &[u8], &str); 4] = [
        ("truncated", &bytes[..bytes.len() - 100], "not a complete safetensors file"),
        ("flipped", &flipped, "does not match its hash"),
        ("text", b"hello, I am not a model at all", "not a complete safetensors file"),
        ("empty", b"", "not a complete safetensors file"),
    ];
    for (name, content, message) in cases {
        let file = format!("{name}.safetensors");
        fs::write(folder.path().join(&file), content).unwrap();
        let e = fail(lamcat(folder.path()).args(["model", "info", &file]));
        assert!(e.contains(message) && e.contains(&file) && e.contains("hint:"), "{name}: {e}");
        let e = fail(lamcat(folder.path()).args(["sql", "--model", &file, "-c", "SELECT 1"]));
        assert!(e.contains(message), "{name}: {e}");
    }
    let e = fail(lamcat(folder.path()).args(["model", "info", "absent.safetensors"]));
    assert!(e.contains("cannot read the model file (file absent.safetensors)"), "{e}");
}

#[test]
fn a_safetensors_file_of_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let tensor = candle_core::Tensor::new(&[1f32], &candle_core::Device::Cpu).unwrap();
    let path = folder.path().join("other.safetensors");
    candle_core::safetensors::save(&std::collections::HashMap::from([("w", tensor)]), &path).unwrap();
    let e = Model::open(&path).unwrap_err().to_string();
    assert!(e.contains("it has no lamcat header"), "{e}");
}

#[tokio::test]
async fn a_model_without_a_token_says_which_it_has() {
    let tokens = ["bp0", "bp1", "rp0", "rp1", "logg"];
    let tokens = tokens.map(|t| Token::new(t, 0.0, 1.0)).to_vec();
    let architecture = Architecture {
        context_length: 8,
        width: 8,
        encoder_heads: 2,
        encoder_dense: 8,
        decoder_heads: 4,
        decoder_dense: 8,
        ..Architecture::tiny()
    };
    let model = init::random("few", architecture, Vocabulary::new(tokens, Basis::unsaid()).unwrap(), 1).unwrap();
    let session = lamcat::session::Session::new(&lamcat::session::SessionOptions::default()).unwrap();
    session.engine().set_default_model(model);
    let e = session.sql("SELECT lam_infer([1.0, 2.0, 3.0, 4.0], 'teff')").await.unwrap_err().to_string();
    assert!(e.contains("unknown token 'teff' (model few)"), "{e}");
    assert!(e.contains("allowed tokens: bp0..bp1, rp0..rp1, logg"), "{e}");
    let rows = session.sql("SELECT lam_infer([1.0, 2.0, 3.0, 4.0], 'logg')").await.unwrap().collect().await.unwrap();
    assert_eq!(rows[0].column(0).null_count(), 0, "an xp list is as long as the model's vocabulary says");
}

#[test]
fn a_weight_of_the_wrong_shape_is_refused() {
    let model = tiny();
    let other = Architecture { encoder_dense: 32, ..model.architecture().clone() };
    let bytes = model.to_bytes().unwrap();
    let tensors = candle_core::safetensors::load_buffer(&bytes, &candle_core::Device::Cpu).unwrap();
    let provenance = Provenance::new(false, "test");
    let e = Model::new("x", other, model.vocabulary().clone(), provenance, tensors.into_iter().collect()).unwrap_err();
    assert!(e.to_string().contains("another shape than its architecture"), "{e}");
}

#[test]
fn the_published_format_imports_and_bad_checkpoints_do_not() {
    let Some(reference) = shared("reference/tiny") else { return };
    let folder = tempfile::tempdir().unwrap();
    let import = |from: &std::path::Path| {
        let mut command = lamcat(folder.path());
        command.args(["model", "import", "--untrained", "-o", "m.safetensors", "--name", "tiny"]).arg(from);
        command
    };
    run(&mut import(&reference));
    let (info, _) = run(lamcat(folder.path()).args(["model", "info", "m.safetensors", "--json"]));
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["architecture"]["context_length"], 16);
    assert_eq!(info["trained"], false);

    let bad = folder.path().join("bad");
    fs::create_dir(&bad).unwrap();
    let e = fail(&mut import(&bad));
    assert!(e.contains("cannot read the checkpoint's config") && e.contains("hint:"), "{e}");
    fs::write(bad.join("config.json"), "{}").unwrap();
    let e = fail(&mut import(&bad));
    assert!(e.contains("not in the published format"), "{e}");
    fs::copy(reference.join("config.json"), bad.join("config.json")).unwrap();
    let weights = fs::read(reference.join("weights.pt")).unwrap();
    fs::write(bad.join("weights.pt"), &weights[..weights.len() / 2]).unwrap();
    let e = fail(&mut import(&bad));
    assert!(e.contains("cannot read the checkpoint's weights") && e.contains("weights.pt"), "{e}");
}
