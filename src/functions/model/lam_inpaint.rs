//! `lam_inpaint`: missing XP coefficients filled in.

use datafusion::logical_expr::Volatility;

use super::{
    SECTION,
    arguments::{CONTEXT, MODEL},
};
use crate::{
    functions::{Ask, Body, FunctionSpec},
    inference::Output,
};

pub(super) static SPEC: FunctionSpec = FunctionSpec {
    name: "lam_inpaint",
    section: &SECTION,
    description: "The context's own XP coefficients with the missing ones predicted; measured ones are kept. \
                  FixedSizeList of Float32.",
    example: "SELECT source_id, lam_inpaint(xp(bp_coefficients, NULL, phot_g_mean_mag)) FROM stars",
    arguments: &[CONTEXT.shown("xp"), MODEL],
    volatility: Volatility::Immutable,
    body: Body::Asked(|_, _| Ok(Ask::One(Output::Inpaint))),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        functions::tester::{Tester, list, star, values},
        xp::XP_LEN,
    };

    #[test]
    fn measured_coefficients_are_kept_and_others_filled_in() {
        let inpaint = Tester::new(&SPEC);
        let mut measured = [f64::NAN; XP_LEN];
        measured[0] = 0.0625;
        let filled = inpaint.list(values![list(&measured)]);
        assert_eq!(filled[0], Some(0.0625));
        assert!(filled.iter().all(Option::is_some));
        assert!(inpaint.error(values![star(2.5)]).contains("needs a context with an xp list"));
    }
}
