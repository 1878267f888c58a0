//! The kernel launches that answer a batch: every kernel with its blocks and arguments, for up to a maximum number of
//! stars. Smaller batches use the same launches, whose blocks read the actual sizes from memory and end if there is
//! nothing to do.

use super::{
    network::{DecoderBlock, EncoderBlock, Layer, Network, Norm, Place, Rest},
    shape::{Shape, TILE},
    sizes::{BatchLimits, Lengths, SIZES},
};

/// Threads per block of `dense` and of the first and last kernels.
const THREADS: usize = 256;
/// Warps per block of the attention.
const ATTENTION_WARPS: usize = 4;
/// Number of stages of the copy pipeline in `dense`, each of which holds one line of k.
const DENSE_STAGES: usize = 3;

/// An argument of a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Argument {
    /// The address of an item among the weights.
    Weight(Place),
    /// The address of an item in the memory of a batch.
    Memory(usize),
    Int(i32),
}

/// One launch of a kernel.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) kernel: &'static str,
    pub(super) grid: [u32; 2],
    pub(super) threads: u32,
    /// Shared memory in bytes.
    pub(super) shared: u32,
    pub(super) arguments: Vec<Argument>,
}

/// The byte offsets of the parts of a batch in its memory.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Places {
    /// The numbers of stars and tokens, and 1, as i32, followed by the requests and the starts.
    pub(super) sizes: usize,
    /// The requested tokens, i32.
    pub(super) requests: usize,
    /// The index of each star's first token, followed by the total number of tokens, i32.
    pub(super) starts: usize,
    /// The tokens, u16.
    pub(super) tokens: usize,
    /// The values, f32.
    pub(super) values: usize,
    /// Mean and log variance of each request of each star, f32.
    pub(super) answers: usize,
    /// The mean token of each star, f32.
    pub(super) means: usize,
}

/// The launches for a batch.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) most: BatchLimits,
    pub(super) places: Places,
    /// Size in bytes of a batch's memory.
    pub(super) memory: usize,
    pub(super) launches: Vec<Launch>,
}

/// The number of rows that a kernel processes: one of the sizes, times a factor.
#[derive(Clone, Copy)]
struct Rows {
    most: usize,
    of: usize,
    times: usize,
}

impl Plan {
    pub(super) fn new(network: &Network, most: BatchLimits) -> Self {
        Planner {
            network,
            shape: &network.shape,
            plan: Self { most, places: Places::default(), memory: 0, launches: Vec::new() },
            tokens: Rows { most: most.stars * network.shape.slots, of: 1, times: 1 },
            requests: Rows { most: most.stars * most.asked, of: 0, times: most.asked },
        }
        .plan()
    }
}

struct Planner<'a> {
    network: &'a Network,
    shape: &'a Shape,
    plan: Plan,
    tokens: Rows,
    requests: Rows,
}

impl Planner<'_> {
    fn plan(mut self) -> Plan {
        let (most, tokens) = (self.plan.most, self.tokens);
        let lengths = Lengths::of(most, self.shape.slots);
        let sizes = self.room(lengths.numbers * 4);
        self.plan.places = Places {
            sizes,
            requests: sizes + SIZES * 4,
            starts: sizes + (SIZES + most.asked) * 4,
            tokens: self.room(lengths.tokens * 2),
            values: self.room(lengths.tokens * 4),
            answers: self.room(self.requests.most * 2 * 4),
            means: self.room(if most.embedding { most.stars * self.shape.width * 4 } else { 0 }),
        };
        let x = self.rows(tokens, self.shape.row());
        self.encode(x);
        if most.embedding {
            self.launch("mean_token", [most.stars, 1], THREADS, 0, |sizes, _| {
                vec![memory(x), int(sizes.row), memory(sizes.places.starts), memory(sizes.places.means)]
            });
        }
        if most.asked > 0 {
            self.decode(x);
        }
        self.plan
    }

    /// Reserves memory and returns its offset.
    fn room(&mut self, bytes: usize) -> usize {
        let at = self.plan.memory;
        self.plan.memory = (at + bytes).next_multiple_of(256);
        at
    }

    /// Reserves memory for rows of numbers, with an additional tile that kernels may read and write.
    fn rows(&mut self, rows: Rows, numbers: usize) -> usize {
        self.room((rows.most.next_multiple_of(TILE) + TILE) * numbers * self.shape.numbers.bytes())
    }

    /// Adds a launch; the last argument of every kernel is the sizes.
    fn launch(
        &mut self,
        kernel: &'static str,
        grid: [usize; 2],
        threads: usize,
        shared: usize,
        arguments: impl FnOnce(&Sizes, &Network) -> Vec<Argument>,
    ) {
        let sizes = Sizes { row: self.shape.row(), places: self.plan.places };
        let mut arguments = arguments(&sizes, self.network);
        arguments.push(memory(self.plan.places.sizes));
        let grid = grid.map(|blocks| blocks as u32);
        self.plan.launches.push(Launch { kernel, grid, threads: threads as u32, shared: shared as u32, arguments });
    }

    fn encode(&mut self, x: usize) {
        let pairs = self.tokens.most * self.shape.width / 2;
        self.launch("embed", [pairs.div_ceil(THREADS), 1], THREADS, 0, |sizes, network| {
            let (scales, biases) = (weight(network.scales), weight(network.biases));
            vec![memory(sizes.places.tokens), memory(sizes.places.values), scales, biases, memory(x), int(sizes.row)]
        });
        let projected = self.rows(self.tokens, self.shape.projected_row());
        let attended = self.rows(self.tokens, self.shape.row());
        let network = self.network;
        for (i, block) in network.encoder.iter().enumerate() {
            self.encoder_block(i, block, x, projected, attended);
        }
    }

    fn encoder_block(&mut self, i: usize, block: &EncoderBlock, x: usize, projected: usize, attended: usize) {
        let outputs = self.shape.projected_row();
        self.dense(&block.projection, x, projected, outputs, false, self.tokens);
        let warps = self.plan.most.stars * self.shape.encoder_heads[i];
        let kernel = ["attend_first", "attend_second"][i];
        self.launch(kernel, [warps.div_ceil(ATTENTION_WARPS), 1], ATTENTION_WARPS * 32, 0, |sizes, _| {
            let (key, value) = (weight(block.extra_key), weight(block.extra_value));
            let starts = memory(sizes.places.starts);
            vec![memory(projected), key, value, memory(attended), int(outputs), int(sizes.row), starts]
        });
        self.rest(&block.rest, attended, x, self.shape.encoder_hidden[i], self.tokens);
    }

    fn decode(&mut self, perception: usize) {
        let (asked, rows) = (self.plan.most.asked, self.requests);
        let pairs = rows.most * self.shape.width / 2;
        let x = self.rows(rows, self.shape.row());
        self.launch("embed_requests", [pairs.div_ceil(THREADS), 1], THREADS, 0, |sizes, network| {
            let scales = weight(network.scales);
            vec![memory(sizes.places.requests), scales, memory(x), int(sizes.row), int(asked)]
        });
        let widest = self.shape.decoder_heads.iter().map(|heads| self.shape.asking_row(*heads)).max().unwrap_or(0);
        let asking = self.rows(rows, widest);
        let network = self.network;
        for (i, block) in network.decoder.iter().enumerate() {
            self.decoder_block(i, block, x, asking, perception);
        }
        let (mut from, mut k) = (x, self.shape.row());
        for (layer, outputs) in network.head.iter().zip(self.shape.head.clone()) {
            let to = self.rows(rows, outputs);
            self.dense(layer, from, to, outputs, true, rows);
            (from, k) = (to, outputs);
        }
        let warps = THREADS / 32;
        self.launch("answer", [rows.most.div_ceil(warps), 1], THREADS, 0, |sizes, network| {
            let Layer { weight: of, bias, k: inputs } = network.answer;
            let answers = memory(sizes.places.answers);
            vec![memory(from), int(k), int(inputs), weight(of), weight(bias), answers, int(asked)]
        });
    }

    fn decoder_block(&mut self, i: usize, block: &DecoderBlock, x: usize, asking: usize, perception: usize) {
        let (asked, stars) = (self.plan.most.asked, self.plan.most.stars);
        let heads = self.shape.decoder_heads[i];
        let (asking_row, means_row) = (self.shape.asking_row(heads), self.shape.means_row(heads));
        // All stars have the same requests at first, so those of one star are enough.
        let one_star = Rows { most: asked, of: 2, times: asked };
        let (rows, own) = if i == 0 { (one_star, 0) } else { (self.requests, asked) };
        self.dense(&block.asking, x, asking, asking_row, false, rows);
        // Each block has its own memory for means, whose padding stays zero.
        let means = self.rows(self.requests, means_row);
        let groups = (asked * heads).div_ceil(ATTENTION_WARPS * 16);
        self.launch("attend_requests", [stars, groups], ATTENTION_WARPS * 32, 0, |sizes, _| {
            let mut arguments = vec![memory(asking), memory(perception), memory(means)];
            arguments.extend([asking_row, sizes.row, means_row, heads, asked, own].map(int));
            arguments.push(memory(sizes.places.starts));
            arguments
        });
        self.rest(&block.rest, means, x, self.shape.decoder_hidden[i], self.requests);
    }

    /// out = activation(x W' + bias).
    fn dense(&mut self, layer: &Layer, x: usize, out: usize, outputs: usize, activate: bool, rows: Rows) {
        let grid = [outputs / TILE, rows.most.div_ceil(TILE)];
        self.launch("dense", grid, THREADS, DENSE_STAGES * 2 * TILE * 128, |_, _| {
            let mut arguments = vec![memory(x), weight(layer.weight), weight(layer.bias), memory(out)];
            arguments.extend([layer.k, outputs, usize::from(activate), rows.of, rows.times].map(int));
            arguments
        });
    }

    /// Adds the layers that follow the attention, whose result is at `attended`.
    fn rest(&mut self, rest: &Rest, attended: usize, x: usize, hidden: usize, rows: Rows) {
        let width = self.shape.width;
        let shared = DENSE_STAGES * (TILE + width) * 128;
        self.launch("dense_norm", [rows.most.div_ceil(TILE), 1], THREADS, shared, |sizes, _| {
            let mut arguments = vec![memory(attended), weight(rest.output.weight), weight(rest.output.bias)];
            arguments.extend(norm(&rest.norm_1));
            arguments.push(memory(x));
            arguments.extend([rest.output.k, sizes.row, rows.of, rows.times].map(int));
            arguments
        });
        // As in feed_forward.cu.
        let groups = if width <= 128 && self.shape.numbers.bytes() == 2 { 2 } else { 1 };
        let stages = if width <= 128 { 3 } else { 2 };
        let (row, line) = (self.shape.row(), self.shape.numbers.per_line());
        let shared = stages * (row.div_ceil(line) * line + width) * 128;
        self.launch("feed_forward", [rows.most.div_ceil(4 * groups * 16), 1], 128, shared, |sizes, _| {
            let mut arguments = vec![memory(x), weight(rest.wide.weight), weight(rest.wide.bias)];
            arguments.extend([weight(rest.narrow.weight), weight(rest.narrow.bias)]);
            arguments.extend(norm(&rest.norm_2));
            arguments.extend([sizes.row, hidden, rows.of, rows.times].map(int));
            arguments
        });
    }
}

/// The values from which arguments are made.
struct Sizes {
    row: usize,
    places: Places,
}

fn memory(at: usize) -> Argument {
    Argument::Memory(at)
}

fn weight(at: Place) -> Argument {
    Argument::Weight(at)
}

fn int(value: usize) -> Argument {
    Argument::Int(value as i32)
}

fn norm(norm: &Norm) -> [Argument; 2] {
    [weight(norm.weight), weight(norm.bias)]
}
