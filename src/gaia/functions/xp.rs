//! `xp`: Gaia's BP and RP coefficients as one G-normalised list.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, FixedSizeListArray, Float32Builder},
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{common::Result, logical_expr::Volatility};
use lamcat_core::udf::{Argument, Arguments, Body, FunctionSpec};

use super::{
    XP,
    xp_arguments::{BP, BP_RELEVANT, RP, RP_RELEVANT},
};
use crate::xp::{COEFFICIENTS_PER_BAND, XP_LEN, normalise};

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "xp",
    section: &XP,
    description: "The XP coefficients of a source as the model wants them: 55 BP, then 55 RP, over the G flux in \
                  e-/s. Coefficients beyond bp_n_relevant_bases and rp_n_relevant_bases are NULL, and so are those of \
                  a band that is NULL or has more than 55. Without a magnitude, G follows from the coefficients by \
                  synthetic photometry; where that is impossible the result is NULL. FixedSizeList of 110 Float32.",
    example: "SELECT source_id, xp(bp_coefficients, rp_coefficients, phot_g_mean_mag) AS xp FROM stars",
    arguments: &[
        BP,
        RP,
        Argument::number("phot_g_mean_mag", "Gaia G magnitude; NULL or left out: synthetic G.").optional(),
        BP_RELEVANT,
        RP_RELEVANT,
    ],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |_| Ok(Field::new("xp", DataType::FixedSizeList(item(), XP_LEN as i32), true)),
        evaluate,
        // Lists of another release are errors, but if one row has them the whole table is from that release.
        can_fail: false,
    },
};

fn item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Float32, true))
}

fn evaluate(arguments: &Arguments) -> Result<ArrayRef> {
    let ([bp, rp], [mag]) = (arguments.lists([0, 1])?, arguments.numbers([2])?);
    let [bp_relevant, rp_relevant] = arguments.counts([3, 4])?;
    let mut values = Float32Builder::with_capacity(arguments.rows * XP_LEN);
    let mut valid = Vec::with_capacity(arguments.rows);
    let mut out = [f32::NAN; XP_LEN];
    let usable = |list: &&[f64]| !list.is_empty() && list.len() <= COEFFICIENTS_PER_BAND;
    for row in 0..arguments.rows {
        let (bp, rp) = (bp.at(row).filter(usable), rp.at(row).filter(usable));
        let relevant = [bp_relevant.at(row), rp_relevant.at(row)];
        valid.push(normalise(bp, rp, mag.at(row), relevant, &mut out));
        for v in out {
            values.append_option(v.is_finite().then_some(v));
        }
    }
    let lists = FixedSizeListArray::try_new(item(), XP_LEN as i32, Arc::new(values.finish()), Some(valid.into()))?;
    Ok(Arc::new(lists))
}

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{Tester, list, missing, values};

    use super::*;
    use crate::g_flux;

    #[test]
    fn coefficients_are_over_the_flux() {
        let xp = Tester::new(&SPEC).may_be_null([0, 1, 2, 3, 4]);
        let flux = g_flux(15.0);
        let normal = xp.list(values![list(&[flux, 2.0 * flux]), list(&[3.0 * flux]), 15.0, 1i64]);
        assert_eq!((normal.len(), normal[0], normal[1], normal[55]), (XP_LEN, Some(1.0), None, Some(3.0)));
        let of_bp = xp.list(values![list(&[flux]), missing(), 15.0]);
        assert_eq!(of_bp.iter().flatten().count(), 1);
    }

    #[test]
    fn without_a_magnitude_both_bands_are_needed() {
        let xp = Tester::new(&SPEC).may_be_null([0, 1, 2, 3, 4]);
        assert!(xp.list(values![list(&[1e5]), list(&[1e5])])[0].is_some());
        xp.is_null(values![list(&[1e5]), missing()]);
        xp.is_null(values![list(&[1e5]), missing(), f64::NAN]);
    }
}
