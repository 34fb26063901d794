//! Where the picture lies in the window, and how points and rectangles go from one to the other.

use crate::frame::FrameLayout;
use crate::geometry::{
    BufferPosition, BufferRect, FrameRect, GuestPoint, GuestPosition, Rotation, Size,
};
use crate::scene::{ScaleFilter, ViewOptions};

/// A filter, resolved from [`ScaleFilter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Filter {
    /// The pixel under the centre.
    Nearest,
    /// Between the four pixels around, repeating the edge.
    Linear,
}

impl Filter {
    fn resolve(wanted: ScaleFilter, from: Size, to: Size) -> Self {
        let is_whole = |from: u32, to: u32| from != 0 && to >= from && to.is_multiple_of(from);
        match wanted {
            ScaleFilter::Nearest => Self::Nearest,
            // At 1:1 both filters give the same picture, and nearest is faster.
            _ if from == to => Self::Nearest,
            ScaleFilter::Linear => Self::Linear,
            ScaleFilter::Auto
                if is_whole(from.width, to.width) && is_whole(from.height, to.height) =>
            {
                Self::Nearest
            }
            ScaleFilter::Auto => Self::Linear,
        }
    }
}

/// Where a picture lies in a buffer; everything about it that does not depend on pixels.
///
/// A buffer pixel `i` columns right of the target's left edge shows the picture at `(i + 0.5) * from / to` of the turned picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Placement {
    /// The whole buffer.
    pub buffer: Size,
    /// Where the picture lies, letterboxed and centred, inside the buffer.
    pub target: BufferRect,
    /// The turn from the stored frame to the buffer: the guest's, then the client's own.
    pub turn: Rotation,
    /// The filter for the picture.
    pub filter: Filter,
    /// The filter for a colour pointer picture; the other kinds are always nearest.
    pub pointer_filter: Filter,
    /// The stored frame, unrotated.
    pub frame: Size,
    /// The guest's desktop, upright, in which pointer positions are counted.
    pub desktop: Size,
    /// The client's own turn, from the guest's upright desktop to the buffer.
    pub own_turn: Rotation,
}

impl Placement {
    /// Places a frame in a buffer.
    #[must_use]
    pub fn new(layout: &FrameLayout, buffer: Size, view: &ViewOptions) -> Self {
        let turn = layout.rotation.then(view.rotation);
        let turned = turn.size(layout.frame);
        let target = letterbox(turned, buffer, view);
        let size = Size::new(target.width, target.height);
        let desktop = layout.desktop();
        Self {
            buffer,
            target,
            turn,
            filter: Filter::resolve(view.filter, turned, size),
            pointer_filter: Filter::resolve(view.filter, view.rotation.size(desktop), size),
            frame: layout.frame,
            desktop,
            own_turn: view.rotation,
        }
    }

    /// The frame's size after the whole turn, as it lies in the buffer before scaling.
    #[must_use]
    pub const fn turned_frame(&self) -> Size {
        self.turn.size(self.frame)
    }

    /// The desktop's size after the client's own turn.
    #[must_use]
    pub const fn turned_desktop(&self) -> Size {
        self.own_turn.size(self.desktop)
    }

    /// Tells whether each frame pixel is exactly one buffer pixel.
    #[must_use]
    pub fn is_one_to_one(&self) -> bool {
        self.turned_frame() == Size::new(self.target.width, self.target.height)
    }

    /// All buffer pixels that a frame rectangle may have a part in, rounded outwards, inside the target.
    #[must_use]
    pub fn frame_to_buffer(&self, rect: FrameRect) -> BufferRect {
        let rect = turn_rect(rect.clamped(self.frame), self.frame, self.turn);
        let from = self.turned_frame();
        let (x, width) = self.reach(rect.x, rect.width, from.width, self.target.width);
        let (y, height) = self.reach(rect.y, rect.height, from.height, self.target.height);
        BufferRect::new(
            self.target.x.saturating_add_unsigned(x),
            self.target.y.saturating_add_unsigned(y),
            width,
            height,
        )
    }

    /// The run of target pixels that show any of `len` picture pixels from `start`.
    fn reach(&self, start: u32, len: u32, from: u32, to: u32) -> (u32, u32) {
        if len == 0 || from == 0 || to == 0 {
            return (0, 0);
        }
        if from == to {
            return (start, len);
        }
        // The linear filter lets a pixel shine half a pixel further than it is wide.
        let half = i128::from(self.filter == Filter::Linear);
        let (start, from, to) = (i128::from(start), i128::from(from), i128::from(to));
        let first = ((2 * start - half) * to).div_euclid(2 * from).max(0);
        let end = (2 * (start + i128::from(len)) + half) * to;
        let end = (end + 2 * from - 1).div_euclid(2 * from).min(to);
        (to_u32(first), to_u32(end - first))
    }

    /// The buffer position of a position on the guest's desktop.
    #[must_use]
    pub fn guest_to_buffer(&self, point: GuestPosition) -> BufferPosition {
        let (w, h) = float_size(self.desktop);
        let (x, y) = match self.own_turn {
            Rotation::Deg0 => (point.x, point.y),
            Rotation::Deg90 => (h - point.y, point.x),
            Rotation::Deg180 => (w - point.x, h - point.y),
            Rotation::Deg270 => (point.y, w - point.x),
        };
        let from = self.turned_desktop();
        BufferPosition {
            x: f64::from(self.target.x) + scaled(x, from.width, self.target.width),
            y: f64::from(self.target.y) + scaled(y, from.height, self.target.height),
        }
    }

    /// The position on the guest's desktop under a buffer position; outside the picture it is outside the desktop.
    #[must_use]
    pub fn buffer_to_guest(&self, point: BufferPosition) -> GuestPosition {
        let from = self.turned_desktop();
        let x = scaled(
            point.x - f64::from(self.target.x),
            self.target.width,
            from.width,
        );
        let y = scaled(
            point.y - f64::from(self.target.y),
            self.target.height,
            from.height,
        );
        let (w, h) = float_size(self.desktop);
        let (x, y) = match self.own_turn {
            Rotation::Deg0 => (x, y),
            Rotation::Deg90 => (y, h - x),
            Rotation::Deg180 => (w - x, h - y),
            Rotation::Deg270 => (w - y, x),
        };
        GuestPosition { x, y }
    }

    /// Tells whether a buffer position is on the picture, not on the bars.
    #[must_use]
    pub fn contains(&self, point: BufferPosition) -> bool {
        let inside = |at: f64, start: i32, len: u32| {
            at >= f64::from(start) && at < f64::from(start) + f64::from(len)
        };
        inside(point.x, self.target.x, self.target.width)
            && inside(point.y, self.target.y, self.target.height)
    }

    /// The top-left corner and size of a pointer picture on the turned desktop, before scaling.
    #[must_use]
    pub fn turned_pointer(&self, position: GuestPoint, size: Size) -> (i64, i64, Size) {
        let (x, y) = (i64::from(position.x), i64::from(position.y));
        let (w, h) = (i64::from(size.width), i64::from(size.height));
        let (dw, dh) = (
            i64::from(self.desktop.width),
            i64::from(self.desktop.height),
        );
        let (x, y) = match self.own_turn {
            Rotation::Deg0 => (x, y),
            Rotation::Deg90 => (dh - y - h, x),
            Rotation::Deg180 => (dw - x - w, dh - y - h),
            Rotation::Deg270 => (y, dw - x - w),
        };
        (x, y, self.own_turn.size(size))
    }

    /// All buffer pixels that a pointer picture may touch, rounded outwards, inside the target.
    #[must_use]
    pub fn pointer_rect(&self, position: GuestPoint, size: Size) -> BufferRect {
        let (x, y, size) = self.turned_pointer(position, size);
        let from = self.turned_desktop();
        if from.is_empty() {
            return BufferRect::default();
        }
        let span = |at: i64, len: u32, from: u32, to: u32| {
            let (at, from, to) = (i128::from(at), i128::from(from), i128::from(to));
            let first = (at * to).div_euclid(from).clamp(0, to);
            let end = ((at + i128::from(len)) * to + from - 1).div_euclid(from);
            (to_u32(first), to_u32(end.clamp(0, to) - first))
        };
        let (x, width) = span(x, size.width, from.width, self.target.width);
        let (y, height) = span(y, size.height, from.height, self.target.height);
        BufferRect::new(
            self.target.x.saturating_add_unsigned(x),
            self.target.y.saturating_add_unsigned(y),
            width,
            height,
        )
    }
}

fn to_u32(value: i128) -> u32 {
    u32::try_from(value.max(0)).unwrap_or(u32::MAX)
}

fn float_size(size: Size) -> (f64, f64) {
    (f64::from(size.width), f64::from(size.height))
}

fn scaled(value: f64, from: u32, to: u32) -> f64 {
    if from == to {
        value
    } else {
        value * f64::from(to) / f64::from(from.max(1))
    }
}

/// Turns a rectangle together with the picture of `size` it lies in.
fn turn_rect(rect: FrameRect, size: Size, turn: Rotation) -> FrameRect {
    let right = u32::try_from(u64::from(size.width).saturating_sub(rect.right())).unwrap_or(0);
    let below = u32::try_from(u64::from(size.height).saturating_sub(rect.bottom())).unwrap_or(0);
    let FrameRect {
        x,
        y,
        width,
        height,
    } = rect;
    match turn {
        Rotation::Deg0 => rect,
        Rotation::Deg90 => FrameRect::new(below, x, height, width),
        Rotation::Deg180 => FrameRect::new(right, below, width, height),
        Rotation::Deg270 => FrameRect::new(y, right, height, width),
    }
}

/// Where a picture of `size` lies in `buffer`.
fn letterbox(size: Size, buffer: Size, view: &ViewOptions) -> BufferRect {
    if size.is_empty() || buffer.is_empty() {
        return BufferRect::default();
    }
    let mut shown = buffer;
    if view.keep_aspect {
        let scale = |a: u32, num: u32, den: u32| {
            let exact = u64::from(a) * u64::from(num);
            let rounded = (2 * exact + u64::from(den)) / (2 * u64::from(den));
            u32::try_from(rounded).unwrap_or(u32::MAX).max(1)
        };
        let by_width = u64::from(buffer.width) * u64::from(size.height)
            <= u64::from(buffer.height) * u64::from(size.width);
        if by_width {
            shown.height = scale(buffer.width, size.height, size.width).min(buffer.height);
        } else {
            shown.width = scale(buffer.height, size.width, size.height).min(buffer.width);
        }
        if view.dont_upscale && (shown.width > size.width || shown.height > size.height) {
            shown = size;
        }
    } else if view.dont_upscale {
        shown = Size::new(shown.width.min(size.width), shown.height.min(size.height));
    }
    let centred = |outer: u32, inner: u32| i32::try_from((outer - inner) / 2).unwrap_or(i32::MAX);
    BufferRect::new(
        centred(buffer.width, shown.width),
        centred(buffer.height, shown.height),
        shown.width,
        shown.height,
    )
}

#[cfg(test)]
mod tests;
