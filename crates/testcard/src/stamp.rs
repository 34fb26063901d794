//! The stamp: a number and a time as black and white cells in the first rows of a picture.

use picture::{Canvas, FrameLayout, RgbImage, Rotation, Size};

use crate::colour::encode;

/// Side of a cell in pixels.
const CELL: u32 = 4;

/// Cells of one row.
const COLUMNS: u32 = 64;

/// Pixels that the stamp covers, from the picture's stored top-left corner.
pub const STAMP_SIZE: Size = Size::new(COLUMNS * CELL, 2 * CELL);

/// What a stamp begins with, so that a picture without one is told apart.
const MARK: u16 = 0xa53c;

/// Which frame it is and when it was drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// The frame's number.
    pub serial: u32,
    /// CLOCK_MONOTONIC when it was drawn, in nanoseconds.
    pub time_ns: u64,
}

impl Stamp {
    /// Mark, serial, time, checksum: 128 bits, most significant first.
    fn bits(self) -> u128 {
        let payload = u128::from(self.serial) << 64 | u128::from(self.time_ns);
        u128::from(MARK) << 112 | payload << 16 | u128::from(checksum(payload))
    }

    fn from_bits(bits: u128) -> Option<Self> {
        let stamp = Self {
            serial: (bits >> 80) as u32,
            time_ns: (bits >> 16) as u64,
        };
        (stamp.bits() == bits).then_some(stamp)
    }
}

/// CRC-16 (polynomial 0x1021, start 0xffff) of 96 bits.
fn checksum(payload: u128) -> u16 {
    (0..96).rev().fold(0xffff, |crc: u16, bit| {
        let is_set = (crc >> 15 != 0) != (payload >> bit & 1 != 0);
        if is_set { crc << 1 ^ 0x1021 } else { crc << 1 }
    })
}

/// Writes a stamp into a frame; `false` if the frame is too small for one.
pub fn write_stamp(pixels: &mut [u8], layout: &FrameLayout, stamp: Stamp) -> bool {
    let rows = layout.frame.height.min(layout.rows);
    if layout.frame.width < STAMP_SIZE.width || rows < STAMP_SIZE.height {
        return false;
    }
    let black = encode(layout.format, layout.transfer, [0; 3]);
    let white = encode(layout.format, layout.transfer, [255; 3]);
    let bytes = black.bytes().len();
    let mut bits = stamp.bits();
    let rows = pixels.chunks_mut((layout.pitch_bytes as usize).max(1));
    for (number, row) in rows.take(STAMP_SIZE.height as usize).enumerate() {
        if number == CELL as usize {
            bits <<= COLUMNS;
        }
        for (column, cell) in row
            .chunks_exact_mut(bytes * CELL as usize)
            .take(COLUMNS as usize)
            .enumerate()
        {
            let is_white = bits << column >> 127 != 0;
            let pixel = if is_white { &white } else { &black };
            for out in cell.chunks_exact_mut(bytes) {
                out.copy_from_slice(pixel.bytes());
            }
        }
    }
    true
}

/// A captured picture of 8-bit channels in any order: RGB, BGR, or either with a fourth byte.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// The rows.
    pub bytes: &'a [u8],
    /// Bytes from one row to the next.
    pub pitch_bytes: usize,
    /// 3 or 4.
    pub bytes_per_pixel: usize,
}

impl Rows<'_> {
    /// The green value of a pixel.
    fn green(&self, x: i64, y: i64) -> Option<u8> {
        let (x, y) = (usize::try_from(x).ok()?, usize::try_from(y).ok()?);
        let in_row = x.checked_mul(self.bytes_per_pixel)?.checked_add(1)?;
        if in_row >= self.pitch_bytes {
            return None;
        }
        let at = y.checked_mul(self.pitch_bytes)?.checked_add(in_row)?;
        self.bytes.get(at).copied()
    }
}

impl<'a> From<&'a Canvas> for Rows<'a> {
    fn from(canvas: &'a Canvas) -> Self {
        Self {
            bytes: canvas.bytes(),
            pitch_bytes: canvas.pitch_bytes(),
            bytes_per_pixel: 4,
        }
    }
}

impl<'a> From<&'a RgbImage> for Rows<'a> {
    fn from(image: &'a RgbImage) -> Self {
        Self {
            bytes: image.bytes(),
            pitch_bytes: image.size().width as usize * 3,
            bytes_per_pixel: 3,
        }
    }
}

/// Reads the stamp of a picture shown 1:1 and upright, whose top-left corner is at column and row `origin`.
///
/// `None` if there is none, or if anything covers it.
#[must_use]
pub fn read_stamp(rows: &Rows<'_>, origin: (u32, u32)) -> Option<Stamp> {
    read_turned_stamp(rows, origin, STAMP_SIZE, Rotation::Deg0)
}

/// Reads the stamp of a picture of stored size `frame` shown 1:1 after a clockwise `turn`.
///
/// `origin` is the top-left corner of the picture as shown.
#[must_use]
pub fn read_turned_stamp(
    rows: &Rows<'_>,
    origin: (u32, u32),
    frame: Size,
    turn: Rotation,
) -> Option<Stamp> {
    let (width, height) = (i64::from(frame.width), i64::from(frame.height));
    let mut bits = 0;
    for cell in 0..2 * COLUMNS {
        let left = i64::from(cell % COLUMNS * CELL);
        let top = i64::from(cell / COLUMNS * CELL);
        let mut brightness = 0;
        // The middle of the cell: what another picture or a filter spoils begins at the edges.
        for (x, y) in [(1, 1), (2, 1), (1, 2), (2, 2)] {
            let (x, y) = (left + x, top + y);
            let (x, y) = match turn {
                Rotation::Deg0 => (x, y),
                Rotation::Deg90 => (height - 1 - y, x),
                Rotation::Deg180 => (width - 1 - x, height - 1 - y),
                Rotation::Deg270 => (y, width - 1 - x),
            };
            let green = rows.green(x + i64::from(origin.0), y + i64::from(origin.1))?;
            brightness += u32::from(green);
        }
        let bit = match brightness / 4 {
            0..=79 => 0,
            176.. => 1,
            _ => return None,
        };
        bits = bits << 1 | bit;
    }
    Stamp::from_bits(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use picture::{Compositor, Damage, PixelFormat, Scene, Transfer, ViewOptions};

    const STAMP: Stamp = Stamp {
        serial: 0xdead_beef,
        time_ns: 0x0123_4567_89ab_cdef,
    };

    fn composed(layout: &FrameLayout, buffer: Size, rotation: Rotation) -> Canvas {
        let mut compositor = Compositor::new();
        let store = compositor.frame_store_mut(layout);
        store.fill(0x30);
        assert!(write_stamp(store, layout, STAMP));
        let mut canvas = Canvas::new(buffer);
        let scene = Scene {
            layout: Some(layout),
            view: ViewOptions {
                rotation,
                dont_upscale: true,
                ..ViewOptions::default()
            },
            ..Scene::default()
        };
        compositor.compose(&mut canvas, &scene, &Damage::FULL);
        canvas
    }

    #[test]
    fn stamp_survives_every_format() {
        for format in PixelFormat::ALL {
            for transfer in Transfer::ALL {
                let mut layout = crate::layout(format, Size::new(257, 9));
                layout.transfer = transfer;
                let canvas = composed(&layout, layout.frame, Rotation::Deg0);
                assert_eq!(
                    read_stamp(&Rows::from(&canvas), (0, 0)),
                    Some(STAMP),
                    "{format:?}"
                );
            }
        }
    }

    #[test]
    fn stamp_is_found_in_a_letterboxed_and_turned_picture() {
        let layout = crate::layout(PixelFormat::Bgra8, Size::new(300, 20));
        for turn in Rotation::ALL {
            let canvas = composed(&layout, Size::new(400, 400), turn);
            let shown = turn.size(layout.frame);
            let origin = ((400 - shown.width) / 2, (400 - shown.height) / 2);
            let rows = Rows::from(&canvas);
            let seen = read_turned_stamp(&rows, origin, layout.frame, turn);
            assert_eq!(seen, Some(STAMP), "{turn:?}");
            let shifted = (origin.0 + CELL, origin.1);
            assert_eq!(read_turned_stamp(&rows, shifted, layout.frame, turn), None);
        }
    }

    #[test]
    fn stamp_is_found_in_a_screenshot() {
        let layout = crate::layout(PixelFormat::Rgb24, Size::new(320, 20));
        let mut pixels = vec![0; layout.data_bytes() as usize];
        assert!(write_stamp(&mut pixels, &layout, STAMP));
        let image = picture::screenshot(&layout, &pixels, None);
        assert_eq!(read_stamp(&Rows::from(&image), (0, 0)), Some(STAMP));
    }

    #[test]
    fn one_wrong_cell_is_noticed() {
        let layout = crate::layout(PixelFormat::Bgra8, Size::new(256, 8));
        for cell in 0..128 {
            let mut canvas = composed(&layout, layout.frame, Rotation::Deg0);
            let pitch = canvas.pitch_bytes();
            let (x, y) = (cell % 64 * 16, cell / 64 * 4);
            for row in canvas.bytes_mut().chunks_mut(pitch).skip(y).take(4) {
                for byte in &mut row[x..x + 16] {
                    *byte = !*byte;
                }
            }
            assert_eq!(read_stamp(&Rows::from(&canvas), (0, 0)), None);
        }
    }

    #[test]
    fn too_small_or_cut_pictures_have_no_stamp() {
        let small = crate::layout(PixelFormat::Bgra8, Size::new(255, 100));
        let mut pixels = vec![0; small.data_bytes() as usize];
        assert!(!write_stamp(&mut pixels, &small, STAMP));
        let canvas = Canvas::new(Size::new(300, 7));
        assert_eq!(read_stamp(&Rows::from(&canvas), (0, 0)), None);
        assert_eq!(read_stamp(&Rows::from(&canvas), (u32::MAX, u32::MAX)), None);
    }
}
