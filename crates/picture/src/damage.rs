//! The algebra of changed areas, in frame pixels and in buffer pixels.

use crate::geometry::{BufferRect, FrameRect, Size};

/// Most rectangles that one frame can carry, as in the wire format.
pub const MAX_RECTS: usize = 64;

/// What the algebra needs to know of a rectangle.
trait Area: Copy + Default {
    fn area(self) -> u64;
    fn contains(self, other: Self) -> bool;
    fn union(self, other: Self) -> Self;
    /// The area of the union, not cut to what the union's fields can hold.
    fn joined_area(self, other: Self) -> u128;
}

impl Area for FrameRect {
    fn area(self) -> u64 {
        self.area()
    }
    fn contains(self, other: Self) -> bool {
        self.contains(other)
    }
    fn union(self, other: Self) -> Self {
        self.union(other)
    }
    fn joined_area(self, other: Self) -> u128 {
        let width = self.right().max(other.right()) - u64::from(self.x.min(other.x));
        let height = self.bottom().max(other.bottom()) - u64::from(self.y.min(other.y));
        u128::from(width) * u128::from(height)
    }
}

impl Area for BufferRect {
    fn area(self) -> u64 {
        self.area()
    }
    fn contains(self, other: Self) -> bool {
        self.contains(other)
    }
    fn union(self, other: Self) -> Self {
        self.union(other)
    }
    fn joined_area(self, other: Self) -> u128 {
        let width = self.right().max(other.right()) - i64::from(self.x.min(other.x));
        let height = self.bottom().max(other.bottom()) - i64::from(self.y.min(other.y));
        u128::from(width.unsigned_abs()) * u128::from(height.unsigned_abs())
    }
}

/// At most [`MAX_RECTS`] rectangles in place, none of them empty, none inside another.
#[derive(Clone, Copy)]
struct RectList<R> {
    len: usize,
    rects: [R; MAX_RECTS],
}

impl<R: Area> RectList<R> {
    fn as_slice(&self) -> &[R] {
        &self.rects[..self.len]
    }

    /// Adds a rectangle, joining it with those that together cost no more than apart.
    fn add(&mut self, rect: R) {
        if rect.area() == 0 {
            return;
        }
        let mut rect = rect;
        let mut i = 0;
        while i < self.len {
            let other = self.rects[i];
            if other.contains(rect) {
                return;
            }
            if rect.joined_area(other) <= u128::from(rect.area()) + u128::from(other.area()) {
                // The joined rectangle may reach others that were looked at already.
                rect = rect.union(other);
                self.remove(i);
                i = 0;
            } else {
                i += 1;
            }
        }
        if self.len < MAX_RECTS {
            self.rects[self.len] = rect;
            self.len += 1;
            return;
        }
        let growth = |i: &usize| {
            let old = self.rects[*i];
            old.joined_area(rect).saturating_sub(u128::from(old.area()))
        };
        if let Some(cheapest) = (0..self.len).min_by_key(growth) {
            let joined = self.rects[cheapest].union(rect);
            self.remove(cheapest);
            // One place is free now, so this ends at the latest when one rectangle is left.
            self.add(joined);
        }
    }

    fn remove(&mut self, index: usize) {
        self.len -= 1;
        self.rects[index] = self.rects[self.len];
    }

    fn retain_mapped(&mut self, map: impl Fn(R) -> R) {
        let old = *self;
        self.len = 0;
        old.as_slice().iter().for_each(|&rect| self.add(map(rect)));
    }
}

/// The changed area of a frame: everything, or at most [`MAX_RECTS`] rectangles (none: nothing changed).
///
/// Holds its rectangles in place, so that no frame costs an allocation.
#[derive(Clone)]
pub struct Damage {
    full: bool,
    list: RectList<FrameRect>,
}

impl Damage {
    /// Everything changed.
    pub const FULL: Self = Self {
        full: true,
        ..Self::NONE
    };

    /// Nothing changed.
    pub const NONE: Self = Self {
        full: false,
        list: RectList {
            len: 0,
            rects: [FrameRect::new(0, 0, 0, 0); MAX_RECTS],
        },
    };

    /// Tells whether everything changed.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.full
    }

    /// Tells whether nothing changed.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        !self.full && self.list.len == 0
    }

    /// The rectangles; empty if everything or nothing changed.
    #[must_use]
    pub fn rects(&self) -> &[FrameRect] {
        self.list.as_slice()
    }

    /// The rectangles inside a picture of `size`: one of the whole picture if everything changed, none empty.
    pub fn rects_in(&self, size: Size) -> impl Iterator<Item = FrameRect> + '_ {
        let whole = self.full.then(|| FrameRect::of_size(size));
        let parts = self.rects().iter().map(move |rect| rect.clamped(size));
        whole
            .into_iter()
            .chain(parts)
            .filter(|rect| !rect.is_empty())
    }

    /// The pixels of a picture of `size` that are to be copied; what rectangles share counts more than once.
    #[must_use]
    pub fn area_in(&self, size: Size) -> u64 {
        self.rects_in(size).map(FrameRect::area).sum()
    }

    /// Adds one rectangle; an empty one is ignored.
    ///
    /// Rectangles that touch or overlap are joined if that costs no extra pixels; when there is no room left,
    /// two are joined where it costs least. Nothing that was added is ever lost.
    pub fn add(&mut self, rect: FrameRect) {
        if !self.full {
            self.list.add(rect);
        }
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        if other.full {
            self.full = true;
            self.list.len = 0;
        } else {
            other.rects().iter().for_each(|&rect| self.add(rect));
        }
    }

    /// Clips every rectangle to a picture of `size`, dropping what is empty; one that covers it all becomes "everything".
    pub fn clamp(&mut self, size: Size) {
        self.list.retain_mapped(|rect| rect.clamped(size));
        let whole = FrameRect::of_size(size);
        if !whole.is_empty() && self.rects().iter().any(|rect| rect.contains(whole)) {
            self.full = true;
            self.list.len = 0;
        }
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

/// The changed area of a canvas: at most [`MAX_RECTS`] rectangles, held in place.
#[derive(Clone)]
pub struct BufferDamage {
    list: RectList<BufferRect>,
}

impl BufferDamage {
    /// Nothing changed.
    pub const NONE: Self = Self {
        list: RectList {
            len: 0,
            rects: [BufferRect::new(0, 0, 0, 0); MAX_RECTS],
        },
    };

    /// The rectangles, none of them empty.
    #[must_use]
    pub fn rects(&self) -> &[BufferRect] {
        self.list.as_slice()
    }

    /// Tells whether nothing changed.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.list.len == 0
    }

    /// Adds one rectangle, as [`Damage::add`] does.
    pub fn add(&mut self, rect: BufferRect) {
        self.list.add(rect);
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        other.rects().iter().for_each(|&rect| self.add(rect));
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.list.len = 0;
    }

    /// The pixels to be copied; what rectangles share counts more than once.
    #[must_use]
    pub fn area(&self) -> u64 {
        self.rects().iter().map(|rect| rect.area()).sum()
    }
}

impl Default for BufferDamage {
    fn default() -> Self {
        Self::NONE
    }
}

impl std::fmt::Debug for BufferDamage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.rects()).finish()
    }
}

#[cfg(test)]
mod tests;
