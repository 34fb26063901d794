//! The two locks of a queue, taken with a limit and abandoned after a freeze.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ivshmem::AccessError;

use crate::layout::LockWidth;
use crate::slots::{Slots, Word};

/// A lock word of the shared memory. Both sides write it; any value but 0 means locked.
#[derive(Debug)]
pub(crate) struct LockWord<'m, M: Slots> {
    memory: &'m M,
    at: usize,
    width: LockWidth,
    /// How long a holder may hold it and still believe that it does (H16).
    believed: Duration,
}

impl<'m, M: Slots> LockWord<'m, M> {
    pub(crate) fn new(memory: &'m M, at: usize, width: LockWidth, max_time_ms: u32) -> Self {
        Self {
            memory,
            at,
            width,
            believed: freeze_limit(max_time_ms),
        }
    }

    /// Takes the lock, or gives up after `limit`; zero tries once.
    pub(crate) fn take(self, limit: Duration) -> Result<Option<Guard<'m, M>>, AccessError> {
        let mut first = None;
        let mut attempt = 0;
        loop {
            // Read before the attempt, so that a freeze right after it counts as held time.
            let now = self.memory.uptime();
            if self.try_once()? {
                return Ok(Some(self.hold_since(now)));
            }
            let first = *first.get_or_insert(now);
            if now.saturating_sub(first) >= limit {
                return Ok(None);
            }
            self.memory.relax(attempt);
            attempt = attempt.saturating_add(1);
        }
    }

    /// Treats the lock, which is not free, as the caller's own: its holder is dead or was the caller.
    pub(crate) fn seize(self) -> Guard<'m, M> {
        let now = self.memory.uptime();
        self.hold_since(now)
    }

    fn hold_since(self, since: Duration) -> Guard<'m, M> {
        Guard {
            word: self,
            since,
            is_held: true,
        }
    }

    fn try_once(&self) -> Result<bool, AccessError> {
        // Looking first keeps waiters from passing the cache line around. Relaxed: the exchange decides.
        Ok(match self.width {
            LockWidth::Byte => {
                let word = self.memory.u8(self.at)?;
                // Acquire pairs with the release in `free`, ours or the peer's.
                word.load(Ordering::Relaxed) == 0 && word.swap(1, Ordering::Acquire) == 0
            }
            LockWidth::Word => {
                let word = self.memory.u32(self.at)?;
                word.load(Ordering::Relaxed) == 0
                    && word
                        .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
                        .is_ok()
            }
        })
    }

    fn free(&self) -> Result<(), AccessError> {
        // An exchange and not a store: it drains the buffers of a write-combined mapping (section 10).
        match self.width {
            LockWidth::Byte => {
                self.memory.u8(self.at)?.swap(0, Ordering::Release);
            }
            LockWidth::Word => {
                self.memory.u32(self.at)?.swap(0, Ordering::Release);
            }
        }
        Ok(())
    }
}

/// The lock was held for so long that someone may have forced it meanwhile, so it was not released (H16).
#[derive(Debug)]
pub(crate) struct Abandoned;

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Guard<'m, M: Slots> {
    word: LockWord<'m, M>,
    since: Duration,
    is_held: bool,
}

impl<M: Slots> Guard<'_, M> {
    /// Gives the lock back, unless this process stood still while it held it.
    pub(crate) fn release(mut self) -> Result<(), Abandoned> {
        self.finish()
    }

    fn finish(&mut self) -> Result<(), Abandoned> {
        if !std::mem::take(&mut self.is_held) {
            return Ok(());
        }
        let held = self.word.memory.uptime().saturating_sub(self.since);
        if held > self.word.believed {
            return Err(Abandoned);
        }
        // The word was in bounds when it was taken, and the memory does not move.
        self.word.free().map_err(|_| Abandoned)
    }
}

impl<M: Slots> Drop for Guard<'_, M> {
    fn drop(&mut self) {
        // An early return because of corrupted words ends here; the caller reports that already.
        let _ = self.finish();
    }
}

/// The gap in one's own clock after which nothing that was held counts as held: half of `max_time` (H16).
pub(crate) fn freeze_limit(max_time_ms: u32) -> Duration {
    Duration::from_millis(u64::from((max_time_ms / 2).max(1)))
}
