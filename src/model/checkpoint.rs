//! Reads the weights of a PyTorch checkpoint: a zip archive with a pickle that describes them, and a file of numbers
//! for each weight.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use candle_core::{Device, Tensor};
use half::{bf16, f16};
use zip::{CompressionMethod, ZipArchive};

use super::pickle::{self, Node, Value};

/// An error message.
type Problem = Box<dyn std::error::Error + Send + Sync>;

/// The file that describes the weights.
const DESCRIPTION: &str = "data.pkl";

/// The location and memory layout of a weight's numbers.
struct Stored {
    /// Name of the file below `data/`.
    file: String,
    kind: &'static Kind,
    /// Number of elements in the file.
    numbers: usize,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// A numeric type.
struct Kind {
    name: &'static str,
    bytes: usize,
    read: fn(&[u8]) -> f32,
}

const KINDS: [Kind; 6] = [
    Kind { name: "torch.FloatStorage", bytes: 4, read: |b| f32::from_le_bytes(four(b)) },
    Kind { name: "torch.DoubleStorage", bytes: 8, read: |b| f64::from_le_bytes(eight(b)) as f32 },
    Kind { name: "torch.HalfStorage", bytes: 2, read: |b| f16::from_le_bytes([b[0], b[1]]).to_f32() },
    Kind { name: "torch.BFloat16Storage", bytes: 2, read: |b| bf16::from_le_bytes([b[0], b[1]]).to_f32() },
    Kind { name: "torch.ByteStorage", bytes: 1, read: |b| f32::from(b[0]) },
    Kind { name: "torch.LongStorage", bytes: 8, read: |b| i64::from_le_bytes(eight(b)) as f32 },
];

fn four(b: &[u8]) -> [u8; 4] {
    [b[0], b[1], b[2], b[3]]
}

fn eight(b: &[u8]) -> [u8; 8] {
    [b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]
}

/// Returns the weights under a key of the checkpoint, by name, as f32.
pub(super) fn weights(path: &Path, key: &str) -> Result<BTreeMap<String, Tensor>, Problem> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(path)?))?;
    let mut names = archive.file_names().filter_map(|name| Some(name.ok()?.into_owned()));
    let description = names.find(|name| name.ends_with(DESCRIPTION));
    drop(names);
    let description = description.ok_or("it is no checkpoint: data.pkl is not in it")?;
    let mut bytes = Vec::new();
    archive.by_name(&description)?.take(pickle::MOST_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    let whole = pickle::read(&bytes)?;
    let weights = entry(&whole, key).ok_or_else(|| format!("'{key}' is not in it"))?;
    let Value::Dict(weights) = &weights.value else { return Err(format!("'{key}' holds no weights").into()) };
    let folder = format!("{}data/", description.trim_end_matches(DESCRIPTION));
    let mut tensors = BTreeMap::new();
    // Some weights may share their numbers, but not many: the size of the file bounds the total that is read.
    let mut room = 2 * path.metadata()?.len();
    for (name, value) in weights {
        let (Some(name), Some(stored)) = (name.value.text(), stored(value)) else { continue };
        let stored = stored.map_err(|problem| format!("the weight '{name}' {problem}"))?;
        room = room.checked_sub(stored.numbers as u64).ok_or("its weights are larger than the file")?;
        let tensor =
            read(&mut archive, &folder, &stored).map_err(|problem| format!("the weight '{name}': {problem}"))?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(tensors)
}

/// Returns the value for a key of a dict; if the key occurs twice, the last one counts, as in Python.
fn entry<'a>(dict: &'a Node, key: &str) -> Option<&'a Node> {
    let Value::Dict(pairs) = &dict.value else { return None };
    pairs.iter().rev().find(|(known, _)| known.value.text() == Some(key)).map(|(_, value)| value.as_ref())
}

/// Returns the location of a tensor's numbers; `None` if the value is not a tensor.
fn stored(value: &Node) -> Option<Result<Stored, &'static str>> {
    let Value::Call(callable, args) = &value.value else { return None };
    let (Value::Global(name), args) = (&callable.value, args.value.list()?) else { return None };
    match name.as_str() {
        "torch._utils._rebuild_parameter" => stored(args.first()?),
        // The arguments are the function, its type and its arguments.
        "torch._tensor._rebuild_from_type_v2" => match &args.first()?.value {
            Value::Global(name) if name == "torch._utils._rebuild_tensor_v2" => {
                Some(tensor(args.get(2)?.value.list()?))
            }
            _ => None,
        },
        "torch._utils._rebuild_tensor_v2" => Some(tensor(args)),
        _ => None,
    }
}

/// Parses the storage, offset, shape and strides of a tensor.
fn tensor(args: &[pickle::Shared]) -> Result<Stored, &'static str> {
    let sizes = |value: &Node| -> Option<Vec<usize>> { value.value.list()?.iter().map(|n| n.value.size()).collect() };
    let parts = || {
        let [storage, offset, shape, strides, ..] = args else { return None };
        let Value::Stored(id) = &storage.value else { return None };
        let [_, kind, file, _, numbers, ..] = id.value.list()? else { return None };
        let Value::Global(kind) = &kind.value else { return None };
        Some((kind, file.value.text()?, numbers.value.size()?, offset.value.size()?, sizes(shape)?, sizes(strides)?))
    };
    let (kind, file, numbers, offset, shape, strides) = parts().ok_or("is not described as PyTorch does")?;
    let kind =
        KINDS.iter().find(|known| known.name == kind).ok_or("has numbers of a type that lamcat does not read")?;
    let stored = Stored { file: file.to_owned(), kind, numbers, offset, shape, strides };
    if stored.fits() { Ok(stored) } else { Err("has a shape that does not fit its numbers") }
}

impl Stored {
    /// Whether every element lies within the stored numbers.
    fn fits(&self) -> bool {
        let count = self.shape.iter().try_fold(1_usize, |count, n| count.checked_mul(*n));
        let steps = self.shape.iter().zip(&self.strides);
        let last = steps
            .map(|(n, stride)| n.saturating_sub(1).checked_mul(*stride))
            .try_fold(self.offset, |last, step| last.checked_add(step?));
        self.shape.len() == self.strides.len()
            && count.is_some_and(|count| count <= self.numbers)
            && (count == Some(0) || last.is_some_and(|last| last < self.numbers))
    }

    /// Returns the position of each element among the stored numbers, in row-major order.
    fn places(&self) -> Vec<usize> {
        if self.shape.contains(&0) {
            return Vec::new();
        }
        let mut places = vec![self.offset];
        for (n, stride) in self.shape.iter().zip(&self.strides) {
            places = places.iter().flat_map(|place| (0..*n).map(move |i| place + i * stride)).collect();
        }
        places
    }
}

/// Reads a weight.
fn read(archive: &mut ZipArchive<BufReader<File>>, folder: &str, stored: &Stored) -> Result<Tensor, Problem> {
    let file = archive.by_name(&format!("{folder}{}", stored.file))?;
    let bytes = stored.numbers.checked_mul(stored.kind.bytes).ok_or("it is too large")?;
    // PyTorch does not compress numbers. A compressed file could expand to many times its size.
    if file.compression() != CompressionMethod::Stored || file.size() < bytes as u64 {
        return Err("its numbers are not all there".into());
    }
    let mut numbers = Vec::new();
    file.take(bytes as u64).read_to_end(&mut numbers)?;
    if numbers.len() < bytes {
        return Err("its numbers are not all there".into());
    }
    let width = stored.kind.bytes;
    let places = stored.places();
    let values = places.iter().map(|at| (stored.kind.read)(&numbers[at * width..(at + 1) * width]));
    Ok(Tensor::from_vec(values.collect(), stored.shape.as_slice(), &Device::Cpu)?)
}
