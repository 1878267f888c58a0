//! The results that a function can request from a model.

use lamcat_core::schema::TokenId;
use lamcat_model::inference::Output;

/// What a call returns for each row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// One column.
    One(Output),
    /// A struct of the value and the error of each token.
    Predict(Vec<TokenId>),
}
