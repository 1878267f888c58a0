//! Attention with one learned extra key and value. Queries lie along the lanes of vectors, so that no step of the softmax
//! goes across lanes.

use pulp::{Simd, WithSimd};

use super::{buffer::Buffer, pointwise::exp};

/// Keys or values of one head: those of the context's tokens with the extra one behind them.
#[derive(Clone, Copy)]
struct Memory<'a> {
    /// `(tokens, stride)`, from the head's first number.
    tokens: &'a [f32],
    stride: usize,
    extra: &'a [f32],
    count: usize,
}

impl Memory<'_> {
    #[inline(always)]
    fn get(&self, i: usize, width: usize) -> &[f32] {
        if i < self.count { &self.tokens[i * self.stride..][..width] } else { &self.extra[..width] }
    }
}

/// Every token of a star asks every token of it and the extra key, head by head.
pub struct SelfAttention<'a> {
    /// Scaled queries, keys and values side by side: `(tokens, 3 width)`.
    pub projected: &'a [f32],
    /// Tokens of the star.
    pub tokens: usize,
    /// Width of the network; the heads share it equally.
    pub width: usize,
    /// Heads.
    pub heads: usize,
    /// The extra key of all heads, `(width)`.
    pub extra_key: &'a [f32],
    /// The extra value of all heads, `(width)`.
    pub extra_value: &'a [f32],
    /// `(tokens, width)`.
    pub out: &'a mut [f32],
    /// Room.
    pub scratch: &'a mut Buffer,
}

impl WithSimd for SelfAttention<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (n, width, d) = (self.tokens, self.width, self.width / self.heads);
        if n == 0 {
            return;
        }
        let lines = n.next_multiple_of(S::F32_LANES);
        let (sets, keys) = (4 * S::F32_LANES, n + 1);
        let scratch = self.scratch.at_least(2 * d * lines + keys * sets);
        let (queries, rest) = scratch.split_at_mut(d * lines);
        let (answers, scores) = rest.split_at_mut(d * lines);
        for head in 0..self.heads {
            let at = head * d;
            for (row, projected) in self.projected.chunks_exact(3 * width).take(n).enumerate() {
                for (i, q) in projected[at..at + d].iter().enumerate() {
                    queries[i * lines + row] = *q;
                }
            }
            let memory = |part: usize, extra| Memory {
                tokens: &self.projected[part * width + at..],
                stride: 3 * width,
                extra,
                count: n,
            };
            let (keys, values) = (memory(1, &self.extra_key[at..]), memory(2, &self.extra_value[at..]));
            let mut first = 0;
            while first < lines {
                let of = Queries { asked: queries, answers, scores, keys, values, d, lines, first };
                first += S::F32_LANES
                    * match (lines - first) / S::F32_LANES {
                        0..2 => simd.vectorize(Attend::<1>(of)),
                        2 | 3 => simd.vectorize(Attend::<2>(of)),
                        _ => simd.vectorize(Attend::<4>(of)),
                    };
            }
            for (row, out) in self.out.chunks_exact_mut(width).take(n).enumerate() {
                for (i, out) in out[at..at + d].iter_mut().enumerate() {
                    *out = answers[i * lines + row];
                }
            }
        }
    }
}

/// The queries of one head, and room for what becomes of them.
struct Queries<'a> {
    /// `(d, lines)`.
    asked: &'a [f32],
    /// `(d, lines)`.
    answers: &'a mut [f32],
    /// `(keys, V lanes)`.
    scores: &'a mut [f32],
    keys: Memory<'a>,
    values: Memory<'a>,
    d: usize,
    lines: usize,
    first: usize,
}

/// `V` vectors of queries; gives `V`.
struct Attend<'a, const V: usize>(Queries<'a>);

impl<const V: usize> WithSimd for Attend<'_, V> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> usize {
        let Queries { asked: queries, answers, scores, keys, values, d, lines, first } = self.0;
        let zero = [simd.splat_f32s(0.0); V];
        let mut most = [simd.splat_f32s(f32::NEG_INFINITY); V];
        let scores = &mut pulp::as_arrays_mut::<V, _>(S::as_mut_simd_f32s(scores).0).0[..=keys.count];
        for (i, score) in scores.iter_mut().enumerate() {
            let mut sums = zero;
            for (query, key) in queries.chunks_exact(lines).zip(keys.get(i, d)) {
                let (query, key) = (S::as_simd_f32s(&query[first..]).0, simd.splat_f32s(*key));
                for v in 0..V {
                    sums[v] = simd.mul_add_e_f32s(query[v], key, sums[v]);
                }
            }
            *score = sums;
            for v in 0..V {
                most[v] = simd.max_f32s(most[v], sums[v]);
            }
        }
        let mut total = zero;
        for score in scores.iter_mut() {
            for v in 0..V {
                score[v] = exp(simd, simd.sub_f32s(score[v], most[v]));
                total[v] = simd.add_f32s(total[v], score[v]);
            }
        }
        let share = total.map(|total| simd.div_f32s(simd.splat_f32s(1.0), total));
        let mut at = 0;
        while at < d {
            at += if d - at >= 4 {
                mix::<S, V, 4>(simd, scores, values, answers, &share, at, lines, first)
            } else {
                mix::<S, V, 1>(simd, scores, values, answers, &share, at, lines, first)
            };
        }
        V
    }
}

/// `D` numbers of the answers from number `at` on: the mean of the values by their weights. Gives `D`.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "the inner part of a loop")]
fn mix<S: Simd, const V: usize, const D: usize>(
    simd: S,
    weights: &[[S::f32s; V]],
    values: Memory<'_>,
    answers: &mut [f32],
    share: &[S::f32s; V],
    at: usize,
    lines: usize,
    first: usize,
) -> usize {
    let mut sums = [[simd.splat_f32s(0.0); V]; D];
    for (i, weight) in weights.iter().enumerate() {
        let value = &values.get(i, at + D)[at..];
        for k in 0..D {
            let value = simd.splat_f32s(value[k]);
            for v in 0..V {
                sums[k][v] = simd.mul_add_e_f32s(weight[v], value, sums[k][v]);
            }
        }
    }
    for k in 0..D {
        let out = S::as_mut_simd_f32s(&mut answers[(at + k) * lines + first..]).0;
        for v in 0..V {
            out[v] = simd.mul_f32s(sums[k][v], share[v]);
        }
    }
    D
}

/// Softmax of each column of `scores` `(tokens, columns)` with the extra key's score below it, in place; the weights of
/// the extra key replace its scores.
pub struct Softmax<'a> {
    /// `(tokens, columns)`.
    pub scores: &'a mut [f32],
    /// `(columns)`, a whole number of vectors.
    pub extra: &'a mut [f32],
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let columns = self.extra.len();
        for (c, extra) in S::as_mut_simd_f32s(self.extra).0.iter_mut().enumerate() {
            let at = c * S::F32_LANES;
            let mut most = *extra;
            for row in self.scores.chunks_exact(columns) {
                most = simd.max_f32s(most, S::as_simd_f32s(&row[at..]).0[0]);
            }
            *extra = exp(simd, simd.sub_f32s(*extra, most));
            let mut total = *extra;
            for row in self.scores.chunks_exact_mut(columns) {
                let score = &mut S::as_mut_simd_f32s(&mut row[at..]).0[0];
                *score = exp(simd, simd.sub_f32s(*score, most));
                total = simd.add_f32s(total, *score);
            }
            let share = simd.div_f32s(simd.splat_f32s(1.0), total);
            *extra = simd.mul_f32s(*extra, share);
            for row in self.scores.chunks_exact_mut(columns) {
                let score = &mut S::as_mut_simd_f32s(&mut row[at..]).0[0];
                *score = simd.mul_f32s(*score, share);
            }
        }
    }
}
