//! The shipped crossmatch finds the same pairs as a comparison of every pair.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use arrow::{
    array::{AsArray, Float32Array, Float64Array, Int64Array, RecordBatch},
    datatypes::Int64Type,
};
use lamcat::{
    schema::healpix::{cone_pixels, pixel, sky_distance},
    session::{Session, SessionOptions},
};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

type Position = (f64, f64);

/// Stars around the positions where matching catalogues is hard, and some anywhere.
fn sky(radius: f64, rng: &mut ChaCha8Rng) -> Vec<Position> {
    let centres =
        [(0.0, 90.0), (0.0, -90.0), (0.0, 0.0), (359.999_99, 60.0), (45.0, 41.8103), (90.0, -41.8103), (211.0, 12.0)];
    let mut stars = vec![(0.0, 90.0), (123.0, 90.0), (0.0, -90.0), (0.0, 5.0), (360.0, 5.0)];
    for (ra, dec) in centres {
        for _ in 0..50 {
            let near_dec: f64 = dec + rng.random_range(-1.5..1.5) * radius;
            let stretch = 1.0 / near_dec.to_radians().cos().abs().max(1e-3);
            let near_ra: f64 = ra + rng.random_range(-1.5..1.5) * (radius * stretch).min(120.0);
            stars.push((near_ra.rem_euclid(360.0), near_dec.clamp(-90.0, 90.0)));
        }
    }
    stars.extend((0..50).map(|_| (rng.random_range(0.0..360.0), rng.random_range(-90.0..90.0))));
    stars
}

fn is_target(star: usize) -> bool {
    star.is_multiple_of(3)
}

fn table(stars: &[Position]) -> RecordBatch {
    let mag = |i| if is_target(i) { 11.0 } else { 15.0 };
    RecordBatch::try_from_iter([
        ("source_id", Arc::new(Int64Array::from_iter_values(0..stars.len() as i64)) as _),
        ("ra", Arc::new(Float64Array::from_iter_values(stars.iter().map(|s| s.0))) as _),
        ("dec", Arc::new(Float64Array::from_iter_values(stars.iter().map(|s| s.1))) as _),
        ("phot_g_mean_mag", Arc::new(Float32Array::from_iter_values((0..stars.len()).map(mag))) as _),
    ])
    .unwrap()
}

fn every_pair(stars: &[Position], radius: f64) -> BTreeSet<(i64, i64)> {
    let mut pairs = BTreeSet::new();
    for (i, a) in stars.iter().enumerate().filter(|(i, _)| is_target(*i)) {
        for (j, b) in stars.iter().enumerate() {
            if i != j && sky_distance(a.0, a.1, b.0, b.1) <= radius {
                pairs.insert((i as i64, j as i64));
            }
        }
    }
    pairs
}

/// The shipped query with another radius and level.
fn query(radius: f64, level: u8) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/crossmatch.sql");
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!((text.matches("10.0 / 3600").count(), text.matches(", 12)").count()), (2, 2));
    text.replace("10.0 / 3600", &format!("CAST({radius:e} AS DOUBLE)")).replace(", 12)", &format!(", {level})"))
}

async fn matched(stars: &[Position], radius: f64, level: u8) -> Vec<(i64, i64)> {
    let session = Session::new(&SessionOptions::default()).unwrap();
    session.context().register_batch("stars", table(stars)).unwrap();
    let batches = session.sql(&query(radius, level)).await.unwrap().collect().await.unwrap();
    let column = |b: &RecordBatch, i: usize| b.column(i).as_primitive::<Int64Type>().values().to_vec();
    batches.iter().flat_map(|b| column(b, 0).into_iter().zip(column(b, 1))).collect()
}

#[tokio::test]
async fn the_pairs_are_those_of_every_pair_compared() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut total = 0;
    // A level 12 pixel is 52 arcseconds wide, a level 5 one 1.8 degrees, a level 29 one 0.4 mas.
    for (radius, level) in
        [(10.0f64 / 3600.0, 12), (0.1, 10), (0.1, 5), (5.0, 5), (60.0, 3), (1e-3 / 3600.0, 29), (0.0, 12), (180.0, 2)]
    {
        let stars = sky(radius.max(1e-7), &mut rng);
        let pairs = matched(&stars, radius, level).await;
        let distinct: BTreeSet<(i64, i64)> = pairs.iter().copied().collect();
        assert_eq!(distinct.len(), pairs.len(), "a pair is found twice at radius {radius}, level {level}");
        assert_eq!(distinct, every_pair(&stars, radius), "radius {radius}, level {level}");
        assert!(!pairs.is_empty(), "no pairs at radius {radius}");
        total += pairs.len();
    }
    println!("{total} pairs");
}

fn position() -> impl Strategy<Value = Position> {
    let dec = prop_oneof![-90.0..=90.0, 89.99..=90.0, -90.0..=-89.99, 41.80..41.82, -41.82..-41.80, Just(0.0)];
    (prop_oneof![0.0..360.0, -0.01..0.01, 89.99..90.01], dec)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// A point within `radius` of the centre, most often close to the rim, lies in one of the cone's pixels.
    #[test]
    fn a_cone_has_the_pixel_of_every_point_in_it(
        (ra, dec) in position(),
        log_radius in -9.0..2.25f64,
        level in 0..=29u8,
        inward in prop_oneof![Just(1e-12), 0.0..1.0f64],
        angle in 0.0..std::f64::consts::TAU,
    ) {
        let radius = 10f64.powf(log_radius);
        if let Ok(pixels) = cone_pixels(ra, dec, radius, level) {
            let pixels = pixels.unwrap();
            prop_assert!(pixels.windows(2).all(|w| w[0] < w[1]));
            let (ra2, dec2) = moved((ra, dec), radius * (1.0 - inward), angle);
            if sky_distance(ra, dec, ra2, dec2) <= radius {
                prop_assert!(pixels.binary_search(&pixel(ra2, dec2, level).unwrap()).is_ok());
            }
        }
    }

    /// Small cones have few pixels, since only few pixels come close to them.
    #[test]
    fn a_small_cone_has_few_pixels((ra, dec) in position(), level in 0..=29u8) {
        let width = 58.6 / f64::from(1u32 << level);
        let count = |radius: f64| cone_pixels(ra, dec, radius, level).unwrap().unwrap().len();
        prop_assert!((1..=9).contains(&count(0.0)));
        prop_assert!(count(0.3 * width) <= 14);
    }
}

/// The point at `distance` degrees from another in the direction `angle`.
fn moved((ra, dec): Position, distance: f64, angle: f64) -> Position {
    let (d, lat) = (distance.to_radians(), dec.to_radians());
    let along = (d.sin() * angle.cos(), d.cos());
    let z = lat.sin() * along.1 + lat.cos() * along.0;
    let x = lat.cos() * along.1 - lat.sin() * along.0;
    let y = d.sin() * angle.sin();
    (ra + y.atan2(x).to_degrees(), z.atan2(x.hypot(y)).to_degrees())
}
