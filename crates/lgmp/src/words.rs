//! Named access to the words of the header and of one queue.

use std::sync::atomic::Ordering;

use ivshmem::AccessError;

use crate::layout::{
    Geometry, MAGIC, MAGIC_AT, MAILBOX_STRIDE, RING_SLOT_BYTES, SESSION_ID_AT, TIMESTAMP_AT,
};
use crate::lock::LockWord;
use crate::slots::{Slots, Word};

/// Ring slots that a queue may have at most (H2).
pub(crate) const MAX_RING_SLOTS: u32 = 1024;

/// A queue's ring, validated once and private from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ring {
    pub(crate) offset: u32,
    pub(crate) slots: u32,
}

impl Ring {
    /// The ring, if it lies in the memory behind the header (H2).
    pub(crate) fn new(offset: u32, slots: u32, geometry: &Geometry, size: usize) -> Option<Self> {
        let at = usize::try_from(offset).ok()?;
        let bytes = RING_SLOT_BYTES.checked_mul(usize::try_from(slots).ok()?)?;
        let is_inside = at.checked_add(bytes)? <= size && at >= geometry.header_size;
        let is_sane = (2..=MAX_RING_SLOTS).contains(&slots) && offset.is_multiple_of(4);
        (is_inside && is_sane).then_some(Self { offset, slots })
    }

    /// The slot after `index`.
    pub(crate) const fn next(self, index: u32) -> u32 {
        if index + 1 >= self.slots {
            0
        } else {
            index + 1
        }
    }

    /// Steps from `from` to `to`; both must be slots of the ring.
    pub(crate) const fn distance(self, from: u32, to: u32) -> u32 {
        (to + self.slots - from) % self.slots
    }

    /// Tells whether bytes of the ring lie between `start` and `end`.
    pub(crate) fn meets(self, start: u64, end: u64) -> bool {
        let first = u64::from(self.offset);
        let behind = first + RING_SLOT_BYTES as u64 * u64::from(self.slots);
        start < behind && first < end
    }

    const fn at(self, index: u32) -> usize {
        self.offset as usize + RING_SLOT_BYTES * index as usize
    }
}

/// Both halves of a `subs` word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Subs {
    /// Bits that belong to a subscriber.
    pub(crate) on: u32,
    /// Bits that the host evicted.
    pub(crate) bad: u32,
}

impl Subs {
    pub(crate) const fn from_word(word: u64) -> Self {
        Self {
            on: (word >> 32) as u32,
            bad: (word & 0xffff_ffff) as u32,
        }
    }

    pub(crate) const fn to_word(self) -> u64 {
        (self.on as u64) << 32 | self.bad as u64
    }

    pub(crate) const fn healthy(self) -> u32 {
        self.on & !self.bad
    }

    pub(crate) const fn free(&mut self, bits: u32) {
        self.on &= !bits;
        self.bad &= !bits;
    }
}

/// The bits of a mask, lowest first.
pub(crate) fn bits(mask: u32) -> impl Iterator<Item = u32> {
    (0..u32::BITS).filter(move |bit| mask & (1 << bit) != 0)
}

/// Tells whether the header still names this session.
pub(crate) fn is_session<M: Slots>(memory: &M, session_id: u32) -> Result<bool, AccessError> {
    // Acquire pairs with the release that publishes the magic: what follows belongs to that session.
    Ok(memory.u32(MAGIC_AT)?.load(Ordering::Acquire) == MAGIC
        && memory.u32(SESSION_ID_AT)?.load(Ordering::Relaxed) == session_id)
}

/// The host's clock as the heartbeat shows it.
pub(crate) fn timestamp<M: Slots>(memory: &M) -> Result<u64, AccessError> {
    Ok(memory.u64(TIMESTAMP_AT)?.load(Ordering::Acquire))
}

/// One queue: its header, and its ring.
#[derive(Debug)]
pub(crate) struct QueueWords<'m, M: Slots> {
    pub(crate) memory: &'m M,
    pub(crate) geometry: &'static Geometry,
    pub(crate) base: usize,
    pub(crate) ring: Ring,
    pub(crate) max_time: u32,
}

/// What a ring slot says, `pending` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub(crate) udata: u32,
    pub(crate) size: u32,
    pub(crate) offset: u32,
}

/// The ring's shared positions, read under the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Positions {
    pub(crate) start: u32,
    pub(crate) write: u32,
    pub(crate) count: u32,
}

macro_rules! field {
    ($($name:ident: $word:ident, $kind:ident;)*) => {
        $(pub(crate) fn $name(&self) -> Result<&'m M::$word, AccessError> {
            self.memory.$kind(self.base + self.geometry.queue.$name)
        })*
    };
}

impl<'m, M: Slots> QueueWords<'m, M> {
    field! {
        // Host and clients: clients add, the host takes.
        new_subs: U32, u32;
        // Host.
        write_pos: U32, u32;
        // Host and clients, under the lock.
        subs: U64, u64;
        start: U32, u32;
        deadline: U64, u64;
        count: U32, u32;
        // Host and clients; `cm_avail` and the positions under the mailbox lock.
        cm_avail: U32, u32;
        cm_wpos: U32, u32;
        cm_wserial: U32, u32;
        // Host.
        cm_rserial: U32, u32;
    }

    pub(crate) fn lock(&self) -> LockWord<'m, M> {
        self.lock_at(self.geometry.queue.lock)
    }

    pub(crate) fn mailbox_lock(&self) -> LockWord<'m, M> {
        self.lock_at(self.geometry.queue.cm_lock)
    }

    fn lock_at(&self, field: usize) -> LockWord<'m, M> {
        LockWord::new(
            self.memory,
            self.base + field,
            self.geometry.lock,
            self.max_time,
        )
    }

    pub(crate) fn load_subs(&self) -> Result<Subs, AccessError> {
        Ok(Subs::from_word(self.subs()?.load(Ordering::Acquire)))
    }

    pub(crate) fn store_subs(&self, subs: Subs) -> Result<(), AccessError> {
        // Release pairs with the acquire loads that test a subscriber's bits without the lock.
        self.subs()?.store(subs.to_word(), Ordering::Release);
        Ok(())
    }

    /// Until when the evicted bit rests; under the lock.
    pub(crate) fn quarantine_until(&self, bit: u32) -> Result<&'m M::U64, AccessError> {
        self.memory
            .u64(self.base + self.geometry.queue.quarantine_until + 8 * bit as usize)
    }

    /// Who owns the bit; under the lock. Version 4 does not say.
    pub(crate) fn client_id(&self, bit: u32) -> Result<Option<&'m M::U32>, AccessError> {
        match self.geometry.queue.client_id {
            Some(field) => self
                .memory
                .u32(self.base + field + 4 * bit as usize)
                .map(Some),
            None => Ok(None),
        }
    }

    /// Makes a bit nobody's, in the words that version 5 added the reset for.
    pub(crate) fn forget_owner(&self, bit: u32) -> Result<(), AccessError> {
        if let Some(owner) = self.client_id(bit)? {
            owner.store(0, Ordering::Relaxed);
            self.quarantine_until(bit)?.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Which subscribers still have to release a slot. The host sets bits, everybody clears.
    pub(crate) fn pending(&self, index: u32) -> Result<&'m M::U32, AccessError> {
        self.memory.u32(self.ring.at(index) + 12)
    }

    pub(crate) fn descriptor(&self, index: u32) -> Result<Descriptor, AccessError> {
        let at = self.ring.at(index);
        // Relaxed: ordered by the acquire load of `write_pos`, and validated after copying.
        Ok(Descriptor {
            udata: self.memory.u32(at)?.load(Ordering::Relaxed),
            size: self.memory.u32(at + 4)?.load(Ordering::Relaxed),
            offset: self.memory.u32(at + 8)?.load(Ordering::Relaxed),
        })
    }

    pub(crate) fn store_descriptor(
        &self,
        index: u32,
        descriptor: Descriptor,
    ) -> Result<(), AccessError> {
        let at = self.ring.at(index);
        // Relaxed: the release stores of `pending` and `write_pos` publish them.
        let order = Ordering::Relaxed;
        self.memory.u32(at)?.store(descriptor.udata, order);
        self.memory.u32(at + 4)?.store(descriptor.size, order);
        self.memory.u32(at + 8)?.store(descriptor.offset, order);
        Ok(())
    }

    /// Clears bits in the `pending` word of every slot (H5).
    pub(crate) fn clear_pending(&self, mask: u32) -> Result<(), AccessError> {
        for index in 0..self.ring.slots {
            let pending = self.pending(index)?;
            // Looking first saves a locked operation for almost every slot.
            if pending.load(Ordering::Acquire) & mask != 0 {
                pending.fetch_and(!mask, Ordering::AcqRel);
            }
        }
        Ok(())
    }

    pub(crate) fn positions(&self) -> Result<Positions, AccessError> {
        Ok(Positions {
            start: self.start()?.load(Ordering::Relaxed),
            write: self.write_pos()?.load(Ordering::Acquire),
            count: self.count()?.load(Ordering::Acquire),
        })
    }

    /// Tells whether positions obey the ring's rule (H9).
    pub(crate) const fn is_consistent(&self, at: Positions) -> bool {
        at.start < self.ring.slots
            && at.write < self.ring.slots
            && at.count == self.ring.distance(at.start, at.write)
    }

    /// Where mailbox slot `index` begins.
    pub(crate) const fn mailbox_slot(&self, index: u32) -> usize {
        self.base + self.geometry.queue.cm + MAILBOX_STRIDE * index as usize
    }
}
