//! The host's part (lgmp.md 7).

use std::sync::atomic::Ordering;

use anyhow::bail;
use ivshmem::SharedSlice;

use super::{Message, Queue};
use crate::handmade::table::{CM_SLOTS, CM_STRIDE, NEW_SUBS, PENDING, QUARANTINE, WRITE_POS};

impl Queue {
    /// Begins with nobody subscribed and nothing queued, wherever the ring stands.
    ///
    /// # Errors
    /// If the memory is too small.
    pub fn clear(&self, shared: SharedSlice<'_>) -> anyhow::Result<()> {
        self.unlock(shared, self.table.lock)?;
        self.set_subs(shared, 0, 0)?;
        for (at, value) in [
            (self.table.start, self.position),
            (self.table.count, 0),
            (NEW_SUBS, 0),
        ] {
            self.word(shared, at)?.store(value, Ordering::SeqCst);
        }
        for slot in 0..self.slots {
            self.slot(shared, slot, PENDING)?.store(0, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Tells whether somebody has subscribed since this was last asked (lgmp.md 7.3).
    ///
    /// # Errors
    /// If the memory is too small.
    pub fn has_new_subscribers(&self, shared: SharedSlice<'_>) -> anyhow::Result<bool> {
        Ok(self.word(shared, NEW_SUBS)?.swap(0, Ordering::SeqCst) > 0)
    }

    /// Posts a message to all that are healthy (lgmp.md 7.1); nothing if nobody is.
    ///
    /// # Errors
    /// If the queue is full or its lock stuck.
    pub fn post(
        &mut self,
        shared: SharedSlice<'_>,
        message: Message,
        now: u64,
    ) -> anyhow::Result<()> {
        let queue = &*self;
        let next = queue.locked(shared, queue.table.lock, || {
            queue.post_locked(shared, message, now)
        })?;
        self.position = next;
        Ok(())
    }

    fn post_locked(
        &self,
        shared: SharedSlice<'_>,
        message: Message,
        now: u64,
    ) -> anyhow::Result<u32> {
        let (on, bad) = self.subs(shared)?;
        let healthy = on & !bad;
        let count = self.word(shared, self.table.count)?;
        let queued = count.load(Ordering::SeqCst);
        if healthy == 0 {
            return Ok(self.position);
        }
        if queued + 1 >= self.slots {
            bail!("the queue is full");
        }
        let words = [message.udata, message.size, message.offset, healthy];
        for (part, word) in words.into_iter().enumerate() {
            let slot = self.slot(shared, self.position, 4 * part)?;
            slot.store(word, Ordering::SeqCst);
        }
        count.fetch_add(1, Ordering::SeqCst);
        if queued == 0 {
            let deadline = self.long(shared, self.table.deadline)?;
            deadline.store(now + self.max_time, Ordering::SeqCst);
        }
        let next = self.next(self.position);
        self.word(shared, WRITE_POS)?.store(next, Ordering::SeqCst);
        Ok(next)
    }

    /// Expires and retires messages; the host's tick, without the heartbeat (lgmp.md 7.2).
    ///
    /// # Errors
    /// If the lock is stuck.
    pub fn process(&self, shared: SharedSlice<'_>, now: u64) -> anyhow::Result<()> {
        self.locked(shared, self.table.lock, || self.process_locked(shared, now))
    }

    fn process_locked(&self, shared: SharedSlice<'_>, now: u64) -> anyhow::Result<()> {
        let (on, mut bad) = self.subs(shared)?;
        let start = self.word(shared, self.table.start)?;
        let count = self.word(shared, self.table.count)?;
        let deadline = self.long(shared, self.table.deadline)?;
        while count.load(Ordering::SeqCst) > 0 {
            let oldest = start.load(Ordering::SeqCst);
            let pending = self.slot(shared, oldest, PENDING)?;
            let mut waiting = pending.load(Ordering::SeqCst) & on;
            let late = waiting & !bad;
            if late != 0 && now > deadline.load(Ordering::SeqCst) {
                bad |= late;
                self.quarantine(shared, late, now)?;
                pending.store(0, Ordering::SeqCst);
                waiting = 0;
            }
            if waiting & !bad != 0 {
                break;
            }
            start.store(self.next(oldest), Ordering::SeqCst);
            if count.fetch_sub(1, Ordering::SeqCst) > 1 {
                deadline.store(now + self.max_time, Ordering::SeqCst);
            }
        }
        self.set_subs(shared, on, bad)
    }

    fn quarantine(&self, shared: SharedSlice<'_>, late: u32, now: u64) -> anyhow::Result<()> {
        let rest = self.table.quarantine_ms.unwrap_or(self.max_time);
        for bit in (0..32).filter(|bit| late & 1 << bit != 0) {
            let until = self.long(shared, QUARANTINE + 8 * bit)?;
            until.store(now + rest, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Takes the oldest message of a client, as long as it says (lgmp.md 7.4).
    ///
    /// # Errors
    /// If the lock is stuck or the message too long.
    pub fn take_message(&mut self, shared: SharedSlice<'_>) -> anyhow::Result<Option<Vec<u8>>> {
        let queue = &*self;
        let available = queue.word(shared, queue.table.cm_avail)?;
        if available.load(Ordering::SeqCst) == CM_SLOTS {
            return Ok(None);
        }
        let message = queue.locked(shared, queue.table.cm_lock, || {
            let at = queue.base + queue.table.cm + CM_STRIDE * queue.mailbox as usize;
            let size = super::word(shared, at)?.load(Ordering::SeqCst);
            let mut message = vec![0; size as usize];
            shared.copy_to(at + 4, &mut message)?;
            available.fetch_add(1, Ordering::SeqCst);
            Ok(message)
        })?;
        self.mailbox = (self.mailbox + 1) % self.table.cm_cycle;
        Ok(Some(message))
    }

    /// Says that the oldest message that was taken has been acted on (lgmp.md 7.4).
    ///
    /// # Errors
    /// If the memory is too small.
    pub fn acknowledge(&self, shared: SharedSlice<'_>) -> anyhow::Result<()> {
        self.word(shared, self.table.cm_rserial)?
            .fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}
