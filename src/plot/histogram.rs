//! Histograms.

use super::Marks;

const BINS: std::ops::RangeInclusive<f64> = 5.0..=80.0;

/// Counts the finite values in 5 to 80 bins of equal width. The width is that of Freedman & Diaconis (1981): twice the
/// interquartile range over the cube root of the number of values. The result is empty if no value is finite.
#[must_use]
pub fn histogram(values: &[f64]) -> Marks {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let (Some(&low), Some(&high)) = (sorted.first(), sorted.last()) else { return Marks::Bars(Vec::new()) };
    let quartile = |q: usize| sorted[(sorted.len() - 1) * q / 4];
    let width = 2.0 * (quartile(3) - quartile(1)) / (sorted.len() as f64).cbrt();
    let (low, high) = if high > low { (low, high) } else { (low - 0.5, low + 0.5) };
    let wanted = if width > 0.0 { (high - low) / width } else { (sorted.len() as f64).sqrt() };
    let bins = wanted.ceil().clamp(*BINS.start(), *BINS.end());
    let edge = |i: usize| low + (high - low) * i as f64 / bins;
    let mut counts = vec![0u32; bins as usize];
    let last = counts.len() - 1;
    for v in sorted {
        counts[(((v - low) / (high - low) * bins) as usize).min(last)] += 1;
    }
    Marks::Bars(counts.into_iter().enumerate().map(|(i, n)| (edge(i), edge(i + 1), f64::from(n))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(values: &[f64]) -> Vec<(f64, f64, f64)> {
        let Marks::Bars(bars) = histogram(values) else { panic!("a histogram has bars") };
        bars
    }

    fn rows(bars: &[(f64, f64, f64)]) -> u32 {
        bars.iter().map(|b| b.2 as u32).sum()
    }

    #[test]
    fn every_finite_value_is_counted_once() {
        let mut values: Vec<f64> = (0..1000).map(|i| f64::from(i % 37)).collect();
        values.extend([f64::NAN, f64::INFINITY]);
        let bars = bars(&values);
        assert_eq!(rows(&bars), 1000);
        assert_eq!((bars[0].0, bars.last().unwrap().1), (0.0, 36.0));
        // numpy.histogram_bin_edges(values, bins="fd") has 11 edges: interquartile range 18, width 3.6, 36 / 3.6 = 10;
        // its quartiles are interpolated.
        assert!((10..=11).contains(&bars.len()), "{}", bars.len());
    }

    #[test]
    fn one_value_and_none_are_no_trouble() {
        assert_eq!(rows(&bars(&[2.0; 9])), 9);
        assert!(bars(&[f64::NAN]).is_empty());
    }
}
