//! The arguments and evaluation shared by the functions of synthetic photometry.

use arrow::array::ArrayRef;
use datafusion::common::Result;
use lamcat_core::{
    error::{Error, ErrorKind},
    schema::nearest,
    udf::{Argument, Arguments, Literals, floats},
};

use super::xp_arguments::{BP, BP_CORRELATIONS, BP_ERRORS, BP_RELEVANT, RP, RP_CORRELATIONS, RP_ERRORS, RP_RELEVANT};
use crate::xp::{Covariance, Passband, band, passband, passbands};

const PASSBAND: Argument = Argument::text(
    "passband",
    "Literal name: 'G', 'BP', 'RP', or system and band as GaiaXPy names them, e.g. 'JkcStd_V', 'SdssStd_g', \
     'Panstarrs1Std_ip'. An unknown one makes an error that lists the systems.",
);

/// Arguments of the functions for a flux or magnitude, for [`from_coefficients`].
pub(super) static FROM_COEFFICIENTS: [Argument; 5] = [BP, RP, PASSBAND, BP_RELEVANT, RP_RELEVANT];

/// Arguments of the functions for their errors, for [`from_covariances`].
pub(super) static FROM_COVARIANCES: [Argument; 9] =
    [BP, BP_ERRORS, BP_CORRELATIONS, RP, RP_ERRORS, RP_CORRELATIONS, PASSBAND, BP_RELEVANT, RP_RELEVANT];

/// Returns the passband of a call with [`FROM_COEFFICIENTS`].
pub(super) fn passband_of_value(literals: &Literals) -> Result<&'static Passband, Error> {
    named(literals.text(2)?)
}

/// Returns the passband of a call with [`FROM_COVARIANCES`].
pub(super) fn passband_of_error(literals: &Literals) -> Result<&'static Passband, Error> {
    named(literals.text(6)?)
}

/// Computes a number for every row from the coefficients.
pub(super) fn from_coefficients(
    arguments: &Arguments,
    value: fn(&[f64], &[f64], &Passband) -> f64,
) -> Result<ArrayRef> {
    let passband = passband_of_value(&arguments.literals())?;
    let ([bp, rp], [bp_relevant, rp_relevant]) = (arguments.lists([0, 1])?, arguments.counts([3, 4])?);
    Ok(floats(arguments.rows, |row| {
        let bp = band(bp.at(row), bp_relevant.at(row)).ok()??;
        let rp = band(rp.at(row), rp_relevant.at(row)).ok()??;
        Some(value(bp, rp, passband))
    }))
}

/// Computes a number for every row from the coefficients and their covariances.
pub(super) fn from_covariances(
    arguments: &Arguments,
    value: fn(&[f64], &[f64], [Covariance; 2], &Passband) -> f64,
) -> Result<ArrayRef> {
    let passband = passband_of_error(&arguments.literals())?;
    let [bp, bp_errors, bp_correlations, rp, rp_errors, rp_correlations] = arguments.lists([0, 1, 2, 3, 4, 5])?;
    let [bp_relevant, rp_relevant] = arguments.counts([7, 8])?;
    Ok(floats(arguments.rows, |row| {
        let relevant = [bp_relevant.at(row), rp_relevant.at(row)];
        let bp = band(bp.at(row), relevant[0]).ok()??;
        let rp = band(rp.at(row), relevant[1]).ok()??;
        let covariances = [
            Covariance::new(bp_errors.at(row), bp_correlations.at(row), relevant[0]).ok()??,
            Covariance::new(rp_errors.at(row), rp_correlations.at(row), relevant[1]).ok()??,
        ];
        let same_len = [bp.len(), rp.len()] == covariances.map(|c| c.coefficients());
        same_len.then(|| value(bp, rp, covariances, passband))
    }))
}

fn named(name: &str) -> Result<&'static Passband, Error> {
    passband(name).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> Error {
    let names: Vec<String> = passbands().iter().map(Passband::name).collect();
    let mut candidates: Vec<&str> = names.iter().map(String::as_str).collect();
    candidates.extend(["G", "BP", "RP"]);
    let near = nearest(name, &candidates).map_or_else(String::new, |n| format!("did you mean '{n}'? "));
    let system = name.split('_').next().unwrap_or_default();
    let bands: Vec<&Passband> = passbands().iter().filter(|p| p.system.eq_ignore_ascii_case(system)).collect();
    let known = if let Some(first) = bands.first() {
        let bands: Vec<&str> = bands.iter().map(|p| p.band).collect();
        format!("bands of {0}, written {0}_band: {1}", first.system, bands.join(", "))
    } else {
        let mut systems: Vec<&str> = passbands().iter().map(|p| p.system).collect();
        systems.dedup();
        format!("write G, BP, RP or system_band, e.g. JkcStd_V; systems: {}", systems.join(", "))
    };
    Error::new(ErrorKind::Plan, format!("unknown passband '{name}'")).hint(near + &known)
}
