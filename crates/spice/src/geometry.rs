//! Rectangles of surfaces.

use crate::wire::{Malformed, Reader};

/// A size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Size {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Size {
    /// The whole of it, as a rectangle.
    pub fn rect(self) -> Rect {
        Rect {
            left: 0,
            top: 0,
            width: self.width,
            height: self.height,
        }
    }
}

/// A rectangle inside a surface, in pixels from its top left corner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Rect {
    /// The first column.
    pub left: u32,
    /// The first row.
    pub top: u32,
    /// Columns; never 0 in a rectangle that an event carries.
    pub width: u32,
    /// Rows; never 0 in a rectangle that an event carries.
    pub height: u32,
}

/// A rectangle as it comes: anything is possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WireRect {
    pub(crate) top: i64,
    pub(crate) left: i64,
    pub(crate) bottom: i64,
    pub(crate) right: i64,
}

impl WireRect {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            top: reader.i32()?.into(),
            left: reader.i32()?.into(),
            bottom: reader.i32()?.into(),
            right: reader.i32()?.into(),
        })
    }

    pub(crate) fn width(self) -> i64 {
        self.right - self.left
    }

    pub(crate) fn height(self) -> i64 {
        self.bottom - self.top
    }

    /// Of a rectangle inside a surface.
    pub(crate) fn area(self) -> i64 {
        self.width().saturating_mul(self.height())
    }

    pub(crate) fn is_empty(self) -> bool {
        self.width() <= 0 || self.height() <= 0
    }

    pub(crate) fn whole(size: Size) -> Self {
        Self {
            top: 0,
            left: 0,
            bottom: size.height.into(),
            right: size.width.into(),
        }
    }

    pub(crate) fn intersection(self, other: Self) -> Self {
        Self {
            top: self.top.max(other.top),
            left: self.left.max(other.left),
            bottom: self.bottom.min(other.bottom),
            right: self.right.min(other.right),
        }
    }

    /// `None` when empty or not representable.
    pub(crate) fn to_rect(self) -> Option<Rect> {
        if self.is_empty() {
            return None;
        }
        Some(Rect {
            left: u32::try_from(self.left).ok()?,
            top: u32::try_from(self.top).ok()?,
            width: u32::try_from(self.width()).ok()?,
            height: u32::try_from(self.height()).ok()?,
        })
    }
}
