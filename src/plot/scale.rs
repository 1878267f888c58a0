//! The scale of an axis: its limits, round ticks and their text.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, KeyPointWeight, NoDefaultFormatting, Ranged, ValueFormatter};

use super::Axis;

/// Share of the axis left empty at each end, outside the data.
const MARGIN: f64 = 0.03;
/// Approximate number of ticks on an axis.
const TICKS: f64 = 8.0;
/// Number of decades from which a logarithmic axis has ticks only at powers of ten.
const MANY_DECADES: f64 = 3.0;
const SUPERSCRIPTS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];

/// Maps values to positions on an axis.
#[derive(Debug, Clone)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    log: bool,
    inverted: bool,
    /// Power of ten that is shown in the label and not in the ticks' text.
    exponent: i32,
}

impl Scale {
    /// Returns the scale of `axis` for data between `low` and `high`; if the data are `grounded`, the axis begins where
    /// they do.
    pub(super) fn new(axis: &Axis, (low, high): (f64, f64), grounded: bool) -> Self {
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let raw = Self { low, high, log: axis.log && low > 0.0, inverted: axis.inverted, exponent: 0 };
        let (from, to) = (raw.linear(low), raw.linear(high));
        let margin = if to > from {
            MARGIN * (to - from)
        } else if raw.log || from == 0.0 {
            0.5
        } else {
            0.05 * from.abs()
        };
        let from = if grounded && low == 0.0 { from } else { from - margin };
        let (low, high) = (raw.unlinear(from), raw.unlinear(to + margin));
        let largest = low.abs().max(high.abs());
        let plain = raw.log || (1e-3..1e5).contains(&largest) || largest == 0.0;
        let exponent = if plain { 0 } else { largest.log10().floor() as i32 };
        Self { low, high, exponent, ..raw }
    }

    fn linear(&self, value: f64) -> f64 {
        if self.log { value.log10() } else { value }
    }

    fn unlinear(&self, place: f64) -> f64 {
        if self.log { 10f64.powf(place) } else { place }
    }

    /// Returns the value at a fraction of the axis, from its low end.
    pub(super) fn at(&self, share: f64) -> f64 {
        let (low, high) = (self.linear(self.low), self.linear(self.high));
        self.unlinear(low + share * (high - low))
    }

    /// Whether a value can be placed on the axis.
    pub(super) fn has(&self, value: f64) -> bool {
        self.linear(value).is_finite()
    }

    /// The value at which bars begin: zero, or the end of the axis if that is above zero.
    pub(super) fn ground(&self) -> f64 {
        self.low.max(0.0)
    }

    /// Returns round values on the axis, ascending.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let span = self.linear(self.high) - self.linear(self.low);
        if !self.log || span < 0.5 {
            return self.linear_ticks();
        }
        let multiples: &[f64] = if span < MANY_DECADES { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let stride = (span / TICKS).ceil().max(1.0) as i32;
        let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let all = decades.filter(|d| d % stride == 0).flat_map(|d| multiples.iter().map(move |m| m * 10f64.powi(d)));
        all.filter(|v| (self.low..=self.high).contains(v)).collect()
    }

    fn linear_ticks(&self) -> Vec<f64> {
        let step = round_step((self.high - self.low) / TICKS);
        let (first, last) = ((self.low / step).ceil() as i64, (self.high / step).floor() as i64);
        (first..=last).map(|i| i as f64 * step).collect()
    }

    /// Returns a tick's text, without the power of ten shown by [`Scale::label`].
    pub(super) fn text(&self, value: f64) -> String {
        if self.log && self.linear(self.high) - self.linear(self.low) >= 0.5 {
            return power_or_number(value);
        }
        let scaled = |v: f64| v / 10f64.powi(self.exponent);
        let step = scaled(round_step((self.high - self.low) / TICKS));
        let decimals = (-(step * 1.000_001).log10().floor()).clamp(0.0, 12.0) as usize;
        let text = format!("{:.decimals$}", scaled(value));
        // Avoids "-0".
        if text.trim_start_matches(['-', '0', '.']).is_empty() { text.replace('-', "") } else { text }.replace('-', "−")
    }

    /// Returns the axis label with the ticks' power of ten.
    pub(super) fn label(&self, label: &str) -> String {
        match (self.exponent, label.is_empty()) {
            (0, _) => label.to_owned(),
            (e, true) => power(e),
            (e, false) => format!("{label} / {}", power(e)),
        }
    }
}

/// Returns the next round step (1, 2 or 5 times a power of ten) above `step`.
fn round_step(step: f64) -> f64 {
    let decade = 10f64.powf(step.log10().floor());
    let wanted = step / decade * 0.999_999;
    decade * [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| *m >= wanted).unwrap_or(10.0)
}

fn power(exponent: i32) -> String {
    let digits = exponent.unsigned_abs().to_string();
    let sign = if exponent < 0 { "⁻" } else { "" };
    let digits: String = digits.chars().filter_map(|c| c.to_digit(10)).map(|d| SUPERSCRIPTS[d as usize]).collect();
    format!("10{sign}{digits}")
}

fn power_or_number(value: f64) -> String {
    let exponent = value.log10().floor() as i32;
    if (-3..5).contains(&exponent) {
        return format!("{:.*}", (-exponent).max(0) as usize, value);
    }
    let digit = (value / 10f64.powi(exponent)).round() as u32;
    if digit == 1 { power(exponent) } else { format!("{digit}×{}", power(exponent)) }
}

impl Ranged for Scale {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (from, to): (i32, i32)) -> i32 {
        let (low, high) = (self.linear(self.low), self.linear(self.high));
        let place = (self.linear(*value) - low) / (high - low);
        let place = if self.inverted { 1.0 - place } else { place };
        from + (place * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        match hint.weight() {
            KeyPointWeight::Bold => self.ticks(),
            KeyPointWeight::Any => Vec::new(),
        }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Scale {
    fn format_ext(&self, value: &f64) -> String {
        self.text(*value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis, limits: (f64, f64)) -> (Vec<String>, String) {
        let scale = Scale::new(axis, limits, false);
        (scale.ticks().into_iter().map(|t| scale.text(t)).collect(), scale.label("x"))
    }

    #[test]
    fn ticks_are_round() {
        let linear = Axis::default();
        assert_eq!(texts(&linear, (336.0, 1020.0)).0, ["400", "500", "600", "700", "800", "900", "1000"].to_vec());
        assert_eq!(texts(&linear, (-0.3, 0.3)).0, ["−0.3", "−0.2", "−0.1", "0.0", "0.1", "0.2", "0.3"].to_vec());
        let (ticks, label) = texts(&linear, (0.0, 3.2e-16));
        assert_eq!(ticks, ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5", "3.0"].to_vec());
        assert_eq!(label, "x / 10⁻¹⁶");
        let log = Axis { log: true, ..Axis::default() };
        assert_eq!(texts(&log, (0.02, 3.0)).0, ["0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"].to_vec());
        assert_eq!(texts(&log, (1e-9, 1.0)).0, ["10⁻⁸", "10⁻⁶", "10⁻⁴", "0.01", "1"].to_vec());
        // No value has a logarithm, so the axis is linear.
        assert_eq!(texts(&log, (-1.0, 1.0)).0, texts(&linear, (-1.0, 1.0)).0);
    }

    #[test]
    fn places_follow_the_direction_and_the_logarithm() {
        let place = |axis: &Axis, v: f64| Scale::new(axis, (1.0, 100.0), false).map(&v, (0, 1000));
        let log = Axis { log: true, ..Axis::default() };
        assert_eq!(place(&log, 10.0), 500);
        assert!(place(&log, 2.0) > place(&Axis::default(), 2.0));
        let inverted = Axis { inverted: true, ..Axis::default() };
        assert_eq!(place(&inverted, 20.0), 1000 - place(&Axis::default(), 20.0));
        assert!(!Scale::new(&log, (1.0, 100.0), false).has(-1.0));
    }

    #[test]
    fn a_single_value_and_no_value_have_an_axis() {
        for limits in [(0.0, 0.0), (5.0, 5.0), (-3e20, -3e20), (f64::INFINITY, f64::NEG_INFINITY)] {
            for log in [false, true] {
                let scale = Scale::new(&Axis { log, ..Axis::default() }, limits, false);
                let ticks = scale.ticks();
                assert!((1..20).contains(&ticks.len()), "{limits:?} {log}: {ticks:?}");
            }
        }
    }
}
