//! `absmag`: absolute magnitude.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Volatility;
use lamcat_core::{
    schema::absmag,
    udf::{Argument, Body, FunctionSpec, described, floats},
};

use super::SECTION;

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "absmag",
    section: &SECTION,
    description: "The absolute magnitude mag + 5 log10(parallax / 100 mas) - extinction. The inverse of a noisy \
                  parallax is biased: see fakemag. NULL where the parallax is not positive. Float64.",
    example: "SELECT absmag(parallax, phot_g_mean_mag, 0.3) FROM stars WHERE parallax_over_error > 20",
    arguments: &[
        Argument::number("parallax", "Parallax in mas."),
        Argument::number("mag", "Apparent magnitude."),
        Argument::number("extinction", "Extinction in the band in magnitudes; 0 if not given.").optional(),
    ],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |_| Ok(described(DataType::Float64, "mag", "phys.magAbs", "Absolute magnitude")),
        evaluate: |arguments| {
            let ([parallax, mag], extinction) = (arguments.numbers([0, 1])?, arguments.number_or(2, 0.0)?);
            Ok(floats(arguments.rows, |row| Some(absmag(parallax.at(row)?, mag.at(row)?, extinction.at(row)?))))
        },
        can_fail: false,
    },
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{Tester, values};

    use super::*;

    #[test]
    fn a_star_at_ten_parsec_is_as_bright_as_it_seems() {
        let absmag = Tester::new(&SPEC);
        absmag.gives(values![100.0, 5.0], 5.0);
        absmag.gives(values![10.0, 5.0, 0.25], -0.25);
        absmag.is_null(values![-1.0, 5.0]);
        absmag.is_null(values![0.0, 5.0]);
    }
}
