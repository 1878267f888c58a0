//! An allocator that ends the process when more than a gigabyte is held, or asked for at once, whether or not it is used.

#![expect(unsafe_code, reason = "an allocator is unsafe by its trait")]

use std::{
    alloc::{GlobalAlloc, Layout},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use tikv_jemallocator::Jemalloc;

/// Most bytes that reading an input may hold.
pub const MOST_BYTES: usize = 1 << 30;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static REPORTED: AtomicBool = AtomicBool::new(false);

/// The program's allocator, counted.
pub struct Bounded;

/// Most bytes that were held so far.
pub fn peak() -> usize {
    PEAK.load(Relaxed)
}

fn take(bytes: usize) {
    let held = HELD.fetch_add(bytes, Relaxed).saturating_add(bytes);
    PEAK.fetch_max(held, Relaxed);
    if held > MOST_BYTES && !REPORTED.swap(true, Relaxed) {
        eprintln!("{} asks for {bytes} bytes, to hold {held}", super::current());
        std::process::abort();
    }
}

fn give(bytes: usize) {
    HELD.fetch_sub(bytes, Relaxed);
}

// SAFETY: every call goes to an allocator that keeps the contract, with the arguments that it was made with.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: as of the trait's method.
        unsafe { Jemalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: as of the trait's method.
        unsafe { Jemalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        take(size);
        give(layout.size());
        // SAFETY: as of the trait's method.
        unsafe { Jemalloc.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        give(layout.size());
        // SAFETY: as of the trait's method.
        unsafe { Jemalloc.dealloc(pointer, layout) }
    }
}
