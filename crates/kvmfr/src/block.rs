//! How a host divides the shared memory (kvmfr.md 2 and 6).

/// Id, length and time limit of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueShape {
    /// LGMP queue id.
    pub id: u32,
    /// Messages that fit.
    pub length: u32,
    /// Milliseconds after which a subscriber that holds a message is evicted.
    pub max_time_ms: u32,
}

/// Carries the pictures; a host creates it first, because version 16 needs the mailbox queue last.
pub const FRAME_QUEUE: QueueShape = QueueShape {
    id: 2,
    length: 2,
    max_time_ms: 1000,
};

/// Carries pointer positions and shapes, and the clients' messages to the host; created second.
pub const POINTER_QUEUE: QueueShape = QueueShape {
    id: 1,
    length: 20,
    max_time_ms: 1000,
};

/// Blocks for pointer positions, allocated first.
pub const CURSOR_BLOCKS: usize = 20;

/// Bytes of one of them: the cursor header.
pub const CURSOR_BLOCK_BYTES: u32 = 24;

/// Blocks for pointer shapes, allocated second.
pub const SHAPE_BLOCKS: usize = 3;

/// Bytes of pixels in one of them: 512 × 512 pixels of 32 bits.
pub const SHAPE_DATA_BYTES: u32 = 512 * 512 * 4;

/// Bytes of one of them with its header.
pub const SHAPE_BLOCK_BYTES: u32 = CURSOR_BLOCK_BYTES + SHAPE_DATA_BYTES;

/// Blocks for frames, allocated last.
pub const FRAME_BLOCKS: usize = 2;

/// Where frame blocks are aligned, and their pixels within: the page.
pub const BLOCK_ALIGNMENT: u32 = 4096;

/// What is left of the shared memory for frames, divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameBlocks {
    /// Bytes to ask the allocator for, for each block.
    pub request_bytes: u32,
    /// Where in a block the write pointer is; the pixels follow it.
    pub fb_offset: u32,
    /// Alignment of a block.
    pub alignment: u32,
}

impl FrameBlocks {
    /// Divides `available` bytes of heap; `None` if the alignment is not a power of two or nothing would be left
    /// for pixels.
    #[must_use]
    pub fn plan(available: u32, alignment: u32) -> Option<Self> {
        if !alignment.is_power_of_two() || alignment < BLOCK_ALIGNMENT {
            return None;
        }
        let request_bytes = (available.checked_sub(alignment - 1)? & !(alignment - 1)) / 2;
        (request_bytes > alignment).then_some(Self {
            request_bytes,
            fb_offset: alignment - 4,
            alignment,
        })
    }

    /// Bytes of pixels that fit in an allocated block of `block_bytes` (the rounded size, as in the slot).
    ///
    /// The alignment in front of the pixels counts, which the original hosts forget when they truncate.
    #[must_use]
    pub const fn pixel_bytes(&self, block_bytes: u32) -> u32 {
        block_bytes.saturating_sub(self.alignment)
    }
}

/// The size of shared memory in MiB that suits pictures of `picture_bytes` (full height × pitch), a power of two.
#[must_use]
pub const fn recommended_memory_mib(picture_bytes: u64) -> u64 {
    const MIB: u64 = 1 << 20;
    let needed = picture_bytes.saturating_mul(2).saturating_add(10 * MIB);
    match needed.checked_next_power_of_two() {
        Some(bytes) => bytes / MIB,
        None => u64::MAX / MIB,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// kvmfr.md 6, the first table: 32 MiB with 149 bytes of udata.
    #[test]
    fn the_32_mib_example_is_divided_as_the_original_does() {
        // LGMP 5 and 6: heap 5912, both rings, 20 cursor blocks, 3 shape blocks.
        let used = 5912 + 48 + 336 + 20 * 24 + 3 * SHAPE_BLOCK_BYTES;
        let available = (32 << 20) - used;
        let plan = FrameBlocks::plan(available, 4096).expect("room");
        assert_eq!((plan.request_bytes, plan.fb_offset), (15_198_208, 4092));
        assert_eq!(plan.pixel_bytes(15_200_256), 15_196_160);
        let plan = FrameBlocks::plan(available, 65536).expect("room");
        assert_eq!((plan.request_bytes, plan.fb_offset), (15_138_816, 65532));
    }

    #[test]
    fn too_little_memory_or_a_bad_alignment_is_no_plan() {
        assert_eq!(FrameBlocks::plan(0, 4096), None);
        assert_eq!(FrameBlocks::plan(3 * 4096 - 1, 4096), None);
        assert!(FrameBlocks::plan(5 * 4096, 4096).is_some());
        assert_eq!(FrameBlocks::plan(1 << 24, 4095), None);
        assert_eq!(FrameBlocks::plan(1 << 24, 0), None);
    }

    #[test]
    fn recommended_sizes_are_those_of_the_examples() {
        assert_eq!(recommended_memory_mib(1920 * 1080 * 4), 32);
        assert_eq!(recommended_memory_mib(2560 * 1440 * 4), 64);
        assert_eq!(recommended_memory_mib(3840 * 2160 * 4), 128);
        assert_eq!(recommended_memory_mib(3840 * 2160 * 8), 256);
        assert_eq!(recommended_memory_mib(u64::MAX), u64::MAX >> 20);
    }
}
