//! The CPU engine: the result for a row depends on that row alone.

use lamcat::{
    context::Packed,
    inference::{Answers, Backend, CandleBackend, CpuBackend, CpuPath, Precision, Requests},
    model::{Architecture, Model, init},
    schema::Vocabulary,
};
use proptest::prelude::*;

/// A row's tokens and standardised values; some rows have few of them or none.
fn row() -> impl Strategy<Value = Vec<(u32, f32)>> {
    let tokens = prop_oneof![
        Just(Vec::new()),
        proptest::sample::subsequence((1..=118u32).collect::<Vec<_>>(), 1..5),
        proptest::sample::subsequence((1..=118u32).collect::<Vec<_>>(), 64),
    ];
    tokens.prop_shuffle().prop_flat_map(|tokens| {
        let values = proptest::collection::vec(-3f32..3.0, tokens.len());
        (Just(tokens), values).prop_map(|(tokens, values)| tokens.into_iter().zip(values).collect())
    })
}

fn packed(rows: &[&Vec<(u32, f32)>]) -> Packed {
    let slots = 64;
    let mut packed = Packed { rows: rows.len(), context_length: slots, tokens: Vec::new(), values: Vec::new() };
    for row in rows {
        packed.tokens.extend(row.iter().map(|(token, _)| *token).chain(std::iter::repeat(0)).take(slots));
        packed.values.extend(row.iter().map(|(_, value)| *value).chain(std::iter::repeat(0.0)).take(slots));
    }
    packed
}

fn model() -> Model {
    init::random("tiny", Architecture::tiny(), Vocabulary::leung_bovy_2023(), 3).unwrap()
}

fn requests(n: usize) -> Requests {
    Requests { tokens: (1..=118).rev().take(n).collect(), embedding: true }
}

/// The bits of the results for row `i`.
fn bits(answers: &Answers, i: usize, requests: usize, width: usize) -> Vec<u32> {
    let part = |values: &[f32], n: usize| values[i * n..(i + 1) * n].iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    [part(&answers.mean, requests), part(&answers.sigma, requests), part(&answers.embedding, width)].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn rows_are_answered_alike_in_any_batch_order_and_number_of_threads(
        rows in proptest::collection::vec(row(), 1..150),
        asked in prop_oneof![Just(1usize), Just(3), Just(20)],
        threads in 1usize..4,
        split in 1usize..40,
    ) {
        let model = model();
        let requests = requests(asked);
        let width = model.architecture().width;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let precisions = [Precision::F32, Precision::Int8];
        for (path, precision) in CpuPath::all().into_iter().flat_map(|path| precisions.map(|of| (path, of))) {
            let mut backend = CpuBackend::with_path(path, precision);
            let all = backend.infer(&model, &packed(&rows.iter().collect::<Vec<_>>()), &requests).unwrap();
            let reversed: Vec<_> = rows.iter().rev().collect();
            for (chunk, rows_of) in reversed.chunks(split).enumerate() {
                let part = pool.install(|| backend.infer(&model, &packed(rows_of), &requests)).unwrap();
                for i in 0..rows_of.len() {
                    let row = rows.len() - 1 - (chunk * split + i);
                    prop_assert_eq!(bits(&part, i, asked, width), bits(&all, row, asked, width), "{:?} {}", path, precision);
                }
            }
        }
    }

    #[test]
    fn answers_are_those_of_candle(rows in proptest::collection::vec(row(), 1..20)) {
        let model = model();
        let (requests, rows) = (requests(9), packed(&rows.iter().collect::<Vec<_>>()));
        let wanted = CandleBackend.infer(&model, &rows, &requests).unwrap();
        for path in CpuPath::all() {
            let got = CpuBackend::with_path(path, Precision::F32).infer(&model, &rows, &requests).unwrap();
            let scale = |i: usize| model.vocabulary().token(requests.tokens[i % 9]).scale as f32;
            let pairs = got.mean.iter().zip(&wanted.mean).chain(got.sigma.iter().zip(&wanted.sigma)).enumerate();
            for (i, (got, wanted)) in pairs {
                prop_assert!((got - wanted).abs() <= 2e-5 * scale(i).max(wanted.abs()), "{:?}: {} for {}", path, got, wanted);
            }
            for (got, wanted) in got.embedding.iter().zip(&wanted.embedding) {
                prop_assert!((got - wanted).abs() <= 2e-5, "{:?}: {} for {}", path, got, wanted);
            }
        }
    }
}

#[test]
fn what_is_no_number_stays_so_and_spoils_no_other_row() {
    let model = model();
    let requests = requests(2);
    let good = vec![(1, 0.5), (60, -0.5)];
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let bad = vec![(1, odd), (60, -0.5)];
        for path in CpuPath::all() {
            let mut backend = CpuBackend::with_path(path, Precision::F32);
            let alone = backend.infer(&model, &packed(&[&good]), &requests).unwrap();
            let both = backend.infer(&model, &packed(&[&bad, &good]), &requests).unwrap();
            assert!(both.mean[..2].iter().all(|v| v.is_nan()), "{path:?} {odd}: {:?}", both.mean);
            assert_eq!(both.mean[2..], alone.mean[..]);
        }
    }
}
