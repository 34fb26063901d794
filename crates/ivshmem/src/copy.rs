//! Copies between private and shared memory.

use std::ptr;

/// Copies `into.len()` shared bytes out.
pub(crate) fn read(from: *const u8, into: &mut [u8]) {
    let len = into.len();
    // SAFETY: callers in this crate pass an address with `len` mapped bytes behind it; `into` is private and does
    // not overlap the mapping. The intrinsic may see torn bytes from a racing writer; bytes have no invalid value.
    unsafe { ptr::copy_nonoverlapping(from, into.as_mut_ptr(), len) }
}

/// Copies bytes into shared memory.
pub(crate) fn write(from: &[u8], into: *mut u8) {
    // SAFETY: as for `read`, with the roles exchanged.
    unsafe { ptr::copy_nonoverlapping(from.as_ptr(), into, from.len()) }
}

/// Sets shared bytes to zero.
pub(crate) fn zero(into: *mut u8, len: usize) {
    // SAFETY: callers in this crate pass an address with `len` mapped writable bytes behind it.
    unsafe { ptr::write_bytes(into, 0, len) }
}
