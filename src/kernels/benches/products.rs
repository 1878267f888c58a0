//! Matrix products with the published model's shapes on one core: lamcat's own, and those of the crates `gemm` and
//! `rten-gemm`, with weights packed beforehand if the crate can. Run `cargo bench -p lamcat-kernels`; the results are
//! in benches/README.md.

#![allow(clippy::many_single_char_names, reason = "m, n, k of products")]

use std::hint::black_box;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use lamcat_kernels::{Buffer, Int8Product, Int8Rows, Int8Weights, Left, Path, Product, Round, Start, Weights};
use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_tensor::NdTensorView;

/// Rows, inputs and outputs: the encoder's projection, its hidden layer and the way back, and the decoder's head.
const SHAPES: [(usize, usize, usize); 5] =
    [(256, 128, 384), (256, 128, 1024), (256, 1024, 128), (192, 3096, 1536), (192, 1536, 768)];

/// Numbers in [-1/2, 1/2] that are not all equal.
fn numbers(n: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 7919) % 1009) as f32 / 1009.0 - 0.5).collect()
}

fn products(c: &mut Criterion) {
    for (m, k, n) in SHAPES {
        let mut group = c.benchmark_group(format!("{m} x {k} x {n}"));
        // Elements per second are then FLOP/s.
        group.throughput(Throughput::Elements((2 * m * k * n) as u64));
        let (x, weight, bias) = (numbers(m * k), numbers(n * k), numbers(n));
        own(&mut group, (m, k, n), &x, &weight, &bias);
        with_gemm(&mut group, (m, k, n), &x, &weight);
        with_rten(&mut group, (m, k, n), &x, &weight);
        group.finish();
    }
}

/// Measures products with bias, without and with gelu, and in 8 bits with the rounding of the rows.
fn own(group: &mut BenchmarkGroup<WallTime>, shape: (usize, usize, usize), x: &[f32], weight: &[f32], bias: &[f32]) {
    let (m, k, n) = shape;
    let path = Path::default();
    let weights = Weights::pack(weight, bias, k);
    let mut out = Buffer::zeros(m * n);
    for (name, gelu) in [("lamcat", false), ("lamcat with gelu", true)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                path.product(Product {
                    m,
                    k,
                    left: Left { data: x, row: k, column: 1 },
                    right: weights.right(),
                    start: Start::Bias(&weights.bias),
                    gelu,
                    out: &mut out,
                    stride: n,
                });
                black_box(&out);
            });
        });
    }
    let weights = Int8Weights::pack(weight, bias, k);
    let mut rows = Int8Rows::default();
    group.bench_function("lamcat int8", |b| {
        b.iter(|| {
            path.round(Round { x, stride: k, rows: m, k, out: &mut rows });
            path.int8_product(Int8Product::layer(&rows, &weights, false, &mut out));
            black_box(&out);
        });
    });
}

fn with_gemm(group: &mut BenchmarkGroup<WallTime>, (m, k, n): (usize, usize, usize), x: &[f32], weight: &[f32]) {
    let mut out = vec![0f32; m * n];
    group.bench_function("gemm", |b| {
        b.iter(|| {
            #[expect(unsafe_code, reason = "its only interface takes pointers")]
            // SAFETY: the strides keep every element within the slices, which are as long as the sizes require.
            unsafe {
                gemm::gemm(
                    m,
                    n,
                    k,
                    out.as_mut_ptr(),
                    1,
                    n as isize,
                    false,
                    x.as_ptr(),
                    1,
                    k as isize,
                    weight.as_ptr(),
                    k as isize,
                    1,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    gemm::Parallelism::None,
                );
            }
            black_box(&out);
        });
    });
}

fn with_rten(group: &mut BenchmarkGroup<WallTime>, (m, k, n): (usize, usize, usize), x: &[f32], weight: &[f32]) {
    // Without a pool of one thread the crate would use all cores.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    let rows = NdTensorView::from_data([m, k], x);
    let columns = NdTensorView::from_data([n, k], weight).transposed();
    let executor = GemmExecutor::<f32>::default();
    let packed = executor.prepack_b(columns);
    let mut out = vec![0f32; m * n];
    group.bench_function("rten-gemm", |b| {
        pool.install(|| {
            b.iter(|| {
                let right = GemmInputB::Packed(&packed);
                executor
                    .gemm(&mut out, GemmInputA::Unpacked(rows), right, GemmOptions::default())
                    .expect("sizes match");
                black_box(&out);
            });
        });
    });
    let rows: Vec<u8> = x.iter().map(|v| ((v + 0.5) * 255.0) as u8).collect();
    let weight: Vec<i8> = weight.iter().map(|v| (v * 254.0) as i8).collect();
    let rows = NdTensorView::from_data([m, k], rows.as_slice());
    let executor = GemmExecutor::<u8, i8, i32>::default();
    let packed = executor.prepack_b(NdTensorView::from_data([n, k], weight.as_slice()).transposed());
    let mut out = vec![0i32; m * n];
    group.bench_function("rten-gemm int8, sums only", |b| {
        pool.install(|| {
            b.iter(|| {
                let right = GemmInputB::Packed(&packed);
                executor
                    .gemm(&mut out, GemmInputA::Unpacked(rows), right, GemmOptions::default())
                    .expect("sizes match");
                black_box(&out);
            });
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(1)).warm_up_time(std::time::Duration::from_millis(300));
    targets = products
}
criterion_main!(benches);
