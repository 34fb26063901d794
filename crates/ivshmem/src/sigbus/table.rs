//! The live mappings, in a form that a signal handler can read at any moment.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};

/// Mappings a process can have at once; a program has a handful, its tests some dozens.
const SLOTS: usize = 512;

/// One mapping, guarded like a sequence lock: the handler may run in the middle of any change.
struct Slot {
    /// Odd while being changed; each change adds two. Written by threads that map and unmap.
    version: AtomicU64,
    /// First address; 0 for a free slot.
    start: AtomicUsize,
    /// Address behind the last byte.
    end: AtomicUsize,
    /// Whether a page was missing; written by the handler, read by the mapping's owner.
    faulted: AtomicBool,
}

/// Every live mapping of this crate.
static TABLE: [Slot; SLOTS] = [const { Slot::free() }; SLOTS];

impl Slot {
    /// A slot that nobody uses.
    const fn free() -> Self {
        Self {
            version: AtomicU64::new(0),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            faulted: AtomicBool::new(false),
        }
    }

    /// Begins a change if the slot is used or free as told; returns the version to end it with.
    fn lock(&self, is_free: bool) -> Option<u64> {
        // Acquire pairs with the Release of `unlock`, so that `start` is at least as new as the version.
        let version = self.version.load(Ordering::Acquire);
        if !version.is_multiple_of(2) || (self.start.load(Ordering::Relaxed) == 0) != is_free {
            return None;
        }
        // The exchange proves that nothing changed since. Acquire as above; if it fails somebody else took the slot.
        self.version
            .compare_exchange(version, version + 1, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        // Pairs with the fence in `range`: who sees one of the stores to come also sees the odd version.
        fence(Ordering::Release);
        Some(version)
    }

    /// Ends a change.
    fn unlock(&self, version: u64) {
        // Release: who sees the new version sees the new addresses.
        self.version.store(version + 2, Ordering::Release);
    }

    /// The addresses, unless the slot is free or being changed. A fault inside a mapping always finds that mapping's
    /// slot at rest: it was entered before the first access and is removed after the last one.
    fn range(&self) -> Option<(usize, usize)> {
        // Acquire pairs with `unlock`.
        let version = self.version.load(Ordering::Acquire);
        // Relaxed: the version, read before and after, tells whether the two belong together.
        let start = self.start.load(Ordering::Relaxed);
        let end = self.end.load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let same = self.version.load(Ordering::Relaxed) == version;
        (same && version.is_multiple_of(2) && start != 0).then_some((start, end))
    }
}

/// A mapping's place in the table, until dropped.
#[derive(Debug)]
pub(crate) struct Registration(usize);

impl Registration {
    /// Enters the mapping of `len` bytes at `start`; `None` if the table is full.
    pub(crate) fn new(start: usize, len: usize) -> Option<Self> {
        let end = start.checked_add(len)?;
        TABLE.iter().enumerate().find_map(|(index, slot)| {
            let version = slot.lock(true)?;
            // Relaxed, all three: ordered by the version.
            slot.faulted.store(false, Ordering::Relaxed);
            slot.end.store(end, Ordering::Relaxed);
            slot.start.store(start, Ordering::Relaxed);
            slot.unlock(version);
            Some(Self(index))
        })
    }

    /// Tells whether a page of the mapping was missing.
    pub(crate) fn is_faulted(&self) -> bool {
        // Relaxed: the thread that faulted sees its own handler's store; others need no more than soon.
        TABLE
            .get(self.0)
            .is_some_and(|slot| slot.faulted.load(Ordering::Relaxed))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(slot) = TABLE.get(self.0)
            && let Some(version) = slot.lock(false)
        {
            slot.start.store(0, Ordering::Relaxed);
            slot.unlock(version);
        }
    }
}

/// Puts zero pages where the mapping around `address` has none; tells whether it is one of ours and can go on.
///
/// Called by the signal handler.
pub(super) fn repair(address: usize) -> bool {
    for slot in &TABLE {
        let Some((start, end)) = slot.range() else {
            continue;
        };
        if !(start..end).contains(&address) {
            continue;
        }
        slot.faulted.store(true, Ordering::Relaxed);
        // What lies behind a missing page is most likely missing as well. If only the whole can be replaced (huge
        // pages can only be cut at their own size), replace the whole.
        let page = address & !(SMALLEST_PAGE - 1);
        return zero_pages(page, end) || zero_pages(start, end);
    }
    false
}

/// The smallest page there is on Linux; a larger one makes the first attempt of `repair` fail, not the second.
const SMALLEST_PAGE: usize = 4096;

/// Maps zero pages over a range.
fn zero_pages(start: usize, end: usize) -> bool {
    // SAFETY: the range lies in a mapping that its owner cannot unmap meanwhile, because a thread is in the middle of
    // an access to it; new pages in its place stay readable and writable, which is all that windows rely on.
    let mapped = unsafe {
        libc::mmap(
            ptr::with_exposed_provenance_mut(start),
            end - start,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    mapped != libc::MAP_FAILED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_outside_of_every_mapping_is_not_ours() {
        assert!(!repair(16));
        assert!(!repair(usize::MAX));
    }

    #[test]
    fn a_slot_being_changed_or_free_has_no_range() {
        let slot = Slot::free();
        assert_eq!(slot.range(), None);
        let version = slot.lock(true).unwrap();
        slot.start.store(4096, Ordering::Relaxed);
        slot.end.store(8192, Ordering::Relaxed);
        assert_eq!(slot.range(), None);
        assert_eq!(slot.lock(true), None);
        slot.unlock(version);
        assert_eq!(slot.range(), Some((4096, 8192)));
        assert_eq!(slot.lock(true), None);
        assert!(slot.lock(false).is_some());
    }

    #[test]
    fn a_slot_is_free_again_after_its_mapping_and_starts_without_a_fault() {
        // No real mapping lies at these addresses, so that nothing but this test can fault there.
        for _ in 0..2 * SLOTS {
            let registration = Registration::new(1 << 62, 4096).unwrap();
            assert!(!registration.is_faulted());
            TABLE[registration.0].faulted.store(true, Ordering::Relaxed);
            assert!(registration.is_faulted());
        }
    }

    #[test]
    fn a_range_beyond_the_address_space_is_refused() {
        assert!(Registration::new(usize::MAX, 2).is_none());
    }
}
