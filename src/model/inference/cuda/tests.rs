//! Compares the network on the emulated machine with candle and with the authors' answers.

use lamcat_core::{context::Packed, schema::Vocabulary};

use super::{emulated::Emulated, numbers::Numbers};
use crate::{
    Architecture, Model, import,
    inference::{Answers, Backend, CandleBackend, Difference, ReferenceCase, Requests},
    init,
};

/// Largest allowed difference of a prediction from candle's in f32, in units of its token's scale: twice the difference
/// found for the reference's models, whose weights are random and whose errors are large.
const NUMBERS: [(Numbers, f64); 4] =
    [(Numbers::F32, 2e-5), (Numbers::Tf32, 2e-2), (Numbers::F16, 2e-2), (Numbers::Bf16, 2e-1)];

/// Contexts of many shapes: full, with few tokens, with gaps, and empty.
fn rows(slots: usize) -> Packed {
    let mut packed = Packed { rows: 0, context_length: slots, ..Packed::default() };
    let counts = [slots, 1, 3, 0, slots, 17 % slots, slots - 1];
    for (row, count) in counts.into_iter().enumerate() {
        for slot in 0..slots {
            // Every third slot of some rows is empty.
            let present = slot < count && (row % 2 == 0 || slot % 3 != 1);
            let number = (row * 31 + slot * 17) % 118;
            packed.tokens.push(if present { number as u32 + 1 } else { 0 });
            packed.values.push(if present { number as f32 / 40.0 - 1.5 } else { 0.0 });
        }
        packed.rows += 1;
    }
    packed
}

fn requests(n: u32) -> Requests {
    Requests { tokens: (1..=118).rev().take(n as usize).collect(), embedding: true }
}

fn random(architecture: Architecture) -> Model {
    init::random("random", architecture, Vocabulary::leung_bovy_2023(), 3).unwrap()
}

fn embeddings_apart(a: &Answers, b: &Answers) -> f32 {
    assert_eq!(a.embedding.len(), b.embedding.len());
    a.embedding.iter().zip(&b.embedding).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn check_beside_candle(architecture: Architecture, numbers: &[(Numbers, f64)]) {
    let (slots, model) = (architecture.context_length, random(architecture));
    let batch = rows(slots);
    for (numbers, tolerance) in numbers {
        let Some(emulated) = Emulated::new(&model, *numbers) else { return };
        for (asked, stars) in [(1, 8), (9, 3)] {
            let requests = requests(asked);
            let wanted = CandleBackend.infer(&model, &batch, &requests).unwrap();
            let got = emulated.infer(&model, &batch, &requests, stars);
            let off = Difference::of(&model, &requests, &got, &wanted);
            println!("{numbers:?}, {asked} requests, width {}: {off:?}", model.architecture().width);
            assert!(off.worst_mean <= *tolerance && off.worst_sigma <= *tolerance, "{numbers:?}: {off:?}");
            let apart = embeddings_apart(&got, &wanted);
            assert!(f64::from(apart) <= 2.0 * tolerance, "{numbers:?}: embeddings {apart} apart");
        }
    }
}

#[test]
fn the_network_answers_as_candle_does() {
    check_beside_candle(Architecture { context_length: 20, ..Architecture::tiny() }, &NUMBERS);
}

#[test]
fn sizes_that_fill_no_tile_do_too() {
    let odd = Architecture {
        context_length: 9,
        width: 48,
        encoder_heads: 8,
        encoder_dense: 70,
        decoder_heads: 12,
        decoder_dense: 50,
        ..Architecture::tiny()
    };
    check_beside_candle(odd, &[NUMBERS[0], NUMBERS[3]]);
}

#[test]
fn wide_tokens_do_too() {
    let wide = Architecture {
        context_length: 33,
        width: 144,
        encoder_heads: 6,
        encoder_dense: 64,
        decoder_heads: 4,
        decoder_dense: 40,
        ..Architecture::tiny()
    };
    check_beside_candle(wide, &[NUMBERS[0], NUMBERS[2]]);
}

#[test]
fn the_reference_is_reproduced() {
    let root = std::env::var_os("LAMCAT_SHARED").map_or_else(
        || std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
        std::path::PathBuf::from,
    );
    // Every case takes time on the emulated machine, so only the tiny model has cases with many requests.
    for (size, numbers, most) in [("tiny", [NUMBERS[0], NUMBERS[3]], 200), ("small", [NUMBERS[0], NUMBERS[2]], 20)] {
        let folder = root.join("reference").join(size);
        if !folder.exists() {
            assert!(
                std::env::var_os("LAMCAT_REQUIRE_SHARED").is_none_or(|v| v != "1"),
                "{} is missing",
                folder.display()
            );
            return;
        }
        let model = import::import(&folder, size, false).unwrap();
        for (numbers, tolerance) in numbers {
            let Some(emulated) = Emulated::new(&model, numbers) else { return };
            let cases = ReferenceCase::read_all(&folder, &model).unwrap();
            for case in cases.into_iter().filter(|case| case.requests.tokens.len() <= most) {
                let got = emulated.infer(&model, &case.packed, &case.requests, 8);
                let off = Difference::of(&model, &case.requests, &got, &case.answers);
                println!("{size} {}, {numbers:?}: {off:?}", case.name);
                assert!(off.worst_mean <= tolerance && off.worst_sigma <= tolerance, "{numbers:?}: {off:?}");
            }
        }
    }
}

#[test]
fn what_is_no_number_stays_so_and_spoils_no_other_row() {
    let model = random(Architecture { context_length: 5, ..Architecture::tiny() });
    let requests = requests(2);
    let good =
        Packed { rows: 1, context_length: 5, tokens: vec![1, 60, 0, 0, 0], values: vec![0.5, -0.5, 0.0, 0.0, 0.0] };
    for (numbers, _) in NUMBERS {
        let Some(emulated) = Emulated::new(&model, numbers) else { return };
        let alone = emulated.infer(&model, &good, &requests, 4);
        for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut both = good.clone();
            both.rows = 2;
            both.tokens.splice(0..0, good.tokens.clone());
            both.values.splice(0..0, [odd, -0.5, 0.0, 0.0, 0.0]);
            let got = emulated.infer(&model, &both, &requests, 4);
            assert!(got.mean[..2].iter().all(|v| v.is_nan()), "{numbers:?} {odd}: {:?}", got.mean);
            assert_eq!(got.mean[2..], alone.mean[..], "{numbers:?}");
            assert_eq!(got.embedding[32..], alone.embedding[..], "{numbers:?}");
        }
    }
}
