//! The guest's pointer: its picture and where it is.

use crate::geometry::GuestPoint;

/// How a pointer picture combines with the screen (kvmfr.md 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PointerKind {
    /// B, G, R, A bytes, straight alpha.
    Colour,
    /// One bit a pixel: AND mask, then XOR mask below it.
    Monochrome,
    /// B, G, R, mask bytes: mask 0 replaces the screen, else XOR.
    MaskedColour,
}

/// A pointer picture as it came from the wire, checked: `data` holds `data_rows * pitch_bytes` bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointerShape {
    /// How it combines with the screen.
    pub kind: PointerKind,
    /// Columns that are seen.
    pub width: u32,
    /// Rows that are seen; half of the rows of data for [`PointerKind::Monochrome`].
    pub height: u32,
    /// Bytes from one row of data to the next.
    pub pitch_bytes: u32,
    /// The click point inside the picture, clamped to it.
    pub hot_spot: (u32, u32),
    /// The rows.
    pub data: Vec<u8>,
}

/// Where the pointer is and whether it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PointerState {
    /// Top-left corner of the picture, in guest desktop pixels, hot spot already subtracted.
    pub position: GuestPoint,
    /// Tells whether it is shown.
    pub is_visible: bool,
}
