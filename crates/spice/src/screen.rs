//! A picture in private memory that follows display events.

use crate::{
    display::DisplayEvent,
    geometry::{Rect, Size},
};

/// The machine's picture: rows from top to bottom without gaps, 4 bytes a pixel, blue, green, red, 0.
///
/// Not needed by a caller that keeps its own picture.
#[derive(Debug, Clone, Default)]
pub struct Screen {
    size: Size,
    pixels: Vec<u8>,
}

impl Screen {
    /// Makes a screen without a picture; its size is 0 by 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// The size of the picture; the last one's after it was destroyed.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The whole picture.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Bytes from one row to the next.
    pub fn pitch_bytes(&self) -> usize {
        to_usize(self.size.width).saturating_mul(4)
    }

    /// Applies an event; returns the part of the picture that changed.
    pub fn apply(&mut self, event: &DisplayEvent<'_>) -> Option<Rect> {
        match event {
            DisplayEvent::Created(size) => {
                let bytes = to_usize(size.width)
                    .checked_mul(to_usize(size.height))?
                    .checked_mul(4)?;
                self.size = *size;
                if self.pixels.len() == bytes {
                    self.pixels.fill(0);
                } else {
                    // Fresh memory is not touched before it is drawn on, however large the server says it is.
                    self.pixels = vec![0; bytes];
                }
                Some(size.rect())
            }
            DisplayEvent::Pixels(pixels) => {
                let rect = pixels.rect();
                for (at, row) in (rect.top..).zip(pixels.rows()) {
                    let to = self.row_mut(rect, at)?;
                    for (to, from) in to.chunks_exact_mut(4).zip(row.chunks_exact(4)) {
                        to.copy_from_slice(from);
                        if let Some(unused) = to.last_mut() {
                            *unused = 0;
                        }
                    }
                }
                Some(rect)
            }
            DisplayEvent::Fill { rect, color } => {
                let color = color.to_le_bytes();
                for at in rect.top..rect.top.checked_add(rect.height)? {
                    let row = self.row_mut(*rect, at)?;
                    row.chunks_exact_mut(4)
                        .for_each(|pixel| pixel.copy_from_slice(&color));
                }
                Some(*rect)
            }
            DisplayEvent::Copy {
                from_left,
                from_top,
                to,
            } => self.copy(*from_left, *from_top, *to),
            _ => None,
        }
    }

    fn copy(&mut self, from_left: u32, from_top: u32, to: Rect) -> Option<Rect> {
        let from = Rect {
            left: from_left,
            top: from_top,
            ..to
        };
        let copy_row = |screen: &mut Self, row: u32| {
            let source = screen.range(from, from.top.checked_add(row)?)?;
            let target = screen.range(to, to.top.checked_add(row)?)?;
            screen.pixels.copy_within(source, target.start);
            Some(())
        };
        // Rows that are yet to be read must not be overwritten.
        match from_top < to.top {
            true => (0..to.height)
                .rev()
                .try_for_each(|row| copy_row(self, row))?,
            false => (0..to.height).try_for_each(|row| copy_row(self, row))?,
        }
        Some(to)
    }

    /// Where the part of a row that lies in `rect` is stored. `None` outside the picture.
    fn range(&self, rect: Rect, row: u32) -> Option<std::ops::Range<usize>> {
        let right = rect.left.checked_add(rect.width)?;
        if right > self.size.width || row >= self.size.height {
            return None;
        }
        let start = to_usize(row)
            .checked_mul(self.pitch_bytes())?
            .checked_add(to_usize(rect.left) * 4)?;
        Some(start..start.checked_add(to_usize(rect.width) * 4)?)
    }

    fn row_mut(&mut self, rect: Rect, row: u32) -> Option<&mut [u8]> {
        let range = self.range(rect, row)?;
        self.pixels.get_mut(range)
    }
}

/// Lossless wherever this crate runs; too large to be inside anything elsewhere.
fn to_usize(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
