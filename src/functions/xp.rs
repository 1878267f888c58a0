//! `xp`: Gaia's BP and RP coefficients as one G-normalised list.

use std::sync::Arc;

use arrow::{
    array::{FixedSizeListArray, Float32Builder},
    datatypes::{DataType, Field},
};
use datafusion::{common::Result, logical_expr::ColumnarValue};

use super::{
    xp_parameters::{BP, BP_RELEVANT, RP, RP_RELEVANT},
    xp_udf::{Arguments, Kind, Parameter, XpSpec},
};
use crate::xp::{COEFFICIENTS_PER_BAND, XP_LEN, normalise};

pub(super) const SPEC: XpSpec = XpSpec {
    name: "xp",
    syntax: "xp(bp_coefficients, rp_coefficients [, phot_g_mean_mag [, bp_n_relevant_bases, rp_n_relevant_bases]])",
    description: "The XP coefficients of a source as the model wants them: 55 BP, then 55 RP, over the G flux in e-/s. \
                  Coefficients beyond bp_n_relevant_bases and rp_n_relevant_bases are NULL, and so are those of a band \
                  that is NULL or has more than 55. Without a magnitude, G follows from the coefficients by synthetic \
                  photometry; where that is impossible the result is NULL. FixedSizeList of 110 Float32.",
    example: "SELECT source_id, xp(bp_coefficients, rp_coefficients, phot_g_mean_mag) AS xp FROM stars",
    parameters: &[
        BP,
        RP,
        Parameter {
            name: "phot_g_mean_mag",
            kind: Kind::Number,
            meaning: "Gaia G magnitude; NULL or left out: synthetic G.",
        },
        BP_RELEVANT,
        RP_RELEVANT,
    ],
    required: 2,
    field: |_| {
        let item = Arc::new(Field::new_list_field(DataType::Float32, true));
        Ok(Field::new("xp", DataType::FixedSizeList(item, XP_LEN as i32), true))
    },
    evaluate,
};

fn evaluate(args: &Arguments) -> Result<ColumnarValue> {
    let (bp, rp, mag) = (args.lists(0)?, args.lists(1)?, args.numbers(2)?);
    let (bp_relevant, rp_relevant) = (args.counts(3)?, args.counts(4)?);
    let mut values = Float32Builder::with_capacity(args.rows * XP_LEN);
    let mut valid = Vec::with_capacity(args.rows);
    let mut out = [f32::NAN; XP_LEN];
    let usable = |list: &&[f64]| !list.is_empty() && list.len() <= COEFFICIENTS_PER_BAND;
    for row in 0..args.rows {
        let (bp, rp) = (bp.row(row).filter(usable), rp.row(row).filter(usable));
        let relevant = [bp_relevant.row(row), rp_relevant.row(row)];
        valid.push(normalise(bp, rp, mag.row(row), relevant, &mut out));
        for v in out {
            values.append_option(v.is_finite().then_some(v));
        }
    }
    let item = Arc::new(Field::new_list_field(DataType::Float32, true));
    let lists = FixedSizeListArray::try_new(item, XP_LEN as i32, Arc::new(values.finish()), Some(valid.into()))?;
    Ok(ColumnarValue::Array(Arc::new(lists)))
}
