//! Reading one queue.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ivshmem::{AccessError, SharedMemory};

use super::session::{Attached, SessionLost};
use super::subscribe::CLIENT_PATIENCE;
use crate::layout::Geometry;
use crate::lock::{Abandoned, Guard, freeze_limit};
use crate::slots::{Slots, Word};
use crate::words::{Descriptor, QueueWords, Ring, is_session, timestamp};

/// Why a subscription ended or could not go on. Except after [`QueueError::LockTimeout`], subscribe again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The host gave up on this subscriber; what was being read may be overwritten (H11).
    #[error("the host evicted this subscriber")]
    Evicted,
    /// The subscription is over.
    #[error("not subscribed to the queue")]
    Unsubscribed,
    /// A position or a message lies outside its bounds.
    #[error("the queue is corrupted")]
    Corrupted,
    /// The lock of the queue was not to be had for 250 ms.
    #[error("the lock of the queue is stuck")]
    LockTimeout,
    /// This process stood still for so long that the subscription was given up (H16).
    #[error("this process stood still for too long")]
    Thawed,
    /// The session ended.
    #[error(transparent)]
    SessionLost(#[from] SessionLost),
}

impl From<AccessError> for QueueError {
    fn from(_: AccessError) -> Self {
        Self::Corrupted
    }
}

impl From<Abandoned> for QueueError {
    fn from(_: Abandoned) -> Self {
        Self::Thawed
    }
}

/// A message: a piece of the memory, and a word of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The application's word.
    pub udata: u32,
    /// Bytes of the block, which may be more than the host used.
    pub size: u32,
    /// First byte; the payload lies in the memory, behind the header and not in its queue's ring.
    pub offset: u32,
}

/// Where in a queue a subscriber stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) index: u32,
    pub(crate) ring: Ring,
    pub(crate) max_time: u32,
    pub(crate) bit: u32,
    /// The next slot to read.
    pub(crate) read: u32,
}

/// A subscriber of one queue, in one session.
///
/// One thread uses it at a time. After any error but [`QueueError::LockTimeout`] it stays dead. Dropping it writes
/// nothing, which is right when the session has ended; otherwise call [`Subscription::unsubscribe`], also after
/// [`QueueError::Corrupted`]: the subscriber bit is taken until somebody gives it back.
#[derive(Debug)]
#[must_use = "a subscriber that does not read is evicted; unsubscribe instead"]
pub struct Subscription<M: Slots = SharedMemory> {
    pub(crate) memory: Arc<M>,
    pub(crate) attached: Attached,
    pub(crate) place: Place,
    /// The caller's clock at the last operation.
    last_ms: u64,
    dead: Option<QueueError>,
}

impl<M: Slots> Subscription<M> {
    pub(crate) fn new(memory: Arc<M>, attached: Attached, place: Place, now_ms: u64) -> Self {
        Self {
            memory,
            attached,
            place,
            last_ms: now_ms,
            dead: None,
        }
    }

    /// The subscriber bit, 0 to 31.
    #[must_use]
    pub const fn bit(&self) -> u32 {
        self.place.bit
    }

    /// Milliseconds for which this subscriber may sit on a message.
    #[must_use]
    pub const fn max_time_ms(&self) -> u32 {
        self.place.max_time
    }

    /// Looks at the oldest unread message; the same one until it is released. Writes nothing, takes no lock.
    ///
    /// # Errors
    /// See [`QueueError`].
    pub fn peek(&mut self, now_ms: u64) -> Result<Option<Message>, QueueError> {
        self.run(now_ms, Self::peek_alive)
    }

    /// Gives the oldest unread message back; without one, does nothing. Never waits for a lock.
    ///
    /// # Errors
    /// See [`QueueError`]; after [`QueueError::Evicted`] what was read may have been overwritten.
    pub fn release(&mut self, now_ms: u64) -> Result<(), QueueError> {
        self.run(now_ms, Self::release_alive)
    }

    /// Gives all messages but the newest back and returns how many. Never waits for a lock.
    ///
    /// # Errors
    /// See [`QueueError`].
    pub fn skip_to_last(&mut self, now_ms: u64) -> Result<u32, QueueError> {
        self.run(now_ms, Self::skip_alive)
    }

    /// Tells whether the subscription is still this client's: ask after reading a payload (H11).
    #[must_use]
    pub fn is_still_mine(&self) -> bool {
        self.dead.is_none() && self.status().is_ok()
    }

    /// Ends the subscription and gives back all that it holds. Waits at most 250 ms for the lock.
    ///
    /// # Errors
    /// See [`QueueError`]; the subscription is over in any case.
    pub fn unsubscribe(mut self, now_ms: u64) -> Result<(), QueueError> {
        // A position or message out of its bounds says nothing against the bit: whose that is, is checked anew.
        self.dead = self.dead.filter(|error| *error != QueueError::Corrupted);
        self.run(now_ms, |subscription| subscription.leave())
    }

    /// Runs an operation on a living subscription, and buries it after an error.
    fn run<T>(
        &mut self,
        now_ms: u64,
        operation: impl FnOnce(&mut Self) -> Result<T, QueueError>,
    ) -> Result<T, QueueError> {
        let result = self.enter(now_ms).and_then(|()| operation(self));
        if let Err(error) = result
            && error != QueueError::LockTimeout
        {
            self.dead = Some(error);
        }
        result
    }

    /// What every operation checks before it writes: the session, the bit, its owner, and the own clock.
    fn enter(&mut self, now_ms: u64) -> Result<(), QueueError> {
        if let Some(error) = self.dead {
            return Err(error);
        }
        let gap = Duration::from_millis(now_ms.saturating_sub(self.last_ms));
        self.last_ms = now_ms;
        self.status()?;
        if gap > freeze_limit(self.place.max_time) {
            // What was held does not count as held any more. Version 4 cannot tell whose the bit is (H16).
            self.dead = Some(QueueError::Thawed);
            if self.attached.geometry.queue.client_id.is_some() {
                self.leave()?;
            }
            return Err(QueueError::Thawed);
        }
        Ok(())
    }

    /// Tells why the subscription is no longer this client's, if it is not (section 9.2).
    pub(crate) fn status(&self) -> Result<(), QueueError> {
        if self.memory.is_faulted() {
            return Err(SessionLost::Faulted.into());
        }
        if !is_session(&*self.memory, self.attached.session_id)? {
            return Err(SessionLost::Restarted.into());
        }
        let words = self.words();
        let subs = words.load_subs()?;
        let mine = self.mask();
        if subs.bad & mine != 0 {
            return Err(QueueError::Evicted);
        }
        if subs.on & mine == 0 {
            return Err(QueueError::Unsubscribed);
        }
        match words.client_id(self.place.bit)? {
            // Relaxed: written under the lock before the bit, which was loaded with acquire order.
            Some(owner) if owner.load(Ordering::Relaxed) != self.attached.client_id => {
                Err(QueueError::Evicted)
            }
            _ => Ok(()),
        }
    }

    fn peek_alive(&mut self) -> Result<Option<Message>, QueueError> {
        let words = self.words();
        let write = self.write_pos(&words)?;
        let mut read = self.place.read;
        let mut found = None;
        // Ends: each step brings `read` one slot closer to `write`, which is fixed.
        while read != write {
            let descriptor = words.descriptor(read)?;
            // The bit is looked at after the copy: while it is set, the host does not refill the slot.
            self.memory.fence(Ordering::Acquire);
            if words.pending(read)?.load(Ordering::Acquire) & self.mask() != 0 {
                found = Some(self.validate(descriptor)?);
                break;
            }
            // Not posted to this subscriber, or taken back: never to be released by it.
            self.status()?;
            read = words.ring.next(read);
        }
        self.place.read = read;
        Ok(found)
    }

    /// Accepts a payload that lies in the memory behind the header and outside of this queue's ring (H3): whoever is
    /// handed a payload must not get at the queue by it.
    fn validate(&self, descriptor: Descriptor) -> Result<Message, QueueError> {
        let Descriptor {
            udata,
            size,
            offset,
        } = descriptor;
        let end = u64::from(offset) + u64::from(size);
        let header = self.attached.geometry.header_size as u64;
        let meets_ring = self.words().ring.meets(offset.into(), end);
        if u64::from(offset) < header || end > self.memory.size() as u64 || meets_ring {
            return Err(QueueError::Corrupted);
        }
        Ok(Message {
            udata,
            size,
            offset,
        })
    }

    fn release_alive(&mut self) -> Result<(), QueueError> {
        let words = self.words();
        let index = self.place.read;
        if index == self.write_pos(&words)? {
            return Ok(());
        }
        if self.clear(&words, index)?
            && let Some(guard) = words.lock().take(Duration::ZERO)?
        {
            let retired = retire(&words, index);
            guard.release()?;
            retired?;
        }
        self.place.read = words.ring.next(index);
        Ok(())
    }

    /// Clears the own bit of a slot and tells whether nobody holds the slot any more.
    fn clear(&self, words: &QueueWords<'_, M>, index: u32) -> Result<bool, QueueError> {
        let mine = self.mask();
        // AcqRel: all reads of the payload are done before the host may overwrite it.
        let before = words.pending(index)?.fetch_and(!mine, Ordering::AcqRel);
        if before & mine == 0 {
            // The host took the slot back while it was being read.
            self.status()?;
            return Ok(false);
        }
        Ok(before == mine)
    }

    fn skip_alive(&mut self) -> Result<u32, QueueError> {
        let from = self.place.read;
        self.place.read = self.release_all_but_newest(from)?;
        Ok(self.place.ring.distance(from, self.place.read))
    }

    /// Releases the slots from `read` on and returns the newest one, which stays.
    fn release_all_but_newest(&self, mut read: u32) -> Result<u32, QueueError> {
        let words = self.words();
        let write = self.write_pos(&words)?;
        let mut guard: Option<Guard<'_, M>> = None;
        let mut may_retire = true;
        // Ends: each step brings `read` one slot closer to `write`, which is fixed.
        while read != write && words.ring.next(read) != write {
            let is_free = self.clear(&words, read)?;
            if is_free && may_retire && guard.is_none() {
                guard = words.lock().take(Duration::ZERO)?;
            }
            // Slots are retired in order, so the first that cannot be ends it.
            may_retire = is_free && may_retire && guard.is_some() && retire(&words, read)?;
            read = words.ring.next(read);
        }
        if let Some(guard) = guard {
            guard.release()?;
        }
        Ok(read)
    }

    fn leave(&self) -> Result<(), QueueError> {
        let words = self.words();
        let Some(guard) = words.lock().take(CLIENT_PATIENCE)? else {
            return Err(QueueError::LockTimeout);
        };
        self.status()?;
        // First the messages, then the bit: the next owner must not inherit them (H5).
        words.clear_pending(self.mask())?;
        words.forget_owner(self.place.bit)?;
        let mut subs = words.load_subs()?;
        subs.free(self.mask());
        words.store_subs(subs)?;
        guard.release()?;
        Ok(())
    }

    fn write_pos(&self, words: &QueueWords<'_, M>) -> Result<u32, QueueError> {
        // Acquire pairs with the host's release: the slots before this position are filled.
        let write = words.write_pos()?.load(Ordering::Acquire);
        if write >= self.place.ring.slots {
            return Err(QueueError::Corrupted);
        }
        Ok(write)
    }

    pub(crate) const fn mask(&self) -> u32 {
        1 << self.place.bit
    }

    pub(crate) const fn geometry(&self) -> &'static Geometry {
        self.attached.geometry
    }

    pub(crate) fn words(&self) -> QueueWords<'_, M> {
        QueueWords {
            memory: &*self.memory,
            geometry: self.attached.geometry,
            base: self.attached.geometry.queue_base(self.place.index),
            ring: self.place.ring,
            max_time: self.place.max_time,
        }
    }
}

/// Retires the slot at `index` if it is the oldest and the ring obeys its rule (H9); under the lock.
///
/// Returns whether it did.
fn retire<M: Slots>(words: &QueueWords<'_, M>, index: u32) -> Result<bool, AccessError> {
    let at = words.positions()?;
    if !words.is_consistent(at) || at.count == 0 || at.start != index {
        return Ok(false);
    }
    words
        .start()?
        .store(words.ring.next(index), Ordering::Relaxed);
    words.count()?.fetch_sub(1, Ordering::AcqRel);
    // May lie a tick in the past, as the heartbeat does (H12).
    let deadline = timestamp(words.memory)?.saturating_add(u64::from(words.max_time));
    words.deadline()?.store(deadline, Ordering::Release);
    Ok(true)
}
