//! The stars on which a model is evaluated.

use lamcat_core::error::{Error, ErrorKind, Result};

use crate::Columns;

/// Stars with their known values in physical units. Their order depends only on their content, not on the order of the
/// query's rows, so that an evaluation can be repeated byte for byte.
#[derive(Debug)]
pub struct Stars {
    columns: Columns,
    order: Vec<u32>,
    hash: String,
}

impl Stars {
    /// Sorts a query's columns by content.
    ///
    /// # Errors
    /// If there is no row or no column.
    pub fn new(columns: Columns) -> Result<Self> {
        if columns.rows() == 0 {
            return Err(Error::new(ErrorKind::Input, "there are no stars to evaluate the model on")
                .hint("the query gave no rows; run it with `lamcat sql` to see why"));
        }
        let (_, order, hash) = columns.canonical_order();
        Ok(Self { columns, order, hash })
    }

    /// Number of stars.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.order.len()
    }

    /// Their size in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let errors: usize = self.columns.errors.iter().flatten().map(Vec::len).sum();
        (self.columns.values.len() + errors) * size_of::<f32>() + self.order.len() * size_of::<u32>()
    }

    /// SHA-256 of the content, in hex; the order of the query's rows does not change it.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Names of the tokens in the query, in the order of the vocabulary.
    #[must_use]
    pub fn tokens(&self) -> &[String] {
        &self.columns.tokens
    }

    /// Returns a star's value of the token at index `place` of [`tokens`](Self::tokens), NaN where missing.
    #[must_use]
    pub fn value(&self, star: u32, place: usize) -> f32 {
        self.columns.values[self.order[star as usize] as usize * self.columns.tokens.len() + place]
    }

    /// Returns the 1-sigma error of that value, 0 where unknown.
    #[must_use]
    pub fn error(&self, star: u32, place: usize) -> f32 {
        self.columns.errors[place].as_ref().map_or(0.0, |e| e[self.order[star as usize] as usize])
    }

    /// Whether the query gives errors of the token at index `place`.
    #[must_use]
    pub fn has_errors(&self, place: usize) -> bool {
        self.columns.errors[place].is_some()
    }
}
