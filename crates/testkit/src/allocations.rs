//! Counts what a thread takes from the heap, for tests that want it to be nothing.
//!
//! A test file makes [`Counting`] its allocator: `#[global_allocator] static ALLOCATOR: Counting = Counting;`

#![expect(
    unsafe_code,
    reason = "that of an allocator is the only interface to count at"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

thread_local! {
    /// Allocations of this thread.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// Allocations of all threads. Relaxed: nothing else depends on it.
static TOTAL: AtomicU64 = AtomicU64::new(0);

/// The system's allocator with a count for each thread and one for all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counting;

/// How often this thread has taken memory from the heap, if [`Counting`] is the program's allocator.
#[must_use]
pub fn count() -> u64 {
    COUNT.get()
}

/// How often `work` takes memory from the heap on this thread, if [`Counting`] is the program's allocator.
pub fn of(work: impl FnOnce()) -> u64 {
    let before = COUNT.get();
    work();
    COUNT.get() - before
}

/// How often all threads together have taken memory from the heap, if [`Counting`] is the program's allocator.
#[must_use]
pub fn total() -> u64 {
    TOTAL.load(Ordering::Relaxed)
}

fn add_one() {
    COUNT.set(COUNT.get() + 1);
    TOTAL.fetch_add(1, Ordering::Relaxed);
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches a thread-local integer, which has
// no destructor and so needs no allocation, and an atomic one.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add_one();
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add_one();
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, address: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add_one();
        // SAFETY: the caller's promises are passed on; `address` came from this allocator, which is the system's.
        unsafe { System.realloc(address, layout, size) }
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        // SAFETY: `address` came from this allocator, which is the system's, with this layout.
        unsafe { System.dealloc(address, layout) }
    }
}
