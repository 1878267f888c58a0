//! `xp_calibrate`: flux against wavelength.

use arrow::datatypes::DataType;

use super::{
    lists::{fixed_lists, item},
    xp_parameters::{BP, BP_RELEVANT, RP, RP_RELEVANT},
    xp_udf::{XpSpec, described},
};
use crate::xp::{CALIBRATED_SAMPLES, band, calibrate};

pub(super) const SPEC: XpSpec = XpSpec {
    name: "xp_calibrate",
    syntax: "xp_calibrate(bp_coefficients, rp_coefficients [, bp_n_relevant_bases, rp_n_relevant_bases])",
    description: "The externally calibrated spectrum, flux in W m-2 nm-1 at the 343 wavelengths of xp_wavelength(), \
                  336 to 1020 nm; the result of GaiaXPy's calibrate. Lists of fewer than 55 coefficients count as \
                  followed by zeros. With one band missing (NULL, empty or all NaN) the spectrum is that of the other: \
                  elements up to 635 nm are NULL without BP, from 643 nm on without RP. The result is NULL where both \
                  are missing, and where a list has more than 55 elements or a NaN or NULL among those used. \
                  FixedSizeList of 343 Float64.",
    example: "SELECT source_id, xp_calibrate(bp_coefficients, rp_coefficients) AS flux FROM stars",
    parameters: &[BP, RP, BP_RELEVANT, RP_RELEVANT],
    required: 2,
    field: |_| {
        let list = DataType::FixedSizeList(item(), CALIBRATED_SAMPLES as i32);
        Ok(described(list, "W.m**-2.nm**-1", "phot.flux.density;em.wl", "Calibrated BP/RP spectrum, 336 to 1020 nm"))
    },
    evaluate: |args| {
        let (bp, rp) = (args.lists(0)?, args.lists(1)?);
        let (bp_relevant, rp_relevant) = (args.counts(2)?, args.counts(3)?);
        fixed_lists(args.rows, CALIBRATED_SAMPLES, |row, out| {
            let bp = band(bp.row(row), bp_relevant.row(row)).ok()?;
            let rp = band(rp.row(row), rp_relevant.row(row)).ok()?;
            bp.or(rp)?;
            calibrate(bp, rp, out);
            Some(())
        })
    },
};
