//! Memory images of our own making, written byte by byte from the tables of lgmp.md and kvmfr.md.
//!
//! Shares nothing with `lgmp`, `kvmfr`, `relay` and `ivshmem`, not even a constant: whoever reads such an image with
//! them compares two readings of the specification. An [`Image`] is a description; [`Image::sheet`] is the memory,
//! with the section behind every value. The images of [`catalogue()`] are committed as text in `tests/data/handmade`, so
//! that no reading can drift unseen.

mod catalogue;
mod frame;
mod layout;
mod pointer;
mod queue;
mod session;
mod sheet;
pub mod table;

pub use catalogue::{Posted, Scene, catalogue, committed, damage_lists};
pub use frame::{
    BLOCK_SCREENSAVER, Frame, HDR, HDR_PQ, REQUEST_ACTIVATION, TRUNCATED, pixel_bytes,
};
pub use layout::{Block, Layout};
pub use pointer::{POSITION, Pointer, SHAPE, VISIBLE};
pub use queue::{Mailbox, Queue, Slot, Subscriber};
pub use session::{Description, Part, Record};
pub use sheet::{Entry, Sheet};
pub use table::Wire;

use table::{FRAMES, MAGIC, NUM_QUEUES, POINTER, QueueKind, SESSION_ID, TIMESTAMP, VERSION};

/// Bytes of an image: the least power of two that holds the pointer's blocks and small frames.
pub const MEMORY_BYTES: usize = 4 << 20;

/// The whole memory of a host, described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its versions.
    pub wire: Wire,
    /// Bytes of the memory.
    pub bytes: usize,
    /// The host's number of the session.
    pub session_id: u32,
    /// The host's clock at the last heartbeat, in milliseconds.
    pub timestamp: u64,
    /// The session data.
    pub udata: Vec<Part>,
    /// Frame queue and pointer queue.
    pub queues: [Queue; 2],
    /// What the two frame blocks hold.
    pub frames: [Option<Frame>; 2],
    /// What some of the small pointer blocks hold.
    pub cursors: Vec<(usize, Pointer)>,
    /// What some of the large pointer blocks hold.
    pub shapes: Vec<(usize, Pointer)>,
}

impl Image {
    /// A memory that a host has just set up.
    #[must_use]
    pub fn new(wire: Wire, description: &Description) -> Self {
        Self {
            wire,
            bytes: MEMORY_BYTES,
            session_id: 0x2a17_0000 | wire.kvmfr(),
            timestamp: 5_000,
            udata: description.parts(wire),
            queues: [Queue::default(), Queue::default()],
            frames: [None, None],
            cursors: Vec::new(),
            shapes: Vec::new(),
        }
    }

    /// Where everything lies.
    #[must_use]
    pub fn layout(&self) -> Layout {
        let udata = self.udata.iter().map(|(bytes, _)| bytes.len()).sum();
        Layout::of(self.wire, udata, self.bytes)
    }

    /// The message that announces a frame (kvmfr.md 4).
    #[must_use]
    pub fn frame_slot(&self, index: usize) -> Slot {
        slot(0, self.layout().frames[index])
    }

    /// The message about a small pointer block (kvmfr.md 3.1).
    #[must_use]
    pub fn cursor_slot(&self, index: usize, bits: u32) -> Slot {
        slot(bits, self.layout().cursors[index])
    }

    /// The message about a large pointer block (kvmfr.md 3.1).
    #[must_use]
    pub fn shape_slot(&self, index: usize, bits: u32) -> Slot {
        slot(bits, self.layout().shapes[index])
    }

    /// The memory.
    #[must_use]
    pub fn sheet(&self) -> Sheet {
        let (table, layout) = (self.wire.table(), self.layout());
        let mut sheet = Sheet::new(self.bytes);
        sheet.put(MAGIC, b"LGMP", "lgmp 2 magic");
        sheet.word(VERSION, self.wire.lgmp(), "lgmp 3 version");
        sheet.word(SESSION_ID, self.session_id, "lgmp 3 session_id");
        sheet.long(TIMESTAMP, self.timestamp, "lgmp 3 timestamp");
        let kinds: [QueueKind; 2] = [FRAMES, POINTER];
        sheet.word(NUM_QUEUES, 2, "lgmp 3 num_queues");
        let mut at = table.udata;
        for (bytes, note) in &self.udata {
            sheet.put(at, bytes, note);
            at += bytes.len();
        }
        let udata = u32::try_from(at - table.udata).expect("a short description");
        sheet.word(table.udata_size, udata, "lgmp 3 udata_size");
        for (kind, queue) in kinds.into_iter().zip(&self.queues) {
            queue.write(&mut sheet, table, kind, layout.rings[kind.index]);
        }
        for (index, frame) in self.frames.iter().enumerate() {
            if let Some(frame) = frame {
                frame.write(&mut sheet, self.wire, &layout, index);
            }
        }
        for (index, pointer) in &self.cursors {
            pointer.write(&mut sheet, layout.cursors[*index]);
        }
        for (index, pointer) in &self.shapes {
            pointer.write(&mut sheet, layout.shapes[*index]);
        }
        sheet
    }
}

fn slot(udata: u32, block: Block) -> Slot {
    Slot {
        udata,
        size: block.size,
        offset: block.offset,
        pending: 0,
    }
}

#[cfg(test)]
mod tests;
