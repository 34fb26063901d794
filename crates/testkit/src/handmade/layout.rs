//! Where the blocks lie: the bump allocator of lgmp.md 6.2 in the order of kvmfr.md 2 and 6.

use super::table::{FRAMES, POINTER, SLOT_BYTES, Wire};

/// A piece of the memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// Its first byte.
    pub offset: u32,
    /// Its bytes, as a slot names them.
    pub size: u32,
}

/// Bytes of a small cursor block (kvmfr.md 2).
const CURSOR_BYTES: u32 = 24;
/// Bytes of a shape block (kvmfr.md 2).
const SHAPE_BYTES: u32 = 24 + 512 * 512 * 4;
/// Alignment of the frame blocks: the page (kvmfr.md 6).
const PAGE: u32 = 4096;

/// The division of a memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// First byte behind the session data.
    pub heap: u32,
    /// Slot 0 of the frame queue and of the pointer queue.
    pub rings: [u32; 2],
    /// Twenty small blocks.
    pub cursors: Vec<Block>,
    /// Three large blocks.
    pub shapes: Vec<Block>,
    /// Two frame blocks.
    pub frames: [Block; 2],
    /// Where in a frame block the write pointer is.
    pub fb_offset: u32,
}

/// lgmp.md 6.2.
struct Heap {
    next: u32,
    end: u32,
}

impl Heap {
    fn take(&mut self, size: u32, align: u32) -> Block {
        let offset = self.next.next_multiple_of(align);
        let size = size.next_multiple_of(align);
        assert!(offset + size <= self.end, "the memory is too small");
        self.next = offset + size;
        Block { offset, size }
    }
}

impl Layout {
    /// Divides `bytes` of memory behind session data of `udata` bytes.
    ///
    /// # Panics
    /// If there is no room.
    #[must_use]
    pub fn of(wire: Wire, udata: usize, bytes: usize) -> Self {
        let end = u32::try_from(bytes).expect("less than 4 GiB");
        let heap = u32::try_from(wire.table().header_size + udata).expect("less than 4 GiB");
        let heap = heap.next_multiple_of(4);
        let mut rest = Heap { next: heap, end };
        // One slot more than messages (lgmp.md 4).
        let ring = |length: u32| (length + 1) * SLOT_BYTES as u32;
        let rings = [FRAMES.length, POINTER.length].map(|length| rest.take(ring(length), 4).offset);
        let cursors = (0..20).map(|_| rest.take(CURSOR_BYTES, 4)).collect();
        let shapes = (0..3).map(|_| rest.take(SHAPE_BYTES, 4)).collect();
        // M = floor_to(avail - (A - 1), A) / 2 (kvmfr.md 6).
        let available = rest.end - rest.next;
        let most = (available - (PAGE - 1)) / PAGE * PAGE / 2;
        let frames = [(); 2].map(|()| rest.take(most, PAGE));
        Self {
            heap,
            rings,
            cursors,
            shapes,
            frames,
            fb_offset: PAGE - 4,
        }
    }

    /// Where a frame's pixels start.
    #[must_use]
    pub const fn pixels_at(&self, frame: usize) -> usize {
        self.frames[frame].offset as usize + self.fb_offset as usize + 4
    }
}
