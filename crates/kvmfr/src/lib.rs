//! KVMFR, the frame-relay messages that Looking Glass sends over LGMP: versions 16, 19 and 20.
//!
//! Sits between `lgmp` (queues) and `relay` (sessions). Holds no state and touches no shared memory: a caller copies
//! bytes out of the shared memory once, hands the copy to a `parse` function here, and uses only what that returns.
//!
//! ```
//! use kvmfr::{FrameHeader, FrameType, Size, Version};
//!
//! let header = FrameHeader::whole(FrameType::Bgra, Size::new(1920, 1080), 7680, 4092);
//! let mut buffer = [0; kvmfr::MAX_FRAME_HEADER_BYTES];
//! let bytes = header.encode(Version::V20, &mut buffer);
//! // In a block of 15 200 256 bytes that ends well inside the mapping:
//! let copy = FrameHeader::parse(Version::V20, bytes, 15_200_256, 20_000_000)?;
//! assert_eq!(copy, header);
//! # Ok::<(), kvmfr::HeaderError>(())
//! ```
//!
//! Threads and clocks: none; everything is a pure function.
//!
//! Sources: `spec/kvmfr.md` (sections and hazards named where they are met), and for every offset
//! `golden/layout-*.json`, whose names the structures of [`wire`] keep.

#![deny(unsafe_code)]

mod block;
mod cursor;
mod damage;
mod flags;
mod frame;
mod message;
mod packed;
mod session;
mod text;
mod version;
pub mod wire;

pub use block::{
    BLOCK_ALIGNMENT, CURSOR_BLOCK_BYTES, CURSOR_BLOCKS, FRAME_BLOCKS, FRAME_QUEUE, FrameBlocks,
    POINTER_QUEUE, QueueShape, SHAPE_BLOCK_BYTES, SHAPE_BLOCKS, SHAPE_DATA_BYTES,
    recommended_memory_mib,
};
pub use cursor::{CursorError, CursorHeader, CursorKind, MAX_SHAPE_SIDE, ShapeHeader};
pub use damage::{DamageList, MAX_DAMAGE_RECTS, Rect};
pub use flags::{Features, FrameFlags, PointerFlags};
pub use frame::{
    FrameHeader, FrameType, HeaderError, MAX_FRAME_HEADER_BYTES, MAX_PITCH_BYTES, MAX_PIXELS,
    MAX_SIDE, Size, WRITE_POINTER_BYTES,
};
pub use message::{ClientMessage, SetCursorPos};
pub use packed::PackedGeometry;
pub use session::{DescriptionError, OsInfo, OsKind, SessionDescription, VmInfo};
pub use version::Version;
