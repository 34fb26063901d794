//! The picture that a window shows, in private memory.

use crate::geometry::Size;

/// A picture in physical buffer pixels, rows back to back, bytes B, G, R, X (XRGB8888, little-endian).
///
/// The fourth byte has no meaning and is set in whatever is drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Canvas {
    size: Size,
    pixels: Vec<u8>,
}

/// The fourth byte of every pixel that is drawn, set: the format has no alpha, but some screenshot tools of Wayland
/// compositors take it for one.
pub(crate) const OPAQUE: u32 = 0xff00_0000;

/// One black pixel.
pub(crate) const BLACK: [u8; 4] = OPAQUE.to_le_bytes();

/// Makes a row of pixels black.
pub(crate) fn blacken(row: &mut [u8]) {
    let (pixels, _) = row.as_chunks_mut::<4>();
    pixels.fill(BLACK);
}

impl Canvas {
    /// Makes a black picture of `size`.
    #[must_use]
    pub fn new(size: Size) -> Self {
        let mut canvas = Self::default();
        canvas.resize(size);
        canvas
    }

    /// Takes on a new size; the picture is black afterwards if the size differs, else untouched.
    pub fn resize(&mut self, size: Size) {
        if self.size == size {
            return;
        }
        self.size = size;
        self.pixels.clear();
        let bytes = usize::try_from(size.area().saturating_mul(4)).unwrap_or(usize::MAX);
        self.pixels.resize(bytes, 0);
    }

    /// The size in pixels.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Bytes from one row to the next: four times the width.
    #[must_use]
    pub const fn pitch_bytes(&self) -> usize {
        self.size.width as usize * 4
    }

    /// All the bytes, row after row.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.pixels
    }

    /// All the bytes, to be written.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// Blue, green and red of one pixel; `None` outside.
    #[must_use]
    pub fn bgr(&self, x: u32, y: u32) -> Option<[u8; 3]> {
        if x >= self.size.width || y >= self.size.height {
            return None;
        }
        let start = y as usize * self.pitch_bytes() + x as usize * 4;
        match self.pixels.get(start..start + 3)? {
            &[b, g, r] => Some([b, g, r]),
            _ => None,
        }
    }
}
