//! Drawing the pointer (kvmfr.md 3.3, 4.4).

use crate::canvas::Canvas;
use crate::geometry::{BufferRect, Rotation, Size};
use crate::pointer::{PointerKind, PointerShape, PointerState};
use crate::scene::{Filter, Placement};
use crate::software::layer::{blend_pixel, for_rows};

/// Weights of the linear filter are counted in this many parts.
const ONE: i128 = 256;

/// For one buffer pixel along an axis: the two pointer pixels it shows, and the weight of the second; `None` beside the pointer.
type Tap = Option<(u32, u32, u32)>;

/// A pointer picture in the turned order, with where it lies in the buffer.
#[derive(Debug, Default)]
pub(super) struct PreparedPointer {
    key: Option<(PointerShape, Rotation)>,
    /// What was drawn last.
    place: Option<(PointerState, Placement)>,
    size: Size,
    /// Colour: B, G, R, A. Else B, G, R to be XORed after an AND with the fourth byte.
    pixels: Vec<[u8; 4]>,
    rect: BufferRect,
    columns: Vec<Tap>,
    rows: Vec<Tap>,
}

impl PreparedPointer {
    /// Where in the buffer the pointer is; empty if it is not shown.
    pub(super) const fn rect(&self) -> BufferRect {
        self.rect
    }

    /// Takes over what to draw; tells whether the pointer's pixels may have changed.
    pub(super) fn update(
        &mut self,
        pointer: Option<(&PointerShape, PointerState)>,
        placement: Option<&Placement>,
    ) -> bool {
        let (Some((shape, state)), Some(placement)) = (pointer, placement) else {
            self.rect = BufferRect::default();
            return self.place.take().is_some();
        };
        let turn = placement.own_turn;
        let known = self.key.as_ref().map(|(shape, turn)| (shape, *turn));
        let is_new = known != Some((shape, turn));
        if is_new {
            self.size = turn.size(Size::new(shape.width, shape.height));
            turned_pixels(shape, turn, &mut self.pixels);
            match &mut self.key {
                Some((old, old_turn)) => {
                    old.clone_from(shape);
                    *old_turn = turn;
                }
                None => self.key = Some((shape.clone(), turn)),
            }
        }
        let size = Size::new(shape.width, shape.height);
        self.rect = placement.pointer_rect(state.position, size);
        self.place.replace((state, *placement)) != Some((state, *placement)) || is_new
    }

    /// Makes the tables of which pointer pixels each buffer pixel shows.
    pub(super) fn prepare_axes(&mut self, placement: &Placement) {
        let (Some((state, _)), Some((shape, _))) = (self.place, &self.key) else {
            return;
        };
        let untouched = Size::new(shape.width, shape.height);
        let (x, y, _) = placement.turned_pointer(state.position, untouched);
        let (from, target) = (placement.turned_desktop(), placement.target);
        let filter = match shape.kind {
            PointerKind::Colour => placement.pointer_filter,
            _ => Filter::Nearest,
        };
        let axis = |start: i32, count: u32, from: u32, to: u32, at: i64, len: u32| {
            let (from, to, at) = (i128::from(from), i128::from(to), i128::from(at));
            (i128::from(start)..)
                .take(count as usize)
                .map(move |pixel| tap((2 * pixel + 1) * from - 2 * at * to, 2 * to, len, filter))
        };
        self.columns.clear();
        self.columns.extend(axis(
            self.rect.x - target.x,
            self.rect.width,
            from.width,
            target.width,
            x,
            self.size.width,
        ));
        self.rows.clear();
        self.rows.extend(axis(
            self.rect.y - target.y,
            self.rect.height,
            from.height,
            target.height,
            y,
            self.size.height,
        ));
    }

    /// Draws the part of the pointer inside `part`.
    pub(super) fn draw(&self, canvas: &mut Canvas, part: BufferRect) {
        let part = part
            .intersection(self.rect)
            .intersection(BufferRect::of_size(canvas.size()));
        let (Some((shape, _)), Some(_), false) = (&self.key, self.place, part.is_empty()) else {
            return;
        };
        // Not negative: the part lies in the pointer's rectangle.
        let skip = (part.x - self.rect.x).unsigned_abs() as usize;
        let columns = self.columns.get(skip..).unwrap_or_default();
        for_rows(canvas, part, |row, y| {
            let at = (y - self.rect.y).unsigned_abs() as usize;
            let Some(&Some((top, bottom, weight))) = self.rows.get(at) else {
                return;
            };
            let (above, below) = (self.row(top), self.row(bottom));
            let (row, _) = row.as_chunks_mut::<4>();
            for (under, tap) in row.iter_mut().zip(columns) {
                let &Some((left, right, x_weight)) = tap else {
                    continue;
                };
                let at = |row: &[[u8; 4]], x: u32| row.get(x as usize).copied().unwrap_or_default();
                if shape.kind != PointerKind::Colour {
                    combine(under, at(above, left));
                } else if weight == 0 && x_weight == 0 {
                    blend_pixel(under, at(above, left));
                } else {
                    let (a, b) = (at(above, left), at(above, right));
                    let (c, d) = (at(below, left), at(below, right));
                    blend_between(under, [a, b, c, d], x_weight, weight);
                }
            }
        });
    }

    fn row(&self, y: u32) -> &[[u8; 4]] {
        let width = self.size.width as usize;
        let start = y as usize * width;
        self.pixels.get(start..start + width).unwrap_or_default()
    }
}

/// What a buffer pixel whose centre lies at `numerator / denominator` of the pointer picture shows.
fn tap(numerator: i128, denominator: i128, len: u32, filter: Filter) -> Tap {
    if denominator == 0 || numerator < 0 || numerator >= i128::from(len) * denominator {
        return None;
    }
    let last = i128::from(len) - 1;
    let (first, weight) = match filter {
        Filter::Nearest => (numerator / denominator, 0),
        Filter::Linear => {
            let parts = (numerator * 2 * ONE + denominator) / (2 * denominator) - ONE / 2;
            (parts.div_euclid(ONE), parts.rem_euclid(ONE))
        }
    };
    let clamped = |index: i128| u32::try_from(index.clamp(0, last)).unwrap_or(0);
    Some((clamped(first), clamped(first + 1), weight as u32))
}

/// AND with the fourth byte, then XOR with the others.
#[inline]
fn combine(under: &mut [u8; 4], [b, g, r, and]: [u8; 4]) {
    under[0] = under[0] & and ^ b;
    under[1] = under[1] & and ^ g;
    under[2] = under[2] & and ^ r;
}

/// Blends the mean of four straight-alpha pixels; colours count by their alpha, so that hidden ones do not shine through.
fn blend_between(under: &mut [u8; 4], pixels: [[u8; 4]; 4], x: u32, y: u32) {
    let one = ONE as u64;
    let (x, y) = (u64::from(x), u64::from(y));
    let weights = [(one - x) * (one - y), x * (one - y), (one - x) * y, x * y];
    let mut alpha = 0;
    let mut colour = [0_u64; 3];
    for (pixel, weight) in pixels.iter().zip(weights) {
        let part = u64::from(pixel[3]) * weight;
        alpha += part;
        for i in 0..3 {
            colour[i] += part * u64::from(pixel[i]);
        }
    }
    let whole = 255 * one * one;
    for i in 0..3 {
        let sum = colour[i] + u64::from(under[i]) * (whole - alpha);
        under[i] = ((sum + whole / 2) / whole) as u8;
    }
}

/// The pixels of a shape, turned, as [`PreparedPointer`] keeps them; bytes that are missing count as zero.
fn turned_pixels(shape: &PointerShape, turn: Rotation, out: &mut Vec<[u8; 4]>) {
    out.clear();
    let (width, height) = (shape.width, shape.height);
    let turned = turn.size(Size::new(width, height));
    let count = usize::try_from(turned.area()).unwrap_or(usize::MAX);
    // A shape that was not checked must not cost more memory than its data could fill.
    if count > shape.data.len().saturating_mul(8) {
        return;
    }
    out.reserve(count);
    for y in 0..turned.height {
        for x in 0..turned.width {
            let (x, y) = match turn {
                Rotation::Deg0 => (x, y),
                Rotation::Deg90 => (y, height - 1 - x),
                Rotation::Deg180 => (width - 1 - x, height - 1 - y),
                Rotation::Deg270 => (width - 1 - y, x),
            };
            out.push(shape_pixel(shape, x, y));
        }
    }
}

fn shape_pixel(shape: &PointerShape, x: u32, y: u32) -> [u8; 4] {
    let at = |x: u32, y: u32| y as usize * shape.pitch_bytes as usize + x as usize;
    let bytes = |start: usize| shape.data.get(start..).and_then(|rest| rest.first_chunk());
    match shape.kind {
        PointerKind::Colour => bytes(at(4 * x, y)).copied().unwrap_or_default(),
        PointerKind::MaskedColour => {
            let &[b, g, r, mask] = bytes(at(4 * x, y)).unwrap_or(&[0; 4]);
            [b, g, r, if mask == 0 { 0 } else { 0xff }]
        }
        PointerKind::Monochrome => {
            let bit = |y: u32| {
                let byte = shape.data.get(at(x / 8, y)).copied().unwrap_or(0);
                if byte & (0x80 >> (x & 7)) == 0 {
                    0
                } else {
                    0xff
                }
            };
            let xor = bit(y + shape.height);
            [xor, xor, xor, bit(y)]
        }
    }
}
