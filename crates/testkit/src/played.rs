//! Hosts and clients that the tests play by hand: plain words at the offsets of [`handmade::table`](crate::handmade::table).
//!
//! Written from lgmp.md 5 to 9 alone: shares nothing with `lgmp` and `kvmfr`; `ivshmem` only leads to the memory.

mod client;
mod host;
mod player;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::bail;
use ivshmem::SharedSlice;

use crate::handmade::table::{QueueKind, RING_OFFSET, SLOT_BYTES, TIMESTAMP, Table};

pub use client::Seat;
pub use player::{Host, Playable, Player, Programme};

/// How long a lock is waited for: a client that was killed may hold it for ever.
const LOCK_PATIENCE: Duration = Duration::from_millis(200);

/// A queue of a memory, as one of its hosts or clients knows it.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Where its header is.
    pub base: usize,
    /// Slots of its ring.
    pub slots: u32,
    /// Where slot 0 is.
    pub ring: usize,
    /// The slot that the host fills next.
    pub position: u32,
    /// Milliseconds for which a subscriber may sit on a message.
    pub max_time: u64,
    /// The offsets of its version.
    pub table: &'static Table,
    /// The mailbox slot that the host reads next.
    pub mailbox: u32,
}

/// What a slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The application's word.
    pub udata: u32,
    /// Bytes of the block.
    pub size: u32,
    /// Where the block is.
    pub offset: u32,
}

/// Stores the host's clock: the heartbeat (lgmp.md 7.2).
///
/// # Errors
/// If the memory is too small.
pub fn beat(shared: SharedSlice<'_>, now: u64) -> anyhow::Result<()> {
    long(shared, TIMESTAMP)?.store(now, Ordering::SeqCst);
    Ok(())
}

/// A word of the memory.
///
/// # Errors
/// If it lies outside.
pub fn word(shared: SharedSlice<'_>, at: usize) -> anyhow::Result<&AtomicU32> {
    Ok(shared.atomic_u32(at)?)
}

/// A long word of the memory.
///
/// # Errors
/// If it lies outside.
pub fn long(shared: SharedSlice<'_>, at: usize) -> anyhow::Result<&AtomicU64> {
    Ok(shared.atomic_u64(at)?)
}

impl Queue {
    /// The queue of an index, as its header describes it.
    ///
    /// # Errors
    /// If the memory is too small.
    pub fn of(
        shared: SharedSlice<'_>,
        table: &'static Table,
        kind: QueueKind,
    ) -> anyhow::Result<Self> {
        let base = table.queue(kind.index);
        let field = |at: usize| anyhow::Ok(word(shared, base + at)?.load(Ordering::SeqCst));
        Ok(Self {
            base,
            slots: kind.length + 1,
            ring: field(RING_OFFSET)? as usize,
            position: field(crate::handmade::table::WRITE_POS)?,
            max_time: u64::from(kind.max_time_ms),
            table,
            mailbox: 0,
        })
    }

    /// A word of the queue's header.
    ///
    /// # Errors
    /// If it lies outside the memory.
    pub fn word<'a>(&self, shared: SharedSlice<'a>, at: usize) -> anyhow::Result<&'a AtomicU32> {
        word(shared, self.base + at)
    }

    /// A long word of the queue's header.
    ///
    /// # Errors
    /// If it lies outside the memory.
    pub fn long<'a>(&self, shared: SharedSlice<'a>, at: usize) -> anyhow::Result<&'a AtomicU64> {
        long(shared, self.base + at)
    }

    /// A word of a slot of the ring.
    ///
    /// # Errors
    /// If it lies outside the memory.
    pub fn slot<'a>(
        &self,
        shared: SharedSlice<'a>,
        index: u32,
        part: usize,
    ) -> anyhow::Result<&'a AtomicU32> {
        word(shared, self.ring + SLOT_BYTES * index as usize + part)
    }

    /// Owners and evicted (lgmp.md 5.1).
    ///
    /// # Errors
    /// If the memory is too small.
    pub fn subs(&self, shared: SharedSlice<'_>) -> anyhow::Result<(u32, u32)> {
        let word = self.long(shared, self.table.subs)?.load(Ordering::SeqCst);
        Ok(((word >> 32) as u32, word as u32))
    }

    fn set_subs(&self, shared: SharedSlice<'_>, on: u32, bad: u32) -> anyhow::Result<()> {
        let word = u64::from(on) << 32 | u64::from(bad);
        self.long(shared, self.table.subs)?
            .store(word, Ordering::SeqCst);
        Ok(())
    }

    const fn next(&self, index: u32) -> u32 {
        (index + 1) % self.slots
    }

    /// Does something under one of the two locks (lgmp.md 5.3).
    fn locked<T>(
        &self,
        shared: SharedSlice<'_>,
        lock: usize,
        inside: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.lock(shared, lock)?;
        let result = inside();
        self.unlock(shared, lock)?;
        result
    }

    fn lock(&self, shared: SharedSlice<'_>, lock: usize) -> anyhow::Result<()> {
        let at = self.base + lock;
        let end = Instant::now() + LOCK_PATIENCE;
        while Instant::now() < end {
            let is_mine = if self.table.lock_bytes == 4 {
                let word = shared.atomic_u32(at)?;
                word.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst)
                    .is_ok()
            } else {
                shared.atomic_u8(at)?.swap(1, Ordering::SeqCst) == 0
            };
            if is_mine {
                return Ok(());
            }
            std::thread::yield_now();
        }
        bail!("the lock of a queue is stuck")
    }

    fn unlock(&self, shared: SharedSlice<'_>, lock: usize) -> anyhow::Result<()> {
        let at = self.base + lock;
        if self.table.lock_bytes == 4 {
            shared.atomic_u32(at)?.store(0, Ordering::SeqCst);
        } else {
            shared.atomic_u8(at)?.store(0, Ordering::SeqCst);
        }
        Ok(())
    }
}
