//! The shape of one relayed frame.

use crate::format::{PixelFormat, Transfer};
use crate::geometry::{Rotation, Size};

/// Where the pixels of a frame are and how they are to be shown, already validated.
///
/// The frame is compared as a whole with its predecessor: any difference but in the pixels is a format change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameLayout {
    /// The storage of the pixels.
    pub format: PixelFormat,
    /// The meaning of the pixels.
    pub transfer: Transfer,
    /// Size of the visible picture as stored, before rotation, full height even if truncated.
    pub frame: Size,
    /// Rows that are really there; fewer than `frame.height` if the frame was truncated.
    pub rows: u32,
    /// Bytes from one row to the next, at least [`PixelFormat::row_bytes`] of the width.
    pub pitch_bytes: u32,
    /// The guest's screen before rotation; differs from `frame` if the host scaled down.
    pub screen: Size,
    /// The turn that shows the picture upright.
    pub rotation: Rotation,
}

impl FrameLayout {
    /// A layout of packed rows, upright, sRGB, with screen and frame of one size.
    #[must_use]
    pub fn packed(format: PixelFormat, size: Size) -> Self {
        Self {
            format,
            transfer: Transfer::Srgb,
            frame: size,
            rows: size.height,
            pitch_bytes: u32::try_from(format.row_bytes(size.width)).unwrap_or(u32::MAX),
            screen: size,
            rotation: Rotation::Deg0,
        }
    }

    /// Bytes of pixel data: rows that are there times the pitch.
    #[must_use]
    pub const fn data_bytes(&self) -> u64 {
        self.rows as u64 * self.pitch_bytes as u64
    }

    /// Tells whether rows are missing at the bottom.
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        self.rows < self.frame.height
    }

    /// The size that the guest's user sees: the frame after rotation.
    #[must_use]
    pub const fn upright(&self) -> Size {
        self.rotation.size(self.frame)
    }

    /// The desktop that pointer positions refer to: the screen after rotation.
    #[must_use]
    pub const fn desktop(&self) -> Size {
        self.rotation.size(self.screen)
    }
}
