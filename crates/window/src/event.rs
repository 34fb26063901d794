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
    ///
    /// The end of a capture or of a keyboard grab that comes with it is told just before.
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
    /// A key changed while the window had the focus. Repetitions are not reported, nor releases of keys that went down
    /// while it had not.
    Key {
        /// Linux evdev code.
        evdev: u32,
        /// Down (`true`) or up.
        pressed: bool,
    },
    /// [`crate::Window::capture_pointer`] took effect (`true`), was refused, or ended (`false`): by
    /// [`crate::Window::release_pointer`], with the focus, or because the display server ended it.
    PointerCaptured(bool),
    /// The captured pointer was pushed. Only while captured, instead of [`Self::PointerMoved`].
    RelativeMotion {
        /// To the right in logical units, accelerated as the user has set.
        dx: f64,
        /// Downwards in logical units, accelerated as the user has set.
        dy: f64,
        /// To the right in units of the device, which the user's settings have not touched.
        raw_dx: f64,
        /// Downwards in units of the device, which the user's settings have not touched.
        raw_dy: f64,
    },
    /// [`crate::Window::grab_keyboard`] took effect (`true`), was refused, or ended (`false`).
    KeyboardGrabbed(bool),
    /// The states of the lock keys: just before [`Self::Focused`] with `true`, and whenever they change while the window
    /// has the focus.
    Locks(LockKeys),
    /// An output was added, removed or changed.
    OutputsChanged,
}

/// Which lock keys are on; `None` where the display server does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LockKeys {
    /// Caps Lock.
    pub caps: Option<bool>,
    /// Num Lock.
    pub num: Option<bool>,
    /// Scroll Lock, which most keyboard layouts leave without a state.
    pub scroll: Option<bool>,
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
