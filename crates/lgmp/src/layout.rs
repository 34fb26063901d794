//! Where every field lies: one table per wire version, pinned at compile time.
//!
//! Sources: the sections "Header layout" and "Queue header layout" of the LGMP interoperability specification, and
//! `golden/layout-{seed,b6,b7}.json`, which a compiler printed. Wire names are given as in those files.

/// "LGMP" in little-endian order, the first word of a live memory.
pub const MAGIC: u32 = 0x504d_474c;

/// Queue headers that the memory has room for.
pub const MAX_QUEUES: u32 = 5;

/// Subscribers of one queue: bits of a 32-bit mask.
pub const MAX_SUBSCRIBERS: u32 = 32;

/// Messages that a queue's mailbox holds at once.
pub const MAILBOX_SLOTS: u32 = 10;

/// Bytes of one client message.
pub const CLIENT_MESSAGE_BYTES: usize = 64;

/// Bytes from one mailbox slot to the next: the length word and the data.
pub(crate) const MAILBOX_STRIDE: usize = 4 + CLIENT_MESSAGE_BYTES;

/// Bytes of one ring slot: udata, size, offset, pending.
pub(crate) const RING_SLOT_BYTES: usize = 16;

/// Bytes of `udata` that either role accepts (H1).
pub(crate) const MAX_UDATA: usize = 64 * 1024;

/// `LGMPHeader.magic`.
pub(crate) const MAGIC_AT: usize = 0;
/// `LGMPHeader.version`.
pub(crate) const VERSION_AT: usize = 4;
/// `LGMPHeader.sessionID`.
pub(crate) const SESSION_ID_AT: usize = 8;
/// `LGMPHeader.timestamp`, the heartbeat.
pub(crate) const TIMESTAMP_AT: usize = 16;
/// `LGMPHeader.numQueues`.
pub(crate) const NUM_QUEUES_AT: usize = 24;
/// `LGMPHeader.queues`.
pub(crate) const QUEUES_AT: usize = 32;

/// An LGMP wire version that both roles speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WireVersion {
    /// Version 4, used with KVMFR 16.
    V4,
    /// Version 5, used with KVMFR 19 (Looking Glass B6).
    V5,
    /// Version 6, used with KVMFR 20 (Looking Glass B7).
    V6,
}

impl WireVersion {
    /// All versions, oldest first.
    pub const ALL: [Self; 3] = [Self::V4, Self::V5, Self::V6];

    /// The version that the header word names, if it is one of ours.
    #[must_use]
    pub const fn from_wire(word: u32) -> Option<Self> {
        match word {
            4 => Some(Self::V4),
            5 => Some(Self::V5),
            6 => Some(Self::V6),
            _ => None,
        }
    }

    /// The number in the header word.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::V4 => 4,
            Self::V5 => 5,
            Self::V6 => 6,
        }
    }
}

/// How wide the two lock words of a queue are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWidth {
    /// One byte, test-and-set (versions 4 and 5).
    Byte,
    /// Four bytes, compare-exchange (version 6).
    Word,
}

/// Offsets of the fields of one queue header, from its first byte (`LGMPHeaderQueue`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFields {
    /// `queueID`, u32.
    pub queue_id: usize,
    /// `numMessages`, u32: ring slots, one more than messages fit.
    pub slots: usize,
    /// `newSubCount`, u32.
    pub new_subs: usize,
    /// `maxTime`, u32 milliseconds.
    pub max_time: usize,
    /// `position`, u32: the next slot that the host fills.
    pub write_pos: usize,
    /// `messagesOffset`, u32: where slot 0 lies in the memory.
    pub ring_offset: usize,
    /// `timeout`, u64 for each of 32 subscribers: host milliseconds until which an evicted bit rests.
    pub quarantine_until: usize,
    /// `clientID`, u32 for each of 32 subscribers; absent in version 4.
    pub client_id: Option<usize>,
    /// `lock`, see [`LockWidth`].
    pub lock: usize,
    /// `subs`, u64: subscribers in the high half, evicted ones in the low half.
    pub subs: usize,
    /// `start`, u32: the oldest slot that is not retired.
    pub start: usize,
    /// `msgTimeout`, u64 host milliseconds: when the slot at `start` expires.
    pub deadline: usize,
    /// `count`, u32: slots queued.
    pub count: usize,
    /// `cMsgLock`, see [`LockWidth`].
    pub cm_lock: usize,
    /// `cMsgAvail`, u32: free mailbox slots.
    pub cm_avail: usize,
    /// `cMsgWPos`, u32: the next mailbox slot to write.
    pub cm_wpos: usize,
    /// `cMsgWSerial`, u32: client messages ever written.
    pub cm_wserial: usize,
    /// `cMsgRSerial`, u32: client messages ever acknowledged.
    pub cm_rserial: usize,
    /// `cMsgs`: the mailbox slots.
    pub cm: usize,
}

/// The layout of one wire version and the few rules that differ by version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// The version that it describes.
    pub version: WireVersion,
    /// Bytes of the header as the allocator counts them (`sizeof LGMPHeader`).
    pub header_size: usize,
    /// `LGMPHeader.udataSize`, u32.
    pub udata_size: usize,
    /// `LGMPHeader.udata`: begins four bytes before `header_size`.
    pub udata: usize,
    /// Bytes from one queue header to the next (`sizeof LGMPHeaderQueue`).
    pub queue_stride: usize,
    /// Fields of a queue header.
    pub queue: QueueFields,
    /// Width of the lock words.
    pub lock: LockWidth,
    /// After how many messages the mailbox index wraps: 11 in version 4, one past its end (H7).
    pub mailbox_cycle: u32,
    /// How long an evicted bit rests, in milliseconds; `None` stands for the queue's `max_time`.
    pub quarantine_ms: Option<u32>,
}

const FIELDS_V4: QueueFields = QueueFields {
    queue_id: 0,
    slots: 4,
    new_subs: 8,
    max_time: 12,
    write_pos: 16,
    ring_offset: 20,
    quarantine_until: 24,
    client_id: None,
    lock: 280,
    subs: 288,
    start: 296,
    deadline: 304,
    count: 312,
    cm_lock: 316,
    cm_avail: 320,
    cm_wpos: 324,
    cm_wserial: 328,
    cm_rserial: 332,
    cm: 336,
};

const FIELDS_V5: QueueFields = QueueFields {
    client_id: Some(280),
    lock: 408,
    subs: 416,
    start: 424,
    deadline: 432,
    count: 440,
    cm_lock: 444,
    cm_avail: 448,
    cm_wpos: 452,
    cm_wserial: 456,
    cm_rserial: 460,
    cm: 464,
    ..FIELDS_V4
};

static V4: Geometry = GEOMETRY_V4;
static V5: Geometry = GEOMETRY_V5;
static V6: Geometry = GEOMETRY_V6;

const GEOMETRY_V4: Geometry = Geometry {
    version: WireVersion::V4,
    header_size: 5120,
    udata_size: 5112,
    udata: 5116,
    queue_stride: 1016,
    queue: FIELDS_V4,
    lock: LockWidth::Byte,
    mailbox_cycle: 11,
    quarantine_ms: Some(10_000),
};

const GEOMETRY_V5: Geometry = Geometry {
    version: WireVersion::V5,
    header_size: 5760,
    udata_size: 5752,
    udata: 5756,
    queue_stride: 1144,
    queue: FIELDS_V5,
    lock: LockWidth::Byte,
    mailbox_cycle: 10,
    quarantine_ms: None,
};

const GEOMETRY_V6: Geometry = Geometry {
    version: WireVersion::V6,
    lock: LockWidth::Word,
    ..GEOMETRY_V5
};

impl Geometry {
    /// The layout of a version.
    #[must_use]
    pub const fn of(version: WireVersion) -> &'static Self {
        match version {
            WireVersion::V4 => &V4,
            WireVersion::V5 => &V5,
            WireVersion::V6 => &V6,
        }
    }

    /// Where queue header `index` begins; indices from [`MAX_QUEUES`] on do not exist.
    #[must_use]
    pub const fn queue_base(&self, index: u32) -> usize {
        QUEUES_AT + self.queue_stride * index as usize
    }

    /// Milliseconds for which an evicted subscriber bit of a queue with this `max_time` rests.
    #[must_use]
    pub fn quarantine(&self, max_time_ms: u32) -> u64 {
        u64::from(self.quarantine_ms.unwrap_or(max_time_ms))
    }
}

/// One row per field: the spec's three columns, compared when the crate is compiled.
macro_rules! pin {
    ($($field:ident: $v4:literal, $v5:literal, $v6:literal;)*) => {
        $(const _: () = assert!(FIELDS_V4.$field == $v4);
        const _: () = assert!(GEOMETRY_V5.queue.$field == $v5);
        const _: () = assert!(GEOMETRY_V6.queue.$field == $v6);)*
    };
}

pin! {
    queue_id: 0, 0, 0;
    slots: 4, 4, 4;
    new_subs: 8, 8, 8;
    max_time: 12, 12, 12;
    write_pos: 16, 16, 16;
    ring_offset: 20, 20, 20;
    quarantine_until: 24, 24, 24;
    lock: 280, 408, 408;
    subs: 288, 416, 416;
    start: 296, 424, 424;
    deadline: 304, 432, 432;
    count: 312, 440, 440;
    cm_lock: 316, 444, 444;
    cm_avail: 320, 448, 448;
    cm_wpos: 324, 452, 452;
    cm_wserial: 328, 456, 456;
    cm_rserial: 332, 460, 460;
    cm: 336, 464, 464;
}

const _: () = {
    assert!(MAGIC_AT == 0 && VERSION_AT == 4 && SESSION_ID_AT == 8);
    assert!(TIMESTAMP_AT == 16 && NUM_QUEUES_AT == 24 && QUEUES_AT == 32);
    assert!(RING_SLOT_BYTES == 16 && MAILBOX_STRIDE == 68);
    assert!(FIELDS_V4.client_id.is_none());
    assert!(matches!(GEOMETRY_V5.queue.client_id, Some(280)));
    assert!(matches!(GEOMETRY_V6.queue.client_id, Some(280)));
    assert!(GEOMETRY_V4.header_size == 5120 && GEOMETRY_V4.queue_stride == 1016);
    assert!(GEOMETRY_V5.header_size == 5760 && GEOMETRY_V5.queue_stride == 1144);
    assert!(GEOMETRY_V6.header_size == 5760 && GEOMETRY_V6.queue_stride == 1144);
    assert!(GEOMETRY_V4.udata_size == 5112 && GEOMETRY_V4.udata == 5116);
    assert!(GEOMETRY_V5.udata_size == 5752 && GEOMETRY_V5.udata == 5756);
    assert!(GEOMETRY_V6.udata_size == 5752 && GEOMETRY_V6.udata == 5756);
    assert!(GEOMETRY_V4.queue_base(1) == 1048 && GEOMETRY_V4.queue_base(4) == 4096);
    assert!(GEOMETRY_V6.queue_base(1) == 1176 && GEOMETRY_V6.queue_base(4) == 4608);
    // The mailbox fills the rest of a queue header exactly, so slot 10 of version 4 is the next header (H7).
    assert!(GEOMETRY_V4.queue.cm + 10 * MAILBOX_STRIDE == GEOMETRY_V4.queue_stride);
    assert!(GEOMETRY_V5.queue.cm + 10 * MAILBOX_STRIDE == GEOMETRY_V5.queue_stride);
    assert!(matches!(GEOMETRY_V4.lock, LockWidth::Byte));
    assert!(matches!(GEOMETRY_V5.lock, LockWidth::Byte));
    assert!(matches!(GEOMETRY_V6.lock, LockWidth::Word));
};
