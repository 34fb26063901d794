//! Shared memory whose user can freeze or die at a chosen moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use ivshmem::{AccessError, SharedMemory};
use lgmp::Slots;

pub(crate) struct Frail {
    pub(crate) memory: Arc<SharedMemory>,
    /// Freezes its user for 600 ms at each look at the clock.
    pub(crate) is_icy: AtomicBool,
    /// Accesses until its user is dead: from then on it neither reads nor writes anything.
    pub(crate) life: AtomicU64,
    millis: AtomicU64,
}

impl Frail {
    pub(crate) fn new(memory: Arc<SharedMemory>) -> Arc<Self> {
        Arc::new(Self {
            memory,
            is_icy: AtomicBool::new(false),
            life: AtomicU64::new(u64::MAX),
            millis: AtomicU64::new(0),
        })
    }

    fn live(&self) -> Result<(), AccessError> {
        let left = self.life.load(Ordering::Relaxed);
        self.life.store(left.saturating_sub(1), Ordering::Relaxed);
        if left == 0 {
            return Err(AccessError::OutOfBounds {
                offset: 0,
                len: 0,
                window: 0,
            });
        }
        Ok(())
    }
}

impl Slots for Frail {
    type U8 = AtomicU8;
    type U32 = AtomicU32;
    type U64 = AtomicU64;

    fn size(&self) -> usize {
        self.memory.len()
    }
    fn u8(&self, at: usize) -> Result<&AtomicU8, AccessError> {
        self.live()?;
        self.memory.u8(at)
    }
    fn u32(&self, at: usize) -> Result<&AtomicU32, AccessError> {
        self.live()?;
        self.memory.u32(at)
    }
    fn u64(&self, at: usize) -> Result<&AtomicU64, AccessError> {
        self.live()?;
        self.memory.u64(at)
    }
    fn copy_out(&self, at: usize, into: &mut [u8]) -> Result<(), AccessError> {
        self.live()?;
        self.memory.copy_out(at, into)
    }
    fn copy_in(&self, at: usize, from: &[u8]) -> Result<(), AccessError> {
        self.live()?;
        self.memory.copy_in(at, from)
    }
    fn zero(&self, at: usize, len: usize) -> Result<(), AccessError> {
        self.live()?;
        self.memory.zero(at, len)
    }
    fn fence(&self, order: Ordering) {
        self.memory.fence(order);
    }
    fn is_faulted(&self) -> bool {
        false
    }
    fn uptime(&self) -> Duration {
        let is_icy = self.is_icy.load(Ordering::Relaxed);
        let step = if is_icy { 600 } else { 0 };
        Duration::from_millis(self.millis.fetch_add(step, Ordering::Relaxed))
    }
    fn relax(&self, _attempt: u32) {
        self.millis.fetch_add(1, Ordering::Relaxed);
    }
}
