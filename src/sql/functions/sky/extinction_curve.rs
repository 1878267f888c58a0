//! `extinction_curve`: extinction relative to that in V.

use arrow::datatypes::DataType;
use datafusion::logical_expr::Volatility;
use lamcat_core::{
    extinction::{CCM89, ExtinctionLaw, F99, G23, O94},
    udf::{Argument, Body, FunctionSpec, described, floats},
};

use super::SECTION;

/// The laws, in the order in which the argument lists their names.
static LAWS: [&ExtinctionLaw; 4] = [&CCM89, &O94, &F99, &G23];

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "extinction_curve",
    section: &SECTION,
    description: "A(lambda) / A(V) by a law of the Milky Way's extinction: CCM89 (Cardelli, Clayton & Mathis 1989), \
                  O94 (the same with O'Donnell's 1994 optical part), F99 (Fitzpatrick 1999), each for 100 to 3333 nm \
                  and R(V) 2 to 6, or G23 (Gordon et al. 2023) for 91.2 nm to 32 um and R(V) 2.3 to 5.6. NULL \
                  outside. Float64.",
    example: "SELECT 3.1 * ebv * extinction_curve('G23', 673, 3.1) AS a_g FROM stars",
    arguments: &[
        Argument::choice("law", &["CCM89", "O94", "F99", "G23"], "Literal 'CCM89', 'O94', 'F99' or 'G23'."),
        Argument::number("wavelength_nm", "Wavelength in nm."),
        Argument::number("rv", "R(V) = A(V) / E(B-V); 3.1 is the mean of the diffuse medium."),
    ],
    volatility: Volatility::Immutable,
    body: Body::Computed {
        returns: |_| {
            let description = "Extinction relative to that in the V band";
            Ok(described(DataType::Float64, "", "phys.absorption", description))
        },
        evaluate: |arguments| {
            let law = LAWS[arguments.literals().choice(0)?];
            let [wavelength, rv] = arguments.numbers([1, 2])?;
            Ok(floats(arguments.rows, |row| law.at(wavelength.at(row)?, rv.at(row)?)))
        },
        can_fail: false,
    },
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{Tester, values};

    use super::*;

    #[test]
    fn each_name_is_that_of_its_law() {
        let curve = Tester::new(&SPEC);
        for law in LAWS {
            curve.gives(values![law.name, 550.0, 3.1], law.at(550.0, 3.1));
        }
        curve.gives(values!["g23", 673.0, 3.1], G23.at(673.0, 3.1));
        curve.is_null(values!["F99", 50.0, 3.1]);
        curve.is_null(values!["F99", 550.0, f64::NAN]);
    }

    #[test]
    fn a_law_is_one_of_those_known() {
        let curve = Tester::new(&SPEC);
        assert_eq!(
            curve.error(values!["F98", 550.0, 3.1]),
            "unknown law 'F98' in extinction_curve\nhint: did you mean 'F99'? known: CCM89, O94, F99, G23"
        );
    }
}
