//! `xp_wavelength`: where calibrated spectra are sampled.

use std::sync::Arc;

use arrow::{
    array::{FixedSizeListArray, Float64Array},
    datatypes::DataType,
};
use datafusion::{common::ScalarValue, logical_expr::ColumnarValue};

use super::{
    lists::item,
    xp_udf::{XpSpec, described},
};
use crate::xp::{CALIBRATED_SAMPLES, wavelengths_nm};

pub(super) const SPEC: XpSpec = XpSpec {
    name: "xp_wavelength",
    syntax: "xp_wavelength()",
    description: "The 343 wavelengths of xp_calibrate in nm: 336 to 1020 in steps of 2. FixedSizeList of 343 Float64.",
    example: "SELECT unnest(xp_wavelength()) AS nm, unnest(xp_calibrate(bp_coefficients, rp_coefficients)) AS flux FROM stars",
    parameters: &[],
    required: 0,
    field: |_| {
        let list = DataType::FixedSizeList(item(), CALIBRATED_SAMPLES as i32);
        Ok(described(list, "nm", "em.wl", "Wavelengths of a calibrated BP/RP spectrum"))
    },
    evaluate: |_| {
        let values = Arc::new(Float64Array::from(wavelengths_nm().to_vec()));
        let list = FixedSizeListArray::try_new(item(), CALIBRATED_SAMPLES as i32, values, None)?;
        Ok(ColumnarValue::Scalar(ScalarValue::FixedSizeList(Arc::new(list))))
    },
};
