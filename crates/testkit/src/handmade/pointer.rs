//! The pointer's blocks (kvmfr.md 3).

use super::layout::Block;
use super::sheet::Sheet;

/// Bits of a slot's word (kvmfr.md 3.1).
pub const POSITION: u32 = 0x1;
/// As [`POSITION`].
pub const VISIBLE: u32 = 0x2;
/// As [`POSITION`].
pub const SHAPE: u32 = 0x4;

/// A pointer in the terms of the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointer {
    /// Left edge.
    pub x: i16,
    /// Top edge.
    pub y: i16,
    /// 0 colour, 1 monochrome, 2 masked colour.
    pub kind: u32,
    /// The click point in the picture.
    pub hot_spot: (i8, i8),
    /// Columns.
    pub width: u32,
    /// Rows of data: twice those seen for monochrome.
    pub rows: u32,
    /// Bytes from row to row.
    pub pitch: u32,
    /// The rows.
    pub pixels: Vec<u8>,
}

impl Pointer {
    /// Only a place.
    #[must_use]
    pub fn at(x: i16, y: i16) -> Self {
        Self {
            x,
            y,
            ..Self::default()
        }
    }

    /// A shape of 11 × 6 pixels in which every way of combining occurs.
    #[must_use]
    pub fn shape(kind: u32, x: i16, y: i16) -> Self {
        let (width, seen) = (11, 6);
        let (rows, pitch) = match kind {
            1 => (2 * seen, 3),
            _ => (seen, 4 * width + 4),
        };
        let mut pixels = Vec::new();
        for i in 0..rows * pitch {
            // Any bits; the fourth byte of a pixel is nothing, everything, or in between.
            let any = (i * 89 + i / 7 * 31 + kind * 3) as u8;
            let is_fourth = kind != 1 && i % pitch % 4 == 3;
            pixels.push(match (is_fourth, i / 4 % 3) {
                (true, 0) => 0,
                (true, 1) => 255,
                _ => any,
            });
        }
        Self {
            x,
            y,
            kind,
            hot_spot: (3, 2),
            width,
            rows,
            pitch,
            pixels,
        }
    }

    /// Rows that are seen.
    #[must_use]
    pub const fn seen_rows(&self) -> u32 {
        if self.kind == 1 {
            self.rows / 2
        } else {
            self.rows
        }
    }

    /// Bytes of a row without what is behind its pixels (kvmfr.md 3.3).
    #[must_use]
    pub const fn row_bytes(&self) -> u32 {
        if self.kind == 1 {
            self.width.div_ceil(8)
        } else {
            4 * self.width
        }
    }

    /// Writes it into a block (kvmfr.md 3.2).
    pub(super) fn write(&self, sheet: &mut Sheet, block: Block) {
        let at = block.offset as usize;
        let place = [self.x.to_le_bytes(), self.y.to_le_bytes()].concat();
        sheet.put(at, &place, "kvmfr 3.2 x, y");
        sheet.word(at + 4, self.kind, "kvmfr 3.2 shape type");
        let (hx, hy) = self.hot_spot;
        let hot_spot = [hx.to_le_bytes(), hy.to_le_bytes()].concat();
        sheet.put(at + 8, &hot_spot, "kvmfr 3.2 hotspot");
        sheet.word(at + 12, self.width, "kvmfr 3.2 width");
        sheet.word(at + 16, self.rows, "kvmfr 3.2 rows of data");
        sheet.word(at + 20, self.pitch, "kvmfr 3.2 pitch");
        for (y, row) in self.pixels.chunks((self.pitch as usize).max(1)).enumerate() {
            let at = at + 24 + y * self.pitch as usize;
            sheet.put(at, row, &format!("kvmfr 3.3 row {y}"));
        }
    }
}
