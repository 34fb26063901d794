//! Frames: header, write pointer, pixels (kvmfr.md 4).

use super::layout::Layout;
use super::sheet::Sheet;
use super::table::{FrameTable, Wire};

/// Flag bits (kvmfr.md 4.5); version 16 has a byte of its own for the first and none for the others.
pub const BLOCK_SCREENSAVER: u32 = 0x01;
/// As [`BLOCK_SCREENSAVER`].
pub const REQUEST_ACTIVATION: u32 = 0x02;
/// As [`BLOCK_SCREENSAVER`].
pub const TRUNCATED: u32 = 0x04;
/// As [`BLOCK_SCREENSAVER`].
pub const HDR: u32 = 0x08;
/// As [`BLOCK_SCREENSAVER`].
pub const HDR_PQ: u32 = 0x10;

/// What is behind the last pixel of each row: nobody may show it.
const PADDING: u8 = 0xee;

/// A frame in the terms of the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Counts formats.
    pub format_version: u32,
    /// Counts frames.
    pub serial: u32,
    /// 1 to 6 (kvmfr.md 4.3).
    pub kind: u32,
    /// The guest's screen before rotation.
    pub screen: (u32, u32),
    /// The visible image with all its rows.
    pub size: (u32, u32),
    /// Columns of the stored texture.
    pub data_width: u32,
    /// Rows that are stored.
    pub rows: u32,
    /// Clockwise quarter turns.
    pub rotation: u32,
    /// Bytes from row to row.
    pub pitch: u32,
    /// What the header counts as rectangles; more than 64 are a lie.
    pub damage_count: u32,
    /// x, y, width, height; the first 64 can be stored.
    pub damage: Vec<[u32; 4]>,
    /// kvmfr.md 4.5.
    pub flags: u32,
    /// Bytes that the write pointer calls final.
    pub written: u32,
    /// The rows with what is behind them.
    pub pixels: Vec<u8>,
}

/// Bytes of a pixel (kvmfr.md 4.3).
#[must_use]
pub const fn pixel_bytes(kind: u32) -> u32 {
    match kind {
        1..=3 => 4,
        4 => 8,
        _ => 3,
    }
}

impl Frame {
    /// A whole frame of a size, with pixels that depend on `seed`.
    #[must_use]
    pub fn new(kind: u32, size: (u32, u32), seed: u32) -> Self {
        let (width, height) = size;
        let packed = (width * 3).next_multiple_of(4);
        let (data_width, rows, pitch) = match kind {
            5 => {
                let data_width = (packed / 4).next_multiple_of(64);
                (data_width, width * height / (packed / 3), 4 * data_width)
            }
            6 => (width, height, (width / 4).next_multiple_of(64) * 4 * 3),
            // The others may have any padding.
            _ => (width, height, (width + kind % 4) * pixel_bytes(kind)),
        };
        let mut frame = Self {
            format_version: 1,
            serial: seed,
            kind,
            screen: size,
            size,
            data_width,
            rows,
            rotation: 0,
            pitch,
            damage_count: 0,
            damage: Vec::new(),
            flags: 0,
            written: 0,
            pixels: Vec::new(),
        };
        frame.paint(seed);
        frame
    }

    /// The same with only so many rows.
    #[must_use]
    pub fn cut(mut self, rows: u32) -> Self {
        self.rows = rows;
        self.flags |= TRUNCATED;
        self.pixels.truncate((rows * self.pitch) as usize);
        self.written = rows * self.pitch;
        self
    }

    /// The same with these rectangles.
    #[must_use]
    pub fn damaged(mut self, rects: &[[u32; 4]]) -> Self {
        self.damage = rects.to_vec();
        self.damage_count = u32::try_from(rects.len()).expect("few rectangles");
        self
    }

    /// Paints all rows anew.
    pub fn paint(&mut self, seed: u32) {
        self.pixels.clear();
        let said = self.said_bytes();
        for y in 0..self.rows {
            let row_start = self.pixels.len();
            for x in 0..self.size.0 {
                push_pixel(&mut self.pixels, self.kind, x, y, seed);
            }
            self.pixels.resize(row_start + said, PADDING);
            self.pixels.resize(row_start + self.pitch as usize, 0);
        }
        self.written = u32::try_from(self.pixels.len()).expect("a small frame");
    }

    /// The frame after this one: these rectangles, and only in them other pixels.
    ///
    /// # Panics
    /// If the rows do not lie as in a whole frame.
    #[must_use]
    pub fn after(&self, rects: &[[u32; 4]], seed: u32) -> Self {
        let mut next = self.clone().damaged(rects);
        next.serial = self.serial.wrapping_add(1);
        let mut other = self.clone();
        other.paint(seed);
        let bytes = pixel_bytes(self.kind) as usize;
        for (x, y) in next.cells() {
            if next.touches(x, y) && y < next.rows {
                let at = (y * next.pitch) as usize + x as usize * bytes;
                next.pixels[at..at + bytes].copy_from_slice(&other.pixels[at..at + bytes]);
            }
        }
        next
    }

    /// All places of the visible image, row by row.
    pub fn cells(&self) -> impl Iterator<Item = (u32, u32)> + use<> {
        let (width, height) = self.size;
        (0..height).flat_map(move |y| (0..width).map(move |x| (x, y)))
    }

    /// Tells whether a pixel changed; no rectangles and more than 64 are everything (kvmfr.md 4.6, H1).
    #[must_use]
    pub fn touches(&self, x: u32, y: u32) -> bool {
        let inside = |start: u32, len: u32, at: u32| {
            let (start, at) = (u64::from(start), u64::from(at));
            (start..start + u64::from(len)).contains(&at)
        };
        let touched = |r: &[u32; 4]| inside(r[0], r[2], x) && inside(r[1], r[3], y);
        !(1..=64).contains(&self.damage_count) || self.damage.iter().any(touched)
    }

    /// The visible bytes of a stored row.
    #[must_use]
    pub fn row(&self, y: u32) -> &[u8] {
        let start = (y * self.pitch) as usize;
        &self.pixels[start..start + self.row_bytes()]
    }

    const fn row_bytes(&self) -> usize {
        (self.size.0 * pixel_bytes(self.kind)) as usize
    }

    /// Bytes of a row, with a little of what is behind it.
    fn said_bytes(&self) -> usize {
        (self.row_bytes() + 8).min(self.pitch as usize)
    }

    /// Writes it into a frame block.
    pub(super) fn write(&self, sheet: &mut Sheet, wire: Wire, layout: &Layout, index: usize) {
        let block = layout.frames[index].offset as usize;
        let table = FrameTable::of(wire);
        let mut word = |at: Option<usize>, value: u32, name: &str| {
            if let Some(at) = at {
                sheet.word(block + at, value, &format!("kvmfr 4.1 {name}"));
            }
        };
        word(Some(0), self.format_version, "format version");
        word(Some(4), self.serial, "frame serial");
        word(Some(8), self.kind, "frame type");
        word(table.screen, self.screen.0, "screen width");
        word(
            table.screen.map(|at| at + 4),
            self.screen.1,
            "screen height",
        );
        word(Some(table.data), self.data_width, "data width");
        word(Some(table.data + 4), self.rows, "data height");
        word(table.real_height, self.size.1, "real height");
        word(table.frame, self.size.0, "frame width");
        word(table.frame.map(|at| at + 4), self.size.1, "frame height");
        word(Some(table.rotation), self.rotation, "rotation");
        let unit = if self.kind == 5 {
            4
        } else {
            pixel_bytes(self.kind)
        };
        word(Some(table.stride), self.pitch / unit, "stride");
        word(Some(table.pitch), self.pitch, "pitch");
        word(
            Some(table.fb_offset),
            layout.fb_offset,
            "framebuffer offset",
        );
        word(
            Some(table.damage_count),
            self.damage_count,
            "damage rect count",
        );
        word(table.flags, self.flags, "flags");
        for (i, rect) in self.damage.iter().take(64).enumerate() {
            let bytes = rect.map(u32::to_le_bytes).concat();
            let note = format!("kvmfr 4.1 damage {i}: x, y, width, height");
            sheet.put(block + table.damage + 16 * i, &bytes, &note);
        }
        if let Some(at) = table.block_screensaver {
            let is_set = self.flags & BLOCK_SCREENSAVER;
            sheet.put(block + at, &[is_set as u8], "kvmfr 4.1 block-screensaver");
        }
        let pointer = block + layout.fb_offset as usize;
        sheet.word(pointer, self.written, "kvmfr 4.7 write pointer");
        let pitch = (self.pitch as usize).max(1);
        let said = self.said_bytes();
        for (y, row) in self.pixels.chunks(pitch).enumerate() {
            let at = layout.pixels_at(index) + y * pitch;
            sheet.put(at, &row[..said], &format!("kvmfr 4.3 row {y}"));
        }
    }
}

/// Appends a pixel, different from its neighbours in every part (kvmfr.md 4.3).
fn push_pixel(bytes: &mut Vec<u8>, kind: u32, x: u32, y: u32, seed: u32) {
    let part = |a: u32, b: u32, c: u32| (x * a + y * b + seed % 256 * c) as u8;
    let [r, g, b] = [part(37, 11, 91), part(13, 59, 17), part(71, 29, 43)];
    let nothing = part(7, 3, 5);
    match kind {
        1 => bytes.extend([b, g, r, nothing]),
        2 => bytes.extend([r, g, b, nothing]),
        3 => {
            // Two more bits than eight, so that rounding can be seen.
            let ten = |eight: u8, low: u32| u32::from(eight) << 2 | low & 3;
            let (red, green, blue) = (ten(r, x), ten(g, y), ten(b, x + y));
            let word = red | green << 10 | blue << 20 | u32::from(nothing) << 30;
            bytes.extend(word.to_le_bytes());
        }
        4 => {
            for value in [r, g, b] {
                bytes.extend(half(value, x + y).to_le_bytes());
            }
            bytes.extend([nothing, b]);
        }
        5 => bytes.extend([b, g, r]),
        _ => bytes.extend([r, g, b]),
    }
}

/// The bits of a half float from 0 to 4, and now and then of one that is no colour.
fn half(value: u8, place: u32) -> u16 {
    match place % 16 {
        // Not a number, infinite, minus one.
        3 => 0x7e00,
        7 => 0x7c00,
        11 => 0xbc00,
        // 0x4400 is 4: exponent 17 of bias 15, no fraction.
        _ => u16::from(value) * (0x4400 / 255),
    }
}
