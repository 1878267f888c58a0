//! Decides which threads use the cores.

use std::{num::NonZeroUsize, thread::available_parallelism};

use lamcat_core::schema::limits;

/// Gives every core a block of rows of its own, and keeps candle from splitting single operations over the cores:
/// threads that wait for each other cost more than they gain, and a matrix product that is not told its number of
/// threads asks the kernel for the number of cores every time. `RAYON_NUM_THREADS` overrides the number of blocks.
#[expect(unsafe_code, reason = "the environment is the only way to tell candle, and changing it is unsafe")]
pub(super) fn one_tile_per_core() {
    const TILES: &str = "RAYON_NUM_THREADS";
    const SPLIT: [&str; 2] = ["CANDLE_NUM_THREADS", TILES];
    let asked = std::env::var(TILES).ok().and_then(|n| n.parse().ok());
    // A larger number would use up the machine's threads.
    let asked = asked.filter(|n: &NonZeroUsize| limits::THREADS.contains(&(n.get() as u64)));
    let tiles = asked.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    for name in SPLIT {
        // SAFETY: this is called first thing in the program, before there is a second thread that could read the
        // environment.
        unsafe { std::env::set_var(name, "1") };
    }
    // This fails if a pool already exists, which then serves as well.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(tiles).build_global();
}
