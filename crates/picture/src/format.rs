//! How the pixels of a frame are stored and what their numbers mean.

/// The storage of a frame's pixels (the frame types of kvmfr.md 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Bytes B, G, R, X.
    Bgra8,
    /// Bytes R, G, B, X.
    Rgba8,
    /// A little-endian word: R in bits 0–9, G in 10–19, B in 20–29.
    Rgba10,
    /// Four little-endian half floats R, G, B, X.
    Rgba16F,
    /// Bytes B, G, R back to back, carried in rows of 32-bit texels (type 5).
    Bgr24Packed,
    /// Bytes R, G, B back to back (type 6).
    Rgb24,
}

impl PixelFormat {
    /// Every format, in the order of the wire values 1 to 6.
    pub const ALL: [Self; 6] = [
        Self::Bgra8,
        Self::Rgba8,
        Self::Rgba10,
        Self::Rgba16F,
        Self::Bgr24Packed,
        Self::Rgb24,
    ];

    /// Bytes of one pixel.
    #[must_use]
    pub const fn bytes_per_pixel(self) -> u32 {
        match self {
            Self::Bgra8 | Self::Rgba8 | Self::Rgba10 => 4,
            Self::Rgba16F => 8,
            Self::Bgr24Packed | Self::Rgb24 => 3,
        }
    }

    /// Bytes of `width` pixels side by side, without padding.
    #[must_use]
    pub const fn row_bytes(self, width: u32) -> u64 {
        self.bytes_per_pixel() as u64 * width as u64
    }
}

/// What the numbers in the pixels mean (kvmfr.md 4.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transfer {
    /// sRGB-encoded, BT.709: shown as it is.
    #[default]
    Srgb,
    /// SMPTE ST 2084 (PQ), BT.2020.
    Pq2020,
    /// Linear, BT.709, 1.0 = 80 nits (scRGB).
    ScRgb,
    /// Linear, BT.709, 1.0 = white.
    Linear,
}

impl Transfer {
    /// All meanings.
    pub const ALL: [Self; 4] = [Self::Srgb, Self::Pq2020, Self::ScRgb, Self::Linear];
}
