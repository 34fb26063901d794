//! Which buffer to write next, and what it has missed: the bookkeeping, without the compositor.

use picture::{BufferRect, Size};

use crate::region::Region;

/// Most buffers in rotation: one on screen, one on its way, one to write.
pub(crate) const MAX_BUFFERS: usize = 3;

/// Knows for each buffer of one size what it lacks of the newest picture.
#[derive(Debug)]
pub(crate) struct History {
    size: Size,
    missed: Vec<Region>,
}

impl History {
    /// No buffers, of a size.
    pub(crate) fn new(size: Size) -> Self {
        Self {
            size,
            missed: Vec::with_capacity(MAX_BUFFERS),
        }
    }

    /// The size of the buffers.
    pub(crate) const fn size(&self) -> Size {
        self.size
    }

    /// Adds a buffer that has nothing yet, and returns its number.
    pub(crate) fn add_buffer(&mut self) -> usize {
        let mut region = Region::new();
        region.set_all(self.size);
        self.missed.push(region);
        self.missed.len() - 1
    }

    /// Notes what changed in the picture.
    pub(crate) fn damage(&mut self, rects: &[BufferRect]) {
        for region in &mut self.missed {
            for rect in rects {
                region.add(*rect, self.size);
            }
        }
    }

    /// What a buffer lacks.
    pub(crate) fn missed(&self, buffer: usize) -> &[BufferRect] {
        self.missed.get(buffer).map_or(&[], Region::rects)
    }

    /// Notes that a buffer has the newest picture.
    pub(crate) fn caught_up(&mut self, buffer: usize) {
        if let Some(region) = self.missed.get_mut(buffer) {
            region.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size::new(100, 100);
    const A: BufferRect = BufferRect::new(0, 0, 10, 10);
    const B: BufferRect = BufferRect::new(50, 50, 10, 10);

    #[test]
    fn a_buffer_accumulates_what_others_showed_meanwhile() {
        let mut history = History::new(SIZE);
        let (first, second) = (history.add_buffer(), history.add_buffer());
        history.caught_up(first);
        history.caught_up(second);
        history.damage(&[A]);
        history.caught_up(first);
        history.damage(&[B]);
        assert_eq!(history.missed(first), [B]);
        assert_eq!(history.missed(second), [A, B]);
    }

    #[test]
    fn a_new_buffer_lacks_everything() {
        let mut history = History::new(SIZE);
        let buffer = history.add_buffer();
        history.damage(&[A]);
        assert_eq!(history.missed(buffer), [BufferRect::of_size(SIZE)]);
    }
}
