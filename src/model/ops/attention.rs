//! Attention of every head of every row: `softmax(Q K^T + mask) V` with dropout of the weights, head by head, so that
//! the weights `(queries, keys)` never leave the core's cache. The gradient recomputes them.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use gemm::{Parallelism, gemm};

use super::{dropout::Mask, elements, softmax, with_elements};

/// Attention of queries `(rows, heads, n, d)`, which are already scaled, to keys and values `(rows, heads, m, d)`.
pub(crate) struct Attend {
    /// Added to the scores: `(rows, 1, 1, m)`; at least one key of each row must be visible.
    pub(crate) mask: Tensor,
    /// Dropout of the weights.
    pub(crate) dropout: Option<Mask>,
}

/// Sizes of one head: numbers of queries and keys, and width.
#[derive(Clone, Copy)]
struct Head {
    n: usize,
    m: usize,
    d: usize,
    /// Heads per row.
    heads: usize,
}

impl Head {
    fn of(queries: &Shape, keys: &Shape) -> Result<Self> {
        let (_, heads, n, d) = queries.dims4()?;
        Ok(Self { n, m: keys.dims4()?.2, d, heads })
    }

    /// Computes the weights of head `i` before dropout: `(n, m)`.
    fn weights(self, i: usize, queries: &[f32], keys: &[f32], mask: &[f32], out: &mut [f32]) {
        let Self { n, m, d, heads } = self;
        multiply(out, (n, m, d), Matrix::new(queries, d), Matrix::new(keys, d).transposed());
        let mask = &mask[i / heads * m..][..m];
        out.chunks_exact_mut(m).for_each(|line| softmax::weigh(line, mask));
    }
}

/// A matrix stored in a slice: element `(i, j)` is at `i * rows + j * columns`.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
}

impl<'a> Matrix<'a> {
    fn new(data: &'a [f32], width: usize) -> Self {
        Self { data, rows: width, columns: 1 }
    }

    fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, ..self }
    }
}

/// Computes `out (m, n) = lhs (m, k) rhs (k, n)`.
#[expect(unsafe_code, reason = "the matrix product takes pointers")]
fn multiply(out: &mut [f32], (m, n, k): (usize, usize, usize), lhs: Matrix<'_>, rhs: Matrix<'_>) {
    let last = |of: Matrix<'_>, rows: usize, columns: usize| (rows - 1) * of.rows + (columns - 1) * of.columns;
    assert!(m > 0 && n > 0 && k > 0 && out.len() == m * n);
    assert!(last(lhs, m, k) < lhs.data.len() && last(rhs, k, n) < rhs.data.len());
    let stride = |elements: usize| elements as isize;
    // SAFETY: the last element of each matrix lies in its slice, as asserted, and so do all others; `out` is not read.
    unsafe {
        gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            stride(n),
            false,
            lhs.data.as_ptr(),
            stride(lhs.columns),
            stride(lhs.rows),
            rhs.data.as_ptr(),
            stride(rhs.columns),
            stride(rhs.rows),
            0.0f32,
            1.0f32,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

impl Attend {
    fn drop(&self, i: usize, x: &mut [f32]) {
        if let Some(dropout) = &self.dropout {
            dropout.apply(x, i * x.len());
        }
    }

    fn forward(&self, head: Head, q: &[f32], k: &[f32], v: &[f32], mask: &[f32]) -> Vec<f32> {
        let Head { n, m, d, .. } = head;
        let mut weights = vec![0.0; n * m];
        let mut out = vec![0.0; q.len()];
        let kv = k.chunks_exact(m * d).zip(v.chunks_exact(m * d));
        for (i, ((q, (k, v)), out)) in q.chunks_exact(n * d).zip(kv).zip(out.chunks_exact_mut(n * d)).enumerate() {
            head.weights(i, q, k, mask, &mut weights);
            self.drop(i, &mut weights);
            multiply(out, (n, d, m), Matrix::new(&weights, m), Matrix::new(v, d));
        }
        out
    }

    fn backward(&self, head: Head, [q, k, v, grad, mask]: [&[f32]; 5]) -> [Vec<f32>; 3] {
        let Head { n, m, d, .. } = head;
        let mut gradients = [vec![0.0; q.len()], vec![0.0; k.len()], vec![0.0; v.len()]];
        let (mut weights, mut dropped, mut slopes) = (vec![0.0; n * m], vec![0.0; n * m], vec![0.0; n * m]);
        for i in 0..q.len() / (n * d) {
            let (of_query, of_key) = (i * n * d..(i + 1) * n * d, i * m * d..(i + 1) * m * d);
            let (q, k, v) = (&q[of_query.clone()], &k[of_key.clone()], &v[of_key.clone()]);
            let grad = Matrix::new(&grad[of_query.clone()], d);
            head.weights(i, q, k, mask, &mut weights);
            dropped.copy_from_slice(&weights);
            self.drop(i, &mut dropped);
            let [of_q, of_k, of_v] = &mut gradients;
            multiply(&mut of_v[of_key.clone()], (m, d, n), Matrix::new(&dropped, m).transposed(), grad);
            multiply(&mut slopes, (n, m, d), grad, Matrix::new(v, d).transposed());
            self.drop(i, &mut slopes);
            for (slopes, weights) in slopes.chunks_exact_mut(m).zip(weights.chunks_exact(m)) {
                softmax::slope(slopes, weights);
            }
            multiply(&mut of_q[of_query], (n, d, m), Matrix::new(&slopes, m), Matrix::new(k, d));
            multiply(&mut of_k[of_key], (m, d, n), Matrix::new(&slopes, m).transposed(), Matrix::new(q, d));
        }
        gradients
    }
}

impl CustomOp3 for Attend {
    fn name(&self) -> &'static str {
        "attend"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (q, k, v) = (elements(s1, l1)?, elements(s2, l2)?, elements(s3, l3)?);
        let head = Head::of(l1.shape(), l2.shape())?;
        let out = with_elements(&self.mask, |mask| self.forward(head, q, k, v, mask))?;
        Ok((CpuStorage::F32(out), l1.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let head = Head::of(q.shape(), k.shape())?;
        let [of_q, of_k, of_v] = with_elements(q, |q| {
            with_elements(k, |k| {
                with_elements(v, |v| {
                    with_elements(grad, |g| with_elements(&self.mask, |mask| self.backward(head, [q, k, v, g, mask])))
                })
            })
        })?????;
        let tensor = |values: Vec<f32>, like: &Tensor| Tensor::from_vec(values, like.shape(), like.device()).map(Some);
        Ok((tensor(of_q, q)?, tensor(of_k, k)?, tensor(of_v, v)?))
    }
}
