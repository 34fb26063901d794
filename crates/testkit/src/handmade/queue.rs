//! What is written about a queue: its header, its ring, its mailbox (lgmp.md 4 and 5).

use super::sheet::Sheet;
use super::table::{
    CM_DATA, CM_SLOTS, CM_STRIDE, MAX_TIME, NEW_SUBS, QUARANTINE, QUEUE_ID, QueueKind, RING_OFFSET,
    SLOT_BYTES, SLOTS, Table, WRITE_POS,
};

/// A queue in the middle of its life; at first it has seen nobody and nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Subscriptions that the host has not looked at.
    pub new_subs: u32,
    /// The next slot to fill.
    pub write_pos: u32,
    /// The oldest slot that is not retired.
    pub start: u32,
    /// Slots that are not retired.
    pub count: u32,
    /// When the oldest one expires.
    pub deadline: u64,
    /// Who is subscribed.
    pub subscribers: Vec<Subscriber>,
    /// What the ring holds, by slot.
    pub slots: Vec<(u32, Slot)>,
    /// What clients sent.
    pub mailbox: Mailbox,
}

/// A subscriber's bit (lgmp.md 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// 0 to 31.
    pub bit: u32,
    /// Whose it is, where the version says so.
    pub client_id: u32,
    /// Evicted by the host, until its clock shows this.
    pub evicted_until: Option<u64>,
}

/// A ring slot (lgmp.md 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// The application's word.
    pub udata: u32,
    /// Bytes of the block.
    pub size: u32,
    /// Where the block is.
    pub offset: u32,
    /// The subscribers that have not released it.
    pub pending: u32,
}

/// Messages of clients (lgmp.md 7.4, 9.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// All that were ever sent, in order.
    pub sent: Vec<Vec<u8>>,
    /// How many of them the host has taken.
    pub taken: u32,
    /// How many of them the host has acted on.
    pub acknowledged: u32,
}

impl Queue {
    /// The word of section 5.1: owners in the high half, the evicted in the low one.
    #[must_use]
    pub fn subs(&self) -> u64 {
        let bit = |subscriber: &Subscriber| {
            let bad = subscriber.evicted_until.map_or(0, |_| 1);
            (1 << 32 | bad) << subscriber.bit
        };
        self.subscribers.iter().map(bit).fold(0, |a, b: u64| a | b)
    }

    /// Writes header and ring.
    pub(super) fn write(&self, sheet: &mut Sheet, table: &Table, kind: QueueKind, ring: u32) {
        let base = table.queue(kind.index);
        let mut word = |at: usize, value: u32, name: &str| {
            sheet.word(
                base + at,
                value,
                &format!("lgmp 4 queue {} {name}", kind.index),
            );
        };
        word(QUEUE_ID, kind.id, "queue_id");
        word(SLOTS, kind.length + 1, "slots");
        word(NEW_SUBS, self.new_subs, "new_subs");
        word(MAX_TIME, kind.max_time_ms, "max_time");
        word(WRITE_POS, self.write_pos, "write_pos");
        word(RING_OFFSET, ring, "ring_offset");
        word(table.start, self.start, "start");
        word(table.count, self.count, "count");
        let subs = format!("lgmp 5.1 queue {} subs: ON above BAD", kind.index);
        sheet.long(base + table.subs, self.subs(), &subs);
        let deadline = format!("lgmp 4 queue {} deadline", kind.index);
        sheet.long(base + table.deadline, self.deadline, &deadline);
        for at in [table.lock, table.cm_lock] {
            sheet.put(base + at, &[0; 4][..table.lock_bytes], "lgmp 5.3 a lock");
        }
        self.write_subscribers(sheet, table, base);
        for (index, slot) in &self.slots {
            let at = ring as usize + SLOT_BYTES * *index as usize;
            let words = [slot.udata, slot.size, slot.offset, slot.pending];
            let bytes = words.map(u32::to_le_bytes).concat();
            let note = format!("lgmp 4 slot {index}: udata, size, offset, pending");
            sheet.put(at, &bytes, &note);
        }
        self.mailbox.write(sheet, table, base);
    }

    fn write_subscribers(&self, sheet: &mut Sheet, table: &Table, base: usize) {
        for subscriber in &self.subscribers {
            let bit = subscriber.bit as usize;
            let until = subscriber.evicted_until.unwrap_or(0);
            let note = format!("lgmp 4 quarantine_until[{bit}]");
            sheet.long(base + QUARANTINE + 8 * bit, until, &note);
            if let Some(field) = table.client_id {
                let note = format!("lgmp 4 client_id[{bit}]");
                sheet.word(base + field + 4 * bit, subscriber.client_id, &note);
            }
        }
    }
}

impl Mailbox {
    /// Slots that are free.
    fn available(&self) -> u32 {
        CM_SLOTS + self.taken - self.serial()
    }

    fn serial(&self) -> u32 {
        u32::try_from(self.sent.len()).expect("few messages")
    }

    fn write(&self, sheet: &mut Sheet, table: &Table, base: usize) {
        let serial = self.serial();
        for (at, value, name) in [
            (table.cm_avail, self.available(), "cm_avail"),
            (table.cm_wpos, serial % table.cm_cycle, "cm_wpos"),
            (table.cm_wserial, serial, "cm_wserial"),
            (table.cm_rserial, self.acknowledged, "cm_rserial"),
        ] {
            sheet.word(base + at, value, &format!("lgmp 4 {name}"));
        }
        let cycle = table.cm_cycle as usize;
        // A later message replaces the one a cycle before.
        let from = self.sent.len().saturating_sub(cycle);
        for (number, message) in self.sent.iter().enumerate().skip(from) {
            assert!(message.len() <= CM_DATA, "at most 64 bytes");
            let slot = number % cycle;
            let size = u32::try_from(message.len()).expect("at most 64");
            let bytes = [&size.to_le_bytes()[..], message].concat();
            let at = base + table.cm + CM_STRIDE * slot;
            sheet.put(
                at,
                &bytes,
                &format!("lgmp 4, 9.7 cm[{slot}]: size and data"),
            );
        }
    }
}
