//! Maps of the whole sky.

use std::f64::consts::TAU;

use cdshealpix::{compass_point::Cardinal, nested};
use lamcat_core::error::Result;
use plotters::prelude::{Color, PathElement, Polygon, Text};
use plotters::style::{
    BLACK, IntoFont, RGBColor, TextStyle, WHITE,
    text_anchor::{HPos, Pos, VPos},
};

use super::{
    colour::on_scale,
    draw::{colour_scale, heading, svg_image},
    legend,
    mollweide::mollweide,
    style::{Area, Drawn, FONT, UNIT},
};

/// Size of the image in pixels.
const SIZE: (i32, i32) = (900, 460);
/// Number of line segments per side of a HEALPix pixel; at low orders the sides are curved.
const PIECES: u32 = 2;
const PIECES_OF_LARGE: u32 = 8;
/// Order below which pixels are large on the map.
const LARGE_BELOW: u8 = 3;
/// Factor by which a pixel is enlarged, so that no seam is visible.
const SWELL: f64 = 1.04;
/// Spacing of the grid lines in degrees.
const STEP: i32 = 30;
/// Spacing of the points of a line in degrees.
const LINE_STEP: usize = 3;
const GRID: RGBColor = RGBColor(170, 170, 170);
const GALAXY: RGBColor = RGBColor(213, 94, 0);
/// The north Galactic pole in ICRS, and the Galactic longitude of the north celestial pole, in degrees (ESA 1997, The
/// Hipparcos and Tycho Catalogues, vol. 1, section 1.5.3).
const GALACTIC_POLE: (f64, f64) = (192.859_48, 27.128_25);
const LONGITUDE_OF_POLE: f64 = 122.931_92;

/// Values of HEALPix pixels (NESTED, ICRS) on the sky, in the Mollweide projection of equatorial coordinates: right
/// ascension 0 is in the middle, increasing to the left, and north is up. The Galactic plane is marked.
#[derive(Debug, Clone, Default)]
pub struct SkyMap {
    /// Heading; empty for none.
    pub title: String,
    /// The quantity and its unit.
    pub colour: String,
    /// Whether the colour scale is logarithmic; values without a logarithm are left out.
    pub log_colour: bool,
    /// Order of the pixels, 0 to 29.
    pub order: u8,
    /// Pixel indices, below 12 · 4^order, with their values.
    pub pixels: Vec<(u64, f64)>,
}

impl SkyMap {
    /// Returns the map as an SVG image of 900 x 460 pixels.
    ///
    /// # Errors
    /// If it cannot be drawn.
    pub fn svg(&self) -> Result<String> {
        svg_image(SIZE, |whole| self.draw(whole))
    }

    fn draw(&self, whole: &Area) -> Drawn {
        let top = heading(&self.title, whole)?;
        let frame = Frame::new(top, legend::bar_width(&self.colour));
        let scale = colour_scale(self.pixels.iter().map(|p| p.1), self.log_colour);
        whole.draw(&Polygon::new(frame.outline(), RGBColor(246, 246, 246).filled()))?;
        let layer_size = 12u64 << (2 * u32::from(self.order.min(29)));
        for (pixel, value) in self.pixels.iter().filter(|(p, v)| *p < layer_size && scale.has(*v)) {
            let colour = on_scale(*value, scale).filled();
            for part in parts(self.order.min(29), *pixel) {
                whole.draw(&Polygon::new(swollen(part.iter().map(|p| frame.place(p.0, p.1))), colour))?;
            }
        }
        grid(whole, &frame)?;
        let galaxy: Vec<(f64, f64)> = (0..=360).step_by(LINE_STEP).map(|l| galactic_plane(f64::from(l))).collect();
        for run in galaxy.chunk_by(|a, b| (centred(a.0) - centred(b.0)).abs() < 90.0) {
            let line: Vec<_> = run.iter().map(|p| frame.place(centred(p.0), p.1)).collect();
            whole.draw(&PathElement::new(line, GALAXY.stroke_width(2 * UNIT as u32)))?;
        }
        let mut outline = frame.outline();
        outline.extend(outline.first().copied());
        whole.draw(&PathElement::new(outline, BLACK.stroke_width(3 * UNIT as u32 / 2)))?;
        labels(whole, &frame)?;
        if scale.low <= scale.high {
            legend::bar(&self.colour, whole, (frame.right + 16 * UNIT, top + 14 * UNIT), scale)?;
        }
        let line_top = SIZE.1 * UNIT - 14 * UNIT;
        whole.draw(&PathElement::new(
            [(18 * UNIT, line_top), (42 * UNIT, line_top)],
            GALAXY.stroke_width(2 * UNIT as u32),
        ))?;
        let note = "Galactic plane; equatorial coordinates (ICRS), Mollweide projection";
        whole.draw(&Text::new(note, (50 * UNIT, line_top), legend::text_style()))?;
        Ok(())
    }
}

/// The position of the ellipse in the image.
struct Frame {
    centre: (f64, f64),
    /// Half the height of the ellipse.
    half: f64,
    right: i32,
}

impl Frame {
    fn new(top: i32, key_width: i32) -> Self {
        let (left, right) = (46 * UNIT, SIZE.0 * UNIT - key_width - 16 * UNIT);
        let bottom = SIZE.1 * UNIT - 30 * UNIT;
        let half = (f64::from(right - left) / 4.0).min(f64::from(bottom - top) / 2.0);
        Self {
            centre: (f64::midpoint(left.into(), right.into()), f64::midpoint(top.into(), bottom.into())),
            half,
            right,
        }
    }

    /// Returns the position of a right ascension from -180 to 180 and a declination.
    fn place(&self, ra: f64, dec: f64) -> (i32, i32) {
        let (x, y) = mollweide(ra, dec);
        ((self.centre.0 - x * self.half).round() as i32, (self.centre.1 - y * self.half).round() as i32)
    }

    fn outline(&self) -> Vec<(i32, i32)> {
        let angles = (0..180).map(|i| TAU * f64::from(i) / 180.0);
        let place = |t: f64| (self.centre.0 + 2.0 * self.half * t.cos(), self.centre.1 + self.half * t.sin());
        angles.map(place).map(|(x, y)| (x.round() as i32, y.round() as i32)).collect()
    }
}

/// Returns a longitude in the range from -180 to 180.
fn centred(degrees: f64) -> f64 {
    (degrees + 180.0).rem_euclid(360.0) - 180.0
}

/// Returns the outline of a pixel as right ascensions from -180 to 180 and declinations, or two outlines if the pixel
/// crosses the edge of the map.
fn parts(order: u8, pixel: u64) -> Vec<Vec<(f64, f64)>> {
    let pieces = if order < LARGE_BELOW { PIECES_OF_LARGE } else { PIECES };
    let middle = centred(nested::center(order, pixel).0.to_degrees());
    let corners = nested::path_along_cell_edge(order, pixel, &Cardinal::S, true, pieces);
    // The longitude of a pole is arbitrary.
    let longitude = |lon: f64, lat: f64| if lat.abs() > 89.999_999 { middle } else { middle + centred(lon - middle) };
    let outline: Vec<(f64, f64)> = corners
        .iter()
        .map(|(lon, lat)| (lon.to_degrees(), lat.to_degrees()))
        .map(|(lon, lat)| (longitude(lon, lat), lat))
        .collect();
    let shifts = [0.0, 360.0, -360.0].into_iter().filter(|shift| {
        // Some part of the pixel is on the map with this shift.
        outline.iter().any(|p| (p.0 + shift).abs() < 180.0)
    });
    let shifted = |shift: f64| outline.iter().map(|p| ((p.0 + shift).clamp(-180.0, 180.0), p.1)).collect();
    shifts.map(shifted).collect()
}

/// Returns a polygon enlarged about its centre.
fn swollen(corners: impl Iterator<Item = (i32, i32)>) -> Vec<(i32, i32)> {
    let corners: Vec<(f64, f64)> = corners.map(|(x, y)| (x.into(), y.into())).collect();
    let n = corners.len().max(1) as f64;
    let middle = corners.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0 / n, sum.1 + p.1 / n));
    let far = |p: f64, m: f64| (m + SWELL * (p - m)).round() as i32;
    corners.iter().map(|p| (far(p.0, middle.0), far(p.1, middle.1))).collect()
}

fn grid(whole: &Area, frame: &Frame) -> Drawn {
    let lines = (-180 / STEP + 1..180 / STEP).map(|i| f64::from(STEP * i));
    for ra in lines {
        let line: Vec<_> = (-90..=90).step_by(LINE_STEP).map(|dec| frame.place(ra, f64::from(dec))).collect();
        whole.draw(&PathElement::new(line, GRID.mix(0.6).stroke_width(1)))?;
    }
    for dec in (-90 / STEP + 1..90 / STEP).map(|i| f64::from(STEP * i)) {
        whole.draw(&PathElement::new(
            [frame.place(-180.0, dec), frame.place(180.0, dec)],
            GRID.mix(0.6).stroke_width(1),
        ))?;
    }
    Ok(())
}

fn labels(whole: &Area, frame: &Frame) -> Drawn {
    let style = |h: HPos| TextStyle::from(("sans-serif", FONT * 9 / 10).into_font()).pos(Pos::new(h, VPos::Center));
    for dec in [-60, -30, 0, 30, 60] {
        let (x, y) = frame.place(180.0, f64::from(dec));
        let text = format!("{dec:+}°").replace("+0", "0").replace('-', "−");
        whole.draw(&Text::new(text, (x - 5 * UNIT, y), style(HPos::Right)))?;
    }
    for ra in [-120, -60, 0, 60, 120] {
        let (x, y) = frame.place(f64::from(ra), 0.0);
        let text = format!("{}°", (ra + 360) % 360);
        // White copies behind the text, because the colours below may be dark or light.
        let rim = [(-1, -1), (-1, 1), (1, -1), (1, 1), (0, 1), (0, -1), (1, 0), (-1, 0)];
        for (dx, dy) in rim {
            let at = (x + dx * UNIT, y + 10 * UNIT + dy * UNIT);
            whole.draw(&Text::new(text.clone(), at, style(HPos::Center).color(&WHITE)))?;
        }
        whole.draw(&Text::new(text, (x, y + 10 * UNIT), style(HPos::Center)))?;
    }
    Ok(())
}

/// Returns the right ascension and declination, in degrees, of the point of the Galactic plane at a Galactic longitude.
fn galactic_plane(longitude: f64) -> (f64, f64) {
    let (pole_ra, pole_dec) = (GALACTIC_POLE.0, GALACTIC_POLE.1.to_radians());
    let from_pole = (LONGITUDE_OF_POLE - longitude).to_radians();
    let dec = (pole_dec.cos() * from_pole.cos()).asin();
    let ra = from_pole.sin().atan2(-pole_dec.sin() * from_pole.cos());
    ((pole_ra + ra.to_degrees()).rem_euclid(360.0), dec.to_degrees())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_galactic_plane_is_that_of_astropy() {
        // Values from SkyCoord(l=.., b=0, frame='galactic').icrs of astropy 7.
        let known = [
            (0.0, (266.404_988_3, -28.936_177_8)),
            (33.0, (282.890_518_9, 0.060_585_7)),
            (LONGITUDE_OF_POLE, (12.859_466_4, 62.871_747_6)),
            (270.0, (138.004_381_5, -48.329_637_2)),
        ];
        for (longitude, (ra, dec)) in known {
            let found = galactic_plane(longitude);
            assert!((found.0 - ra).abs() < 1e-4 && (found.1 - dec).abs() < 1e-4, "{longitude}: {found:?}");
        }
    }

    #[test]
    fn pixels_cover_the_map_once() {
        // The area of the ellipse, by the shoelace formula over all outlines.
        for order in [0u8, 1, 3, 4] {
            let mut area = 0.0;
            for pixel in 0..12u64 << (2 * order) {
                for part in parts(order, pixel) {
                    let places: Vec<(f64, f64)> = part.iter().map(|p| mollweide(p.0, p.1)).collect();
                    let next = places.iter().cycle().skip(1);
                    area += places.iter().zip(next).map(|(a, b)| a.0 * b.1 - a.1 * b.0).sum::<f64>().abs() / 2.0;
                }
            }
            let share = area / TAU;
            assert!((share - 1.0).abs() < 0.02, "order {order}: {share} of the map");
        }
    }

    #[test]
    fn a_pixel_on_the_edge_has_two_parts_on_the_map() {
        let edge = nested::hash(3, std::f64::consts::PI, 0.1);
        let found = parts(3, edge);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().flatten().all(|p| p.0.abs() <= 180.0 && p.1.abs() <= 90.0));
        assert_eq!(parts(3, nested::hash(3, 0.5, 0.1)).len(), 1);
    }

    #[test]
    fn values_that_have_no_colour_are_left_out() {
        let polygons = |pixels: Vec<(u64, f64)>| {
            let map = SkyMap { log_colour: true, order: 2, colour: "rows".to_owned(), pixels, ..SkyMap::default() };
            map.svg().unwrap().matches("<polygon").count()
        };
        let none = polygons(Vec::new());
        assert_eq!(polygons(vec![(7, 3.0), (8, 0.0), (9, f64::NAN), (10_000, 5.0)]), none + 1);
    }
}
