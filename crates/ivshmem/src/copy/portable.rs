//! Volatile copies, for machines without a kernel of their own and for Miri.

use std::sync::atomic::{Ordering, fence};

/// Bytes of a machine word.
const WORD: usize = size_of::<usize>();

/// Orders all stores; there are no streaming ones here.
pub(super) fn store_fence() {
    fence(Ordering::SeqCst);
}

/// Copies `len` bytes; the two hints mean nothing here.
///
/// # Safety
/// `len` bytes must be readable at `from` and writable at `into`.
pub(super) unsafe fn copy(from: *const u8, into: *mut u8, len: usize, _: bool, _: bool) {
    let mut at = 0;
    let together = (from.addr() ^ into.addr()) % WORD == 0;
    while at < len {
        let (source, target) = (from.wrapping_add(at), into.wrapping_add(at));
        if together && source.addr() % WORD == 0 && len - at >= WORD {
            // SAFETY: aligned as just checked, and `at + WORD <= len`.
            let word = unsafe { source.cast::<usize>().read_volatile() };
            // SAFETY: the source's alignment is the target's, and `at + WORD <= len`.
            unsafe { target.cast::<usize>().write_volatile(word) };
            at += WORD;
        } else {
            // SAFETY: `at < len`.
            let byte = unsafe { source.read_volatile() };
            // SAFETY: `at < len`.
            unsafe { target.write_volatile(byte) };
            at += 1;
        }
    }
}

/// Zeroes `len` bytes.
///
/// # Safety
/// `len` bytes must be writable at `into`.
pub(super) unsafe fn zero(into: *mut u8, len: usize) {
    for at in 0..len {
        // SAFETY: `at < len`.
        unsafe { into.wrapping_add(at).write_volatile(0) };
    }
}
