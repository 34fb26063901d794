//! What happens to a window.

use picture::{Size, SurfacePoint};

/// Something that happened to the window, in the order the display server told it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum WindowEvent {
    /// Buffers shall have this size from now on, and everything has to be drawn.
    Resized {
        /// Size in physical pixels.
        buffer: Size,
        /// Physical pixels per logical unit.
        scale: f64,
    },
    /// The user wants the window closed.
    CloseRequested,
    /// The keyboard focus came (`true`) or went. Keys held at that moment are not reported as released.
    Focused(bool),
    /// The window's content was lost, or a change of state waits for a picture: everything has to be drawn.
    Exposed,
    /// The window covers the whole screen now (`true`), or no longer does.
    FullScreenChanged(bool),
    /// A buffer became free after [`crate::Presented::Busy`].
    PresenterReady,
    /// The compositor asks for the next picture, after [`crate::Surface::request_frame`].
    FrameDone {
        /// The compositor's time stamp in milliseconds, of an undefined base.
        time_ms: u32,
    },
    /// The pointer came over the window.
    PointerEntered(SurfacePoint),
    /// The pointer moved over the window.
    PointerMoved(SurfacePoint),
    /// The pointer left the window.
    PointerLeft,
    /// A pointer button changed.
    Button {
        /// Linux evdev code, as [`BTN_LEFT`].
        evdev: u32,
        /// Down (`true`) or up.
        pressed: bool,
    },
    /// A wheel turned.
    Wheel {
        /// 120ths of a click to the right.
        x_120: i32,
        /// 120ths of a click downwards (towards the user).
        y_120: i32,
    },
    /// A key changed; repetitions are not reported.
    Key {
        /// Linux evdev code.
        evdev: u32,
        /// Down (`true`) or up.
        pressed: bool,
    },
    /// An output was added, removed or changed.
    OutputsChanged,
}

/// Left button, from linux/input-event-codes.h as the following.
pub const BTN_LEFT: u32 = 0x110;
/// Right button.
pub const BTN_RIGHT: u32 = 0x111;
/// Middle button.
pub const BTN_MIDDLE: u32 = 0x112;
/// First side button, "back" in most programs.
pub const BTN_SIDE: u32 = 0x113;
/// Second side button, "forward" in most programs.
pub const BTN_EXTRA: u32 = 0x114;
