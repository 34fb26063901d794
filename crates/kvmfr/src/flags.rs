//! The flag words; bits without a name are kept as they came.

bitflags::bitflags! {
    /// `KVMFR.features`: what the host can do beyond showing.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Features: u32 {
        /// The host accepts [`SetCursorPos`](crate::SetCursorPos).
        const SET_CURSOR_POSITION = 0x1;
        const _ = !0;
    }

    /// The udata word of a slot in the pointer queue (kvmfr.md 3.1).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct PointerFlags: u32 {
        /// The position is valid; else the previous one stays.
        const POSITION = 0x1;
        /// The pointer is shown; without it, it is hidden.
        const VISIBLE = 0x2;
        /// The shape is valid; else the previous one stays.
        const SHAPE = 0x4;
        const _ = !0;
    }

    /// `KVMFRFrame.flags` (kvmfr.md 4.5); made up from other fields in version 16.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FrameFlags: u32 {
        /// The guest asks to keep the screen saver off.
        const BLOCK_SCREENSAVER = 0x01;
        /// The guest asks the client to raise its window, once.
        const REQUEST_ACTIVATION = 0x02;
        /// Rows are missing at the bottom: the shared memory is too small.
        const TRUNCATED = 0x04;
        /// The content is HDR; without meaning before version 20.
        const HDR = 0x08;
        /// The PQ transfer is already applied; without meaning before version 20.
        const HDR_PQ = 0x10;
        const _ = !0;
    }
}
