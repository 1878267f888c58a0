//! The kernels compiled as plain C++, and plans run with them, to test what can be tested without a GPU.

#![expect(unsafe_code, reason = "the kernels are in a library of C++, called by pointers as a GPU's driver calls them")]

use std::{
    ffi::{CString, c_char, c_int, c_uint, c_void},
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

use lamcat_core::context::Packed;
use libloading::Library;

use super::{
    batch::{self, BatchMemory},
    network::Network,
    numbers::Numbers,
    plan::{Argument, Launch, Plan},
    shape::Shape,
    sizes::{BatchLimits, Lengths},
};
use crate::{
    Model,
    inference::{Answers, Requests},
};

type Run = unsafe extern "C" fn(*const c_char, c_uint, c_uint, c_uint, c_uint, *mut *mut c_void, c_uint) -> c_int;

/// Allows one launch at a time: the library has only one emulated machine.
static MACHINE: Mutex<()> = Mutex::new(());

/// A model on the emulated machine.
pub(super) struct Emulated {
    network: Network,
    library: Library,
}

/// Returns the library of kernels for a shape, and compiles it if it does not exist yet; `None` if there is no C++
/// compiler.
fn library(shape: &Shape) -> Option<PathBuf> {
    let kernels = Path::new(env!("CARGO_MANIFEST_DIR")).join("inference/cuda/kernels");
    let folder = std::env::temp_dir().join(format!("lamcat-kernels-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let to = folder.join(format!("{}.so", shape.defines().join("")));
    if to.exists() {
        return Some(to);
    }
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let mut command = Command::new(compiler);
    command.args(["-std=c++17", "-O2", "-shared", "-fPIC"]).args(shape.defines());
    match command.arg(kernels.join("emulated.cpp")).arg("-o").arg(&to).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            Some(to)
        }
        Err(e) => {
            assert!(std::env::var_os("LAMCAT_REQUIRE_CXX").is_none(), "no compiler of C++: {e}");
            eprintln!("skipped: no compiler of C++");
            None
        }
    }
}

impl Emulated {
    pub(super) fn new(model: &Model, numbers: Numbers) -> Option<Self> {
        let _machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        let shape = Shape::of(model, numbers).unwrap();
        let path = library(&shape)?;
        let network = Network::pack(model, shape).unwrap();
        // SAFETY: the library was just built from the kernels and runs no code when it is opened.
        let library = unsafe { Library::new(path) }.unwrap();
        Some(Self { network, library })
    }

    /// Answers `batch` with launches for at most `stars` stars.
    pub(super) fn infer(&self, model: &Model, batch: &Packed, requests: &Requests, stars: usize) -> Answers {
        let most = BatchLimits { stars, asked: requests.tokens.len(), embedding: requests.embedding };
        let plan = Plan::new(&self.network, most);
        let (mut memory, mut weights) = (aligned(plan.memory), aligned(self.network.bytes.len()));
        bytes_of(&mut weights)[..self.network.bytes.len()].copy_from_slice(&self.network.bytes);
        let lengths = Lengths::of(most, self.network.shape.slots);
        let (mut numbers, mut tokens, mut values) =
            (vec![0; lengths.numbers], vec![0; lengths.tokens], vec![0.0; lengths.tokens]);
        let mut answers = Answers::default();
        for first in (0..batch.rows).step_by(stars) {
            let rows = first..(first + stars).min(batch.rows);
            let count = rows.len();
            let mut given = BatchMemory { numbers: &mut numbers, tokens: &mut tokens, values: &mut values };
            let used = batch::write(batch, rows, requests, &mut given);
            let memory_bytes = bytes_of(&mut memory);
            put(memory_bytes, plan.places.sizes, numbers[..used.numbers].iter().map(|x| x.to_le_bytes()));
            put(memory_bytes, plan.places.tokens, tokens[..used.tokens].iter().map(|x| x.to_le_bytes()));
            put(memory_bytes, plan.places.values, values[..used.tokens].iter().map(|x| x.to_le_bytes()));
            for launch in &plan.launches {
                self.launch(launch, &mut memory, &mut weights);
            }
            let floats = |at: usize, count: usize| {
                let bytes = memory.iter().flat_map(|word| word.to_le_bytes()).skip(at).take(4 * count);
                let bytes: Vec<u8> = bytes.collect();
                bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect::<Vec<_>>()
            };
            let width = if most.embedding { self.network.shape.width } else { 0 };
            let pairs = floats(plan.places.answers, 2 * count * most.asked);
            let means = floats(plan.places.means, count * width);
            batch::read(model, requests, &pairs, &means, &mut answers);
        }
        answers
    }

    fn launch(&self, launch: &Launch, memory: &mut [u128], weights: &mut [u128]) {
        let _machine = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        let (memory, weights) = (memory.as_mut_ptr().cast::<u8>(), weights.as_mut_ptr().cast::<u8>());
        // Each argument takes 8 bytes; an integer is the first four of them.
        let values: Vec<u64> = launch
            .arguments
            .iter()
            .map(|argument| match argument {
                Argument::Weight(at) => weights.wrapping_add(*at) as u64,
                Argument::Memory(at) => memory.wrapping_add(*at) as u64,
                Argument::Int(value) => u64::from(*value as u32),
            })
            .collect();
        let mut addresses: Vec<*mut c_void> = values.iter().map(|v| std::ptr::from_ref(v).cast_mut().cast()).collect();
        let name = CString::new(launch.kernel).unwrap();
        let [x, y] = launch.grid;
        let count = addresses.len() as u32;
        // SAFETY: the function has this type in emulated.cpp, and the plan's offsets are within both memories.
        let code = unsafe {
            let run: libloading::Symbol<'_, Run> = self.library.get(b"lamcat_launch").unwrap();
            run(name.as_ptr(), x, y, launch.threads, launch.shared, addresses.as_mut_ptr(), count)
        };
        assert_eq!(code, 0, "{launch:?}");
    }
}

/// Copies numbers to an offset in memory.
fn put<const N: usize>(memory: &mut [u8], at: usize, numbers: impl Iterator<Item = [u8; N]>) {
    memory[at..].chunks_exact_mut(N).zip(numbers).for_each(|(to, number)| to.copy_from_slice(&number));
}

/// Returns zeroed memory, aligned for any number type.
fn aligned(bytes: usize) -> Vec<u128> {
    vec![0; bytes.div_ceil(16)]
}

fn bytes_of(words: &mut [u128]) -> &mut [u8] {
    // SAFETY: any bytes are a valid u128, and the reverse.
    unsafe { words.align_to_mut::<u8>().1 }
}
