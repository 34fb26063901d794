//! What clients send to the host.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ivshmem::AccessError;

use super::Corrupted;
use super::queue::{Shared, Stuck};
use crate::layout::{CLIENT_MESSAGE_BYTES, MAILBOX_SLOTS, WireVersion};
use crate::lock::Guard;
use crate::slots::{Slots, Word};
use crate::words::QueueWords;

/// How long reading a message waits for the mailbox lock.
const READ_PATIENCE: Duration = Duration::from_millis(1);

/// A message from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientMessage {
    /// Bytes that count, at most 64.
    pub len: usize,
    /// The bytes; those from `len` on are zero.
    pub data: [u8; CLIENT_MESSAGE_BYTES],
}

impl ClientMessage {
    /// The bytes that count.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.data.get(..self.len).unwrap_or(&self.data)
    }
}

/// What the host knows of its mailbox; written under the mailbox lock, see `RingState`.
#[derive(Debug, Default)]
pub(crate) struct MailboxState {
    /// The next slot to read.
    read: AtomicU32,
    /// Messages read since the session began.
    total: AtomicU32,
    /// Messages read since the last tick.
    since_tick: AtomicU32,
    stuck: Stuck,
}

impl<M: Slots> Shared<M> {
    /// Tells whether clients may send here: in version 4 a full cycle overwrites the header behind the queue (H7).
    fn is_mailbox(&self) -> bool {
        let next = self.identity.index + 1;
        self.geometry.version != WireVersion::V4
            || (next == self.identity.queue_count.load(Ordering::Relaxed) && next < 5)
    }

    pub(crate) fn next_message(&self) -> Option<ClientMessage> {
        let words = self.words();
        // Messages of impossible length are passed over, so this ends after ten at the latest.
        while self.is_mailbox() && self.mailbox.since_tick.load(Ordering::Relaxed) < MAILBOX_SLOTS {
            if words.cm_avail().ok()?.load(Ordering::Acquire) == MAILBOX_SLOTS {
                return None;
            }
            let guard = self.take_mailbox(&words, READ_PATIENCE).ok()??;
            let read = self.read_locked(&words);
            self.release_mailbox(guard);
            match read.ok()? {
                Read::Message(message) => return Some(message),
                Read::Refused => self.acknowledge(),
                Read::Empty => return None,
            }
        }
        None
    }

    pub(crate) fn acknowledge(&self) {
        if self.is_ours().unwrap_or(false)
            && let Ok(serial) = self.words().cm_rserial()
        {
            // Release: what was done about the message is visible before its acknowledgement.
            serial.fetch_add(1, Ordering::Release);
        }
    }

    fn read_locked(&self, words: &QueueWords<'_, M>) -> Result<Read, AccessError> {
        if self.repair_mailbox(words)? == 0 {
            return Ok(Read::Empty);
        }
        let index = self.mailbox.read.load(Ordering::Relaxed);
        let at = words.mailbox_slot(index);
        let len = self.memory.u32(at)?.load(Ordering::Relaxed);
        let mut data = [0; CLIENT_MESSAGE_BYTES];
        let bytes = usize::try_from(len)
            .ok()
            .and_then(|len| data.get_mut(..len));
        let read = match bytes {
            Some(bytes) => {
                let len = bytes.len();
                self.memory.copy_out(at + 4, bytes)?;
                Read::Message(ClientMessage { len, data })
            }
            None => Read::Refused,
        };
        let next = (index + 1) % self.geometry.mailbox_cycle;
        self.mailbox.read.store(next, Ordering::Relaxed);
        self.mailbox.total.fetch_add(1, Ordering::Relaxed);
        self.mailbox.since_tick.fetch_add(1, Ordering::Relaxed);
        // AcqRel: the copy is done before the slot counts as free.
        words.cm_avail()?.fetch_add(1, Ordering::AcqRel);
        Ok(read)
    }

    /// Makes `cm_avail` and `cm_wserial` agree with the positions (H8, H9); returns the messages that wait.
    fn repair_mailbox(&self, words: &QueueWords<'_, M>) -> Result<u32, AccessError> {
        let cycle = self.geometry.mailbox_cycle;
        let read = self.mailbox.read.load(Ordering::Relaxed);
        let available = words.cm_avail()?.load(Ordering::Acquire);
        let write = words.cm_wpos()?.load(Ordering::Acquire);
        let queued = if write >= cycle || available > MAILBOX_SLOTS {
            words.cm_wpos()?.store(read, Ordering::Release);
            0
        } else {
            // A sender writes the message, then the position, then the two counts: the position is right. Where the
            // cycle is ten, equal positions mean empty or full; a sender killed at its tenth leaves one slot free.
            match (write + cycle - read) % cycle {
                0 if cycle == MAILBOX_SLOTS && available <= 1 => MAILBOX_SLOTS,
                distance => distance,
            }
        };
        if available != MAILBOX_SLOTS - queued {
            words
                .cm_avail()?
                .store(MAILBOX_SLOTS - queued, Ordering::Release);
        }
        let serial = self
            .mailbox
            .total
            .load(Ordering::Relaxed)
            .wrapping_add(queued);
        let written = words.cm_wserial()?;
        if written.load(Ordering::Relaxed) != serial {
            written.store(serial, Ordering::Release);
        }
        Ok(queued)
    }

    /// Repairs the mailbox, or forces its lock when it has been stuck for a second.
    pub(crate) fn tick_mailbox(
        &self,
        words: &QueueWords<'_, M>,
        now_ms: u64,
        is_gap: bool,
    ) -> Result<(), Corrupted> {
        self.mailbox.since_tick.store(0, Ordering::Relaxed);
        if !self.is_mailbox() {
            return Ok(());
        }
        let is_forced = match self.take_mailbox(words, Duration::ZERO)? {
            Some(guard) => {
                let repaired = self.repair_mailbox(words);
                self.release_mailbox(guard);
                repaired?;
                false
            }
            None => self.mailbox.stuck.note(now_ms, is_gap),
        };
        if is_forced {
            let guard = words.mailbox_lock().seize();
            let repaired = self.repair_mailbox(words);
            self.release_mailbox(guard);
            self.mailbox.stuck.clear();
            repaired?;
            let queue = self.identity.spec.id;
            tracing::warn!(queue, "a client died with the mailbox lock; forced it");
        }
        Ok(())
    }

    fn take_mailbox<'m>(
        &self,
        words: &QueueWords<'m, M>,
        patience: Duration,
    ) -> Result<Option<Guard<'m, M>>, Corrupted> {
        if !self.is_ours()? {
            return Err(Corrupted);
        }
        Ok(self.mailbox.stuck.take(words.mailbox_lock(), patience)?)
    }

    fn release_mailbox(&self, guard: Guard<'_, M>) {
        self.mailbox.stuck.release(guard);
    }
}

enum Read {
    Message(ClientMessage),
    Refused,
    Empty,
}
