//! Volatile copies, for machines without a kernel of their own and for Miri.

use std::sync::atomic::{Ordering, fence};

/// Bytes of a machine word.
const WORD: usize = size_of::<usize>();

/// Orders all stores; there are no streaming ones here.
pub(super) fn store_fence() {
    fence(Ordering::SeqCst);
}

/// Orders all loads and stores.
pub(super) fn full_fence() {
    fence(Ordering::SeqCst);
}

/// Copies `len` bytes; the two hints mean nothing here.
///
/// # Safety
/// `len` bytes must be readable at `from` and writable at `into`.
pub(super) unsafe fn copy(from: *const u8, into: *mut u8, len: usize, _: bool, _: bool) {
    let mut at = 0;
    let together = (from.addr() ^ into.addr()).is_multiple_of(WORD);
    while at < len {
        let (source, target) = (from.wrapping_add(at), into.wrapping_add(at));
        if together && source.addr().is_multiple_of(WORD) && len - at >= WORD {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alignment_of_both_sides_copies_and_zeroes_exactly() {
        let source: Vec<u8> = (1..=100).collect();
        for (from, into, len) in (0..9)
            .flat_map(|from| (0..9).flat_map(move |into| (0..40).map(move |len| (from, into, len))))
        {
            let mut target = [200_u8; 100];
            // SAFETY: at most 8 + 39 bytes of the hundred on either side.
            unsafe {
                copy(
                    source.as_ptr().wrapping_add(from),
                    target.as_mut_ptr().wrapping_add(into),
                    len,
                    false,
                    false,
                );
            }
            store_fence();
            full_fence();
            assert_eq!(target[into..into + len], source[from..from + len]);
            // SAFETY: as above.
            unsafe { zero(target.as_mut_ptr().wrapping_add(into), len) };
            let mut wanted = [200_u8; 100];
            wanted[into..into + len].fill(0);
            assert_eq!(target, wanted);
        }
    }
}
