//! `xp_convert_error`: errors of the flux against pseudo-wavelength.

use super::{
    lists::lists,
    xp_convert::{Sampled, photometer, sampled_field},
    xp_parameters::{PHOTOMETER, RELEVANT, SAMPLING},
    xp_udf::{Kind, Parameter, XpSpec},
};
use crate::xp::Covariance;

pub(super) const SPEC: XpSpec = XpSpec {
    name: "xp_convert_error",
    syntax: "xp_convert_error(coefficient_errors, coefficient_correlations, photometer, sampling [, n_relevant_bases])",
    description: "1-sigma errors of the fluxes of xp_convert in e-/s, through the full correlations of the \
                  coefficients; the result of GaiaXPy's convert, in which the standard deviation of the fit cancels. \
                  NULL where a list is NULL or the number of correlations is not n (n - 1) / 2 for n errors, and where \
                  one that is used is NaN or NULL. List of Float64.",
    example: "SELECT source_id, xp_convert_error(bp_coefficient_errors, bp_coefficient_correlations, 'bp', \
              range(0, 61)) AS flux_error FROM stars",
    parameters: &[
        Parameter {
            name: "coefficient_errors",
            kind: Kind::Coefficients,
            meaning: "1-sigma errors of up to 55 coefficients of one band.",
        },
        Parameter {
            name: "coefficient_correlations",
            kind: Kind::Correlations,
            meaning: "The n (n - 1) / 2 correlations of n coefficients, in the archive's order.",
        },
        PHOTOMETER,
        SAMPLING,
        RELEVANT,
    ],
    required: 4,
    field: |literals| {
        let description = "1-sigma error of the internally calibrated spectrum";
        let ucds = ["stat.error;phot.flux;em.opt.B", "stat.error;phot.flux;em.opt.R"];
        Ok(sampled_field(photometer(literals, 2)?, ucds, description))
    },
    evaluate: |args| {
        let photometer = photometer(&args.literals(), 2)?;
        let (errors, correlations) = (args.lists(0)?, args.lists(1)?);
        let (sampling, relevant) = (args.lists(3)?, args.counts(4)?);
        let mut sampled = Sampled::new(photometer);
        Ok(lists(args.rows, |row, out| {
            let covariance = Covariance::new(errors.row(row), correlations.row(row), relevant.row(row)).ok()??;
            out.extend(sampled.at(sampling.row(row)?).error(covariance));
            Some(())
        }))
    },
};
