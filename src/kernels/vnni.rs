//! Operations that AVX-512 VNNI does faster than portable vectors: rounding rows to bytes, and multiplying bytes by
//! integers.

#![expect(unsafe_code, reason = "instructions by name; bounds checks inside the loops would cost half their speed")]

use std::arch::x86_64::{
    __m512, __m512i, _mm_mask_storeu_epi8, _mm512_castps_si512, _mm512_cvtepi32_epi8, _mm512_cvtepi32_ps,
    _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_load_si512, _mm512_loadu_ps, _mm512_mask_loadu_ps, _mm512_max_ps,
    _mm512_min_ps, _mm512_mul_ps, _mm512_reduce_add_ps, _mm512_reduce_max_ps, _mm512_reduce_min_ps, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512, _mm512_storeu_ps, _mm512_sub_ps,
};

use super::{
    int8_part::{Panels, Part, QUAD, ROUNDER},
    product::PANEL,
};

/// Numbers per vector.
const LANES: usize = 16;
const VECTORS: usize = PANEL / LANES;

/// Returns one vector of the numbers of `x` starting at `at`, with `fill` beyond the end of `x`.
///
/// # Safety
/// The machine must have AVX-512, and `at` must be within `x`.
#[target_feature(enable = "avx512f")]
unsafe fn load(x: &[f32], at: usize, fill: f32) -> __m512 {
    // SAFETY: nothing beyond the end is read.
    unsafe {
        let from = x.as_ptr().add(at);
        if x.len() - at >= LANES {
            _mm512_loadu_ps(from)
        } else {
            _mm512_mask_loadu_ps(_mm512_set1_ps(fill), mask(x.len() - at), from)
        }
    }
}

/// Returns the mask of the first `n` lanes.
fn mask(n: usize) -> u16 {
    if n >= LANES { u16::MAX } else { (1 << n) - 1 }
}

/// Rounds `x` to `bytes`; returns the value of one step and the value of byte 0.
///
/// # Safety
/// The machine must have AVX-512, and there must be as many bytes as numbers.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(crate) unsafe fn round(x: &[f32], bytes: &mut [u8]) -> [f32; 2] {
    // SAFETY: every load begins within `x`, and every store ends where `x` does.
    unsafe {
        let (mut least, mut most) = (_mm512_set1_ps(f32::INFINITY), _mm512_set1_ps(f32::NEG_INFINITY));
        // This is 0 unless a number is NaN or infinite, which then turns all results into NaN.
        let mut odd = _mm512_setzero_ps();
        let first = x.first().copied().unwrap_or(0.0);
        for at in (0..x.len()).step_by(LANES) {
            let x = load(x, at, first);
            least = _mm512_min_ps(x, least);
            most = _mm512_max_ps(x, most);
            odd = _mm512_fmadd_ps(x, _mm512_setzero_ps(), odd);
        }
        let (least, most) = (_mm512_reduce_min_ps(least), _mm512_reduce_max_ps(most));
        let scale = (most - least) / 255.0;
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        let (low, factor) = (_mm512_set1_ps(least), _mm512_set1_ps(inverse));
        for at in (0..x.len()).step_by(LANES) {
            let shifted = _mm512_sub_ps(load(x, at, first), low);
            let rounded = _mm512_castps_si512(_mm512_fmadd_ps(shifted, factor, _mm512_set1_ps(ROUNDER)));
            let out = bytes.as_mut_ptr().add(at).cast();
            _mm_mask_storeu_epi8(out, mask(x.len() - at), _mm512_cvtepi32_epi8(rounded));
        }
        [scale, least + _mm512_reduce_add_ps(odd)]
    }
}

/// Adds the contribution of a group of inputs to `M` rows of `from`, or of `to` itself, and writes the sums to `to`.
///
/// # Safety
/// The machine must have AVX-512 VNNI; the part must have the bytes and scales of `M` rows, and there must be as many
/// rows to add to.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(crate) unsafe fn add<const M: usize>(part: &Part<'_>, from: Option<Panels<'_>>, to: &mut [f32], stride: usize) {
    let mut all = [[_mm512_setzero_si512(); VECTORS]; M];
    let mut row = part.bytes.as_ptr();
    for quads in part.quads {
        let weights = std::ptr::from_ref(quads).cast::<__m512i>();
        // SAFETY: a `Quads` is as long as its vectors and aligned to their length; the caller has checked that M rows
        // of as many quads exist.
        unsafe {
            let mut column = [_mm512_setzero_si512(); VECTORS];
            for v in 0..VECTORS {
                column[v] = _mm512_load_si512(weights.add(v));
            }
            for r in 0..M {
                let quad = _mm512_set1_epi32(row.add(r * part.stride).cast::<i32>().read_unaligned());
                for v in 0..VECTORS {
                    all[r][v] = _mm512_dpbusd_epi32(all[r][v], quad, column[v]);
                }
            }
            row = row.add(QUAD);
        }
    }
    let (units, sums) = (&part.units[..PANEL], &part.sums[..PANEL]);
    let to = to.as_mut_ptr();
    let (from, from_stride) = from.map_or((to.cast_const(), stride), |(from, stride)| (from.as_ptr(), stride));
    for r in 0..M {
        // SAFETY: the caller has checked that the rows have scales, and panels to add from and to.
        unsafe {
            let [scale, low] = *part.scales.get_unchecked(r * part.groups);
            let (scale, low) = (_mm512_set1_ps(scale), _mm512_set1_ps(low));
            for v in 0..VECTORS {
                let at = v * LANES;
                let start = _mm512_loadu_ps(from.add(r * from_stride + at));
                let start = _mm512_fmadd_ps(low, _mm512_loadu_ps(sums.as_ptr().add(at)), start);
                let units = _mm512_loadu_ps(units.as_ptr().add(at));
                let product = _mm512_mul_ps(_mm512_cvtepi32_ps(all[r][v]), units);
                _mm512_storeu_ps(to.add(r * stride + at), _mm512_fmadd_ps(product, scale, start));
            }
        }
    }
}
