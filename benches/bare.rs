//! One backend without SQL, driven by `benches/peers/inference.py`: reads `LABELS BATCH SECONDS` from its input, line by
//! line, and answers each with `{"units", "wall", "cpu"}` as JSON: stars done, seconds, and seconds of CPU.
//!
//! `bare KIND MODEL CONTEXTS THREADS`: KIND is `f32`, `int8` or `candle`; CONTEXTS holds `(rows, 64)` standardised values
//! of the 64 lowest XP tokens, 32-bit little-endian floats. The line `answers LABELS FILE` writes the means of all rows.

use std::{
    io::{BufRead, Write, stdin, stdout},
    time::Instant,
};

use lamcat::{
    context::Packed,
    inference::{Backend, CandleBackend, CpuBackend, Precision, Requests},
    model::Model,
};

const LABELS: [&str; 3] = ["teff", "logg", "m_h"];
const TOKENS: usize = 64;

struct Bare {
    model: Model,
    backend: Box<dyn Backend>,
    rows: usize,
    values: Vec<f32>,
}

impl Bare {
    fn requests(&self, labels: usize) -> Requests {
        let tokens = LABELS[..labels].iter().map(|label| self.model.vocabulary().require(label).expect("a label"));
        Requests { tokens: tokens.collect(), embedding: false }
    }

    fn packed(&self, rows: std::ops::Range<usize>) -> Packed {
        let tokens = rows.clone().flat_map(|_| (1..=32).chain(56..88)).collect();
        let values = self.values[rows.start * TOKENS..rows.end * TOKENS].to_vec();
        Packed { rows: rows.len(), context_length: TOKENS, tokens, values }
    }

    fn timed(&mut self, labels: usize, batch: usize, seconds: f64) -> (usize, f64, f64) {
        let requests = self.requests(labels);
        let batches: Vec<_> = (0..self.rows / batch).map(|i| self.packed(i * batch..(i + 1) * batch)).collect();
        assert!(!batches.is_empty(), "fewer rows than a batch has");
        self.backend.infer(&self.model, &batches[0], &requests).expect("answers");
        let (started, cpu) = (Instant::now(), cpu_seconds());
        let mut done = 0;
        for packed in batches.iter().cycle() {
            self.backend.infer(&self.model, packed, &requests).expect("answers");
            done += packed.rows;
            if started.elapsed().as_secs_f64() >= seconds {
                break;
            }
        }
        (done, started.elapsed().as_secs_f64(), cpu_seconds() - cpu)
    }

    fn write_answers(&mut self, labels: usize, path: &str) {
        let (requests, packed) = (self.requests(labels), self.packed(0..self.rows));
        let answers = self.backend.infer(&self.model, &packed, &requests).expect("answers");
        let bytes: Vec<u8> = answers.mean.iter().flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(path, bytes).expect("writable");
    }
}

/// Of the whole process, in ticks of 1/100 s.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [kind, model, contexts, threads] = &arguments[..] else {
        println!("nothing to do: bare KIND MODEL CONTEXTS THREADS");
        return;
    };
    let pool =
        rayon::ThreadPoolBuilder::new().num_threads(threads.parse().expect("a number")).build().expect("threads");
    let backend: Box<dyn Backend> = match kind.as_str() {
        "f32" => Box::new(CpuBackend::new(Precision::F32)),
        "int8" => Box::new(CpuBackend::new(Precision::Int8)),
        "candle" => Box::new(CandleBackend),
        other => panic!("{other} is no backend"),
    };
    let model = Model::from_bytes(&std::fs::read(model).expect("a model file")).expect("a model");
    let bytes = std::fs::read(contexts).expect("a file of contexts");
    let (numbers, _) = bytes.as_chunks::<4>();
    let values: Vec<f32> = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
    let mut bare = Bare { model, backend, rows: values.len() / TOKENS, values };
    println!("ready");
    for line in stdin().lock().lines() {
        let line = line.expect("text");
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["answers", labels, path] => {
                pool.install(|| bare.write_answers(labels.parse().expect("a number"), path));
                println!("written");
            }
            [labels, batch, seconds] => {
                let [labels, batch] = [labels, batch].map(|number| number.parse().expect("a number"));
                let seconds = seconds.parse().expect("a number");
                let (units, wall, cpu) = pool.install(|| bare.timed(labels, batch, seconds));
                println!("{{\"units\": {units}, \"wall\": {wall}, \"cpu\": {cpu}}}");
            }
            _ => println!("LABELS BATCH SECONDS, or: answers LABELS FILE"),
        }
        stdout().flush().expect("an output");
    }
}
