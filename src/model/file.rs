//! Model files: one safetensors file whose metadata key `lamcat` holds a JSON header with the architecture, the
//! vocabulary with its normalisation, the basis of its spectra, the provenance and the content hash. The hash covers
//! the architecture, the vocabulary, the basis and every tensor, so a flipped bit is detected when the file is loaded,
//! and a plan can name the exact model it was made for. If the model has a training domain, its tensors, `domain.…`,
//! are stored beside the weights: the tokens as u32, everything else always as f32.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use candle_core::{DType, Device, Tensor};
use lamcat_core::{
    error::{Error, ErrorKind, Result},
    outputs::write_whole,
    schema::{Basis, Vocabulary},
};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    domain::{self, Domain},
    families::Architecture,
    transformer::Transformer,
    weights::Weights,
};

/// Version of the header that this crate writes; it reads all versions from 1 on.
const FORMAT_VERSION: u32 = 2;
const HEADER_KEY: &str = "lamcat";
/// Maximum size of a file that is read.
const FILE_BYTES: u64 = 4 << 30;

/// The origin of a model's weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// False for random weights: every output of such a model is meaningless and is marked so.
    pub trained: bool,
    /// One line: what the weights were imported from, which seed initialised them, or what they were trained on.
    pub origin: String,
    /// The software that wrote the file.
    pub created_by: String,
}

impl Provenance {
    /// Creates the provenance of a model made by this version of lamcat.
    #[must_use]
    pub fn new(trained: bool, origin: impl Into<String>) -> Self {
        Self { trained, origin: origin.into(), created_by: concat!("lamcat ", env!("CARGO_PKG_VERSION")).to_owned() }
    }
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    name: String,
    architecture: Architecture,
    vocabulary: Vocabulary,
    provenance: Provenance,
    hash: String,
}

/// A named model with its weights in host memory, ready to run.
#[derive(Debug, Clone)]
pub struct Model {
    name: String,
    architecture: Architecture,
    vocabulary: Vocabulary,
    provenance: Provenance,
    hash: String,
    tensors: BTreeMap<String, Tensor>,
    network: Transformer,
    domain: Option<Domain>,
}

impl Model {
    /// Builds a model from its parts and computes its hash.
    ///
    /// # Errors
    /// If a size is unusable, or a weight is missing or of the wrong shape.
    pub fn new(
        name: impl Into<String>,
        architecture: Architecture,
        vocabulary: Vocabulary,
        provenance: Provenance,
        tensors: BTreeMap<String, Tensor>,
    ) -> Result<Self> {
        architecture.validate()?;
        let network = network(&architecture, &vocabulary, &tensors)?;
        let hash = content_hash(&architecture, &vocabulary, &tensors)?;
        Ok(Self { name: name.into(), architecture, vocabulary, provenance, hash, tensors, network, domain: None })
    }

    /// Returns the same model with the distribution of its training stars, which its hash then covers.
    ///
    /// # Errors
    /// If a token of the domain is not in the model's vocabulary.
    pub fn with_domain(mut self, domain: Domain) -> Result<Self> {
        domain.check(&self.vocabulary)?;
        let mut tensors = self.tensors.clone();
        tensors.extend(domain.tensors()?);
        self.hash = content_hash(&self.architecture, &self.vocabulary, &tensors)?;
        self.domain = Some(domain);
        Ok(self)
    }

    /// Reads a model file.
    ///
    /// # Errors
    /// If the file cannot be read or is not a model file, or its content does not match its hash.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let unreadable =
            |e| Error::new(ErrorKind::Io, "cannot read the model file").at("file", path.display()).source(e);
        let length = std::fs::metadata(path).map_err(unreadable)?.len();
        if length > FILE_BYTES {
            let message = format!("it has {} GiB, more than any model", length >> 30);
            return Err(damaged(&message).at("file", path.display()));
        }
        let bytes = std::fs::read(path).map_err(unreadable)?;
        Self::from_bytes(&bytes).map_err(|e| e.at("file", path.display()))
    }

    /// Reads a model from the bytes of a model file.
    ///
    /// # Errors
    /// The errors of [`Model::open`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let header = read_header(bytes)?;
        header.architecture.validate()?;
        let mut tensors: BTreeMap<_, _> = candle_core::safetensors::load_buffer(bytes, &Device::Cpu)
            .map_err(|e| damaged("its tensors cannot be read").source(e))?
            .into_iter()
            .collect();
        let domain: BTreeMap<_, _> = tensors.extract_if(.., |name, _| name.starts_with(domain::PREFIX)).collect();
        let domain = Domain::from_tensors(&domain, &header.vocabulary)?;
        let mut model = Self::new(header.name, header.architecture, header.vocabulary, header.provenance, tensors)?;
        if let Some(domain) = domain {
            model = model.with_domain(domain)?;
        }
        if model.hash != header.hash {
            return Err(damaged("its content does not match its hash")
                .at("expected", &header.hash)
                .at("found", &model.hash));
        }
        Ok(model)
    }

    /// Returns the bytes of the model file; the same model always gives the same bytes.
    ///
    /// # Errors
    /// If a tensor cannot be serialised.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let header = Header {
            format: FORMAT_VERSION,
            name: self.name.clone(),
            architecture: self.architecture.clone(),
            vocabulary: self.vocabulary.clone(),
            provenance: self.provenance.clone(),
            hash: self.hash.clone(),
        };
        let json = serde_json::to_string(&header).map_err(cannot_write)?;
        let metadata = HashMap::from([(HEADER_KEY.to_owned(), json)]);
        let mut tensors = self.tensors.clone();
        if let Some(domain) = &self.domain {
            tensors.extend(domain.tensors()?);
        }
        safetensors::serialize(&tensors, Some(metadata)).map_err(cannot_write)
    }

    /// Writes the model file; a reader never sees an incomplete file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        write_whole(path.as_ref(), self.to_bytes()?)
    }

    /// Returns the weights by their role in the network, row-major.
    ///
    /// # Errors
    /// If one cannot be read.
    pub fn weights(&self) -> Result<Weights<Vec<f32>>> {
        let layout = self.architecture.layout(self.vocabulary.len())?;
        layout.try_map(|place| Ok(place.tensor(&self.tensors)?.flatten_all()?.to_vec1()?))
    }

    /// The model's name in SQL.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the same model under another name.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Returns the same model with its weights rounded to `dtype` (f32, f16 or bf16), the type in which its file then
    /// stores them. It computes in f32 as before, and its hash is that of the rounded weights. The training domain is
    /// unchanged.
    ///
    /// # Errors
    /// If a weight does not fit the type.
    pub fn with_dtype(&self, dtype: DType) -> Result<Self> {
        let round = |(name, t): (&String, &Tensor)| -> Result<_> { Ok((name.clone(), t.to_dtype(dtype)?)) };
        let tensors = self.tensors.iter().map(round).collect::<Result<BTreeMap<_, _>>>()?;
        for (name, tensor) in &tensors {
            let largest = tensor.to_dtype(DType::F32)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
            if !largest.is_finite() {
                return Err(Error::new(ErrorKind::Model, format!("a weight is too large for {}", dtype.as_str()))
                    .at("weight", name)
                    .hint("keep the model in f32"));
            }
        }
        let rounded = Self::new(
            &self.name,
            self.architecture.clone(),
            self.vocabulary.clone(),
            self.provenance.clone(),
            tensors,
        )?;
        match &self.domain {
            Some(domain) => rounded.with_domain(domain.clone()),
            None => Ok(rounded),
        }
    }

    /// The weights in host memory, by their names in the file.
    #[must_use]
    pub fn tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.tensors
    }

    /// The model's sizes.
    #[must_use]
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The model's tokens and their normalisation.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The origin of the model's weights.
    #[must_use]
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// The distribution of the training stars, if the file holds it.
    #[must_use]
    pub fn domain(&self) -> Option<&Domain> {
        self.domain.as_ref()
    }

    /// SHA-256 of architecture, vocabulary, weights and training domain, in hex.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The network in host memory.
    #[must_use]
    pub fn network(&self) -> &Transformer {
        &self.network
    }

    /// Number of weights.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.tensors.values().map(Tensor::elem_count).sum()
    }

    /// The model's name in outputs, with a remark if it is untrained.
    #[must_use]
    pub fn label(&self) -> String {
        if self.provenance.trained {
            self.name.clone()
        } else {
            format!("{} (untrained: random weights, results are meaningless)", self.name)
        }
    }
}

fn network(
    architecture: &Architecture,
    vocabulary: &Vocabulary,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<Transformer> {
    let misfit = |e| damaged("a weight is missing or has another shape than its architecture says").source(e);
    let weights = architecture.layout(vocabulary.len())?.try_map(|place| place.tensor(tensors)).map_err(misfit)?;
    Ok(Transformer::new(&weights, architecture)?)
}

fn read_header(bytes: &[u8]) -> Result<Header> {
    let (_, metadata) =
        SafeTensors::read_metadata(bytes).map_err(|e| damaged("it is not a complete safetensors file").source(e))?;
    let json = metadata
        .metadata()
        .as_ref()
        .and_then(|m| m.get(HEADER_KEY))
        .ok_or_else(|| damaged("it has no lamcat header"))?;
    let header: Header =
        serde_json::from_str(json).map_err(|e| damaged("its lamcat header cannot be read").source(e))?;
    if !(1..=FORMAT_VERSION).contains(&header.format) {
        return Err(Error::new(ErrorKind::Model, "the model file has another format version")
            .at("format", header.format)
            .hint(format!("this lamcat reads formats 1 to {FORMAT_VERSION}; use the lamcat that wrote the file")));
    }
    Ok(header)
}

fn content_hash(
    architecture: &Architecture,
    vocabulary: &Vocabulary,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<String> {
    let mut hasher = Sha256::new();
    hasher.update(serde_json::to_vec(&(architecture, vocabulary.tokens())).map_err(cannot_write)?);
    // A model keeps its hash when a file of format 1 is rewritten.
    if *vocabulary.basis() != Basis::unsaid() {
        hasher.update(serde_json::to_vec(vocabulary.basis()).map_err(cannot_write)?);
    }
    for (name, tensor) in tensors {
        hasher.update(name.as_bytes());
        for dim in tensor.dims() {
            hasher.update((*dim as u64).to_le_bytes());
        }
        for value in tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()? {
            hasher.update(value.to_le_bytes());
        }
    }
    Ok(format!("{:x}", hasher.finalize()))
}

fn damaged(why: &str) -> Error {
    Error::new(ErrorKind::Model, format!("this is not a usable model file: {why}")).hint(
        "copy the file again; `lamcat model import` makes one from a published checkpoint, `lamcat model init` a random one",
    )
}

fn cannot_write(e: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::Model, "the model cannot be serialised").source(e)
}
