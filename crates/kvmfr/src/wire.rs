//! The structures as they lie in memory, field for field; names as in `golden/layout-*.json`.
//!
//! All bit patterns are valid for all of them: they are for copying, not for believing.

use std::mem::offset_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::damage::{MAX_DAMAGE_RECTS, Rect};

// Every peer is little-endian; a big-endian build would need byte swaps that nobody could test.
const _: () = assert!(cfg!(target_endian = "little"));

/// `KVMFR`: the fixed header of the session description.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Kvmfr {
    /// [`Kvmfr::MAGIC`].
    pub magic: [u8; 8],
    /// 16, 19 or 20.
    pub version: u32,
    /// Host version, NUL padded.
    pub hostver: [u8; 32],
    /// Bits of [`Features`](crate::Features).
    pub features: u32,
}

impl Kvmfr {
    /// What every description begins with.
    pub const MAGIC: [u8; 8] = *b"KVMFR---";
}

/// `KVMFRRecord`: the head of one record; the payload follows at once, at any alignment.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct KvmfrRecord {
    /// 1 = VM info, 2 = OS info.
    pub r#type: u8,
    /// Zero; the original hosts leave what was there.
    pub padding: [u8; 3],
    /// Bytes of payload.
    pub size: u32,
}

/// `KVMFRRecord_VMInfo`: payload of record type 1 before the model string.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct KvmfrRecordVmInfo {
    /// Guest UUID in RFC 4122 order, zero = unknown.
    pub uuid: [u8; 16],
    /// Capture backend, NUL padded.
    pub capture: [u8; 32],
    /// Logical CPUs.
    pub cpus: u8,
    /// Physical cores in total.
    pub cores: u8,
    /// Sockets.
    pub sockets: u8,
}

/// `KVMFRRecord_OSInfo`: payload of record type 2 before the name string.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct KvmfrRecordOsInfo {
    /// 0 Linux, 1 BSD, 2 macOS, 3 Windows, 4 other.
    pub os: u8,
}

/// `KVMFRCursor`: the head of a cursor block.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct KvmfrCursor {
    /// Left edge of the picture.
    pub x: i16,
    /// Top edge of the picture.
    pub y: i16,
    /// 0 colour, 1 monochrome, 2 masked colour.
    pub r#type: u32,
    /// Hot spot from the left.
    pub hx: i8,
    /// Hot spot from the top.
    pub hy: i8,
    /// Zero.
    pub padding: [u8; 2],
    /// Columns.
    pub width: u32,
    /// Rows of data.
    pub height: u32,
    /// Bytes from row to row.
    pub pitch: u32,
}

/// `KVMFRFrame` of version 16.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Frame16 {
    /// Bumped when the format changes.
    pub format_ver: u32,
    /// Serial of the frame.
    pub frame_serial: u32,
    /// Storage of the pixels.
    pub r#type: u32,
    /// Columns.
    pub width: u32,
    /// Rows that are there.
    pub height: u32,
    /// Rows that should be there.
    pub real_height: u32,
    /// Clockwise quarter turns.
    pub rotation: u32,
    /// Pixels from row to row.
    pub stride: u32,
    /// Bytes from row to row.
    pub pitch: u32,
    /// Where the write pointer is.
    pub offset: u32,
    /// Rectangles that count.
    pub damage_rects_count: u32,
    /// Changed areas.
    pub damage_rects: [Rect; MAX_DAMAGE_RECTS],
    /// C bool: the guest asks to keep the screen saver off.
    pub block_screensaver: u8,
    /// Zero.
    pub padding: [u8; 3],
}

/// `KVMFRFrame` of version 19.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Frame19 {
    /// Bumped when the format changes.
    pub format_ver: u32,
    /// Serial of the frame.
    pub frame_serial: u32,
    /// Storage of the pixels.
    pub r#type: u32,
    /// Columns of the guest's screen.
    pub screen_width: u32,
    /// Rows of the guest's screen.
    pub screen_height: u32,
    /// Columns of the picture.
    pub frame_width: u32,
    /// Rows that are there.
    pub frame_height: u32,
    /// Clockwise quarter turns.
    pub rotation: u32,
    /// Pixels from row to row.
    pub stride: u32,
    /// Bytes from row to row.
    pub pitch: u32,
    /// Where the write pointer is.
    pub offset: u32,
    /// Rectangles that count.
    pub damage_rects_count: u32,
    /// Changed areas.
    pub damage_rects: [Rect; MAX_DAMAGE_RECTS],
    /// Bits of [`FrameFlags`](crate::FrameFlags).
    pub flags: u32,
}

/// `KVMFRFrame` of version 20.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Frame20 {
    /// Bumped when the format changes.
    pub format_ver: u32,
    /// Serial of the frame.
    pub frame_serial: u32,
    /// Storage of the pixels.
    pub r#type: u32,
    /// Columns of the guest's screen.
    pub screen_width: u32,
    /// Rows of the guest's screen.
    pub screen_height: u32,
    /// Columns of the stored texture.
    pub data_width: u32,
    /// Rows of the stored texture.
    pub data_height: u32,
    /// Columns of the picture.
    pub frame_width: u32,
    /// Rows of the picture, even if some are missing.
    pub frame_height: u32,
    /// Clockwise quarter turns.
    pub rotation: u32,
    /// Pixels (texels for type 5) from row to row.
    pub stride: u32,
    /// Bytes from row to row.
    pub pitch: u32,
    /// Where the write pointer is.
    pub offset: u32,
    /// Rectangles that count.
    pub damage_rects_count: u32,
    /// Changed areas.
    pub damage_rects: [Rect; MAX_DAMAGE_RECTS],
    /// Bits of [`FrameFlags`](crate::FrameFlags).
    pub flags: u32,
}

/// `KVMFRSetCursorPos` behind its type word: a client message.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct SetCursorPosMessage {
    /// 0.
    pub r#type: u32,
    /// Columns from the left of the guest's desktop.
    pub x: i32,
    /// Rows from its top.
    pub y: i32,
}

macro_rules! pin {
    ($kind:ty, $size:literal, $($field:ident = $offset:literal),+ $(,)?) => {
        const _: () = assert!(size_of::<$kind>() == $size);
        $(const _: () = assert!(offset_of!($kind, $field) == $offset);)+
    };
}

pin!(
    Kvmfr,
    48,
    magic = 0,
    version = 8,
    hostver = 12,
    features = 44
);
pin!(KvmfrRecord, 8, r#type = 0, padding = 1, size = 4);
pin!(
    KvmfrRecordVmInfo,
    51,
    uuid = 0,
    capture = 16,
    cpus = 48,
    cores = 49,
    sockets = 50
);
pin!(KvmfrRecordOsInfo, 1, os = 0);
pin!(
    KvmfrCursor,
    24,
    x = 0,
    y = 2,
    r#type = 4,
    hx = 8,
    hy = 9,
    padding = 10,
    width = 12,
    height = 16,
    pitch = 20
);
pin!(
    Frame16,
    1072,
    format_ver = 0,
    frame_serial = 4,
    r#type = 8,
    width = 12,
    height = 16,
    real_height = 20,
    rotation = 24,
    stride = 28,
    pitch = 32,
    offset = 36,
    damage_rects_count = 40,
    damage_rects = 44,
    block_screensaver = 1068,
    padding = 1069
);
pin!(
    Frame19,
    1076,
    format_ver = 0,
    frame_serial = 4,
    r#type = 8,
    screen_width = 12,
    screen_height = 16,
    frame_width = 20,
    frame_height = 24,
    rotation = 28,
    stride = 32,
    pitch = 36,
    offset = 40,
    damage_rects_count = 44,
    damage_rects = 48,
    flags = 1072
);
pin!(
    Frame20,
    1084,
    format_ver = 0,
    frame_serial = 4,
    r#type = 8,
    screen_width = 12,
    screen_height = 16,
    data_width = 20,
    data_height = 24,
    frame_width = 28,
    frame_height = 32,
    rotation = 36,
    stride = 40,
    pitch = 44,
    offset = 48,
    damage_rects_count = 52,
    damage_rects = 56,
    flags = 1080
);
pin!(Rect, 16, x = 0, y = 4, width = 8, height = 12);
pin!(SetCursorPosMessage, 12, r#type = 0, x = 4, y = 8);
