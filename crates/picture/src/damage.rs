//! The algebra of changed areas.

use crate::geometry::{FrameRect, Size};

/// Most rectangles that one frame can carry, as in the wire format.
pub const MAX_RECTS: usize = 64;

/// The changed area of a frame: everything, or at most [`MAX_RECTS`] rectangles (none: nothing changed).
///
/// Holds its rectangles in place, so that no frame costs an allocation.
#[derive(Clone)]
pub struct Damage {
    full: bool,
    len: usize,
    rects: [FrameRect; MAX_RECTS],
}

impl Damage {
    /// Everything changed.
    pub const FULL: Self = Self {
        full: true,
        len: 0,
        rects: [FrameRect::new(0, 0, 0, 0); MAX_RECTS],
    };

    /// Nothing changed.
    pub const NONE: Self = Self {
        full: false,
        len: 0,
        rects: [FrameRect::new(0, 0, 0, 0); MAX_RECTS],
    };

    /// Tells whether everything changed.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.full
    }

    /// Tells whether nothing changed.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        !self.full && self.len == 0
    }

    /// The rectangles; empty if everything or nothing changed.
    #[must_use]
    pub fn rects(&self) -> &[FrameRect] {
        &self.rects[..self.len]
    }

    /// Adds one rectangle; an empty one is ignored, one too many is merged where it costs least.
    pub fn add(&mut self, rect: FrameRect) {
        if self.full || rect.is_empty() {
            return;
        }
        if self.len < MAX_RECTS {
            self.rects[self.len] = rect;
            self.len += 1;
            return;
        }
        let growth = |r: &FrameRect| r.union(rect).area().saturating_sub(r.area());
        if let Some(cheapest) = self.rects.iter_mut().min_by_key(|r| growth(r)) {
            *cheapest = cheapest.union(rect);
        }
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        if other.full {
            *self = Self::FULL;
        } else {
            other.rects().iter().for_each(|&rect| self.add(rect));
        }
    }

    /// Clips every rectangle to a picture of `size`, dropping what is empty.
    pub fn clamp(&mut self, size: Size) {
        let mut kept = 0;
        for i in 0..self.len {
            let rect = self.rects[i].clamped(size);
            if !rect.is_empty() {
                self.rects[kept] = rect;
                kept += 1;
            }
        }
        self.len = kept;
    }
}

impl Default for Damage {
    fn default() -> Self {
        Self::NONE
    }
}

impl std::fmt::Debug for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.full {
            f.write_str("Full")
        } else {
            f.debug_list().entries(self.rects()).finish()
        }
    }
}
