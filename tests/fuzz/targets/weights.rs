//! A checkpoint: `config.json` and `weights.pt`.
//!
//! An input is the second file, or the parts of both: the configuration, the pickle that describes the weights, and the file
//! of numbers that all weights share, which are zero as far as they are not said.

use std::io::{Cursor, Write};

use lamcat::model::import::import;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::{FOLDER, parts};

/// The configuration of a model of the smallest size.
const CONFIG: &str = include_str!("smallest.json");
/// Numbers that are made up.
const NUMBERS: usize = 1 << 14;

pub fn run(data: &[u8]) {
    let parts = parts(data);
    FOLDER.with(|folder| {
        if let [config, pickle, numbers @ ..] = &parts[..] {
            folder.write("config.json", if config.is_empty() { CONFIG.as_bytes() } else { config });
            folder.write("weights.pt", archive(pickle, numbers.concat()));
        } else {
            folder.write("config.json", CONFIG);
            folder.write("weights.pt", data);
        }
        let _ = import(folder.path(), "fuzzed", true);
    });
}

fn archive(pickle: &[u8], mut numbers: Vec<u8>) -> Vec<u8> {
    numbers.resize(numbers.len().max(NUMBERS), 0);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in [("a/data.pkl", pickle), ("a/data/0", &numbers[..])] {
        zip.start_file(name, stored).expect("an archive can be written");
        zip.write_all(bytes).expect("an archive can be written");
    }
    zip.finish().expect("an archive can be written").into_inner()
}
