//! `lam_inpaint`: an XP spectrum with its missing coefficients filled in.

use datafusion::logical_expr::Volatility;
use lamcat_core::udf::{Body, FunctionSpec};
use lamcat_model::inference::Output;

use super::{
    SECTION,
    arguments::{CONTEXT, MODEL},
    call::ModelFunction,
};
use crate::functions::Ask;

pub(super) static SPEC: ModelFunction = ModelFunction {
    spec: FunctionSpec {
        name: "lam_inpaint",
        section: &SECTION,
        description: "The context's own XP coefficients with the missing ones predicted; measured ones are kept. \
                  FixedSizeList of Float32.",
        example: "SELECT source_id, lam_inpaint(xp(bp_coefficients, NULL, phot_g_mean_mag)) FROM stars",
        arguments: &[CONTEXT.shown("xp"), MODEL],
        volatility: Volatility::Immutable,
        body: Body::Asked,
    },
    ask: |_, _| Ok(Ask::One(Output::Inpaint)),
};

#[cfg(test)]
mod tests {
    use lamcat_core::{
        schema::Basis,
        udf::tester::{list, star, values},
    };

    use super::*;
    use crate::functions::model::tester;

    #[test]
    fn measured_coefficients_are_kept_and_others_filled_in() {
        let inpaint = tester(&SPEC);
        let mut measured = vec![f64::NAN; Basis::unsaid().length()];
        measured[0] = 0.0625;
        let filled = inpaint.list(values![list(&measured)]);
        assert_eq!(filled[0], Some(0.0625));
        assert!(filled.iter().all(Option::is_some));
        assert!(inpaint.error(values![star(2.5)]).contains("needs a context with an xp list"));
    }
}
