//! The words of LGMP's header, queues, slots and mailboxes (`lgmp.md` 3 and 4).

use super::{Field, Pair};

/// "LGMP".
pub const MAGIC: u32 = 0x504d_474c;
/// Where the session id is.
pub const SESSION_ID: usize = 8;
/// Where the heartbeat is.
pub const TIMESTAMP: usize = 16;
/// Bytes of a ring slot.
pub const SLOT: usize = 16;

/// Where the first byte of a queue's header is.
#[must_use]
pub const fn queue_base(pair: Pair, index: usize) -> usize {
    32 + index * pair.pick(1016, 1144, 1144)
}

/// Where the size of the session description is; the description follows it.
#[must_use]
pub const fn udata_size(pair: Pair) -> usize {
    pair.pick(5112, 5752, 5752)
}

/// Bytes of the header as the allocator counts them.
#[must_use]
pub const fn header_size(pair: Pair) -> usize {
    pair.pick(5120, 5760, 5760)
}

/// Offsets inside a queue header of what the tests read themselves.
#[derive(Clone, Copy, Debug)]
pub struct QueueAt {
    /// `slots`.
    pub slots: usize,
    /// `write_pos`.
    pub write_pos: usize,
    /// `ring_offset`.
    pub ring_offset: usize,
    /// `lock`.
    pub lock: usize,
    /// `subs`: evicted bits in the low half, subscribed ones in the high half.
    pub subs: usize,
    /// `cm_lock`.
    pub cm_lock: usize,
    /// `cm`, the mailbox's slots.
    pub cm: usize,
}

/// Where they are.
#[must_use]
pub const fn queue_at(pair: Pair) -> QueueAt {
    QueueAt {
        slots: 4,
        write_pos: 16,
        ring_offset: 20,
        lock: pair.pick(280, 408, 408),
        subs: pair.pick(288, 416, 416),
        cm_lock: pair.pick(316, 444, 444),
        cm: pair.pick(336, 464, 464),
    }
}

/// Every field of the header itself.
#[must_use]
pub fn header(pair: Pair, memory: usize) -> Vec<Field> {
    let memory = memory as u64;
    let udata = udata_size(pair) as u64 + 4;
    let magic = u64::from(MAGIC);
    vec![
        Field::new("magic", 0, 4, &[magic - 1, magic + 1]),
        Field::new("version", 4, 4, &[3, 4, 5, 6, 7, 10]),
        Field::new("session_id", SESSION_ID, 4, &[0x7fff_ffff, 0x8000_0000]),
        Field::new("padding", 12, 4, &[]),
        Field::new("timestamp", TIMESTAMP, 8, &[1 << 63, u64::MAX - 1]),
        Field::new("num_queues", 24, 4, &[2, 5, 6, 0x8000_0000]),
        Field::new("padding", 28, 4, &[]),
        Field::new(
            "udata_size",
            udata_size(pair),
            4,
            &[
                47,
                48,
                49,
                64 << 10,
                (64 << 10) + 1,
                memory - udata,
                memory - udata + 1,
                1 << 31,
            ],
        ),
    ]
}

/// Every field of a queue's header but the locks; `slots` is its ring's length.
#[must_use]
pub fn queue(pair: Pair, index: usize, slots: u64, memory: usize) -> Vec<Field> {
    let base = queue_base(pair, index);
    let memory = memory as u64;
    let header = header_size(pair) as u64;
    let word = |name: &str, v4: usize, v5: usize, others: &[u64]| {
        Field::new(
            format!("queue {index} {name}"),
            base + pair.pick(v4, v5, v5),
            4,
            others,
        )
    };
    let double = |name: &str, v4: usize, v5: usize, others: &[u64]| {
        Field::new(
            format!("queue {index} {name}"),
            base + pair.pick(v4, v5, v5),
            8,
            others,
        )
    };
    let positions = [slots - 1, slots, slots + 1, 1 << 31];
    let both = u64::MAX << 32;
    let mut fields = vec![
        word("queue_id", 0, 0, &[2, 3]),
        word(
            "slots",
            4,
            4,
            &[2, slots - 1, slots + 1, 1024, 1025, 1 << 28],
        ),
        word("new_subs", 8, 8, &[]),
        word("max_time", 12, 12, &[2, 1 << 31]),
        word("write_pos", 16, 16, &positions),
        word(
            "ring_offset",
            20,
            20,
            &[
                header - 4,
                header + 1,
                memory - 16 * slots,
                memory - 16 * slots + 4,
                memory,
                1 << 31,
            ],
        ),
        double(
            "subs",
            288,
            416,
            &[both, both | 1, 1 << 32, (1 << 32) | 1, u64::MAX >> 32],
        ),
        word("start", 296, 424, &positions),
        double("deadline", 304, 432, &[1 << 63]),
        word("count", 312, 440, &positions),
        word("cm_avail", 320, 448, &[9, 10, 11]),
        word("cm_wpos", 324, 452, &[9, 10, 11]),
        word("cm_wserial", 328, 456, &[1 << 31]),
        word("cm_rserial", 332, 460, &[1 << 31]),
    ];
    for bit in [0, 1, 31] {
        fields.push(double(
            &format!("quarantine {bit}"),
            24 + 8 * bit,
            24 + 8 * bit,
            &[],
        ));
        if pair != Pair::Seed {
            fields.push(word(&format!("client_id {bit}"), 0, 280 + 4 * bit, &[]));
        }
    }
    fields
}

/// The two locks of a queue: one byte wide before LGMP 6.
#[must_use]
pub fn locks(pair: Pair, index: usize) -> Vec<Field> {
    let (base, at) = (queue_base(pair, index), queue_at(pair));
    let width = pair.pick(1, 1, 4);
    let lock = |name, at| Field::new(format!("queue {index} {name}"), base + at, width, &[2]);
    vec![lock("lock", at.lock), lock("cm_lock", at.cm_lock)]
}

/// Every field of the ring slot at `at`.
#[must_use]
pub fn slot(pair: Pair, at: usize, memory: usize) -> Vec<Field> {
    let memory = memory as u64;
    let header = header_size(pair) as u64;
    vec![
        Field::new("slot udata", at, 4, &[2, 4, 7, 8]),
        Field::new(
            "slot size",
            at + 4,
            4,
            &[23, 24, 25, 1071, memory, memory + 1],
        ),
        Field::new(
            "slot offset",
            at + 8,
            4,
            &[
                header - 4,
                header,
                header + 1,
                memory - 24,
                memory - 23,
                memory,
                1 << 31,
            ],
        ),
        Field::new("slot pending", at + 12, 4, &[2, 1 << 31, u64::MAX - 1]),
    ]
}

/// The fields of a queue's mailbox slots.
#[must_use]
pub fn mailbox(pair: Pair, index: usize) -> Vec<Field> {
    let base = queue_base(pair, index) + queue_at(pair).cm;
    let slots = [0, 9];
    let field = |slot: usize, name: &str, at, others: &[u64]| {
        Field::new(
            format!("queue {index} cm {slot} {name}"),
            base + 68 * slot + at,
            4,
            others,
        )
    };
    let both = |slot| {
        [
            field(slot, "size", 0, &[64, 65]),
            field(slot, "data", 4, &[]),
        ]
    };
    slots.into_iter().flat_map(both).collect()
}
