//! `fakemag_error`: error of the pseudo-luminosity.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Volatility;
use lamcat_core::{
    schema::fakemag_error,
    udf::{Argument, Body, FunctionSpec, described, floats},
};

use super::SECTION;

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "fakemag_error",
    section: &SECTION,
    description: "The 1-sigma error of fakemag(parallax, mag) to first order: parallax_error * 10^(0.2 mag), and with \
                  mag_error the magnitude's share, which grows with the parallax. Float64.",
    example: "SELECT fakemag_error(parallax, parallax_error, phot_g_mean_mag) FROM stars",
    arguments: &[
        Argument::number("parallax", "Parallax in mas."),
        Argument::number("parallax_error", "Its 1-sigma error in mas."),
        Argument::number("mag", "Apparent magnitude."),
        Argument::number("mag_error", "Its 1-sigma error; 0 if not given.").optional(),
    ],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |_| {
            Ok(described(DataType::Float64, "", "stat.error;phot.mag;arith", "Error of the pseudo-luminosity"))
        },
        evaluate: |arguments| {
            let [parallax, error, mag] = arguments.numbers([0, 1, 2])?;
            let mag_error = arguments.number_or(3, 0.0)?;
            Ok(floats(arguments.rows, |row| {
                Some(fakemag_error(parallax.at(row)?, error.at(row)?, mag.at(row)?, mag_error.at(row)?))
            }))
        },
        can_fail: false,
    },
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{Tester, values};

    use super::*;

    #[test]
    fn an_error_grows_with_that_of_the_magnitude() {
        let error = Tester::new(&SPEC);
        error.gives(values![2.0, 0.1, 10.0], 10.0);
        error.gives(values![2.0, 0.1, 10.0, 0.0], 10.0);
        assert!(error.number(values![2.0, 0.1, 10.0, 0.1]) > 10.0);
        error.is_null(values![2.0, 0.1, f64::NAN]);
    }
}
