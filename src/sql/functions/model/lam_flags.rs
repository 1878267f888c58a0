//! `lam_flags`: what is unusual about a row.

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
        name: "lam_flags",
        section: &SECTION,
        description: "Bits that say what was odd about a row's context and the results of the same query, 0 when nothing \
                  was. Int32, never NULL. Results are NULL where a bit says so.",
        example: "SELECT source_id, lam_infer(xp, 'teff') FROM stars WHERE lam_flags(xp) & 96 = 0",
        arguments: &[CONTEXT, MODEL],
        volatility: Volatility::Immutable,
        body: Body::Asked,
    },
    ask: |_, _| Ok(Ask::One(Output::Flags)),
};

#[cfg(test)]
mod tests {
    use lamcat_core::{
        context::flags::{NO_INPUT, WRONG_LENGTH},
        udf::tester::{star, values},
    };

    use super::*;
    use crate::functions::model::tester;

    #[test]
    fn a_row_without_a_usable_context_is_flagged() {
        let flags = tester(&SPEC).may_be_null([0]);
        let bits = |logg: Option<f64>| flags.number(values![star(logg)]) as i32 & (NO_INPUT | WRONG_LENGTH);
        assert_eq!([bits(Some(2.5)), bits(None)].map(|bits| bits == 0), [true, false]);
    }
}
