//! Statistics that are insensitive to a few outliers.

/// Factor from the median absolute deviation to the standard deviation of a normal distribution, `1 / Phi^-1(3/4)`.
pub const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;

/// Returns the median, which for an even number of values is the mean of the middle two; reorders `values`. NaN if
/// there are none.
#[must_use]
pub fn median<T: Copy + Into<f64>>(values: &mut [T]) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let order = |a: &T, b: &T| f64::total_cmp(&(*a).into(), &(*b).into());
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, order);
    let upper = upper.into();
    match below.iter().copied().max_by(order).filter(|_| even) {
        Some(lower) => f64::midpoint(lower.into(), upper),
        None => upper,
    }
}

/// Returns the standard deviation of a normal distribution with the same median absolute deviation about the median;
/// reorders `values`. NaN if there are none.
#[must_use]
pub fn mad_std<T: Copy + Into<f64>>(values: &mut [T]) -> f64 {
    let centre = median(values);
    let mut off: Vec<f64> = values.iter().map(|v| ((*v).into() - centre).abs()).collect();
    MAD_TO_SIGMA * median(&mut off)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Values from np.median and astropy.stats.mad_std.
    #[test]
    fn medians_of_odd_and_even_numbers() {
        assert!((median(&mut [5.0f32, -1.0, 3.0]) - 3.0).abs() < 1e-12);
        assert!((median(&mut [9.0f64, 1.0, 4.0, 2.0]) - 3.0).abs() < 1e-12);
        assert!((mad_std(&mut [9.0f64, 1.0, 4.0, 2.0]) - 2.223_903_327_758_403).abs() < 1e-12);
        assert!(median::<f64>(&mut []).is_nan() && mad_std::<f32>(&mut []).is_nan());
    }
}
