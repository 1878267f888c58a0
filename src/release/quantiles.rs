//! Medians of any number of values in bounded memory.

use datafusion_functions_aggregate_common::tdigest::TDigest;

/// Up to this number of values, quantiles are exact.
const EXACT: usize = 1 << 16;
/// Number of values that are added to a digest at once.
const TAKEN: usize = 1 << 13;
/// Number of centroids of the digest that is used for more values (t-digest, Dunning & Ertl 2019, arXiv:1902.04023):
/// the rank of a median differs from the middle by at most 0.1 % of the rows.
const CENTROIDS: usize = 2000;
/// Number of times that an interval of quantiles is halved.
const HALVINGS: usize = 40;
/// For normally distributed values: the standard deviation divided by the median distance from the median.
const NORMAL: f64 = 1.4826;

/// The quantiles of values that arrive one by one: exact for few values, from a t-digest for many.
#[derive(Debug, Clone, Default)]
pub struct Quantiles {
    values: Vec<f64>,
    digest: Option<TDigest>,
    count: u64,
}

impl Quantiles {
    /// Adds a value; values that are not finite are ignored.
    pub fn add(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.values.push(value);
        self.count += 1;
        if self.values.len() >= if self.digest.is_none() { EXACT } else { TAKEN } {
            self.fold();
        }
    }

    /// Adds the values of another instance.
    pub fn merge(&mut self, other: &Self) {
        if let Some(theirs) = &other.digest {
            self.fold();
            self.digest = self.digest.take().map(|own| TDigest::merge_digests([&own, theirs]));
        }
        self.count += other.count - other.values.len() as u64;
        other.values.iter().for_each(|value| self.add(*value));
    }

    fn fold(&mut self) {
        let digest = self.digest.take().unwrap_or_else(|| TDigest::new(CENTROIDS));
        self.digest = Some(digest.merge_unsorted_f64(std::mem::take(&mut self.values)));
    }

    /// Number of values so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The median, and the robust standard deviation: 1.4826 times the median distance from it. `None` without values.
    #[must_use]
    pub fn median_and_scatter(mut self) -> Option<(f64, f64)> {
        if self.count == 0 {
            return None;
        }
        if self.digest.is_none() {
            let median = middle(&mut self.values);
            self.values.iter_mut().for_each(|value| *value = (*value - median).abs());
            return Some((median, NORMAL * middle(&mut self.values)));
        }
        self.fold();
        let digest = self.digest?;
        let median = digest.estimate_quantile(0.5);
        // Half of the values lie between the quantiles p and p + 0.5; where those are as far from the median, that is
        // the median distance.
        let (mut low, mut high) = (0.0, 0.5);
        for _ in 0..HALVINGS {
            let p = 0.5 * (low + high);
            let too_high = digest.estimate_quantile(p) + digest.estimate_quantile(p + 0.5) > 2.0 * median;
            if too_high { high = p } else { low = p }
        }
        Some((median, NORMAL * (median - digest.estimate_quantile(0.5 * (low + high)))))
    }
}

/// The middle value, or the mean of the two in the middle; `values` must not be empty.
fn middle(values: &mut [f64]) -> f64 {
    let half = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(half, f64::total_cmp);
    let upper = *upper;
    let lower = below.iter().copied().max_by(f64::total_cmp).filter(|_| even);
    lower.map_or(upper, |lower| 0.5 * (lower + upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl Iterator<Item = f64>) -> Quantiles {
        let mut quantiles = Quantiles::default();
        values.for_each(|value| quantiles.add(value));
        quantiles
    }

    #[test]
    fn few_values_are_exact() {
        // numpy.median and 1.4826 scipy.stats.median_abs_deviation of [1, 2, 4, 8, 100].
        let values = [8.0, 1.0, f64::NAN, 100.0, 2.0, 4.0];
        assert_eq!(of(values.into_iter()).median_and_scatter(), Some((4.0, 1.4826 * 3.0)));
        assert_eq!(of([1.0, 3.0].into_iter()).median_and_scatter(), Some((2.0, 1.4826)));
        assert_eq!(Quantiles::default().median_and_scatter(), None);
    }

    #[test]
    fn many_values_are_close() {
        // Squares of uniform values from 0 to 1, scrambled and in two parts. The median is 0.25; half of the values lie
        // within r of it where sqrt(0.25 + r) - sqrt(0.25 - r) = 0.5, which is r = sqrt(0.046875).
        let scrambled = |from: u64, to: u64| (from..to).map(|i| ((i * 7_919) % 1_000_003) as f64 / 1e6).map(|x| x * x);
        let (mut one, other) = (of(scrambled(0, 400_000)), of(scrambled(400_000, 1_000_003)));
        one.merge(&other);
        assert_eq!(one.count(), 1_000_003);
        let (median, scatter) = one.median_and_scatter().unwrap();
        assert!((median - 0.25).abs() < 5e-4, "{median}");
        let r = 0.046_875_f64.sqrt();
        assert!((scatter / 1.4826 - r).abs() < 5e-4, "{scatter} {r}");
    }
}
