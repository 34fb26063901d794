//! Sizes, rectangles, rotation, and the coordinate spaces, which are types of their own.

/// A size in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Size {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Size {
    /// Makes a size of `width` × `height` pixels.
    #[must_use]
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Swaps width and height.
    #[must_use]
    pub const fn transposed(self) -> Self {
        Self::new(self.height, self.width)
    }

    /// Counts the pixels.
    #[must_use]
    pub const fn area(self) -> u64 {
        self.width as u64 * self.height as u64
    }

    /// Tells whether there is no pixel at all.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }
}

/// A clockwise turn that the viewer must apply to show the picture upright (kvmfr.md 4.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rotation {
    /// As stored.
    #[default]
    Deg0,
    /// A quarter turn clockwise.
    Deg90,
    /// Upside down.
    Deg180,
    /// A quarter turn counter-clockwise.
    Deg270,
}

impl Rotation {
    /// All four, in the order of the wire values.
    pub const ALL: [Self; 4] = [Self::Deg0, Self::Deg90, Self::Deg180, Self::Deg270];

    /// The number of clockwise quarter turns, 0 to 3; also the wire value.
    #[must_use]
    pub const fn quarter_turns(self) -> u32 {
        self as u32
    }

    /// Takes the number of quarter turns, modulo four.
    #[must_use]
    pub const fn from_quarter_turns(turns: u32) -> Self {
        Self::ALL[(turns % 4) as usize]
    }

    /// Both turns, one after the other.
    #[must_use]
    pub const fn then(self, other: Self) -> Self {
        Self::from_quarter_turns(self.quarter_turns() + other.quarter_turns())
    }

    /// The turn that undoes this one.
    #[must_use]
    pub const fn inverse(self) -> Self {
        Self::from_quarter_turns(4 - self.quarter_turns())
    }

    /// Tells whether width and height change places.
    #[must_use]
    pub const fn is_transposing(self) -> bool {
        self.quarter_turns() % 2 == 1
    }

    /// The size of a picture of `size` after the turn.
    #[must_use]
    pub const fn size(self, size: Size) -> Size {
        if self.is_transposing() {
            size.transposed()
        } else {
            size
        }
    }
}

/// A rectangle in frame pixels, in the unrotated order of the stored data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FrameRect {
    /// First column.
    pub x: u32,
    /// First row.
    pub y: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl FrameRect {
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

    /// The rectangle of a whole picture of `size`.
    #[must_use]
    pub const fn of_size(size: Size) -> Self {
        Self::new(0, 0, size.width, size.height)
    }

    /// The column after the last one.
    #[must_use]
    pub const fn right(self) -> u64 {
        self.x as u64 + self.width as u64
    }

    /// The row after the last one.
    #[must_use]
    pub const fn bottom(self) -> u64 {
        self.y as u64 + self.height as u64
    }

    /// Tells whether there is no pixel in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Counts the pixels.
    #[must_use]
    pub const fn area(self) -> u64 {
        self.width as u64 * self.height as u64
    }

    /// The part inside a picture of `size`; empty if there is none.
    #[must_use]
    pub fn clamped(self, size: Size) -> Self {
        let x = self.x.min(size.width);
        let y = self.y.min(size.height);
        let right = self.right().min(u64::from(size.width)) as u32;
        let bottom = self.bottom().min(u64::from(size.height)) as u32;
        Self::new(x, y, right.saturating_sub(x), bottom.saturating_sub(y))
    }

    /// The part that both have; empty if there is none.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        let x = self.x.max(other.x);
        let y = self.y.max(other.y);
        let span =
            |end: u64, start: u32| u32::try_from(end.saturating_sub(u64::from(start))).unwrap_or(0);
        Self::new(
            x,
            y,
            span(self.right().min(other.right()), x),
            span(self.bottom().min(other.bottom()), y),
        )
    }

    /// Tells whether all of `other` is inside.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.x <= other.x
            && self.y <= other.y
            && self.right() >= other.right()
            && self.bottom() >= other.bottom()
    }

    /// The smallest rectangle that holds both; an empty one counts for nothing.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let x = self.x.min(other.x);
        let y = self.y.min(other.y);
        let right = self.right().max(other.right());
        let bottom = self.bottom().max(other.bottom());
        let span = |end: u64, start: u32| u32::try_from(end - u64::from(start)).unwrap_or(u32::MAX);
        Self::new(x, y, span(right, x), span(bottom, y))
    }
}

/// A point in the desktop space that the guest's user sees, upright, in guest pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct GuestPoint {
    /// Pixels from the left; negative is outside.
    pub x: i32,
    /// Pixels from the top.
    pub y: i32,
}

/// A point on the window in logical (compositor) units, with fractions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SurfacePoint {
    /// Units from the left.
    pub x: f64,
    /// Units from the top.
    pub y: f64,
}

/// A point on the window in physical buffer pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BufferPoint {
    /// Pixels from the left.
    pub x: i32,
    /// Pixels from the top.
    pub y: i32,
}

/// A position in the desktop space that the guest's user sees, upright, in guest pixels, with fractions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GuestPosition {
    /// Pixels from the left edge; negative is outside.
    pub x: f64,
    /// Pixels from the upper edge.
    pub y: f64,
}

/// A position on the window in physical buffer pixels, with fractions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BufferPosition {
    /// Pixels from the left edge.
    pub x: f64,
    /// Pixels from the upper edge.
    pub y: f64,
}

/// A rectangle on the window in physical buffer pixels; may lie partly outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BufferRect {
    /// First column.
    pub x: i32,
    /// First row.
    pub y: i32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl BufferRect {
    /// Makes a rectangle.
    #[must_use]
    pub const fn new(x: i32, y: i32, width: u32, height: u32) -> Self {
        Self {
            x,
            y,
            width,
            height,
        }
    }

    /// The rectangle of a whole buffer of `size`.
    #[must_use]
    pub const fn of_size(size: Size) -> Self {
        Self::new(0, 0, size.width, size.height)
    }

    /// Tells whether there is no pixel in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// The part that both have; empty if there is none.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        let x = self.x.max(other.x);
        let y = self.y.max(other.y);
        let span = |end: i64, start: i32| u32::try_from(end - i64::from(start)).unwrap_or(0);
        Self::new(
            x,
            y,
            span(self.right().min(other.right()), x),
            span(self.bottom().min(other.bottom()), y),
        )
    }

    /// The column after the last one.
    #[must_use]
    pub const fn right(self) -> i64 {
        self.x as i64 + self.width as i64
    }

    /// The row after the last one.
    #[must_use]
    pub const fn bottom(self) -> i64 {
        self.y as i64 + self.height as i64
    }

    /// Counts the pixels.
    #[must_use]
    pub const fn area(self) -> u64 {
        self.width as u64 * self.height as u64
    }

    /// Tells whether all of `other` is inside.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.x <= other.x
            && self.y <= other.y
            && self.right() >= other.right()
            && self.bottom() >= other.bottom()
    }

    /// The smallest rectangle that holds both; an empty one counts for nothing.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let x = self.x.min(other.x);
        let y = self.y.min(other.y);
        let span = |end: i64, start: i32| u32::try_from(end - i64::from(start)).unwrap_or(u32::MAX);
        Self::new(
            x,
            y,
            span(self.right().max(other.right()), x),
            span(self.bottom().max(other.bottom()), y),
        )
    }
}
