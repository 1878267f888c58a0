//! `lam_embed`: a star as a vector.

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
        name: "lam_embed",
        section: &SECTION,
        description: "Mean of the model's perception over the tokens that are there: a vector in which similar stars are \
                  near. FixedSizeList of Float32, the model's width.",
        example: "SELECT source_id, lam_embed(xp) AS embedding FROM stars",
        arguments: &[CONTEXT, MODEL],
        volatility: Volatility::Immutable,
        body: Body::Asked,
    },
    ask: |_, _| Ok(Ask::One(Output::Embed)),
};

#[cfg(test)]
mod tests {
    use lamcat_core::udf::tester::{star, values};

    use super::*;
    use crate::functions::model::tester;

    #[test]
    fn stars_that_differ_have_other_vectors() {
        let embed = tester(&SPEC);
        assert_ne!(embed.list(values![star(2.5)]), embed.list(values![star(4.5)]));
        embed.is_null(values![star(None)]);
    }
}
