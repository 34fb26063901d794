//! Which bytes of a frame have to be copied for a damage.

use crate::damage::{Damage, MAX_RECTS};
use crate::format::PixelFormat;
use crate::frame::FrameLayout;
use crate::geometry::FrameRect;

/// Most bytes between the first and the last row of one span: 1 MiB, the step in which hosts raise the write pointer.
pub const BAND_BYTES: u64 = 1 << 20;

/// A run of rows of which the same byte columns have to be copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First row.
    pub first_row: u32,
    /// Number of rows, at least one.
    pub rows: u32,
    /// First byte inside each row.
    pub offset_bytes: u32,
    /// Number of bytes of each row, at least one.
    pub row_bytes: u32,
}

impl Span {
    /// Where the first byte lies in the frame's data.
    #[must_use]
    pub const fn start(&self, layout: &FrameLayout) -> u64 {
        self.first_row as u64 * layout.pitch_bytes as u64 + self.offset_bytes as u64
    }

    /// How many bytes of the frame's data must be final before the span can be copied: whole rows.
    #[must_use]
    pub const fn wait_bytes(&self, layout: &FrameLayout) -> u64 {
        (self.first_row as u64 + self.rows as u64) * layout.pitch_bytes as u64
    }
}

/// Lists what has to be copied of a frame, from the top down in bands of at most 1 MiB.
///
/// Rows that are missing from a truncated frame are left out; padding behind the rows is too.
pub fn spans(layout: &FrameLayout, damage: &Damage) -> Spans {
    let mut list = Spans {
        layout: *layout,
        band_rows: (BAND_BYTES / u64::from(layout.pitch_bytes.max(1))).clamp(1, 1 << 20) as u32,
        band: 0,
        next: 0,
        len: 0,
        rects: [FrameRect::default(); MAX_RECTS],
    };
    let mut stored = layout.frame;
    stored.height = stored.height.min(layout.rows);
    for rect in damage.rects_in(stored) {
        if let Some(slot) = list.rects.get_mut(list.len) {
            *slot = rect;
            list.len += 1;
        }
    }
    list.band = list.first_row_from(0).unwrap_or(u32::MAX);
    list
}

/// The iterator of [`spans`].
#[derive(Clone, Debug)]
pub struct Spans {
    layout: FrameLayout,
    band_rows: u32,
    /// First row of the present band; `u32::MAX` at the end.
    band: u32,
    /// Next rectangle to look at in the present band.
    next: usize,
    len: usize,
    rects: [FrameRect; MAX_RECTS],
}

impl Spans {
    /// The first damaged row at or below `row`.
    fn first_row_from(&self, row: u32) -> Option<u32> {
        let rects = self.rects.iter().take(self.len);
        let below = rects.filter(|r| r.bottom() > u64::from(row));
        below.map(|r| r.y.max(row)).min()
    }

    fn span(&self, rect: FrameRect) -> Option<Span> {
        let band_end = u64::from(self.band) + u64::from(self.band_rows);
        let first_row = rect.y.max(self.band);
        let end = rect.bottom().min(band_end);
        let rows = u32::try_from(end.saturating_sub(u64::from(first_row))).ok()?;
        let (start, end) = byte_columns(self.layout.format, rect);
        let end = end.min(u64::from(self.layout.pitch_bytes));
        let row_bytes = u32::try_from(end.saturating_sub(start)).ok()?;
        if rows == 0 || row_bytes == 0 {
            return None;
        }
        Some(Span {
            first_row,
            rows,
            offset_bytes: u32::try_from(start).ok()?,
            row_bytes,
        })
    }
}

impl Iterator for Spans {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        while self.band != u32::MAX {
            while self.next < self.len {
                let rect = self.rects[self.next];
                self.next += 1;
                if let Some(span) = self.span(rect) {
                    return Some(span);
                }
            }
            self.next = 0;
            let end = self.band.saturating_add(self.band_rows);
            self.band = self.first_row_from(end).unwrap_or(u32::MAX);
        }
        None
    }
}

/// The bytes of a row that hold the columns of `rect`; whole 32-bit texels for the packed format (kvmfr.md 4.6).
fn byte_columns(format: PixelFormat, rect: FrameRect) -> (u64, u64) {
    let bytes = u64::from(format.bytes_per_pixel());
    let (start, end) = (u64::from(rect.x) * bytes, rect.right() * bytes);
    match format {
        PixelFormat::Bgr24Packed => (start / 4 * 4, end.div_ceil(4) * 4),
        _ => (start, end),
    }
}

#[cfg(test)]
mod tests;
