//! The client's part, as the original does it (lgmp.md 9).

use std::sync::atomic::Ordering;

use anyhow::{Context as _, bail};
use ivshmem::SharedSlice;

use super::{Message, Queue};
use crate::handmade::table::{
    CM_DATA, CM_STRIDE, NEW_SUBS, PENDING, QUARANTINE, TIMESTAMP, WRITE_POS,
};

/// A subscriber of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Its bit.
    pub bit: u32,
    /// The slot that it reads next.
    pub read: u32,
}

impl Seat {
    const fn mask(self) -> u32 {
        1 << self.bit
    }
}

impl Queue {
    /// Subscribes (lgmp.md 9.1).
    ///
    /// # Errors
    /// If no bit is free or the lock stuck.
    pub fn subscribe(&self, shared: SharedSlice<'_>, client_id: u32) -> anyhow::Result<Seat> {
        self.locked(shared, self.table.lock, || {
            let (mut on, mut bad) = self.subs(shared)?;
            let now = super::long(shared, TIMESTAMP)?.load(Ordering::SeqCst);
            let evicted = on & bad;
            for bit in (0..32_u32).filter(|bit| evicted & 1 << bit != 0) {
                let until = self.long(shared, QUARANTINE + 8 * bit as usize)?;
                if now > until.load(Ordering::SeqCst) {
                    on &= !(1 << bit);
                    bad &= !(1 << bit);
                    self.own(shared, bit, 0)?;
                }
            }
            let bit = (0..32).find(|bit| (on | bad) & 1 << bit == 0);
            let bit = bit.context("the queue is full of subscribers")?;
            self.own(shared, bit, client_id)?;
            self.set_subs(shared, on | 1 << bit, bad)?;
            self.word(shared, NEW_SUBS)?.fetch_add(1, Ordering::SeqCst);
            let read = self.word(shared, WRITE_POS)?.load(Ordering::SeqCst);
            Ok(Seat { bit, read })
        })
    }

    /// Notes whose a bit is, from version 5 on.
    fn own(&self, shared: SharedSlice<'_>, bit: u32, client_id: u32) -> anyhow::Result<()> {
        if let Some(field) = self.table.client_id {
            let until = self.long(shared, QUARANTINE + 8 * bit as usize)?;
            until.store(0, Ordering::SeqCst);
            let owner = self.word(shared, field + 4 * bit as usize)?;
            owner.store(client_id, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Looks at the next message (lgmp.md 9.2, 9.3).
    ///
    /// # Errors
    /// If the host has evicted the subscriber.
    pub fn peek(&self, shared: SharedSlice<'_>, seat: Seat) -> anyhow::Result<Option<Message>> {
        let (on, bad) = self.subs(shared)?;
        if bad & seat.mask() != 0 || on & seat.mask() == 0 {
            bail!("evicted or unsubscribed: on {on:#x}, bad {bad:#x}");
        }
        if self.word(shared, WRITE_POS)?.load(Ordering::SeqCst) == seat.read {
            return Ok(None);
        }
        let part = |part: usize| {
            let word = self.slot(shared, seat.read, part)?;
            anyhow::Ok(word.load(Ordering::SeqCst))
        };
        Ok(Some(Message {
            udata: part(0)?,
            size: part(4)?,
            offset: part(8)?,
        }))
    }

    /// Gives the message that was looked at back (lgmp.md 9.4).
    ///
    /// # Errors
    /// If the lock is stuck.
    pub fn done(&self, shared: SharedSlice<'_>, seat: &mut Seat) -> anyhow::Result<()> {
        let pending = self.slot(shared, seat.read, PENDING)?;
        let before = pending.fetch_and(!seat.mask(), Ordering::SeqCst);
        if before & !seat.mask() == 0 {
            self.locked(shared, self.table.lock, || {
                let start = self.word(shared, self.table.start)?;
                if start.load(Ordering::SeqCst) != seat.read {
                    return Ok(());
                }
                start.store(self.next(seat.read), Ordering::SeqCst);
                let count = self.word(shared, self.table.count)?;
                count.fetch_sub(1, Ordering::SeqCst);
                let now = super::long(shared, TIMESTAMP)?.load(Ordering::SeqCst);
                self.long(shared, self.table.deadline)?
                    .store(now + self.max_time, Ordering::SeqCst);
                Ok(())
            })?;
        }
        seat.read = self.next(seat.read);
        Ok(())
    }

    /// Leaves a message in the mailbox and returns its serial (lgmp.md 9.7).
    ///
    /// # Errors
    /// If there is no room or the lock is stuck.
    pub fn send(&self, shared: SharedSlice<'_>, message: &[u8]) -> anyhow::Result<u32> {
        if message.len() > CM_DATA {
            bail!("a message of {} bytes", message.len());
        }
        let table = self.table;
        self.locked(shared, table.cm_lock, || {
            let available = self.word(shared, table.cm_avail)?;
            if available.load(Ordering::SeqCst) == 0 {
                bail!("the mailbox is full");
            }
            let position = self.word(shared, table.cm_wpos)?;
            let slot = position.load(Ordering::SeqCst);
            let at = self.base + table.cm + CM_STRIDE * slot as usize;
            super::word(shared, at)?.store(u32::try_from(message.len())?, Ordering::SeqCst);
            shared.copy_from(at + 4, message)?;
            position.store((slot + 1) % table.cm_cycle, Ordering::SeqCst);
            available.fetch_sub(1, Ordering::SeqCst);
            let serial = self.word(shared, table.cm_wserial)?;
            Ok(serial.fetch_add(1, Ordering::SeqCst) + 1)
        })
    }
}
