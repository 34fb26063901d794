//! The simple layers: bars, dimming, messages.

use crate::canvas::{Canvas, OPAQUE, blacken};
use crate::geometry::BufferRect;
use crate::text::TextBitmap;

/// Calls `f` with the bytes of each row of `rect`, clipped to the canvas, and the row's number.
pub(super) fn for_rows(canvas: &mut Canvas, rect: BufferRect, mut f: impl FnMut(&mut [u8], i32)) {
    let rect = rect.intersection(BufferRect::of_size(canvas.size()));
    if rect.is_empty() {
        return;
    }
    let pitch = canvas.pitch_bytes();
    // Inside the canvas, neither is negative.
    let (x, y) = (
        rect.x.unsigned_abs() as usize,
        rect.y.unsigned_abs() as usize,
    );
    let columns = x * 4..(x + rect.width as usize) * 4;
    let rows = canvas.bytes_mut().chunks_exact_mut(pitch);
    for (row, number) in rows.skip(y).take(rect.height as usize).zip(rect.y..) {
        f(&mut row[columns.clone()], number);
    }
}

/// Blackens what of `rect` is outside `target`.
pub(super) fn fill_around(canvas: &mut Canvas, rect: BufferRect, target: BufferRect) {
    let inside = rect.intersection(target);
    if inside == rect {
        return;
    }
    if inside.is_empty() {
        for_rows(canvas, rect, |row, _| blacken(row));
        return;
    }
    // Not negative: `inside` lies in `rect`.
    let left = (i64::from(inside.x) - i64::from(rect.x)).unsigned_abs() as usize * 4;
    let right = left + inside.width as usize * 4;
    for_rows(canvas, rect, |row, y| {
        if y < inside.y || i64::from(y) >= inside.bottom() {
            blacken(row);
        } else {
            blacken(&mut row[..left]);
            blacken(&mut row[right..]);
        }
    });
}

/// Halves the brightness.
pub(super) fn dim(canvas: &mut Canvas, rect: BufferRect) {
    for_rows(canvas, rect, |row, _| {
        let (pixels, _) = row.as_chunks_mut::<4>();
        for pixel in pixels {
            let half = u32::from_le_bytes(*pixel) >> 1 & 0x007f_7f7f;
            *pixel = (half | OPAQUE).to_le_bytes();
        }
    });
}

/// Blends one channel, straight alpha, rounded to nearest.
#[inline]
pub(super) fn mix(over: u8, under: u8, alpha: u8) -> u8 {
    let (over, under, alpha) = (u32::from(over), u32::from(under), u32::from(alpha));
    ((over * alpha + under * (255 - alpha) + 127) / 255) as u8
}

/// Blends one pixel of B, G, R, A bytes over one of B, G, R, X.
#[inline]
pub(super) fn blend_pixel(under: &mut [u8; 4], [b, g, r, a]: [u8; 4]) {
    under[0] = mix(b, under[0], a);
    under[1] = mix(g, under[1], a);
    under[2] = mix(r, under[2], a);
}

/// Blends the part of a message inside `rect` over the canvas.
pub(super) fn blend(canvas: &mut Canvas, rect: BufferRect, text: &TextBitmap) {
    let part = rect
        .intersection(text.rect)
        .intersection(BufferRect::of_size(canvas.size()));
    if part.is_empty() {
        return;
    }
    // Not negative: `part` lies in the message's rectangle.
    let skip = (part.x - text.rect.x).unsigned_abs() as usize;
    let width = text.rect.width as usize;
    let (pixels, _) = text.pixels.as_chunks::<4>();
    for_rows(canvas, part, |row, y| {
        let line = (y - text.rect.y).unsigned_abs() as usize;
        let pixels = pixels.get(line * width + skip..).unwrap_or_default();
        let (row, _) = row.as_chunks_mut::<4>();
        for (under, &over) in row.iter_mut().zip(pixels) {
            blend_pixel(under, over);
        }
    });
}
