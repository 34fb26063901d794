//! The changed areas that a frame header carries.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::frame::Size;

/// Most rectangles of one header; the 65th cannot be sent.
pub const MAX_DAMAGE_RECTS: usize = 64;

/// `FrameDamageRect`: a changed area in frame pixels.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Rect {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Rect {
    /// Makes a rectangle.
    #[must_use]
    pub const fn new(x: u32, y: u32, width: u32, height: u32) -> Self {
        Self {
            x,
            y,
            width,
            height,
        }
    }

    /// The part inside a picture, or `None` if nothing is left of it.
    #[must_use]
    pub fn clamped(self, size: Size) -> Option<Self> {
        let span = |start: u32, len: u32, end: u32| {
            let last = (u64::from(start) + u64::from(len)).min(u64::from(end));
            u32::try_from(last.saturating_sub(u64::from(start))).unwrap_or(0)
        };
        let width = span(self.x, self.width, size.width);
        let height = span(self.y, self.height, size.height);
        (width > 0 && height > 0).then(|| Self::new(self.x, self.y, width, height))
    }
}

/// What changed since the previous serial: everything, or at most [`MAX_DAMAGE_RECTS`] rectangles (none: nothing).
#[derive(Clone)]
pub struct DamageList {
    full: bool,
    len: usize,
    rects: [Rect; MAX_DAMAGE_RECTS],
}

impl DamageList {
    /// Everything changed; on the wire a count of zero.
    pub const FULL: Self = Self {
        full: true,
        len: 0,
        rects: [Rect::new(0, 0, 0, 0); MAX_DAMAGE_RECTS],
    };

    /// Takes rectangles; more than [`MAX_DAMAGE_RECTS`] are everything.
    #[must_use]
    pub fn from_rects(rects: impl IntoIterator<Item = Rect>) -> Self {
        let mut list = Self {
            full: false,
            ..Self::FULL
        };
        for rect in rects {
            match list.rects.get_mut(list.len) {
                Some(place) => *place = rect,
                None => return Self::FULL,
            }
            list.len += 1;
        }
        list
    }

    /// Tells whether everything changed.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.full
    }

    /// The rectangles; empty if everything or nothing changed.
    #[must_use]
    pub fn rects(&self) -> &[Rect] {
        self.rects.get(..self.len).unwrap_or_default()
    }

    /// Reads count and rectangles of a header copy, clamped to the picture (H1).
    pub(crate) fn from_wire(count: u32, rects: &[Rect; MAX_DAMAGE_RECTS], frame: Size) -> Self {
        let Some(rects) = rects.get(..count as usize) else {
            return Self::FULL;
        };
        if rects.is_empty() {
            return Self::FULL;
        }
        Self::from_rects(rects.iter().filter_map(|rect| rect.clamped(frame)))
    }

    /// Count and rectangles for a header.
    pub(crate) fn to_wire(&self) -> (u32, [Rect; MAX_DAMAGE_RECTS]) {
        if self.full {
            return (0, Self::FULL.rects);
        }
        let mut rects = Self::FULL.rects;
        if self.len == 0 {
            // A count of zero would mean everything, and no peer is sure to survive an empty rectangle: one pixel
            // is the least that can be said.
            rects[0] = Rect::new(0, 0, 1, 1);
            return (1, rects);
        }
        for (place, rect) in rects.iter_mut().zip(self.rects()) {
            *place = *rect;
        }
        (self.len as u32, rects)
    }
}

impl PartialEq for DamageList {
    fn eq(&self, other: &Self) -> bool {
        self.full == other.full && self.rects() == other.rects()
    }
}

impl Eq for DamageList {}

impl std::fmt::Debug for DamageList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.full {
            f.write_str("Full")
        } else {
            f.debug_list().entries(self.rects()).finish()
        }
    }
}
