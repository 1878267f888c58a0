//! Compares the sky and Gaia functions with independent packages; `tests/peers/sky_reference.py` writes the reference
//! files.

use std::path::Path;

use arrow::{
    array::AsArray,
    datatypes::{Float64Type, Int64Type},
};
use lamcat::{
    extinction::{CCM89, F99, G23, O94},
    gaia::{parallax_zero_point, source_id_pixel},
    schema::healpix::{pixel, sky_distance},
    sources::FitsTable,
};

use crate::shared::shared;

/// The rows of a reference file, without its header.
fn rows(name: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/reference").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|l| l.split(',').map(str::to_owned).collect()).collect()
}

fn number(text: &str) -> f64 {
    text.parse().unwrap()
}

#[test]
fn pixels_are_those_of_healpy_and_astropy() {
    let rows = rows("healpix.csv");
    assert_eq!(rows.len(), 60);
    for row in rows {
        for (i, level) in [0, 5, 12, 29].into_iter().enumerate() {
            let own = pixel(number(&row[0]), number(&row[1]), level).unwrap();
            for peer in &row[2 + 2 * i..4 + 2 * i] {
                assert_eq!(own, peer.parse::<i64>().unwrap(), "level {level}: {row:?}");
            }
        }
    }
}

#[test]
fn distances_are_exact_and_those_of_astropy() {
    let mut worst = [0f64; 3];
    for row in rows("sky_distance.csv") {
        let v: Vec<f64> = row.iter().map(|v| number(v)).collect();
        for own in [sky_distance(v[0], v[1], v[2], v[3]), sky_distance(v[2], v[3], v[0], v[1])] {
            worst[0] = worst[0].max((own - v[5]).abs());
            if v[5] > 0.0 {
                worst[1] = worst[1].max((own - v[5]).abs() / v[5]);
            }
            worst[2] = worst[2].max((own - v[4]).abs());
        }
    }
    println!("exact: {:e} degrees, relative {:e}; astropy: {:e} degrees", worst[0], worst[1], worst[2]);
    assert!(worst[0] < 1e-13 && worst[1] < 1e-14 && worst[2] < 1e-12);
}

#[test]
fn zero_points_are_those_of_the_authors_package() {
    let (mut valid, mut none, mut worst) = (0, 0, 0f64);
    for row in rows("parallax_zero_point.csv") {
        let v: Vec<f64> = row[..4].iter().map(|v| number(v)).collect();
        let own = parallax_zero_point(v[0], Some(v[1]), Some(v[2]), v[3], row[4].parse().unwrap());
        if row[5].is_empty() {
            none += 1;
            assert_eq!(own, None, "{row:?}");
        } else {
            valid += 1;
            worst = worst.max((own.unwrap() - number(&row[5])).abs());
        }
    }
    println!("{valid} zero points, {none} out of range, worst {worst:e} mas");
    assert!(valid > 300 && none > 60);
    // The package rounds to 1e-6 mas.
    assert!(worst < 5.001e-7);
}

#[test]
fn extinction_is_that_of_two_packages() {
    // The package `extinction` takes its F99 anchors from a later program of Fitzpatrick's instead of the paper's
    // table; at 125 nm CCM89 has a step, and the two packages are on different sides of it.
    for (law, peer_tolerance) in [(&CCM89, 1e-10), (&O94, 1e-10), (&F99, 1e-3), (&G23, 0.0)] {
        let (mut worst, mut worst_peer, mut compared) = (0f64, 0f64, 0);
        for row in rows("extinction.csv").iter().filter(|r| r[0] == law.name) {
            let (rv, wavelength) = (number(&row[1]), number(&row[2]));
            let own = law.at(wavelength, rv).unwrap();
            worst = worst.max((own - number(&row[3])).abs());
            compared += 1;
            if !row[4].is_empty() && row[2] != "125.0" {
                worst_peer = worst_peer.max((own - number(&row[4])).abs());
            }
        }
        println!("{}: {compared} values, dust_extinction {worst:e}, extinction {worst_peer:e}", law.name);
        assert!(compared > 500 && worst < 1e-10 && worst_peer <= peer_tolerance, "{}", law.name);
    }
}

/// For real sources, the pixel in the source_id is that of the position.
#[test]
fn source_ids_hold_the_pixel_of_their_position() {
    let Some(path) = shared("data/gaia_source/astroquery_cone_search.json") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let table: serde_json::Value = serde_json::from_str(&text).unwrap();
    let columns: Vec<&str> = table["metadata"].as_array().unwrap().iter().filter_map(|c| c["name"].as_str()).collect();
    let at = |name: &str| columns.iter().position(|c| *c == name).unwrap();
    let (id, ra, dec) = (at("source_id"), at("ra"), at("dec"));
    let stars = table["data"].as_array().unwrap();
    assert_eq!(stars.len(), 50);
    for star in stars {
        for level in 0..=12 {
            let encoded = source_id_pixel(star[id].as_i64().unwrap(), level);
            assert_eq!(encoded, pixel(star[ra].as_f64().unwrap(), star[dec].as_f64().unwrap(), level), "{}", star[id]);
        }
    }
}

/// Giants of a dense cluster: at level 12 some are so close to a pixel's border that the position used for the
/// identifier is on the other side.
#[test]
fn nearly_all_source_ids_of_a_cluster_hold_the_pixel_of_their_position() {
    let Some(path) = shared("data/gaia_source/aspgap_omegacen.fits") else { return };
    let mut agree = [0; 13];
    for batch in FitsTable::open(&path).unwrap() {
        let batch = batch.unwrap();
        let (ra, dec) =
            (batch["RAdeg_x"].as_primitive::<Float64Type>(), batch["DEdeg_x"].as_primitive::<Float64Type>());
        for (row, id) in batch["Source"].as_primitive::<Int64Type>().values().iter().enumerate() {
            for (level, count) in (0..).zip(&mut agree) {
                *count += usize::from(source_id_pixel(*id, level) == pixel(ra.value(row), dec.value(row), level));
            }
        }
    }
    println!("agreeing by level: {agree:?}");
    assert_eq!(agree[..12], [180; 12]);
    assert_eq!(agree[12], 178);
}
