//! The host role: the one producer of a memory.

mod builder;
mod mailbox;
mod queue;
mod ring;
mod tick;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ivshmem::SharedMemory;

use crate::layout::{Geometry, NUM_QUEUES_AT, TIMESTAMP_AT, VERSION_AT, WireVersion};
use crate::slots::{Slots, Word};
use crate::words::is_session;

pub use builder::{Block, HostBuilder, InitError, QueueSpec};
pub use mailbox::ClientMessage;
pub use queue::{HostQueue, PostError, Posted};

/// The header in the shared memory is not the one that this host wrote.
///
/// Firmware or another process overwrote it, or another host took over. The host has to initialise the memory again
/// with a [`HostBuilder`]; clients see a new session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header in the shared memory was overwritten")]
pub struct Corrupted;

impl From<ivshmem::AccessError> for Corrupted {
    fn from(_: ivshmem::AccessError) -> Self {
        Self
    }
}

/// A published memory; keeps the heartbeat going while [`Host::tick`] is called.
#[derive(Debug)]
pub struct Host<M: Slots = SharedMemory> {
    memory: Arc<M>,
    geometry: &'static Geometry,
    session_id: u32,
    udata_size: u32,
    queues: Vec<HostQueue<M>>,
    last_tick: AtomicU64,
}

impl<M: Slots> Host<M> {
    /// The wire version that the memory is written in.
    #[must_use]
    pub const fn version(&self) -> WireVersion {
        self.geometry.version
    }

    /// The session id, different from the previous one in the same memory.
    #[must_use]
    pub const fn session_id(&self) -> u32 {
        self.session_id
    }

    /// The queues in the order in which they were made.
    #[must_use]
    pub fn queues(&self) -> &[HostQueue<M>] {
        &self.queues
    }

    /// Writes the heartbeat, retires and expires messages, evicts and reaps subscribers; call it each 10 ms.
    ///
    /// Never blocks for longer than a few milliseconds per queue: a queue whose lock is stuck is skipped, and after
    /// one second of that the lock is forced and the queue's subscribers are evicted (H4).
    ///
    /// # Errors
    /// [`Corrupted`] if the memory has to be initialised again.
    pub fn tick(&self, now_ms: u64) -> Result<(), Corrupted> {
        self.verify_header()?;
        let last = self.last_tick.swap(now_ms, Ordering::Relaxed);
        // Release pairs with the client's acquire load of its heartbeat.
        self.memory
            .u64(TIMESTAMP_AT)?
            .store(now_ms, Ordering::Release);
        // A clock that runs backwards has stood still or jumped: as good as a gap.
        let gap_ms = now_ms.checked_sub(last).unwrap_or(u64::MAX);
        for queue in &self.queues {
            queue.tick(now_ms, gap_ms)?;
        }
        Ok(())
    }

    fn verify_header(&self) -> Result<(), Corrupted> {
        let word = |at| -> Result<u32, Corrupted> {
            // Relaxed: compared with what this host wrote itself.
            Ok(self.memory.u32(at)?.load(Ordering::Relaxed))
        };
        let is_ours = is_session(&*self.memory, self.session_id)?
            && word(VERSION_AT)? == self.geometry.version.number()
            && word(NUM_QUEUES_AT)? as usize == self.queues.len()
            && word(self.geometry.udata_size)? == self.udata_size;
        if !is_ours || self.memory.is_faulted() {
            return Err(Corrupted);
        }
        Ok(())
    }
}
