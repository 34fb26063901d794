//! Drawing the picture: 1:1, nearest, linear.

use crate::canvas::Canvas;
use crate::geometry::{BufferRect, Size};
use crate::scene::{Filter, Placement};
use crate::software::layer::for_rows;
use crate::software::source::Source;

/// Weights of the linear filter are counted in this many parts, so that the rest of one is its complement.
///
/// Then products of 16 bits can be kept as their upper halves, which is one vector instruction on any x86-64.
const ONE: u64 = u16::MAX as u64;

/// Columns that are drawn at a time when rows of the window are columns of the frame: their cache lines
/// stay in the first-level cache from one row to the next. Of 8 to 128, 64 was the fastest or nearly so.
const STRIP: u32 = 64;

/// For each target pixel along one axis, the first picture pixel it shows and the weight of the next one.
#[derive(Debug, Default)]
struct Axis {
    pixels: Vec<u32>,
    /// Once per channel, as the vector loops read them.
    weights: Vec<[u16; 4]>,
    key: Option<(u32, u32, Filter)>,
}

impl Axis {
    fn prepare(&mut self, from: u32, to: u32, filter: Filter) {
        let key = Some((from, to, filter));
        if self.key == key {
            return;
        }
        self.key = key;
        self.pixels.clear();
        self.weights.clear();
        if from == 0 || to == 0 {
            return;
        }
        let (last, from, to) = (from - 1, u64::from(from), u64::from(to));
        for i in 0..to {
            let centre = (2 * i + 1) * from;
            let (pixel, weight) = match filter {
                Filter::Nearest => ((centre / (2 * to)) as u32, 0),
                // Left of the first centre the edge is repeated.
                Filter::Linear if centre < to => (0, 0),
                Filter::Linear => {
                    let (pixel, rest) = ((centre - to) / (2 * to), (centre - to) % (2 * to));
                    let weight = (rest * ONE + to) / (2 * to);
                    match pixel as u32 {
                        pixel if pixel >= last => (last, 0),
                        pixel => (pixel, weight as u16),
                    }
                }
            };
            self.pixels.push(pixel);
            self.weights.push([weight; 4]);
        }
    }

    /// What one target pixel shows.
    fn tap(&self, at: u32) -> Option<(u32, u16)> {
        let pixel = *self.pixels.get(at as usize)?;
        let [weight, ..] = *self.weights.get(at as usize)?;
        Some((pixel, weight))
    }

    /// What a run of target pixels shows, and the first and last of these; `None` if there are none.
    fn run(&self, first: u32, count: u32) -> Option<Run<'_>> {
        let range = first as usize..first as usize + count as usize;
        let pixels = self.pixels.get(range.clone())?;
        Some(Run {
            pixels,
            weights: self.weights.get(range)?,
            first: *pixels.first()?,
            last: *pixels.last()?,
        })
    }
}

/// A part of an [`Axis`].
struct Run<'a> {
    pixels: &'a [u32],
    weights: &'a [[u16; 4]],
    first: u32,
    last: u32,
}

/// A picture row, stretched to the columns of a strip: 16 bits a channel, of which 8 are fraction.
#[derive(Debug, Default)]
struct StretchedRow {
    row: Option<u32>,
    pixels: Vec<[u16; 4]>,
}

/// For each column, the two pixels it lies between.
#[derive(Debug, Default)]
struct Pairs {
    left: Vec<[u8; 4]>,
    right: Vec<[u8; 4]>,
}

/// Draws pictures; holds the tables of the last placement and the rows in work.
#[derive(Debug, Default)]
pub(super) struct Scaler {
    x: Axis,
    y: Axis,
    line: Vec<u8>,
    pairs: Pairs,
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
            self.pairs.left.resize(to.width as usize, [0; 4]);
            self.pairs.right.resize(to.width as usize, [0; 4]);
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
        let Some(columns) = x.run(first, strip.width) else {
            return;
        };
        let line = &mut line[..(columns.last - columns.first + 1) as usize * 4];
        let mut held = None;
        for_rows(canvas, strip, |row, at| {
            let Some((source_row, _)) = y.tap((at - top).unsigned_abs()) else {
                return;
            };
            if held.replace(source_row) != Some(source_row) {
                source.fetch(columns.first, source_row, line);
            }
            let (pixels, _) = line.as_chunks::<4>();
            let (row, _) = row.as_chunks_mut::<4>();
            for (out, &column) in row.iter_mut().zip(columns.pixels) {
                *out = pixels[(column - columns.first) as usize];
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
            pairs,
            above,
            below,
        } = self;
        let Some(columns) = x.run(first, strip.width) else {
            return;
        };
        let start = columns.first;
        let end = (columns.last + 2).min(width);
        let line = &mut line[..(end - start) as usize * 4];
        above.row = None;
        below.row = None;
        for_rows(canvas, strip, |row, at| {
            let Some((upper, weight)) = y.tap((at - top).unsigned_abs()) else {
                return;
            };
            if above.row != Some(upper) {
                std::mem::swap(above, below);
            }
            if above.row != Some(upper) {
                source.fetch(start, upper, line);
                above.stretch(upper, line, &columns, pairs);
            }
            let lower = (upper + 1).min(height - 1);
            if weight != 0 && below.row != Some(lower) {
                source.fetch(start, lower, line);
                below.stretch(lower, line, &columns, pairs);
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

/// Mixes two values of 8 bits and 8 bits of fraction; too small by less than 3/256.
#[inline]
fn mix(a: u16, b: u16, weight: u16) -> u16 {
    let part = |value: u16, weight: u16| ((u32::from(value) * u32::from(weight)) >> 16) as u16;
    part(a, !weight) + part(b, weight)
}

/// Rounds a value that was mixed twice to the nearest whole one.
#[inline]
fn round(value: u16) -> u8 {
    // 128 for the rounding, 3 for what was cut on average; at most 65280 + 131.
    ((value + 131) >> 8) as u8
}

impl StretchedRow {
    /// Stretches the pixels in `line`, which begins at the first column's pixel.
    fn stretch(&mut self, row: u32, line: &[u8], columns: &Run<'_>, pairs: &mut Pairs) {
        self.row = Some(row);
        let (pixels, _) = line.as_chunks::<4>();
        let Some(last) = pixels.len().checked_sub(1) else {
            return;
        };
        // Collecting first and mixing in a loop of its own lets the second be done in vectors.
        let Pairs { left, right } = pairs;
        for ((left, right), &column) in left.iter_mut().zip(&mut *right).zip(columns.pixels) {
            let at = (column - columns.first) as usize;
            *left = pixels[at.min(last)];
            *right = pixels[(at + 1).min(last)];
        }
        let wide = |value: u8| u16::from(value) << 8;
        let out = self.pixels.as_flattened_mut().iter_mut();
        let weights = columns.weights.as_flattened();
        let pairs = left.as_flattened().iter().zip(right.as_flattened());
        for ((out, &weight), (&a, &b)) in out.zip(weights).zip(pairs) {
            *out = mix(wide(a), wide(b), weight);
        }
    }
}

fn round_row(pixels: &[[u16; 4]], row: &mut [[u8; 4]]) {
    for (out, pixel) in row.iter_mut().zip(pixels) {
        *out = pixel.map(round);
    }
}

fn mix_rows(above: &[[u16; 4]], below: &[[u16; 4]], weight: u16, row: &mut [[u8; 4]]) {
    let (above, below) = (above.as_flattened(), below.as_flattened());
    for ((out, &a), &b) in row.as_flattened_mut().iter_mut().zip(above).zip(below) {
        *out = round(mix(a, b, weight));
    }
}
