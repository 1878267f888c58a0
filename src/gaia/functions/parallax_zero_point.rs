//! `parallax_zero_point`: the bias of Gaia parallaxes.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Volatility;
use lamcat_core::udf::{Argument, Body, FunctionSpec, described, floats};

use super::SECTION;
use crate::parallax_zero_point;

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "parallax_zero_point",
    section: &SECTION,
    description: "The zero point of a Gaia (E)DR3 parallax in mas (Lindegren et al. 2021, A&A 649, A4, Tables 9 and \
                  10): the corrected parallax is parallax - zero point. NULL outside the range in which the recipe \
                  was determined, its limits excluded (6 < G < 21; 1.1 < nu_eff < 1.9 or 1.24 < pseudocolour < 1.72), \
                  and for two-parameter solutions. Float64.",
    example: "SELECT parallax - parallax_zero_point(phot_g_mean_mag, nu_eff_used_in_astrometry, pseudocolour, \
              ecl_lat, astrometric_params_solved) AS parallax_corrected FROM stars",
    arguments: &[
        Argument::number("phot_g_mean_mag", "Gaia G magnitude, 6 to 21."),
        Argument::number(
            "nu_eff_used_in_astrometry",
            "Effective wavenumber in 1/um, 1.1 to 1.9; may be NULL for six-parameter solutions.",
        ),
        Argument::number(
            "pseudocolour",
            "Pseudocolour in 1/um, 1.24 to 1.72; may be NULL for five-parameter solutions.",
        ),
        Argument::number("ecl_lat", "Ecliptic latitude in degrees."),
        Argument::integer("astrometric_params_solved", i64::MIN..=i64::MAX, "31: five parameters, 95: six."),
    ],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |_| {
            let description = "Parallax zero point, to be subtracted from the parallax";
            Ok(described(DataType::Float64, "mas", "pos.parallax;arith.zp", description))
        },
        evaluate: |arguments| {
            let ([mag, nu_eff, colour, latitude], [solved]) =
                (arguments.numbers([0, 1, 2, 3])?, arguments.integers([4])?);
            Ok(floats(arguments.rows, |row| {
                let (nu_eff, colour) = (nu_eff.at(row), colour.at(row));
                parallax_zero_point(mag.at(row)?, nu_eff, colour, latitude.at(row)?, solved.at(row)?)
            }))
        },
        can_fail: true,
    },
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{Tester, values};

    use super::*;

    #[test]
    fn a_solution_needs_the_colour_that_it_used() {
        let zero_point = Tester::new(&SPEC).may_be_null([1, 2]);
        let five = parallax_zero_point(15.0, Some(1.5), None, 30.0, 31);
        let six = parallax_zero_point(15.0, None, Some(1.5), 30.0, 95);
        assert!(five.is_some() && six.is_some() && five != six);
        let none = None::<f64>;
        zero_point.gives(values![15.0, 1.5, none, 30.0, 31i64], five);
        zero_point.gives(values![15.0, none, 1.5, 30.0, 95i64], six);
        zero_point.is_null(values![15.0, none, 1.5, 30.0, 31i64]);
        zero_point.is_null(values![15.0, 1.5, 1.5, 30.0, 3i64]);
        zero_point.is_null(values![21.5, 1.5, 1.5, 30.0, 31i64]);
    }
}
