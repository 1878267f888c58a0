//! What the functions of synthetic photometry share.

use arrow::datatypes::{DataType, Field};
use datafusion::{common::Result, logical_expr::ColumnarValue};

use super::{
    lists::floats,
    xp_parameters::{
        BP, BP_CORRELATIONS, BP_ERRORS, BP_RELEVANT, PASSBAND, RP, RP_CORRELATIONS, RP_ERRORS, RP_RELEVANT,
    },
    xp_udf::{Arguments, Literals, Parameter, described},
};
use crate::{
    error::{Error, ErrorKind},
    schema::nearest,
    xp::{Covariance, Passband, band, passband, passbands},
};

/// Parameters of a flux or magnitude; [`FLUX_REQUIRED`] must be given.
pub(super) const FLUX_PARAMETERS: &[Parameter] = &[BP, RP, PASSBAND, BP_RELEVANT, RP_RELEVANT];
pub(super) const FLUX_REQUIRED: usize = 3;

/// Parameters of their errors; [`ERROR_REQUIRED`] must be given.
pub(super) const ERROR_PARAMETERS: &[Parameter] =
    &[BP, BP_ERRORS, BP_CORRELATIONS, RP, RP_ERRORS, RP_CORRELATIONS, PASSBAND, BP_RELEVANT, RP_RELEVANT];
pub(super) const ERROR_REQUIRED: usize = 7;

/// Field of a flux or of its error.
pub(super) fn flux_field(passband: &Passband, ucd: &'static str, description: &'static str) -> Field {
    described(DataType::Float64, passband.unit, ucd, description)
}

/// Field of a magnitude or of its error.
pub(super) fn mag_field(ucd: &'static str, description: &'static str) -> Field {
    described(DataType::Float64, "mag", ucd, description)
}

/// A number of every row from the coefficients.
pub(super) fn from_coefficients(
    args: &Arguments,
    value: fn(&[f64], &[f64], &Passband) -> f64,
) -> Result<ColumnarValue> {
    let passband = named_passband(&args.literals(), 2)?;
    let (bp, rp) = (args.lists(0)?, args.lists(1)?);
    let (bp_relevant, rp_relevant) = (args.counts(3)?, args.counts(4)?);
    Ok(floats(args.rows, |row| {
        let bp = band(bp.row(row), bp_relevant.row(row)).ok()??;
        let rp = band(rp.row(row), rp_relevant.row(row)).ok()??;
        Some(value(bp, rp, passband))
    }))
}

/// A number of every row from the coefficients and their covariances.
pub(super) fn from_covariances(
    args: &Arguments,
    value: fn(&[f64], &[f64], [Covariance; 2], &Passband) -> f64,
) -> Result<ColumnarValue> {
    let passband = named_passband(&args.literals(), 6)?;
    let (bp, bp_errors, bp_correlations) = (args.lists(0)?, args.lists(1)?, args.lists(2)?);
    let (rp, rp_errors, rp_correlations) = (args.lists(3)?, args.lists(4)?, args.lists(5)?);
    let (bp_relevant, rp_relevant) = (args.counts(7)?, args.counts(8)?);
    Ok(floats(args.rows, |row| {
        let relevant = [bp_relevant.row(row), rp_relevant.row(row)];
        let bp = band(bp.row(row), relevant[0]).ok()??;
        let rp = band(rp.row(row), relevant[1]).ok()??;
        let covariances = [
            Covariance::new(bp_errors.row(row), bp_correlations.row(row), relevant[0]).ok()??,
            Covariance::new(rp_errors.row(row), rp_correlations.row(row), relevant[1]).ok()??,
        ];
        let same_len = [bp.len(), rp.len()] == covariances.map(|c| c.coefficients());
        same_len.then(|| value(bp, rp, covariances, passband))
    }))
}

/// The passband named by a literal argument.
pub(super) fn named_passband(literals: &Literals, at: usize) -> Result<&'static Passband, Error> {
    let name = literals.name(at)?;
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
