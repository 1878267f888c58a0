//! Who uses the cores.

use std::{num::NonZeroUsize, thread::available_parallelism};

use lamcat_core::schema::limits;

/// Gives every core a tile of rows of its own and keeps candle from splitting single operations over them: threads that
/// wait for each other cost more than they bring, and a matrix product that is not told how many threads it has reads
/// the number of cores from the kernel every time. `RAYON_NUM_THREADS` sets the number of tiles instead of the cores'.
#[expect(unsafe_code, reason = "the environment is the only way to tell candle, and changing it is unsafe")]
pub(super) fn one_tile_per_core() {
    const TILES: &str = "RAYON_NUM_THREADS";
    const SPLIT: [&str; 2] = ["CANDLE_NUM_THREADS", TILES];
    let asked = std::env::var(TILES).ok().and_then(|n| n.parse().ok());
    // More would take the machine's threads from all others.
    let asked = asked.filter(|n: &NonZeroUsize| limits::THREADS.contains(&(n.get() as u64)));
    let tiles = asked.or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    for name in SPLIT {
        // SAFETY: called first thing in the program, before it has a second thread that could read the environment.
        unsafe { std::env::set_var(name, "1") };
    }
    // Fails if there is a pool already, which then serves as well.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(tiles).build_global();
}
