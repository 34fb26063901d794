//! The numbers of lgmp.md 2 to 4 and kvmfr.md 2 and 4.1, typed in from the tables.

/// A pair of versions that belongs together (kvmfr.md, head).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// KVMFR 16 over LGMP 4.
    V16,
    /// KVMFR 19 over LGMP 5.
    V19,
    /// KVMFR 20 over LGMP 6.
    V20,
}

impl Wire {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::V16, Self::V19, Self::V20];

    /// The KVMFR version.
    #[must_use]
    pub const fn kvmfr(self) -> u32 {
        match self {
            Self::V16 => 16,
            Self::V19 => 19,
            Self::V20 => 20,
        }
    }

    /// The LGMP version.
    #[must_use]
    pub const fn lgmp(self) -> u32 {
        match self {
            Self::V16 => 4,
            Self::V19 => 5,
            Self::V20 => 6,
        }
    }

    /// The frame types that the version knows (kvmfr.md 4.3).
    pub fn kinds(self) -> std::ops::RangeInclusive<u32> {
        match self {
            Self::V16 | Self::V19 => 1..=4,
            Self::V20 => 1..=6,
        }
    }

    /// The offsets of its LGMP version.
    #[must_use]
    pub const fn table(self) -> &'static Table {
        Table::of(self.lgmp())
    }
}

/// Offsets of the header (lgmp.md 3); the same in all versions.
pub const MAGIC: usize = 0;
/// As [`MAGIC`].
pub const VERSION: usize = 4;
/// As [`MAGIC`].
pub const SESSION_ID: usize = 8;
/// As [`MAGIC`].
pub const TIMESTAMP: usize = 16;
/// As [`MAGIC`].
pub const NUM_QUEUES: usize = 24;
/// Where the first queue header is.
pub const QUEUES: usize = 32;

/// Offsets in a queue header that are the same in all versions (lgmp.md 4).
pub const QUEUE_ID: usize = 0;
/// As [`QUEUE_ID`].
pub const SLOTS: usize = 4;
/// As [`QUEUE_ID`].
pub const NEW_SUBS: usize = 8;
/// As [`QUEUE_ID`].
pub const MAX_TIME: usize = 12;
/// As [`QUEUE_ID`].
pub const WRITE_POS: usize = 16;
/// As [`QUEUE_ID`].
pub const RING_OFFSET: usize = 20;
/// As [`QUEUE_ID`]: 32 words of 8 bytes.
pub const QUARANTINE: usize = 24;

/// Bytes of a ring slot, and where in it the subscribers are that hold it (lgmp.md 4).
pub const SLOT_BYTES: usize = 16;
/// As [`SLOT_BYTES`].
pub const PENDING: usize = 12;
/// Bytes of a client message slot (lgmp.md 4), and of the data in it (lgmp.md 2).
pub const CM_STRIDE: usize = 68;
/// As [`CM_STRIDE`].
pub const CM_DATA: usize = 64;
/// Messages that fit into a mailbox (lgmp.md 2).
pub const CM_SLOTS: u32 = 10;

/// The offsets that differ between the versions of LGMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// From queue header to queue header.
    pub queue_stride: usize,
    /// Of the header.
    pub udata_size: usize,
    /// Of the header.
    pub udata: usize,
    /// What the allocator begins behind, with the session data.
    pub header_size: usize,
    /// 32 words; version 4 has none.
    pub client_id: Option<usize>,
    /// Of the queue header.
    pub lock: usize,
    /// Bytes of both locks.
    pub lock_bytes: usize,
    /// Of the queue header.
    pub subs: usize,
    /// Of the queue header.
    pub start: usize,
    /// Of the queue header.
    pub deadline: usize,
    /// Of the queue header.
    pub count: usize,
    /// Of the queue header.
    pub cm_lock: usize,
    /// Of the queue header.
    pub cm_avail: usize,
    /// Of the queue header.
    pub cm_wpos: usize,
    /// Of the queue header.
    pub cm_wserial: usize,
    /// Of the queue header.
    pub cm_rserial: usize,
    /// Of the queue header.
    pub cm: usize,
    /// Mailbox slots that are used in turn (H7).
    pub cm_cycle: u32,
    /// How long an evicted bit rests; `None` for the queue's own limit (lgmp.md 2).
    pub quarantine_ms: Option<u64>,
}

const V4: Table = Table {
    queue_stride: 1016,
    udata_size: 5112,
    udata: 5116,
    header_size: 5120,
    client_id: None,
    lock: 280,
    lock_bytes: 1,
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
    cm_cycle: 11,
    quarantine_ms: Some(10_000),
};

const V5: Table = Table {
    queue_stride: 1144,
    udata_size: 5752,
    udata: 5756,
    header_size: 5760,
    client_id: Some(280),
    lock: 408,
    lock_bytes: 1,
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
    cm_cycle: 10,
    quarantine_ms: None,
};

/// From version 5 to 6 only the width of the locks changed.
const V6: Table = Table {
    lock_bytes: 4,
    ..V5
};

impl Table {
    /// The table of an LGMP version; that of 6 for any but 4 and 5.
    #[must_use]
    pub const fn of(lgmp: u32) -> &'static Self {
        match lgmp {
            4 => &V4,
            5 => &V5,
            _ => &V6,
        }
    }

    /// Where the header of a queue is, by its index.
    #[must_use]
    pub const fn queue(&self, index: usize) -> usize {
        QUEUES + index * self.queue_stride
    }
}

/// What a queue is made of (kvmfr.md 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueKind {
    /// Its header's index: the order of creation.
    pub index: usize,
    /// Its id.
    pub id: u32,
    /// Messages that it holds.
    pub length: u32,
    /// For how long a subscriber may sit on one.
    pub max_time_ms: u32,
}

/// The frame queue, made first.
pub const FRAMES: QueueKind = QueueKind {
    index: 0,
    id: 2,
    length: 2,
    max_time_ms: 1000,
};

/// The pointer queue, made second.
pub const POINTER: QueueKind = QueueKind {
    index: 1,
    id: 1,
    length: 20,
    max_time_ms: 1000,
};

/// Offsets in a frame header; `None` where a version lacks the field (kvmfr.md 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameTable {
    /// Columns of the screen; the rows follow.
    pub screen: Option<usize>,
    /// Columns of the data; the rows follow.
    pub data: usize,
    /// Version 16 only.
    pub real_height: Option<usize>,
    /// Columns of the frame, where it is not the data; the rows follow.
    pub frame: Option<usize>,
    /// Clockwise quarter turns.
    pub rotation: usize,
    /// In pixels.
    pub stride: usize,
    /// In bytes.
    pub pitch: usize,
    /// Where the write pointer is.
    pub fb_offset: usize,
    /// Rectangles.
    pub damage_count: usize,
    /// 64 of 16 bytes.
    pub damage: usize,
    /// One byte, version 16 only.
    pub block_screensaver: Option<usize>,
    /// One word, from 19 on.
    pub flags: Option<usize>,
    /// Bytes of it all.
    pub bytes: usize,
}

impl FrameTable {
    /// The table of a version.
    #[must_use]
    pub const fn of(wire: Wire) -> Self {
        match wire {
            Wire::V16 => Self {
                screen: None,
                data: 12,
                real_height: Some(20),
                frame: None,
                rotation: 24,
                stride: 28,
                pitch: 32,
                fb_offset: 36,
                damage_count: 40,
                damage: 44,
                block_screensaver: Some(1068),
                flags: None,
                bytes: 1072,
            },
            Wire::V19 => Self {
                screen: Some(12),
                data: 20,
                real_height: None,
                frame: None,
                rotation: 28,
                stride: 32,
                pitch: 36,
                fb_offset: 40,
                damage_count: 44,
                damage: 48,
                block_screensaver: None,
                flags: Some(1072),
                bytes: 1076,
            },
            Wire::V20 => Self {
                screen: Some(12),
                data: 20,
                real_height: None,
                frame: Some(28),
                rotation: 36,
                stride: 40,
                pitch: 44,
                fb_offset: 48,
                damage_count: 52,
                damage: 56,
                block_screensaver: None,
                flags: Some(1080),
                bytes: 1084,
            },
        }
    }
}
