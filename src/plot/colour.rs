//! Colours that most readers can tell apart.

use plotters::style::{RGBColor, colors::colormaps::ColorMap, colors::colormaps::ViridisRGB};

/// The colour of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Colour {
    /// One of eight colours that colour-blind readers can tell apart (Okabe & Ito 2008); the ninth is the first again.
    Palette(usize),
    /// The colour of a value on the chart's colour scale, which is viridis from the lowest value to the highest.
    Scale(f64),
    /// Grey, for data that are only there for comparison.
    Grey,
}

/// The palette of Okabe & Ito (2008), with black last and a darker yellow, which is legible on white.
const PALETTE: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(186, 172, 20),
    RGBColor(0, 0, 0),
];
const GREY: RGBColor = RGBColor(130, 130, 130);

/// The range of values of a colour scale.
#[derive(Debug, Clone, Copy)]
pub(super) struct ColourScale {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Whether the colour scale is logarithmic.
    pub(super) log: bool,
}

impl ColourScale {
    fn linear(self, value: f64) -> f64 {
        if self.log { value.log10() } else { value }
    }

    /// Whether a value can be placed on the scale.
    pub(super) fn has(self, value: f64) -> bool {
        self.linear(value).is_finite()
    }
}

impl Colour {
    /// Returns the colour in a chart with this colour scale.
    pub(super) fn rgb(self, scale: ColourScale) -> RGBColor {
        match self {
            Self::Palette(i) => PALETTE[i % PALETTE.len()],
            Self::Scale(value) => on_scale(value, scale),
            Self::Grey => GREY,
        }
    }
}

/// Returns the colour of a value on a scale; grey if it cannot be placed there.
pub(super) fn on_scale(value: f64, scale: ColourScale) -> RGBColor {
    if !scale.has(value) {
        return GREY;
    }
    let (value, low, high) = (scale.linear(value), scale.linear(scale.low), scale.linear(scale.high));
    let place = if high > low { (value - low) / (high - low) } else { 0.5 };
    // The last tenth of viridis is a yellow that is hardly visible on white.
    ViridisRGB.get_color(0.93 * place.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(low: f64, high: f64) -> ColourScale {
        ColourScale { low, high, log: false }
    }

    #[test]
    fn the_scale_goes_from_dark_to_light() {
        let luminance = |v: f64| {
            let RGBColor(r, g, b) = on_scale(v, scale(4000.0, 6000.0));
            0.21 * f64::from(r) + 0.72 * f64::from(g) + 0.07 * f64::from(b)
        };
        let steps: Vec<f64> = (0..=10).map(|i| luminance(4000.0 + 200.0 * f64::from(i))).collect();
        assert!(steps.windows(2).all(|w| w[1] > w[0]), "{steps:?}");
        assert_eq!(on_scale(f64::NAN, scale(0.0, 1.0)), GREY);
        assert_eq!(on_scale(1.0, scale(1.0, 1.0)), on_scale(0.5, scale(0.0, 1.0)));
        let log = ColourScale { low: 1.0, high: 1e4, log: true };
        assert_eq!(on_scale(100.0, log), on_scale(0.5, scale(0.0, 1.0)));
        assert_eq!(on_scale(0.0, log), GREY);
    }

    #[test]
    fn colours_of_the_palette_differ() {
        let all: Vec<_> = (0..8).map(|i| Colour::Palette(i).rgb(scale(0.0, 1.0))).collect();
        assert!((0..8).all(|i| (0..i).all(|j| all[i] != all[j])));
        assert_eq!(Colour::Palette(8).rgb(scale(0.0, 1.0)), all[0]);
    }
}
