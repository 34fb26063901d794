//! Drawing the picture: 1:1, nearest, linear.

use crate::canvas::Canvas;
use crate::geometry::{BufferRect, Size};
use crate::scene::{Filter, Placement};
use crate::software::layer::for_rows;
use crate::software::source::Source;

/// Weights of the linear filter are counted in this many parts.
const ONE: u32 = 1 << 15;

/// Columns that are drawn at a time when rows of the window are columns of the frame: their cache lines
/// stay in the first-level cache from one row to the next.
const STRIP: u32 = 32;

/// For each target pixel along one axis, the first picture pixel it shows and the weight of the next one.
#[derive(Debug, Default)]
struct Axis {
    taps: Vec<(u32, u32)>,
    key: Option<(u32, u32, Filter)>,
}

impl Axis {
    fn prepare(&mut self, from: u32, to: u32, filter: Filter) {
        let key = Some((from, to, filter));
        if self.key == key {
            return;
        }
        self.key = key;
        self.taps.clear();
        if from == 0 || to == 0 {
            return;
        }
        let (last, from, to) = (from - 1, u64::from(from), u64::from(to));
        self.taps.extend((0..to).map(|i| {
            let centre = (2 * i + 1) * from;
            match filter {
                Filter::Nearest => ((centre / (2 * to)) as u32, 0),
                // Left of the first centre the edge is repeated.
                Filter::Linear if centre < to => (0, 0),
                Filter::Linear => {
                    let (index, rest) = ((centre - to) / (2 * to), (centre - to) % (2 * to));
                    let weight = (rest * u64::from(ONE) + to) / (2 * to);
                    match index as u32 {
                        index if index >= last => (last, 0),
                        index => (index, weight as u32),
                    }
                }
            }
        }));
    }
}

/// A picture row, stretched to the columns of a strip: 16 bits a channel, of which 8 are fraction.
#[derive(Debug, Default)]
struct StretchedRow {
    row: Option<u32>,
    pixels: Vec<[u16; 4]>,
}

/// Draws pictures; holds the tables of the last placement and the rows in work.
#[derive(Debug, Default)]
pub(super) struct Scaler {
    x: Axis,
    y: Axis,
    line: Vec<u8>,
    above: StretchedRow,
    below: StretchedRow,
}

impl Scaler {
    /// Makes the tables for a placement, unless they are there already.
    pub(super) fn prepare(&mut self, placement: &Placement) {
        if placement.is_one_to_one() {
            return;
        }
        let (from, to) = (placement.turned_frame(), placement.target);
        self.x.prepare(from.width, to.width, placement.filter);
        self.y.prepare(from.height, to.height, placement.filter);
        self.line.resize(from.width as usize * 4, 0);
        if placement.filter == Filter::Linear {
            for row in [&mut self.above, &mut self.below] {
                row.pixels.resize(to.width as usize, [0; 4]);
            }
        }
    }

    /// Draws the part of the picture that lies in `part`, which lies in the target.
    pub(super) fn draw(
        &mut self,
        canvas: &mut Canvas,
        part: BufferRect,
        placement: &Placement,
        source: &Source<'_>,
    ) {
        let part = part.intersection(BufferRect::of_size(canvas.size()));
        if part.is_empty() {
            return;
        }
        if !placement.turn.is_transposing() {
            self.draw_strip(canvas, part, placement, source);
            return;
        }
        let mut strip = part;
        while i64::from(strip.x) < part.right() {
            let left = part.right() - i64::from(strip.x);
            strip.width = u32::try_from(left).unwrap_or(STRIP).min(STRIP);
            self.draw_strip(canvas, strip, placement, source);
            strip.x += strip.width as i32;
        }
    }

    fn draw_strip(
        &mut self,
        canvas: &mut Canvas,
        strip: BufferRect,
        placement: &Placement,
        source: &Source<'_>,
    ) {
        // Not negative: the strip lies in the target.
        let first = (strip.x - placement.target.x).unsigned_abs();
        let top = placement.target.y;
        if placement.is_one_to_one() {
            for_rows(canvas, strip, |row, y| {
                source.fetch(first, (y - top).unsigned_abs(), row);
            });
            return;
        }
        match placement.filter {
            Filter::Nearest => self.nearest(canvas, strip, first, top, source),
            Filter::Linear => {
                self.linear(canvas, strip, first, placement, source);
            }
        }
    }

    fn nearest(
        &mut self,
        canvas: &mut Canvas,
        strip: BufferRect,
        first: u32,
        top: i32,
        source: &Source<'_>,
    ) {
        let Self { x, y, line, .. } = self;
        let columns = taps(&x.taps, first, strip.width);
        let (Some(&(start, _)), Some(&(last, _))) = (columns.first(), columns.last()) else {
            return;
        };
        let line = &mut line[..(last - start + 1) as usize * 4];
        let mut held = None;
        for_rows(canvas, strip, |row, at| {
            let Some(&(source_row, _)) = y.taps.get((at - top).unsigned_abs() as usize) else {
                return;
            };
            if held.replace(source_row) != Some(source_row) {
                source.fetch(start, source_row, line);
            }
            let (pixels, _) = line.as_chunks::<4>();
            let (row, _) = row.as_chunks_mut::<4>();
            for (out, &(column, _)) in row.iter_mut().zip(columns) {
                *out = pixels[(column - start) as usize];
            }
        });
    }

    fn linear(
        &mut self,
        canvas: &mut Canvas,
        strip: BufferRect,
        first: u32,
        placement: &Placement,
        source: &Source<'_>,
    ) {
        let top = placement.target.y;
        let Size { width, height } = placement.turned_frame();
        let Self {
            x,
            y,
            line,
            above,
            below,
        } = self;
        let columns = taps(&x.taps, first, strip.width);
        let (Some(&(start, _)), Some(&(last, _))) = (columns.first(), columns.last()) else {
            return;
        };
        let end = (last + 2).min(width);
        let line = &mut line[..(end - start) as usize * 4];
        above.row = None;
        below.row = None;
        for_rows(canvas, strip, |row, at| {
            let Some(&(upper, weight)) = y.taps.get((at - top).unsigned_abs() as usize) else {
                return;
            };
            if above.row != Some(upper) {
                std::mem::swap(above, below);
            }
            if above.row != Some(upper) {
                source.fetch(start, upper, line);
                above.stretch(upper, line, columns);
            }
            let lower = (upper + 1).min(height - 1);
            if weight != 0 && below.row != Some(lower) {
                source.fetch(start, lower, line);
                below.stretch(lower, line, columns);
            }
            let (row, _) = row.as_chunks_mut::<4>();
            if weight == 0 {
                round_row(&above.pixels, row);
            } else {
                mix_rows(&above.pixels, &below.pixels, weight, row);
            }
        });
    }
}

/// The table's entries of a run of columns.
fn taps(taps: &[(u32, u32)], first: u32, count: u32) -> &[(u32, u32)] {
    let first = first as usize;
    taps.get(first..first + count as usize).unwrap_or_default()
}

impl StretchedRow {
    /// Stretches the pixels in `line`, which begins at the first column's pixel.
    fn stretch(&mut self, row: u32, line: &[u8], columns: &[(u32, u32)]) {
        self.row = Some(row);
        let (pixels, _) = line.as_chunks::<4>();
        let (Some(&(start, _)), Some(last)) = (columns.first(), pixels.len().checked_sub(1)) else {
            return;
        };
        for (out, &(column, weight)) in self.pixels.iter_mut().zip(columns) {
            let left = (column - start) as usize;
            let a = pixels[left];
            let b = pixels[(left + 1).min(last)];
            for i in 0..4 {
                let sum = u32::from(a[i]) * (ONE - weight) + u32::from(b[i]) * weight;
                out[i] = ((sum + 64) >> 7) as u16;
            }
        }
    }
}

fn round_row(pixels: &[[u16; 4]], row: &mut [[u8; 4]]) {
    for (out, pixel) in row.iter_mut().zip(pixels) {
        for i in 0..4 {
            out[i] = ((u32::from(pixel[i]) + 128) >> 8) as u8;
        }
    }
}

fn mix_rows(above: &[[u16; 4]], below: &[[u16; 4]], weight: u32, row: &mut [[u8; 4]]) {
    for ((out, a), b) in row.iter_mut().zip(above).zip(below) {
        for i in 0..4 {
            // At most 65280 * 2^15 + 2^22, which fits.
            let sum = u32::from(a[i]) * (ONE - weight) + u32::from(b[i]) * weight;
            out[i] = ((sum + (1 << 22)) >> 23) as u8;
        }
    }
}
