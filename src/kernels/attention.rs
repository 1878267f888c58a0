//! Attention with one additional learned key and value. Queries are laid out along the vector lanes, so that no step of
//! the softmax crosses lanes.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::{buffer::Buffer, pointwise::exp2};

/// Keys or values of one head: those of the context's tokens, followed by the extra one.
#[derive(Clone, Copy)]
struct Memory<'a> {
    /// `(tokens, stride)`, starting at the head's first number.
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

/// Attention of every token of a star to all its tokens and the extra key, head by head. Scores are exponents of 2.
pub struct SelfAttention<'a> {
    /// Scaled queries, keys and values side by side: `(tokens, 3 width)`.
    pub projected: &'a [f32],
    /// Number of tokens of the star.
    pub tokens: usize,
    /// Width of the network, which is divided equally among the heads.
    pub width: usize,
    /// Number of heads.
    pub heads: usize,
    /// The extra key of all heads, `(width)`.
    pub extra_key: &'a [f32],
    /// The extra value of all heads, `(width)`.
    pub extra_value: &'a [f32],
    /// `(tokens, width)`.
    pub out: &'a mut [f32],
    /// Working memory.
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
            let projected = &self.projected[at..];
            match d {
                4 => turn::<4>(projected, 3 * width, n, queries, lines),
                8 => turn::<8>(projected, 3 * width, n, queries, lines),
                16 => turn::<16>(projected, 3 * width, n, queries, lines),
                _ => turn_any(projected, (3 * width, d), 0..n, queries, lines),
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
                first += S::F32_LANES * of.attend(simd);
            }
            let out = &mut self.out[at..];
            match d {
                4 => turn_back::<4>(answers, lines, n, out, width),
                8 => turn_back::<8>(answers, lines, n, out, width),
                16 => turn_back::<16>(answers, lines, n, out, width),
                _ => turn_back_any(answers, lines, 0..n, out, (width, d)),
            }
        }
    }
}

/// Rows of a block that is transposed in registers.
const BLOCK: usize = 16;

/// Transposes `n` rows of `D` numbers, `stride` apart, to `(D, lines)`.
#[inline(always)]
fn turn<const D: usize>(rows: &[f32], stride: usize, n: usize, out: &mut [f32], lines: usize) {
    let whole = n - n % BLOCK;
    for first in (0..whole).step_by(BLOCK) {
        let mut block = [[0.0; BLOCK]; D];
        for r in 0..BLOCK {
            let row = &rows[(first + r) * stride..][..D];
            for i in 0..D {
                block[i][r] = row[i];
            }
        }
        for i in 0..D {
            out[i * lines + first..][..BLOCK].copy_from_slice(&block[i]);
        }
    }
    turn_any(rows, (stride, D), whole..n, out, lines);
}

#[inline(always)]
fn turn_any(rows: &[f32], (stride, d): (usize, usize), some: Range<usize>, out: &mut [f32], lines: usize) {
    for row in some {
        for i in 0..d {
            out[i * lines + row] = rows[row * stride + i];
        }
    }
}

/// Transposes `(D, lines)` to `n` rows of `D` numbers, `stride` apart.
#[inline(always)]
fn turn_back<const D: usize>(columns: &[f32], lines: usize, n: usize, out: &mut [f32], stride: usize) {
    let whole = n - n % BLOCK;
    for first in (0..whole).step_by(BLOCK) {
        let mut block = [[0.0; BLOCK]; D];
        for i in 0..D {
            block[i].copy_from_slice(&columns[i * lines + first..][..BLOCK]);
        }
        for r in 0..BLOCK {
            let row = &mut out[(first + r) * stride..][..D];
            for i in 0..D {
                row[i] = block[i][r];
            }
        }
    }
    turn_back_any(columns, lines, whole..n, out, (stride, D));
}

#[inline(always)]
fn turn_back_any(columns: &[f32], lines: usize, some: Range<usize>, out: &mut [f32], (stride, d): (usize, usize)) {
    for row in some {
        for i in 0..d {
            out[row * stride + i] = columns[i * lines + row];
        }
    }
}

/// The queries of one head, and memory for their scores and results.
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

impl Queries<'_> {
    /// Processes as many vectors of queries as the registers can hold; returns their number.
    #[inline(always)]
    fn attend<S: Simd>(self, simd: S) -> usize {
        let many = S::REGISTER_COUNT >= 32;
        match (self.d, (self.lines - self.first) / S::F32_LANES) {
            (4, 4..) if many => simd.vectorize(Attend::<4, 4>(self)),
            (4, 2..) => simd.vectorize(Attend::<2, 4>(self)),
            (4, _) => simd.vectorize(Attend::<1, 4>(self)),
            (8, 2..) if many => simd.vectorize(Attend::<2, 8>(self)),
            (8, _) => simd.vectorize(Attend::<1, 8>(self)),
            (16, _) if many => simd.vectorize(Attend::<1, 16>(self)),
            (_, 4..) => simd.vectorize(Attend::<4, 0>(self)),
            _ => simd.vectorize(Attend::<1, 0>(self)),
        }
    }
}

/// Processes `V` vectors of queries of `D` numbers, which stay in registers, or of any number of them if `D` is 0;
/// returns `V`.
struct Attend<'a, const V: usize, const D: usize>(Queries<'a>);

impl<const V: usize, const D: usize> WithSimd for Attend<'_, V, D> {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> usize {
        let Queries { asked, answers, scores, keys, values, d, lines, first } = self.0;
        let zero = [simd.splat_f32s(0.0); V];
        let mut most = [simd.splat_f32s(f32::NEG_INFINITY); V];
        let scores = &mut pulp::as_arrays_mut::<V, _>(S::as_mut_simd_f32s(scores).0).0[..=keys.count];
        let query = |i: usize| -> &[S::f32s] { S::as_simd_f32s(&asked[i * lines + first..]).0 };
        let mut held = [zero; D];
        for i in 0..D {
            held[i].copy_from_slice(&query(i)[..V]);
        }
        let mut keys_done = 0;
        while keys_done < scores.len() {
            if D > 0 && keys_done + TOGETHER <= keys.count {
                let sums = score::<S, V, D, TOGETHER>(simd, &held, keys, keys_done);
                scores[keys_done..keys_done + TOGETHER].copy_from_slice(&sums);
                keys_done += TOGETHER;
            } else if D > 0 {
                scores[keys_done] = score::<S, V, D, 1>(simd, &held, keys, keys_done)[0];
                keys_done += 1;
            } else {
                let mut sums = zero;
                for (i, key) in keys.get(keys_done, d).iter().enumerate() {
                    let (query, key) = (query(i), simd.splat_f32s(*key));
                    for v in 0..V {
                        sums[v] = simd.mul_add_e_f32s(query[v], key, sums[v]);
                    }
                }
                scores[keys_done] = sums;
                keys_done += 1;
            }
        }
        for score in scores.iter() {
            for v in 0..V {
                most[v] = simd.max_f32s(most[v], score[v]);
            }
        }
        let mut total = zero;
        for score in scores.iter_mut() {
            for v in 0..V {
                score[v] = exp2(simd, simd.sub_f32s(score[v], most[v]));
                total[v] = simd.add_f32s(total[v], score[v]);
            }
        }
        let share = total.map(|total| simd.div_f32s(simd.splat_f32s(1.0), total));
        if D > 0 {
            mix::<S, V, D>(simd, scores, values, answers, &share, 0, lines, first);
            return V;
        }
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

/// Number of keys that are scored side by side, so that their sums need not wait for each other.
const TOGETHER: usize = 4;

/// Computes the scores of `K` keys, starting with key `first`, for queries of `D` numbers.
#[inline(always)]
fn score<S: Simd, const V: usize, const D: usize, const K: usize>(
    simd: S,
    queries: &[[S::f32s; V]; D],
    keys: Memory<'_>,
    first: usize,
) -> [[S::f32s; V]; K] {
    let mut sums = [[simd.splat_f32s(0.0); V]; K];
    let mut of: [&[f32]; K] = [&[]; K];
    for k in 0..K {
        of[k] = keys.get(first + k, D);
    }
    for i in 0..D {
        for k in 0..K {
            let key = simd.splat_f32s(of[k][i]);
            for v in 0..V {
                sums[k][v] = simd.mul_add_e_f32s(queries[i][v], key, sums[k][v]);
            }
        }
    }
    sums
}

/// Computes `D` numbers of the results, starting with number `at`: the weighted mean of the values. Returns `D`.
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

/// Softmax, with exponents of 2, of each row of `scores` together with the extra key's score, in place; the weights of
/// the extra key replace its scores.
pub struct Softmax<'a> {
    /// `(rows, columns)`; each row is a whole number of vectors.
    pub scores: &'a mut [f32],
    /// Number of columns.
    pub columns: usize,
    /// Number of columns that count; the others have no defined content afterwards.
    pub count: usize,
    /// `(rows)`.
    pub extra: &'a mut [f32],
}

impl WithSimd for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { scores, columns, count, extra } = self;
        for (row, extra) in extra.iter_mut().enumerate() {
            let scores = &mut scores[row * columns..][..columns];
            scores[count..].fill(f32::NEG_INFINITY);
            let scores = S::as_mut_simd_f32s(scores).0;
            let mut most = simd.splat_f32s(*extra);
            for score in scores.iter() {
                most = simd.max_f32s(most, *score);
            }
            let most = simd.splat_f32s(simd.reduce_max_f32s(most));
            let mut total = simd.splat_f32s(0.0);
            for score in scores.iter_mut() {
                *score = exp2(simd, simd.sub_f32s(*score, most));
                total = simd.add_f32s(total, *score);
            }
            let weight = exp2(simd, simd.sub_f32s(simd.splat_f32s(*extra), most));
            let of_extra = simd.reduce_max_f32s(weight);
            let share = 1.0 / (simd.reduce_sum_f32s(total) + of_extra);
            *extra = of_extra * share;
            for score in scores.iter_mut() {
                *score = simd.mul_f32s(*score, simd.splat_f32s(share));
            }
        }
    }
}
