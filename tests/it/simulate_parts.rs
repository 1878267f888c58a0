//! Compares the simulator's parts with real stars; `-- --nocapture` prints the figures.

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use arrow::{
    array::{Array, AsArray, RecordBatch},
    datatypes::{DataType, Float64Type},
};
use lamcat::{
    gaia::{
        simulate::{
            Atmosphere, Band, Cloud, DataFolder, DustKind, FieldStar, FieldStars, Inversion, Prior, Simulator,
            parallax_error,
        },
        xp::{CALIBRATED_SAMPLES, calibrate, gaia_g, synthetic_mag, wavelengths_nm},
    },
    session::{Session, SessionOptions},
    sources::FitsTable,
};

use crate::shared::shared;

/// The simulator of a folder of files, read once; `None` without the shared data.
pub static SIMULATOR: LazyLock<Option<Simulator>> =
    LazyLock::new(|| Some(Simulator::load(&DataFolder::new(shared("data")?), DustKind::default()).unwrap()));

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
    assert!(!values.is_empty());
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The standard deviation of a normal distribution with the same median absolute deviation.
fn robust(deviations: impl IntoIterator<Item = f64>) -> f64 {
    1.4826 * median(deviations.into_iter().map(f64::abs))
}

fn numbers(list: &str) -> Vec<f64> {
    list.trim_matches(['(', ')', '[', ']']).split(',').map(|v| v.trim().parse().unwrap()).collect()
}

/// The quoted lists in each line of a CSV file, by the line's first field.
fn quoted_lists(path: &Path) -> BTreeMap<String, Vec<Vec<f64>>> {
    let text = fs::read_to_string(path).unwrap();
    let line = |l: &str| {
        let id = l.split(',').next().unwrap().to_owned();
        (id, l.split('"').skip(1).step_by(2).map(numbers).collect())
    };
    text.lines().skip(1).map(line).collect()
}

fn calibrated(bp: &[f64], rp: &[f64]) -> Vec<f32> {
    let mut flux = [0.0; CALIBRATED_SAMPLES];
    calibrate(Some(bp), Some(rp), &mut flux);
    flux.iter().map(|f| *f as f32).collect()
}

fn bp_rp(inversion: &Inversion, flux: &[f32]) -> f64 {
    inversion.magnitude(Band::Bp, flux) - inversion.magnitude(Band::Rp, flux)
}

/// The deviations from 1 of the ratio of two spectra between 400 and 1000 nm.
fn deviations(a: &[f32], b: &[f32]) -> Vec<f64> {
    let inside = |nm: f64| (400.0..=1000.0).contains(&nm);
    let ratios = a.iter().zip(b).zip(wavelengths_nm()).filter(|(_, nm)| inside(**nm));
    ratios.map(|((a, b), _)| f64::from(a / b) - 1.0).collect()
}

#[test]
fn the_network_gives_the_spectrum_of_18_sco() {
    let Some(simulator) = &*SIMULATOR else { return };
    let path = shared("data/xp_continuous/gaiaxpy/18Sco-XP-spectra.csv").unwrap();
    let lists: Vec<Vec<f64>> = fs::read_to_string(path).unwrap().split('"').skip(1).step_by(2).map(numbers).collect();
    let mut real = calibrated(&lists[0], &lists[3]);
    let labels = Atmosphere { teff: 5824.0, logg: 4.42, m_h: 0.03 };
    assert!(simulator.payne().has_seen(labels));
    let star = simulator.intrinsic(labels).unwrap();
    assert!(simulator.inversion().to_unit_g(&mut real));
    let off = deviations(&star.flux, &real);
    let worst = off.iter().fold(0.0f64, |a, b| a.max(b.abs()));
    let colours = [bp_rp(simulator.inversion(), &star.flux), bp_rp(simulator.inversion(), &real)];
    println!(
        "18 Sco, 400-1000 nm: scatter {:.4}, worst {worst:.4}; BP-RP {:.3}, real {:.3}; dust taken away {:.3}",
        robust(off.iter().copied()),
        colours[0],
        colours[1],
        -star.adjustment
    );
    assert!(robust(off) < 0.025 && worst < 0.08 && (colours[0] - colours[1]).abs() < 0.03);
}

// BP - RP and M_G are from Casagrande & VandenBerg (2018, MNRAS 479, L102), J - H and J - Ks from Casagrande et al.
// (2012, ApJ 761, 16).
#[test]
fn the_sun_has_its_colours_and_magnitude() {
    let Some(simulator) = &*SIMULATOR else { return };
    let sun = simulator.intrinsic(Atmosphere { teff: 5772.0, logg: 4.44, m_h: 0.0 }).unwrap();
    let [j, h, k] = sun.photometry.two_mass_minus_g;
    let table = [
        ("BP-RP of the spectrum", bp_rp(simulator.inversion(), &sun.flux), 0.82),
        ("BP-RP", sun.photometry.bp_rp, 0.82),
        ("M_G", sun.photometry.m_g, 4.67),
        ("J-H", j - h, 0.286),
        ("J-Ks", j - k, 0.362),
    ];
    for (name, value, known) in table {
        println!("Sun {name:<22} {value:6.3}, known {known:6.3}");
        assert!((value - known).abs() < if name == "M_G" { 0.1 } else { 0.04 }, "{name}: {value}");
    }
}

/// For each coefficient, the deviation of inverted coefficients from a star's own in units of its errors, robust over
/// the stars.
fn scatter(inversion: &Inversion, stars: &[&FieldStar], orders: std::ops::Range<usize>) -> Vec<f64> {
    let spectra: Vec<Vec<f32>> = stars
        .iter()
        .map(|s| {
            let wide: Vec<f64> = s.coefficients.iter().map(|c| f64::from(*c)).collect();
            inversion.coefficients(&calibrated(&wide[..55], &wide[55..]))
        })
        .collect();
    let of = |i: usize| {
        robust(spectra.iter().zip(stars).map(|(c, s)| f64::from((c[i] - s.coefficients[i]) / s.noise.errors[i])))
    };
    orders.map(of).collect()
}

#[test]
fn held_out_field_stars_come_back_within_their_errors() {
    let Some(folder) = shared("data") else { return };
    let stars = FieldStars::load(&DataFolder::new(folder)).unwrap();
    let part = |remainder: usize| stars.stars().iter().enumerate().filter(move |(i, _)| i % 5 == remainder);
    let training: Vec<&FieldStar> =
        stars.stars().iter().enumerate().filter(|(i, _)| i % 5 != 0).map(|(_, s)| s).collect();
    let inversion = Inversion::new(&Prior::of(training).unwrap()).unwrap();
    let held_out: Vec<&FieldStar> = part(0).map(|(_, s)| s).collect();
    let bright: Vec<&FieldStar> = held_out.iter().copied().filter(|s| s.noise.g < 16.0).collect();
    println!("error of inversion over the catalogue's error, {} stars, {} of G < 16", held_out.len(), bright.len());
    for (name, orders) in [("bp0-5", 0..6), ("rp0-7", 55..63)] {
        for (which, stars) in [("all", &held_out), ("bright", &bright)] {
            let scatter = scatter(&inversion, stars, orders.clone());
            println!("{name} {which:<6} {scatter:.2?}");
            assert!(scatter.iter().all(|s| *s < 1.2), "{name} {which}: {scatter:?}");
        }
    }
}

// The SEDs are not those of the prior's stars (four of five are hot), and the simulator of their coefficients uses the
// instrument, not the external calibration.
#[test]
fn inverted_seds_have_the_coefficients_of_dpcis_own_simulator() {
    let Some(simulator) = &*SIMULATOR else { return };
    let folder = shared("data/forward_model/dpci_simulator_pairs").unwrap();
    let seds = quoted_lists(&folder.join("SPSS_1nm.csv"));
    for (id, lists) in quoted_lists(&folder.join("continuous_full_solution.csv")) {
        let (bp, rp) = (&lists[0], &lists[3]);
        let g_flux = lamcat::gaia::g_flux(synthetic_mag(bp, rp, gaia_g()));
        let [wavelengths, sed] = [&seds[&id][0], &seds[&id][1]];
        let at = |nm: f64| {
            let right = wavelengths.partition_point(|w| *w < nm).max(1);
            let share = (nm - wavelengths[right - 1]) / (wavelengths[right] - wavelengths[right - 1]);
            sed[right - 1] + share * (sed[right] - sed[right - 1])
        };
        let mut flux: Vec<f32> = wavelengths_nm().iter().map(|nm| at(*nm) as f32).collect();
        assert!(simulator.inversion().to_unit_g(&mut flux));
        let inverted = simulator.inversion().coefficients(&flux);
        let off = |i: usize, own: f64| f64::from(inverted[i]) * g_flux / own - 1.0;
        let table = [off(0, bp[0]), off(1, bp[1]), off(55, rp[0]), off(56, rp[1])];
        let colour = bp_rp(simulator.inversion(), &flux);
        println!("SED {id:>2}, BP-RP {colour:6.3}: relative error of bp0, bp1, rp0, rp1 {table:7.4?}");
        assert!(table[0].abs() < 0.01 && table[2].abs() < 0.01 && table[1].abs() < 0.03, "{id}: {table:?}");
    }
}

fn list(batch: &RecordBatch, name: &str, row: usize) -> Vec<f32> {
    let list = batch[name].as_list::<i32>().value(row);
    list.as_primitive::<Float64Type>().values().iter().map(|v| *v as f32).collect()
}

// Of the 91 spectra, 49 have all samples.
#[tokio::test]
async fn calspec_fluxes_give_the_coefficients_of_gaias() {
    let Some(simulator) = &*SIMULATOR else { return };
    let path = shared("data/xp_sampled/gaia_flux_correction.parquet").unwrap();
    let session = Session::new(&SessionOptions { partitions: Some(1), ..SessionOptions::default() }).unwrap();
    let sql = format!("SELECT star_type, gaia_spectrum, calspec_spectrum FROM '{}'", path.display());
    let (mut round_trip, mut cool, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for batch in session.sql(&sql).await.unwrap().collect().await.unwrap() {
        for row in 0..batch.num_rows() {
            let (mut gaia, mut calspec) = (list(&batch, "gaia_spectrum", row), list(&batch, "calspec_spectrum", row));
            let inversion = simulator.inversion();
            if gaia.len() != CALIBRATED_SAMPLES || !inversion.to_unit_g(&mut gaia) || !inversion.to_unit_g(&mut calspec)
            {
                continue;
            }
            let (a, b) = (inversion.coefficients(&gaia), inversion.coefficients(&calspec));
            let wide: Vec<f64> = a.iter().map(|c| f64::from(*c)).collect();
            round_trip.push(robust(deviations(&calibrated(&wide[..55], &wide[55..]), &gaia)));
            let off = [0, 55].map(|i| f64::from(b[i] / a[i]) - 1.0);
            all.push(off);
            if bp_rp(inversion, &gaia) > 0.5 {
                cool.push(off);
            }
        }
    }
    let figures =
        |off: &[[f64; 2]]| [0, 1].map(|i| (median(off.iter().map(|o| o[i])), robust(off.iter().map(|o| o[i]))));
    println!("CALSPEC: {} stars; a spectrum comes back within {:.4}", all.len(), median(round_trip.iter().copied()));
    println!("bp0, rp0 of CALSPEC's flux over Gaia's - 1, median and scatter: all {:.4?}", figures(&all));
    println!("                                              BP-RP > 0.5 ({}) {:.4?}", cool.len(), figures(&cool));
    assert!(all.len() > 40 && cool.len() > 10 && median(round_trip) < 0.01);
    assert!(figures(&cool).iter().all(|(median, scatter)| median.abs() < 0.01 && *scatter < 0.015));
}

fn floats(batch: &RecordBatch, name: &str) -> Vec<f64> {
    let column = arrow::compute::cast(&batch[name], &DataType::Float64).unwrap();
    let column = column.as_primitive::<Float64Type>();
    (0..column.len()).map(|i| if column.is_valid(i) { column.value(i) } else { f64::NAN }).collect()
}

// The dust of Schlegel et al. (1998) times 0.86 (Schlafly & Finkbeiner 2011) is an upper limit, as the map includes all
// dust along the line of sight.
#[test]
fn giants_of_apogee_have_their_colours() {
    let Some(simulator) = &*SIMULATOR else { return };
    let names = ["TEFF", "LOGG", "FE_H", "SFD_EBV", "GAIAEDR3_PHOT_BP_MEAN_MAG", "GAIAEDR3_PHOT_RP_MEAN_MAG"];
    let table = FitsTable::open(&shared("data/labels/Montalban2021_X_APOGEE_DR17.fits").unwrap()).unwrap();
    let batch = table.select(|name| names.contains(&name)).next().unwrap().unwrap();
    let columns = names.map(|name| floats(&batch, name));
    let value = |column: usize, row: usize| columns[column][row];
    let inversion = simulator.inversion();
    let off = |mut flux: Vec<f32>, row: usize| {
        let [sfd, bp, rp] = [3, 4, 5].map(|column| value(column, row));
        assert!(inversion.to_unit_g(&mut flux));
        simulator.dust().redden(&mut flux, Cloud::usual(0.86 * sfd));
        assert!(inversion.to_unit_g(&mut flux));
        bp_rp(inversion, &flux) - (bp - rp)
    };
    let mut colours = [Vec::new(), Vec::new()];
    for row in 0..batch.num_rows() {
        let [teff, logg, m_h] = [0, 1, 2].map(|column| value(column, row) as f32);
        let labels = Atmosphere { teff, logg, m_h };
        if let Some(star) = simulator.intrinsic(labels) {
            colours[0].push(off(star.flux, row));
            colours[1].push(off(simulator.payne().flux(labels), row));
        }
    }
    let [adjusted, network] = colours.map(|off| (median(off.iter().copied()), off.len()));
    println!(
        "BP-RP of {} giants, simulated - real: {:.3}; of the network as it is: {:.3}",
        adjusted.1, adjusted.0, network.0
    );
    assert!(adjusted.1 > 80 && adjusted.0.abs() < 0.06 && adjusted.0.abs() < network.0.abs());
}

#[test]
fn parallax_errors_are_those_of_real_stars() {
    let Some(path) = shared("data/gaia_source/vivek_gaia_sample.csv") else { return };
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let column = |name: &str| header.iter().position(|c| *c == name).unwrap();
    let (g, error) = (column("phot_g_mean_mag"), column("parallax_error"));
    let stars: Vec<[f64; 2]> = lines.map(|l| [g, error].map(|i| l[i].parse().unwrap())).collect();
    for bin in 9..18 {
        let inside = stars.iter().filter(|[g, _]| (f64::from(bin)..f64::from(bin + 1)).contains(g));
        let ratio = median(inside.map(|[g, error]| error / parallax_error(*g)));
        println!("G {bin:>2}-{:<2} real parallax error over simulated: {ratio:.2}", bin + 1);
        assert!((0.9..1.2).contains(&ratio), "{bin}: {ratio}");
    }
}
