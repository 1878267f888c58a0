//! `xp_calibrate_error`: errors of the flux against wavelength.

use arrow::datatypes::DataType;

use super::{
    lists::{fixed_lists, item},
    xp_parameters::{BP_CORRELATIONS, BP_ERRORS, BP_RELEVANT, RP_CORRELATIONS, RP_ERRORS, RP_RELEVANT},
    xp_udf::{XpSpec, described},
};
use crate::xp::{CALIBRATED_SAMPLES, Covariance, calibrate_error};

pub(super) const SPEC: XpSpec = XpSpec {
    name: "xp_calibrate_error",
    syntax: "xp_calibrate_error(bp_coefficient_errors, bp_coefficient_correlations, rp_coefficient_errors, \
             rp_coefficient_correlations [, bp_n_relevant_bases, rp_n_relevant_bases])",
    description: "1-sigma errors of the fluxes of xp_calibrate in W m-2 nm-1, through the full correlations of the \
                  coefficients; the result of GaiaXPy's calibrate, in which the standard deviation of the fit cancels. \
                  A band is missing where its errors are, with the same effect as in xp_calibrate. NULL where the \
                  correlations of a band that is there are missing or of the wrong number, or one that is used is NaN \
                  or NULL. For independent coefficients give array_repeat(0.0, 1485). FixedSizeList of 343 Float64.",
    example: "SELECT source_id, xp_calibrate_error(bp_coefficient_errors, bp_coefficient_correlations, \
              rp_coefficient_errors, rp_coefficient_correlations) AS flux_error FROM stars",
    parameters: &[BP_ERRORS, BP_CORRELATIONS, RP_ERRORS, RP_CORRELATIONS, BP_RELEVANT, RP_RELEVANT],
    required: 4,
    field: |_| {
        let list = DataType::FixedSizeList(item(), CALIBRATED_SAMPLES as i32);
        let ucd = "stat.error;phot.flux.density;em.wl";
        Ok(described(list, "W.m**-2.nm**-1", ucd, "1-sigma error of the calibrated BP/RP spectrum"))
    },
    evaluate: |args| {
        let (bp_errors, bp_correlations) = (args.lists(0)?, args.lists(1)?);
        let (rp_errors, rp_correlations) = (args.lists(2)?, args.lists(3)?);
        let (bp_relevant, rp_relevant) = (args.counts(4)?, args.counts(5)?);
        fixed_lists(args.rows, CALIBRATED_SAMPLES, |row, out| {
            let bp = Covariance::new(bp_errors.row(row), bp_correlations.row(row), bp_relevant.row(row)).ok()?;
            let rp = Covariance::new(rp_errors.row(row), rp_correlations.row(row), rp_relevant.row(row)).ok()?;
            bp.or(rp)?;
            calibrate_error(bp, rp, out);
            Some(())
        })
    },
};
