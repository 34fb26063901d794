//! What the host does with a ring whose lock it has just taken: check, repair, expire, reap, rebuild.

use std::sync::atomic::Ordering;

use ivshmem::AccessError;

use super::queue::Shared;
use crate::slots::{Slots, Word};
use crate::words::{QueueWords, Subs, bits};

/// A ring that obeys its rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observed {
    pub(crate) subs: Subs,
    pub(crate) start: u32,
    pub(crate) count: u32,
}

impl<M: Slots> Shared<M> {
    /// Repairs the positions (H9) and forgets what subscribers that left still held (H5); under the lock.
    pub(crate) fn observe(&self, words: &QueueWords<'_, M>) -> Result<Observed, AccessError> {
        let (start, count) = self.repair_positions(words)?;
        let subs = self.notice_subscribers(words)?;
        Ok(Observed { subs, start, count })
    }

    /// The host's own write index is right; `start` and `count` follow from it (H9).
    fn repair_positions(&self, words: &QueueWords<'_, M>) -> Result<(u32, u32), AccessError> {
        let write = self.ring.write.load(Ordering::Relaxed);
        let mut at = words.positions()?;
        if at.write != write {
            words.write_pos()?.store(write, Ordering::Release);
            at.write = write;
        }
        if !words.is_consistent(at) {
            let slots = words.ring.slots;
            if at.start >= slots {
                // A version 4 client killed between its two steps leaves exactly `slots`, which stands for 0.
                at.start = if at.start == slots { 0 } else { write };
                words.start()?.store(at.start, Ordering::Relaxed);
            }
            at.count = words.ring.distance(at.start, write);
            words.count()?.store(at.count, Ordering::Release);
        }
        Ok((at.start, at.count))
    }

    /// Clears the `pending` bits that a subscriber left behind, before its bit counts for the next one (H5).
    fn notice_subscribers(&self, words: &QueueWords<'_, M>) -> Result<Subs, AccessError> {
        let subs = words.load_subs()?;
        let before = self
            .ring
            .seen_healthy
            .swap(subs.healthy(), Ordering::Relaxed);
        // Every post comes through here first, so no message has been posted to a bit that changed since. For the same
        // reason owners are compared each time: noticed after a post, a change would cost that message.
        let mut changed = before ^ subs.healthy();
        for bit in bits(subs.on) {
            if let (Some(owner), Some(seen)) = (words.client_id(bit)?, self.seen_id(bit)) {
                let owner = owner.load(Ordering::Relaxed);
                if seen.swap(owner, Ordering::Relaxed) != owner {
                    changed |= 1 << bit;
                }
            }
        }
        if changed != 0 {
            words.clear_pending(changed)?;
        }
        Ok(subs)
    }

    /// Retires released slots and evicts who sits on the oldest one for too long; returns who was evicted.
    pub(crate) fn expire(
        &self,
        words: &QueueWords<'_, M>,
        observed: &mut Observed,
        now_ms: u64,
        is_gap: bool,
    ) -> Result<u32, AccessError> {
        let max_time = u64::from(words.max_time);
        let mut evicted = 0;
        let mut deadline = words.deadline()?.load(Ordering::Acquire);
        // After a gap nobody could release in time (H13); and no honest peer sets a deadline this late.
        if is_gap || deadline > now_ms.saturating_add(max_time) {
            deadline = now_ms.saturating_add(max_time);
            words.deadline()?.store(deadline, Ordering::Release);
        }
        while observed.count > 0 {
            let pending = words.pending(observed.start)?;
            let waiting = pending.load(Ordering::Acquire) & observed.subs.healthy();
            if waiting != 0 {
                if now_ms <= deadline {
                    break;
                }
                evicted |= waiting;
                observed.subs.bad |= waiting;
                self.quarantine(words, waiting, now_ms)?;
            }
            pending.store(0, Ordering::Release);
            observed.start = words.ring.next(observed.start);
            words.start()?.store(observed.start, Ordering::Relaxed);
            words.count()?.fetch_sub(1, Ordering::AcqRel);
            observed.count -= 1;
            if observed.count > 0 {
                deadline = now_ms.saturating_add(max_time);
                words.deadline()?.store(deadline, Ordering::Release);
            }
        }
        if evicted != 0 {
            words.store_subs(observed.subs)?;
        }
        Ok(evicted)
    }

    fn quarantine(
        &self,
        words: &QueueWords<'_, M>,
        mask: u32,
        now_ms: u64,
    ) -> Result<(), AccessError> {
        let until = now_ms.saturating_add(self.geometry.quarantine(words.max_time));
        for bit in bits(mask) {
            words.quarantine_until(bit)?.store(until, Ordering::Relaxed);
            if let Some(reap_at) = self.ring.reap_at.get(bit as usize) {
                reap_at.store(until, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Frees evicted bits whose quarantine is over, which the original host never does (H15); returns which.
    pub(crate) fn reap(
        &self,
        words: &QueueWords<'_, M>,
        observed: &mut Observed,
        now_ms: u64,
    ) -> Result<u32, AccessError> {
        let mut reaped = 0;
        for bit in bits(observed.subs.bad) {
            let Some(reap_at) = self.ring.reap_at.get(bit as usize) else {
                continue;
            };
            // The private copy counts: the one in the memory may say anything.
            match reap_at.load(Ordering::Relaxed) {
                0 => {
                    // Not evicted by this host, so the quarantine begins now.
                    let until = now_ms.saturating_add(self.geometry.quarantine(words.max_time));
                    reap_at.store(until.max(1), Ordering::Relaxed);
                }
                until if now_ms > until => reaped |= 1 << bit,
                _ => {}
            }
        }
        // A bit that is no longer evicted was reaped by a client.
        for bit in bits(!observed.subs.bad | reaped) {
            if let Some(reap_at) = self.ring.reap_at.get(bit as usize) {
                reap_at.store(0, Ordering::Relaxed);
            }
        }
        if reaped != 0 {
            words.clear_pending(reaped)?;
            for bit in bits(reaped) {
                words.forget_owner(bit)?;
            }
            observed.subs.free(reaped);
            words.store_subs(observed.subs)?;
        }
        Ok(reaped)
    }

    /// Empties a ring whose lock was forced, and evicts everybody in it (H4).
    pub(crate) fn rebuild(
        &self,
        words: &QueueWords<'_, M>,
        now_ms: u64,
    ) -> Result<u32, AccessError> {
        let write = self.ring.write.load(Ordering::Relaxed);
        let mut subs = words.load_subs()?;
        let evicted = subs.healthy();
        subs.bad |= evicted;
        self.quarantine(words, evicted, now_ms)?;
        // First the bits: a peer that thaws sees that it is out before it sees anything else.
        words.store_subs(subs)?;
        words.clear_pending(u32::MAX)?;
        words.write_pos()?.store(write, Ordering::Release);
        words.start()?.store(write, Ordering::Relaxed);
        words.count()?.store(0, Ordering::Release);
        Ok(evicted)
    }

    fn seen_id(&self, bit: u32) -> Option<&std::sync::atomic::AtomicU32> {
        self.ring.seen_id.get(bit as usize)
    }
}
