//! The columns that a model can compute from a context.

use std::{collections::HashMap, sync::Arc};

use arrow::datatypes::{DataType, Field};
use lamcat_core::schema::{ERROR_SUFFIX, TokenId};

use crate::Model;

/// Key of the field metadata that names the model from which a column comes.
pub const MODEL_KEY: &str = "lamcat.model";

/// One output column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Output {
    /// Predicted mean of a token: Float32, physical unit.
    Value(TokenId),
    /// Predicted 1-sigma error of a token: Float32, physical unit.
    Error(TokenId),
    /// All coefficients of a spectrum, block after block: `FixedSizeList<Float32>`, G-normalised.
    Spectrum,
    /// The predicted 1-sigma errors of all coefficients: `FixedSizeList<Float32>`, G-normalised.
    SpectrumError,
    /// The context's own coefficients, with predictions in place of the missing ones: `FixedSizeList<Float32>`.
    Inpaint,
    /// Mean perception over the tokens that are not padding: `FixedSizeList<Float32>` of the model's width.
    Embed,
    /// Flag bits: Int32, never NULL.
    Flags,
    /// A measure of how unlike the training stars the spectrum is: Float32.
    OodScore,
}

impl Output {
    /// A short name for plans: `teff`, `teff_error`, `spectrum`, ….
    #[must_use]
    pub fn label(self, model: &Model) -> String {
        match self {
            Self::Value(t) => model.vocabulary().token(t).name.clone(),
            Self::Error(t) => format!("{}{ERROR_SUFFIX}", model.vocabulary().token(t).name),
            Self::Spectrum => "spectrum".to_owned(),
            Self::SpectrumError => format!("spectrum{ERROR_SUFFIX}"),
            Self::Inpaint => "inpaint".to_owned(),
            Self::Embed => "embed".to_owned(),
            Self::Flags => "flags".to_owned(),
            Self::OodScore => "ood_score".to_owned(),
        }
    }

    /// Type of the column.
    #[must_use]
    pub fn data_type(self, model: &Model) -> DataType {
        match self {
            Self::Value(_) | Self::Error(_) | Self::OodScore => DataType::Float32,
            Self::Spectrum | Self::SpectrumError | Self::Inpaint => float_list(model.vocabulary().coefficient_count()),
            Self::Embed => float_list(model.architecture().width),
            Self::Flags => DataType::Int32,
        }
    }

    /// The column's field, with unit, UCD, description and the model's label as metadata.
    #[must_use]
    pub fn field(self, name: &str, model: &Model) -> Field {
        let mut metadata = match self {
            Self::Value(t) => model.vocabulary().described(t).to_field_metadata(),
            Self::Error(t) => {
                let mut m = model.vocabulary().described(t).to_field_metadata();
                m.entry("ucd".to_owned()).and_modify(|u| *u = format!("stat.error;{u}"));
                m.entry("description".to_owned()).and_modify(|d| *d = format!("{d}: predicted 1-sigma error"));
                m
            }
            _ => HashMap::new(),
        };
        metadata.insert(MODEL_KEY.to_owned(), model.label());
        Field::new(name, self.data_type(model), self != Self::Flags).with_metadata(metadata)
    }
}

/// `FixedSizeList<Float32>` of `len` elements.
pub(super) fn float_list(len: usize) -> DataType {
    DataType::FixedSizeList(Arc::new(Field::new_list_field(DataType::Float32, true)), len as i32)
}
