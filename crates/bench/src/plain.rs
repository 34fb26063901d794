//! The copy that the relay is compared with: what the C library's `memcpy` does.

use ivshmem::SharedSlice;

/// Copies all of `from` by one plain `memcpy`, as far as `into` has room; returns the bytes.
///
/// For memory that nobody writes at the time.
pub(crate) fn copy(from: SharedSlice<'_>, into: &mut [u8]) -> usize {
    let bytes = from.len().min(into.len());
    // SAFETY: both ranges are `bytes` long and mapped; `into` is exclusive, so they do not overlap. The benchmark's
    // publisher has finished this frame and posts no other before it is asked to, so nobody writes meanwhile.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), into.as_mut_ptr(), bytes) };
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use ivshmem::SharedMemory;

    #[test]
    fn no_more_is_copied_than_there_is_room_for() {
        let memory = SharedMemory::create("plain", 4096).unwrap();
        memory.as_slice().copy_from(0, &[1, 2, 3, 4]).unwrap();
        let mut into = [0; 3];
        assert_eq!(copy(memory.as_slice(), &mut into), 3);
        assert_eq!(into, [1, 2, 3]);
    }
}
