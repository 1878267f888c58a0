//! `lam_embed`: a star as a vector.

use datafusion::logical_expr::Volatility;

use super::{
    SECTION,
    arguments::{CONTEXT, MODEL},
    call::ModelFunction,
};
use crate::{
    functions::Ask,
    inference::Output,
    udf::{Body, FunctionSpec},
};

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
    use super::*;
    use crate::functions::model::tester;
    use crate::udf::tester::{star, values};

    #[test]
    fn stars_that_differ_have_other_vectors() {
        let embed = tester(&SPEC);
        assert_ne!(embed.list(values![star(2.5)]), embed.list(values![star(4.5)]));
        embed.is_null(values![star(None)]);
    }
}
