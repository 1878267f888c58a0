//! `fakemag`: pseudo-luminosity.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Volatility;
use lamcat_core::{
    schema::fakemag,
    udf::{Argument, Body, FunctionSpec, described, floats},
};

use super::SECTION;

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "fakemag",
    section: &SECTION,
    description: "The pseudo-luminosity parallax * 10^(0.2 mag) of Leung & Bovy (2023), with the parallax in mas: \
                  defined for negative parallaxes too, and with a Gaussian error where the parallax has one. The \
                  model's token g_fakemag is fakemag(parallax, phot_g_mean_mag). Float64.",
    example: "SELECT fakemag(parallax, phot_g_mean_mag) AS g_fakemag FROM stars",
    arguments: &[Argument::number("parallax", "Parallax in mas."), Argument::number("mag", "Apparent magnitude.")],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |_| {
            let description = "Parallax in mas times 10^(0.2 mag): pseudo-luminosity";
            Ok(described(DataType::Float64, "", "phot.mag;arith", description))
        },
        evaluate: |arguments| {
            let [parallax, mag] = arguments.numbers([0, 1])?;
            Ok(floats(arguments.rows, |row| Some(fakemag(parallax.at(row)?, mag.at(row)?))))
        },
        can_fail: false,
    },
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{Tester, values};

    use super::*;

    #[test]
    fn a_pseudo_luminosity_has_the_sign_of_the_parallax() {
        let fakemag = Tester::new(&SPEC);
        fakemag.gives(values![2.0, 10.0], 200.0);
        fakemag.gives(values![-2.0, 5.0], -20.0);
        fakemag.is_null(values![f64::NAN, 10.0]);
        fakemag.is_null(values![1.0, 1e5]);
    }
}
