//! The CURSOR channel: the pointer's shape and place (spice.md section 6).

use std::{collections::VecDeque, sync::Arc};

use crate::wire::{Malformed, Reader};

/// The largest side of a shape that is accepted.
pub const MAX_SHAPE_SIDE: u32 = 1024;
/// The cache holds this many shapes,
const MAX_CACHED: usize = 64;
/// and this many bytes of them.
const MAX_CACHED_BYTES: usize = 16 << 20;

/// What happened to the pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CursorEvent {
    /// The pointer looks like this from now on.
    Shape(Arc<CursorShape>),
    /// The pointer's hot spot is at this pixel of the picture, and is shown.
    Moved {
        /// Column; may lie outside the picture.
        x: i16,
        /// Row; may lie outside the picture.
        y: i16,
    },
    /// The pointer is not shown.
    Hidden,
}

/// A pointer's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorShape {
    /// Columns, 1 to [`MAX_SHAPE_SIDE`].
    pub width: u32,
    /// Rows, 1 to [`MAX_SHAPE_SIDE`].
    pub height: u32,
    /// The hot spot's column, less than `width`.
    pub hot_x: u32,
    /// The hot spot's row, less than `height`.
    pub hot_y: u32,
    /// The pixels.
    pub pixels: CursorPixels,
}

/// The pixels of a shape: rows from top to bottom without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CursorPixels {
    /// Blue, green, red, alpha; the colours are taken to be multiplied by alpha, as other clients do.
    Alpha(Vec<u8>),
    /// Blue, green, red, and 255 where the picture's own colour is kept before this one is combined with it:
    /// `result = (picture AND mask) XOR colour`, where mask is all ones for 255 and all zeroes for 0.
    Masked(Vec<u8>),
}

/// The state of the channel.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    cache: VecDeque<(u64, Arc<CursorShape>)>,
    cached_bytes: usize,
    has_shape: bool,
}

/// What a cursor record says.
enum Record {
    None,
    Shape(Arc<CursorShape>),
    /// From the cache, which does not have it: keep the old one.
    Missing,
}

impl Cursor {
    /// Handles one message. A wrong one changes nothing; the channel goes on.
    pub(crate) fn receive(
        &mut self,
        kind: u16,
        payload: &[u8],
        sink: &mut dyn FnMut(CursorEvent),
    ) -> Result<(), Malformed> {
        let mut reader = Reader::new(payload);
        match kind {
            101 => {
                let (x, y) = (reader.i16()?, reader.i16()?);
                let _trail = reader.u32()?;
                self.set(x, y, &mut reader, sink)?;
            }
            102 => {
                self.clear();
                self.has_shape = false;
                sink(CursorEvent::Hidden);
            }
            103 => {
                let (x, y) = (reader.i16()?, reader.i16()?);
                self.set(x, y, &mut reader, sink)?;
            }
            // Also shows the pointer again, if it has a shape.
            104 => {
                let (x, y) = (reader.i16()?, reader.i16()?);
                if self.has_shape {
                    sink(CursorEvent::Moved { x, y });
                }
            }
            105 => sink(CursorEvent::Hidden),
            106 => {}
            107 => {
                let id = reader.u64()?;
                self.forget(id);
            }
            108 => self.clear(),
            _ => tracing::debug!(kind, "unknown message on CURSOR"),
        }
        Ok(())
    }

    fn set(
        &mut self,
        x: i16,
        y: i16,
        reader: &mut Reader<'_>,
        sink: &mut dyn FnMut(CursorEvent),
    ) -> Result<(), Malformed> {
        let is_visible = reader.u8()? != 0;
        match self.record(reader)? {
            Record::None => self.has_shape = false,
            Record::Missing => tracing::debug!("a cursor shape that is not in the cache"),
            Record::Shape(shape) => {
                self.has_shape = true;
                sink(CursorEvent::Shape(shape));
            }
        }
        // A machine without a shape says "visible" nevertheless.
        sink(match is_visible && self.has_shape {
            true => CursorEvent::Moved { x, y },
            false => CursorEvent::Hidden,
        });
        Ok(())
    }

    fn record(&mut self, reader: &mut Reader<'_>) -> Result<Record, Malformed> {
        let flags = reader.u16()?;
        if flags & 1 != 0 {
            return Ok(Record::None);
        }
        let id = reader.u64()?;
        let kind = reader.u8()?;
        let (width, height) = (u32::from(reader.u16()?), u32::from(reader.u16()?));
        let (hot_x, hot_y) = (u32::from(reader.u16()?), u32::from(reader.u16()?));
        if flags & 4 != 0 {
            let cached = self.cache.iter().find(|(cached, _)| *cached == id);
            return Ok(match cached {
                Some((_, shape)) => Record::Shape(Arc::clone(shape)),
                None => Record::Missing,
            });
        }
        let sides = 1..=MAX_SHAPE_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(Malformed::OutOfRange("cursor size"));
        }
        let shape = Arc::new(CursorShape {
            width,
            height,
            hot_x: hot_x.min(width - 1),
            hot_y: hot_y.min(height - 1),
            pixels: pixels(kind, width, height, reader)?,
        });
        if flags & 2 != 0 {
            self.remember(id, &shape);
        }
        Ok(Record::Shape(shape))
    }

    fn remember(&mut self, id: u64, shape: &Arc<CursorShape>) {
        self.forget(id);
        self.cached_bytes += shape.pixels.bytes().len();
        self.cache.push_back((id, Arc::clone(shape)));
        while self.cache.len() > MAX_CACHED || self.cached_bytes > MAX_CACHED_BYTES {
            let Some((_, oldest)) = self.cache.pop_front() else {
                break;
            };
            self.cached_bytes -= oldest.pixels.bytes().len();
        }
    }

    fn forget(&mut self, id: u64) {
        if let Some(at) = self.cache.iter().position(|(cached, _)| *cached == id)
            && let Some((_, shape)) = self.cache.remove(at)
        {
            self.cached_bytes -= shape.pixels.bytes().len();
        }
    }

    fn clear(&mut self) {
        self.cache.clear();
        self.cached_bytes = 0;
    }
}

impl CursorPixels {
    /// The bytes, of whichever kind: 4 times width times height.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Alpha(bytes) | Self::Masked(bytes) => bytes,
        }
    }
}

fn pixels(
    kind: u8,
    width: u32,
    height: u32,
    reader: &mut Reader<'_>,
) -> Result<CursorPixels, Malformed> {
    let too_large = Malformed::OutOfRange("cursor size");
    let width = usize::try_from(width).map_err(|_| too_large)?;
    let height = usize::try_from(height).map_err(|_| too_large)?;
    // At most 1024 each: no product below can overflow.
    let count = width * height;
    if kind == 0 {
        return Ok(CursorPixels::Alpha(reader.take(count * 4)?.to_vec()));
    }
    let mask_pitch = width.div_ceil(8);
    let mask_bytes = mask_pitch * height;
    let bit = |mask: &[u8], x: usize, y: usize| {
        let byte = mask.get(y * mask_pitch + x / 8).copied().unwrap_or(0);
        byte & 0x80 >> (x % 8) != 0
    };
    let byte = |bytes: &[u8], at: usize| bytes.get(at).copied().unwrap_or(0);
    // One colour for each pixel; the AND mask follows the colours, except with MONO.
    let mut mask = &[][..];
    let color: Box<dyn Fn(usize, usize) -> [u8; 3] + '_> = match kind {
        1 => {
            mask = reader.take(mask_bytes)?;
            let xor = reader.take(mask_bytes)?;
            Box::new(move |x, y| [if bit(xor, x, y) { 0xff } else { 0 }; 3])
        }
        2 => {
            let pitch = width.div_ceil(2);
            let indices = reader.take(pitch * height)?;
            let palette = reader.take(16 * 4)?;
            Box::new(move |x, y| {
                let pair = byte(indices, y * pitch + x / 2);
                let index = if x % 2 == 0 { pair >> 4 } else { pair & 15 };
                [0, 1, 2].map(|part| byte(palette, usize::from(index) * 4 + part))
            })
        }
        3 => {
            let indices = reader.take(count)?;
            let palette = reader.take(256 * 4)?;
            Box::new(move |x, y| {
                let index = usize::from(byte(indices, y * width + x));
                [0, 1, 2].map(|part| byte(palette, index * 4 + part))
            })
        }
        4 => {
            let words = reader.take(count * 2)?;
            Box::new(move |x, y| {
                let at = (y * width + x) * 2;
                let word = u16::from_le_bytes([byte(words, at), byte(words, at + 1)]);
                [0, 5, 10].map(|shift| {
                    let five = (word >> shift & 31).to_le_bytes()[0];
                    five << 3 | five >> 2
                })
            })
        }
        5 | 6 => {
            let size = if kind == 5 { 3 } else { 4 };
            let colors = reader.take(count * size)?;
            Box::new(move |x, y| [0, 1, 2].map(|part| byte(colors, (y * width + x) * size + part)))
        }
        _ => return Err(Malformed::OutOfRange("cursor type")),
    };
    if kind != 1 {
        mask = reader.take(mask_bytes)?;
    }
    let mut pixels = Vec::with_capacity(count * 4);
    for y in 0..height {
        for x in 0..width {
            pixels.extend_from_slice(&color(x, y));
            pixels.push(if bit(mask, x, y) { 0xff } else { 0 });
        }
    }
    Ok(CursorPixels::Masked(pixels))
}

#[cfg(test)]
mod tests;
