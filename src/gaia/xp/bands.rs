//! The lists of coefficients of the two bands, as stored in the rows of a table.

/// Coefficients per band in Gaia DR3.
pub const COEFFICIENTS_PER_BAND: usize = 55;

/// Length of an `xp` list: all BP coefficients, then all RP coefficients.
pub const XP_LEN: usize = 2 * COEFFICIENTS_PER_BAND;

/// A list from which no result can be computed: it is too long, has the wrong length, or contains a value that is not a
/// number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Returns how many of `len` coefficients are used: the relevant ones, or all of them if that number is missing or
/// zero.
pub(super) fn used(len: usize, relevant: Option<usize>) -> usize {
    relevant.filter(|n| *n > 0).map_or(len, |n| n.min(len))
}

/// Returns the coefficients of a band that are used; `None` if the band is missing: there is no list, it is empty, or
/// it has only NaN.
///
/// # Errors
/// If the list has more than 55 coefficients, or one of those used is not finite.
pub fn band(list: Option<&[f64]>, relevant: Option<usize>) -> Result<Option<&[f64]>, Malformed> {
    let Some(list) = list.filter(|l| l.iter().any(|c| !c.is_nan())) else { return Ok(None) };
    let coefficients = &list[..used(list.len(), relevant)];
    let fits = list.len() <= COEFFICIENTS_PER_BAND && coefficients.iter().all(|c| c.is_finite());
    if fits { Ok(Some(coefficients)) } else { Err(Malformed) }
}

/// Returns the sum of products over the length of the shorter slice.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Four separate sums make the additions independent of each other, so that they can be vectorised.
    let (a4, a_rest) = a[..a.len().min(b.len())].as_chunks::<4>();
    let (b4, b_rest) = b.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for (a, b) in a4.iter().zip(b4) {
        for (s, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *s += a * b;
        }
    }
    let b_rest = b.get(4 * a4.len()..).unwrap_or(b_rest);
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_is_used_missing_or_malformed() {
        let list = [1.0, 2.0, f64::NAN];
        assert_eq!(band(Some(&list), Some(2)), Ok(Some(&list[..2])));
        assert_eq!(band(Some(&list[..2]), Some(0)), Ok(Some(&list[..2])));
        assert_eq!(band(Some(&list), None), Err(Malformed));
        assert_eq!(band(Some(&[f64::INFINITY]), None), Err(Malformed));
        assert_eq!(band(Some(&[0.0; 56]), Some(3)), Err(Malformed));
        for missing in [None, Some(&[][..]), Some(&[f64::NAN; 55][..])] {
            assert_eq!(band(missing, Some(3)), Ok(None));
        }
    }

    #[test]
    fn dot_takes_the_shorter_slice() {
        let numbers: Vec<f64> = (1..=10).map(f64::from).collect();
        for n in 0..=10 {
            let sum: f64 = numbers[..n].iter().map(|x| x * x).sum();
            assert!((dot(&numbers[..n], &numbers) - sum).abs() < 1e-9, "{n}");
            assert!((dot(&numbers, &numbers[..n]) - sum).abs() < 1e-9, "{n}");
        }
    }
}
