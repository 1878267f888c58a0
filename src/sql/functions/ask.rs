//! What a function may ask of a model.

use lamcat_core::schema::TokenId;
use lamcat_model::inference::Output;

/// What a call gives for each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// One column.
    One(Output),
    /// A struct of the value and the error of each token.
    Predict(Vec<TokenId>),
}
