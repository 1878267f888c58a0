//! The weights of a network by their role in it, independent of the names that a family gives them.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};
use candle_nn::{LayerNorm, Linear};
use lamcat_core::error::{Error, ErrorKind, Result};

/// Added to a variance in a layer norm before its square root is taken: PyTorch's default, which the published model uses.
pub const LAYER_NORM_EPSILON: f32 = 1e-5;

/// The weights of a network. `T` describes one weight: its place in a file ([`Place`]), its numbers, or its tensor.
#[derive(Debug, Clone)]
pub struct Weights<T> {
    /// The factors of the tokens' values, which are also the embeddings of requests: `(tokens + 1, width)`.
    pub scales: T,
    /// The biases of the tokens' values: `(tokens + 1, width)`.
    pub biases: T,
    /// The blocks of the encoder.
    pub encoder: Vec<BlockWeights<T>>,
    /// The blocks of the decoder.
    pub decoder: Vec<BlockWeights<T>>,
    /// The layers that follow the decoder, each with gelu.
    pub head: Vec<LayerWeights<T>>,
    /// The layer that gives the mean.
    pub mean: LayerWeights<T>,
    /// The layer that gives the log variance.
    pub log_variance: LayerWeights<T>,
}

/// The weights of a post-norm Transformer block.
#[derive(Debug, Clone)]
pub struct BlockWeights<T> {
    /// Number of its attention heads.
    pub heads: usize,
    /// The layer that gives queries, keys and values, one after the other: `(3 width, width)`.
    pub projection: LayerWeights<T>,
    /// The extra key, which is never masked: `(1, 1, width)`.
    pub extra_key: T,
    /// The value of the extra key: `(1, 1, width)`.
    pub extra_value: T,
    /// The layer after the attention.
    pub output: LayerWeights<T>,
    /// The layer norm after the attention.
    pub norm_1: LayerWeights<T>,
    /// The layer before gelu: `(dense, width)`.
    pub dense_1: LayerWeights<T>,
    /// The layer after gelu: `(width, dense)`.
    pub dense_2: LayerWeights<T>,
    /// The layer norm at the end.
    pub norm_2: LayerWeights<T>,
}

/// A layer, `weight` `(outputs, inputs)` and `bias` `(outputs)`, or a layer norm, both `(width)`.
#[derive(Debug, Clone)]
pub struct LayerWeights<T> {
    /// The factors.
    pub weight: T,
    /// The bias.
    pub bias: T,
}

/// The place of a weight among the tensors of a model file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values before training.
    pub initial: Initial,
}

/// The values of a weight before training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initial {
    /// Uniform within `sqrt(3 / n)`, where n is the last number of its shape.
    Uniform,
    /// Uniform within 1; the first row, that of padding, is zero.
    Embedding,
    /// Zeros.
    Zeros,
    /// Ones.
    Ones,
}

impl Place {
    /// Describes a weight whose initial values are uniform.
    #[must_use]
    pub fn new(name: impl Into<String>, shape: &[usize]) -> Self {
        Self { name: name.into(), shape: shape.to_vec(), initial: Initial::Uniform }
    }

    /// Returns the same place with other initial values.
    #[must_use]
    pub fn beginning_with(self, initial: Initial) -> Self {
        Self { initial, ..self }
    }

    /// Returns the tensor in this place, in f32.
    ///
    /// # Errors
    /// If there is no such tensor or it has another shape.
    pub fn tensor(&self, tensors: &BTreeMap<String, Tensor>) -> Result<Tensor> {
        let misfit = |what: String| Error::new(ErrorKind::Model, what).at("weight", &self.name);
        let tensor = tensors.get(&self.name).ok_or_else(|| misfit("the weight is missing".to_owned()))?;
        if tensor.dims() != self.shape {
            return Err(misfit(format!("the weight has the shape {:?}, not {:?}", tensor.dims(), self.shape)));
        }
        Ok(tensor.to_dtype(DType::F32)?)
    }
}

impl LayerWeights<Place> {
    /// Describes a layer from `inputs` to `outputs` numbers whose weights are called `NAME.weight` and `NAME.bias`.
    #[must_use]
    pub fn dense(name: &str, inputs: usize, outputs: usize) -> Self {
        let weight = Place::new(format!("{name}.weight"), &[outputs, inputs]);
        Self { weight, bias: Place::new(format!("{name}.bias"), &[outputs]) }
    }

    /// Describes a layer norm of `width` numbers whose weights are called `NAME.weight` and `NAME.bias`.
    #[must_use]
    pub fn norm(name: &str, width: usize) -> Self {
        let place = |part, initial| Place::new(format!("{name}.{part}"), &[width]).beginning_with(initial);
        Self { weight: place("weight", Initial::Ones), bias: place("bias", Initial::Zeros) }
    }
}

impl LayerWeights<Tensor> {
    /// Builds the layer.
    pub(super) fn linear(&self) -> Linear {
        Linear::new(self.weight.clone(), Some(self.bias.clone()))
    }

    /// Builds the layer norm.
    pub(super) fn layer_norm(&self) -> LayerNorm {
        LayerNorm::new(self.weight.clone(), self.bias.clone(), f64::from(LAYER_NORM_EPSILON))
    }
}

impl<T> LayerWeights<T> {
    fn try_map<U, E>(&self, f: &mut impl FnMut(&T) -> Result<U, E>) -> Result<LayerWeights<U>, E> {
        Ok(LayerWeights { weight: f(&self.weight)?, bias: f(&self.bias)? })
    }
}

impl<T> BlockWeights<T> {
    fn try_map<U, E>(&self, f: &mut impl FnMut(&T) -> Result<U, E>) -> Result<BlockWeights<U>, E> {
        Ok(BlockWeights {
            heads: self.heads,
            projection: self.projection.try_map(f)?,
            extra_key: f(&self.extra_key)?,
            extra_value: f(&self.extra_value)?,
            output: self.output.try_map(f)?,
            dense_1: self.dense_1.try_map(f)?,
            dense_2: self.dense_2.try_map(f)?,
            norm_1: self.norm_1.try_map(f)?,
            norm_2: self.norm_2.try_map(f)?,
        })
    }
}

impl<T> Weights<T> {
    /// Applies `f` to each weight in a fixed order.
    ///
    /// # Errors
    /// The first error of `f`.
    pub fn try_map<U, E>(&self, mut f: impl FnMut(&T) -> Result<U, E>) -> Result<Weights<U>, E> {
        let f = &mut f;
        Ok(Weights {
            scales: f(&self.scales)?,
            biases: f(&self.biases)?,
            encoder: self.encoder.iter().map(|block| block.try_map(f)).collect::<Result<_, E>>()?,
            decoder: self.decoder.iter().map(|block| block.try_map(f)).collect::<Result<_, E>>()?,
            head: self.head.iter().map(|layer| layer.try_map(f)).collect::<Result<_, E>>()?,
            mean: self.mean.try_map(f)?,
            log_variance: self.log_variance.try_map(f)?,
        })
    }
}

impl Weights<Place> {
    /// Returns the places in the order of [`Weights::try_map`].
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        let Ok(_) = self.try_map(|place| {
            places.push(place.clone());
            Ok::<_, std::convert::Infallible>(())
        });
        places
    }
}
