//! The host's handle to one queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use ivshmem::{AccessError, SharedMemory};

use super::builder::{Block, QueueSpec};
use super::mailbox::MailboxState;
use super::{ClientMessage, Corrupted};
use crate::layout::{Geometry, MAX_SUBSCRIBERS};
use crate::lock::{Guard, LockWord};
use crate::slots::{Slots, Word};
use crate::words::{Descriptor, QueueWords, Ring, bits, is_session};

/// How long a post waits for the lock (H16).
const POST_PATIENCE: Duration = Duration::from_millis(2);

/// What a post did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    /// Subscribers that will see the message; 0 means that nothing was queued.
    pub recipients: u32,
}

/// Why a message was not posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PostError {
    /// Some subscriber has not released its messages yet.
    #[error("the queue is full")]
    Full,
    /// A client held the queue's lock for more than 2 ms.
    #[error("a client holds the lock of the queue")]
    LockTimeout,
    /// The memory is no longer this host's.
    #[error(transparent)]
    Corrupted(#[from] Corrupted),
}

impl From<AccessError> for PostError {
    fn from(_: AccessError) -> Self {
        Self::Corrupted(Corrupted)
    }
}

/// What never changes about a queue.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) index: u32,
    pub(crate) spec: QueueSpec,
    pub(crate) ring: Ring,
    pub(crate) session_id: u32,
    /// Queues of the session, for the rules of version 4 (H7).
    pub(crate) queue_count: Arc<AtomicU32>,
}

/// What the host knows without trusting the memory.
///
/// Written only by the thread that holds the shared lock, so that `Relaxed` is enough everywhere: the lock's own
/// acquire and release order it. A peer that breaks the lock can make two of our threads meet here; each value stays
/// in its range, and the next tick repairs the ring.
#[derive(Debug, Default)]
pub(crate) struct RingState {
    /// The slot that the next message goes to.
    pub(crate) write: AtomicU32,
    /// Healthy subscribers at the last acquisition.
    pub(crate) seen_healthy: AtomicU32,
    /// Owners at the last acquisition.
    pub(crate) seen_id: [AtomicU32; MAX_SUBSCRIBERS as usize],
    /// When each evicted bit may be reaped; 0 for a bit that is not evicted.
    pub(crate) reap_at: [AtomicU64; MAX_SUBSCRIBERS as usize],
    pub(crate) stuck: Stuck,
}

/// Since when a lock could not be had.
#[derive(Debug, Default)]
pub(crate) struct Stuck {
    is_stuck: AtomicBool,
    since: AtomicU64,
    /// This host holds the lock still, after a freeze (H16).
    is_abandoned: AtomicBool,
}

/// After how long a stuck lock is forced (H4).
const FORCE_AFTER_MS: u64 = 1000;

impl Stuck {
    /// Notes a failure and tells whether the lock is to be forced.
    pub(crate) fn note(&self, now_ms: u64, is_gap: bool) -> bool {
        // Only the ticking thread comes here; posts merely clear the flag.
        let was_stuck = self.is_stuck.swap(true, Ordering::Relaxed);
        if is_gap || !was_stuck {
            self.since.store(now_ms, Ordering::Relaxed);
            return false;
        }
        now_ms.saturating_sub(self.since.load(Ordering::Relaxed)) >= FORCE_AFTER_MS
    }

    pub(crate) fn clear(&self) {
        self.is_stuck.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_stuck(&self) -> bool {
        self.is_stuck.load(Ordering::Relaxed)
    }

    /// Takes the lock, or the one that this host left locked when it stood still.
    pub(crate) fn take<'m, M: Slots>(
        &self,
        lock: LockWord<'m, M>,
        patience: Duration,
    ) -> Result<Option<Guard<'m, M>>, AccessError> {
        // Only hosts force locks and only this host is in the session, so the abandoned lock is still ours.
        let guard = if self.is_abandoned.swap(false, Ordering::Relaxed) {
            Some(lock.seize())
        } else {
            lock.take(patience)?
        };
        if guard.is_some() {
            self.clear();
        }
        Ok(guard)
    }

    /// Releases the lock, unless this host stood still for too long to do so.
    pub(crate) fn release<M: Slots>(&self, guard: Guard<'_, M>) {
        if guard.release().is_err() {
            self.is_abandoned.store(true, Ordering::Relaxed);
        }
    }
}

#[derive(Debug)]
pub(crate) struct Shared<M: Slots> {
    pub(crate) memory: Arc<M>,
    pub(crate) geometry: &'static Geometry,
    pub(crate) identity: Identity,
    pub(crate) ring: RingState,
    pub(crate) mailbox: MailboxState,
}

/// A queue of a host: posts messages and reads what clients send. Clones are the same queue.
#[derive(Debug)]
pub struct HostQueue<M: Slots = SharedMemory> {
    pub(crate) shared: Arc<Shared<M>>,
}

impl<M: Slots> Clone for HostQueue<M> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<M: Slots> HostQueue<M> {
    pub(crate) fn new(memory: Arc<M>, geometry: &'static Geometry, identity: Identity) -> Self {
        Self {
            shared: Arc::new(Shared {
                memory,
                geometry,
                identity,
                ring: RingState::default(),
                mailbox: MailboxState::default(),
            }),
        }
    }

    /// What the queue was made of.
    #[must_use]
    pub fn spec(&self) -> QueueSpec {
        self.shared.identity.spec
    }

    /// Queues a message to all healthy subscribers; waits at most 2 ms for the lock.
    ///
    /// Without subscribers nothing is queued and the post succeeds. The payload must be in the memory already, or
    /// carry its own progress. `udata` is the application's word.
    ///
    /// # Errors
    /// See [`PostError`]; the message is not queued then.
    pub fn post(&self, udata: u32, block: Block, now_ms: u64) -> Result<Posted, PostError> {
        let shared = &*self.shared;
        let words = shared.words();
        let Some(guard) = shared.take_ring(&words, POST_PATIENCE)? else {
            return Err(PostError::LockTimeout);
        };
        let result = shared.post_locked(&words, udata, block, now_ms);
        shared.release_ring(guard);
        result
    }

    /// Tells whether anybody healthy is subscribed.
    #[must_use]
    pub fn has_subscribers(&self) -> bool {
        let subs = self.shared.words().load_subs();
        subs.is_ok_and(|subs| subs.healthy() != 0)
    }

    /// Returns how many clients subscribed since this was last asked.
    #[must_use]
    pub fn take_new_subscribers(&self) -> u32 {
        let words = self.shared.words();
        // AcqRel: pairs with the clients' additions, which follow their subscription.
        words
            .new_subs()
            .map_or(0, |word| word.swap(0, Ordering::AcqRel))
    }

    /// Messages that are queued, at most the queue's length.
    #[must_use]
    pub fn pending(&self) -> u32 {
        let count = self.shared.words().count();
        let count = count.map_or(0, |word| word.load(Ordering::Acquire));
        count.min(self.shared.identity.spec.length)
    }

    /// Owners of the bits of healthy subscribers, lowest bit first; version 4 does not tell.
    pub fn client_ids(&self) -> impl Iterator<Item = u32> + '_ {
        let words = self.shared.words();
        let healthy = words.load_subs().map_or(0, |subs| subs.healthy());
        bits(healthy).filter_map(move |bit| {
            let owner = words.client_id(bit).ok().flatten()?;
            Some(owner.load(Ordering::Relaxed))
        })
    }

    /// Takes the oldest message of a client; at most ten between two ticks (H8).
    ///
    /// [`HostQueue::acknowledge`] must follow when the message has been acted on.
    #[must_use]
    pub fn next_message(&self) -> Option<ClientMessage> {
        self.shared.next_message()
    }

    /// Tells the sender of the oldest unacknowledged message that it has been acted on.
    pub fn acknowledge(&self) {
        self.shared.acknowledge();
    }

    pub(crate) fn tick(&self, now_ms: u64, gap_ms: u64) -> Result<(), Corrupted> {
        self.shared.tick(now_ms, gap_ms)
    }
}

impl<M: Slots> Shared<M> {
    pub(crate) fn words(&self) -> QueueWords<'_, M> {
        QueueWords {
            memory: &*self.memory,
            geometry: self.geometry,
            base: self.geometry.queue_base(self.identity.index),
            ring: self.identity.ring,
            max_time: self.identity.spec.max_time_ms,
        }
    }

    /// Tells whether the memory still holds this host's session.
    pub(crate) fn is_ours(&self) -> Result<bool, AccessError> {
        is_session(&*self.memory, self.identity.session_id)
    }

    /// Takes the ring's lock.
    pub(crate) fn take_ring<'m>(
        &self,
        words: &QueueWords<'m, M>,
        patience: Duration,
    ) -> Result<Option<Guard<'m, M>>, Corrupted> {
        if !self.is_ours()? {
            return Err(Corrupted);
        }
        Ok(self.ring.stuck.take(words.lock(), patience)?)
    }

    pub(crate) fn release_ring(&self, guard: Guard<'_, M>) {
        self.ring.stuck.release(guard);
    }

    fn post_locked(
        &self,
        words: &QueueWords<'_, M>,
        udata: u32,
        block: Block,
        now_ms: u64,
    ) -> Result<Posted, PostError> {
        let observed = self.observe(words)?;
        let targets = observed.subs.healthy();
        if targets == 0 {
            return Ok(Posted { recipients: 0 });
        }
        if observed.count >= words.ring.slots - 1 {
            return Err(PostError::Full);
        }
        let index = self.ring.write.load(Ordering::Relaxed);
        words.store_descriptor(
            index,
            Descriptor {
                udata,
                size: block.size,
                offset: block.offset,
            },
        )?;
        // Release: the descriptor is there before any bit of `pending` is.
        words.pending(index)?.store(targets, Ordering::Release);
        if words.count()?.fetch_add(1, Ordering::AcqRel) == 0 {
            let deadline = now_ms.saturating_add(u64::from(words.max_time));
            words.deadline()?.store(deadline, Ordering::Release);
        }
        let next = words.ring.next(index);
        self.ring.write.store(next, Ordering::Relaxed);
        // The payload and the slot leave a write-combining buffer before the position that shows them.
        self.memory.fence(Ordering::SeqCst);
        // Release pairs with the client's acquire load: whoever sees the position sees the slot.
        words.write_pos()?.store(next, Ordering::Release);
        Ok(Posted {
            recipients: targets.count_ones(),
        })
    }
}
