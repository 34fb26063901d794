//! Reading a frame's pixels in the order in which they are shown.

use crate::canvas::{BLACK, blacken};
use crate::convert::{Converter, PixelLoop};
use crate::frame::FrameLayout;
use crate::geometry::{Rotation, Size};

/// A stored frame seen through a turn: coordinates are those of the turned picture.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    bytes: &'a [u8],
    pitch: usize,
    rows: u32,
    frame: Size,
    turn: Rotation,
    converter: &'a Converter,
}

impl<'a> Source<'a> {
    pub(super) fn new(
        layout: &FrameLayout,
        turn: Rotation,
        bytes: &'a [u8],
        converter: &'a Converter,
    ) -> Self {
        Self {
            bytes,
            pitch: layout.pitch_bytes as usize,
            rows: layout.rows.min(layout.frame.height),
            frame: layout.frame,
            turn,
            converter,
        }
    }

    /// Writes the pixels from column `x` of row `y` on to `out` as B, G, R, X; black where the frame has none.
    pub(super) fn fetch(&self, x: u32, y: u32, out: &mut [u8]) {
        let count = (out.len() / 4) as u32;
        let size = self.turn.size(self.frame);
        if y >= size.height || u64::from(x) + u64::from(count) > u64::from(size.width) {
            blacken(out);
            return;
        }
        let Size { width, height } = self.frame;
        match self.turn {
            Rotation::Deg0 => self.row(y, x, out, false),
            Rotation::Deg180 => self.row(height - 1 - y, width - x - count, out, true),
            Rotation::Deg90 => self.column(y, height - 1 - x, -1, out),
            Rotation::Deg270 => self.column(width - 1 - y, x, 1, out),
        }
    }

    /// Pixels of stored row `y` from column `x` on, in or against their order.
    fn row(&self, y: u32, x: u32, out: &mut [u8], is_reversed: bool) {
        let bytes_per_pixel = self.converter.format().bytes_per_pixel() as usize;
        let start = y as usize * self.pitch + x as usize * bytes_per_pixel;
        let end = start + out.len() / 4 * bytes_per_pixel;
        let pixels = self.bytes.get(start..end).filter(|_| y < self.rows);
        let Some(pixels) = pixels else {
            blacken(out);
            return;
        };
        self.converter.run(RowLoop {
            pixels,
            out,
            is_reversed,
        });
    }

    /// Pixels of stored column `x` from row `y` on, downwards or upwards.
    fn column(&self, x: u32, y: u32, step: isize, out: &mut [u8]) {
        self.converter.run(ColumnLoop {
            source: self,
            x: x as usize,
            y: y as usize,
            step,
            out,
        });
    }
}

struct RowLoop<'a> {
    pixels: &'a [u8],
    out: &'a mut [u8],
    is_reversed: bool,
}

impl PixelLoop for RowLoop<'_> {
    fn run<const N: usize>(self, convert: impl Fn(&[u8; N]) -> [u8; 4]) {
        let (pixels, _) = self.pixels.as_chunks::<N>();
        let (out, _) = self.out.as_chunks_mut::<4>();
        if self.is_reversed {
            for (out, pixel) in out.iter_mut().zip(pixels.iter().rev()) {
                *out = convert(pixel);
            }
        } else {
            for (out, pixel) in out.iter_mut().zip(pixels) {
                *out = convert(pixel);
            }
        }
    }
}

struct ColumnLoop<'a> {
    source: &'a Source<'a>,
    x: usize,
    y: usize,
    step: isize,
    out: &'a mut [u8],
}

impl PixelLoop for ColumnLoop<'_> {
    fn run<const N: usize>(self, convert: impl Fn(&[u8; N]) -> [u8; 4]) {
        let Source {
            bytes, pitch, rows, ..
        } = *self.source;
        let (out, _) = self.out.as_chunks_mut::<4>();
        let mut y = self.y;
        for out in out {
            let start = y * pitch + self.x * N;
            let pixel = bytes.get(start..).and_then(|rest| rest.first_chunk::<N>());
            *out = match pixel {
                Some(pixel) if y < rows as usize => convert(pixel),
                _ => BLACK,
            };
            // Past the last pixel the row may wrap round; it is not used again.
            y = y.wrapping_add_signed(self.step);
        }
    }
}
