//! The changed area of a buffer, as a bounded list of rectangles.

use picture::{BufferRect, Size};

/// Most rectangles that are kept apart; more are merged.
const MAX_RECTS: usize = 32;

/// What a buffer has missed since it was last written.
#[derive(Clone, Debug)]
pub(crate) struct Region {
    rects: Vec<BufferRect>,
}

impl Region {
    /// Nothing.
    pub(crate) fn new() -> Self {
        Self {
            rects: Vec::with_capacity(MAX_RECTS),
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.rects.clear();
    }

    /// Everything of a buffer of `size`.
    pub(crate) fn set_all(&mut self, size: Size) {
        self.rects.clear();
        self.rects.push(BufferRect::of_size(size));
    }

    /// The rectangles; they may overlap.
    pub(crate) fn rects(&self) -> &[BufferRect] {
        &self.rects
    }

    /// Adds a rectangle, cut to a buffer of `size`; one too many is merged where it costs least.
    pub(crate) fn add(&mut self, rect: BufferRect, size: Size) {
        let rect = rect.intersection(BufferRect::of_size(size));
        if rect.is_empty() || self.rects.iter().any(|r| r.intersection(rect) == rect) {
            return;
        }
        if self.rects.len() < MAX_RECTS {
            self.rects.push(rect);
            return;
        }
        let growth = |r: &BufferRect| area(union(*r, rect)).saturating_sub(area(*r));
        if let Some(cheapest) = self.rects.iter_mut().min_by_key(|r| growth(r)) {
            *cheapest = union(*cheapest, rect);
        }
    }
}

/// Counts the pixels.
fn area(r: BufferRect) -> u64 {
    u64::from(r.width) * u64::from(r.height)
}

/// The smallest rectangle that holds both; both lie inside a buffer.
fn union(a: BufferRect, b: BufferRect) -> BufferRect {
    let x = a.x.min(b.x);
    let y = a.y.min(b.y);
    let end = |start: i32, len: u32| i64::from(start) + i64::from(len);
    let right = end(a.x, a.width).max(end(b.x, b.width));
    let bottom = end(a.y, a.height).max(end(b.y, b.height));
    let span = |end: i64, start: i32| u32::try_from(end - i64::from(start)).unwrap_or(0);
    BufferRect::new(x, y, span(right, x), span(bottom, y))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size::new(1000, 1000);

    #[test]
    fn rectangles_are_cut_to_the_buffer() {
        let mut region = Region::new();
        region.add(BufferRect::new(-5, 990, 10, 50), SIZE);
        region.add(BufferRect::new(2000, 0, 10, 10), SIZE);
        assert_eq!(region.rects(), [BufferRect::new(0, 990, 5, 10)]);
    }

    #[test]
    fn what_is_covered_already_is_not_kept_twice() {
        let mut region = Region::new();
        region.set_all(SIZE);
        region.add(BufferRect::new(5, 5, 5, 5), SIZE);
        assert_eq!(region.rects(), [BufferRect::of_size(SIZE)]);
    }

    #[test]
    fn a_full_list_stays_bounded_and_loses_nothing() {
        let mut region = Region::new();
        let spots: Vec<_> = (0..100_i32)
            .map(|i| BufferRect::new((i * 37) % 990, (i * 91) % 990, 3, 3))
            .collect();
        for spot in &spots {
            region.add(*spot, SIZE);
        }
        assert!(region.rects().len() <= MAX_RECTS);
        for spot in spots {
            let covered = |r: &BufferRect| r.intersection(spot) == spot;
            assert!(region.rects().iter().any(covered), "{spot:?} is lost");
        }
    }
}
