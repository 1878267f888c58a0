//! Who uses the cores.

/// Keeps candle from splitting single operations over the cores: lamcat gives every core a tile of rows of its own, and
/// candle's pool, whose threads spin while they wait, would take the cores from them. A setting of the user's stays.
#[expect(unsafe_code, reason = "the environment is the only way to tell candle, and changing it is unsafe")]
pub(super) fn one_tile_per_core() {
    const NAME: &str = "CANDLE_NUM_THREADS";
    if std::env::var_os(NAME).is_none() {
        // SAFETY: called first thing in the program, before it has a second thread that could read the environment.
        unsafe { std::env::set_var(NAME, "1") };
    }
}
