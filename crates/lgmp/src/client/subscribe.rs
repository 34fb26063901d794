//! Getting a subscriber bit of a queue.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ivshmem::AccessError;

use super::session::{Attached, Client, SessionLost};
use super::subscription::{Place, Subscription};
use crate::layout::{MAX_QUEUES, NUM_QUEUES_AT};
use crate::slots::{Slots, Word};
use crate::words::{QueueWords, Ring, bits, is_session, timestamp};

/// How long a client waits for any lock before it gives the session up (H4).
pub(crate) const CLIENT_PATIENCE: Duration = Duration::from_millis(250);

/// Why a queue could not be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The host has not made it, or not yet: try again for a few seconds (H10).
    #[error("the host has no queue {0}")]
    NoSuchQueue(u32),
    /// All 32 subscriber bits are taken or resting.
    #[error("the queue has no room for another subscriber")]
    Full,
    /// The lock of the queue was not to be had for 250 ms.
    #[error("the lock of the queue is stuck")]
    LockTimeout,
    /// The queue's ring does not lie in the memory.
    #[error("the host describes a queue that cannot exist")]
    BadGeometry,
    /// The session ended, or none was started.
    #[error(transparent)]
    SessionLost(#[from] SessionLost),
}

impl From<AccessError> for SubscribeError {
    fn from(_: AccessError) -> Self {
        Self::BadGeometry
    }
}

/// A queue as its header described it, copied once.
struct Found {
    index: u32,
    ring: Ring,
    max_time: u32,
}

impl<M: Slots> Client<M> {
    /// Subscribes to a queue; messages posted from now on are visible. Waits at most 250 ms for the lock.
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub fn subscribe(
        &mut self,
        queue_id: u32,
        now_ms: u64,
    ) -> Result<Subscription<M>, SubscribeError> {
        let attached = self.attached.ok_or(SessionLost::Restarted)?;
        let found = self.find(&attached, queue_id)?;
        let words = QueueWords {
            memory: &*self.memory,
            geometry: attached.geometry,
            base: attached.geometry.queue_base(found.index),
            ring: found.ring,
            max_time: found.max_time,
        };
        // Checked before the first write, and again with the lock (H6).
        if !is_session(words.memory, attached.session_id)? {
            return Err(SessionLost::Restarted.into());
        }
        let Some(guard) = words.lock().take(CLIENT_PATIENCE)? else {
            return Err(SubscribeError::LockTimeout);
        };
        let (bit, read) = claim(&words, &attached)?;
        if guard.release().is_err() {
            return Err(SubscribeError::LockTimeout);
        }
        Ok(Subscription::new(
            Arc::clone(&self.memory),
            attached,
            Place {
                index: found.index,
                ring: found.ring,
                max_time: found.max_time,
                bit,
                read,
            },
            now_ms,
        ))
    }

    fn find(&self, attached: &Attached, queue_id: u32) -> Result<Found, SubscribeError> {
        let geometry = attached.geometry;
        let fields = &geometry.queue;
        let count = self.memory.u32(NUM_QUEUES_AT)?.load(Ordering::Acquire);
        for index in 0..count.min(MAX_QUEUES) {
            let base = geometry.queue_base(index);
            // Relaxed: copied once and validated; the session check that follows pairs with the host.
            let word = |field| -> Result<u32, AccessError> {
                Ok(self.memory.u32(base + field)?.load(Ordering::Relaxed))
            };
            if word(fields.queue_id)? == queue_id {
                let (offset, slots) = (word(fields.ring_offset)?, word(fields.slots)?);
                let ring = Ring::new(offset, slots, geometry, self.memory.size())
                    .ok_or(SubscribeError::BadGeometry)?;
                return Ok(Found {
                    index,
                    ring,
                    max_time: word(fields.max_time)?,
                });
            }
        }
        Err(SubscribeError::NoSuchQueue(queue_id))
    }
}

/// Reaps bits whose quarantine is over and takes the lowest free one; under the lock.
fn claim<M: Slots>(
    words: &QueueWords<'_, M>,
    attached: &Attached,
) -> Result<(u32, u32), SubscribeError> {
    if !is_session(words.memory, attached.session_id)? {
        return Err(SessionLost::Restarted.into());
    }
    // Before anything is written: a position outside the ring is not worth a bit.
    let read = words.write_pos()?.load(Ordering::Acquire);
    if read >= words.ring.slots {
        return Err(SubscribeError::BadGeometry);
    }
    let mut subs = words.load_subs()?;
    let now = timestamp(words.memory)?;
    for bit in bits(subs.on & subs.bad) {
        if now > words.quarantine_until(bit)?.load(Ordering::Relaxed) {
            subs.free(1 << bit);
            words.forget_owner(bit)?;
        }
    }
    let Some(bit) = bits(!(subs.on | subs.bad)).next() else {
        words.store_subs(subs)?;
        return Err(SubscribeError::Full);
    };
    if let Some(owner) = words.client_id(bit)? {
        words.quarantine_until(bit)?.store(0, Ordering::Relaxed);
        owner.store(attached.client_id, Ordering::Relaxed);
    }
    // What the last owner of the bit left unreleased must not count against this one (H5).
    words.clear_pending(1 << bit)?;
    subs.on |= 1 << bit;
    words.store_subs(subs)?;
    // AcqRel: the host that sees the count sees the subscription.
    words.new_subs()?.fetch_add(1, Ordering::AcqRel);
    Ok((bit, read))
}
