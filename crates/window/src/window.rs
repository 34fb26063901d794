//! One window, whichever display server shows it.

use std::time::Duration;

use picture::{Size, SurfacePoint};

use crate::clipboard::{Clipboard, ClipboardLimits, ClipboardSink};
use crate::surface::Kind;
use crate::{Backend, Surface, WindowConfig, WindowError, WindowEvent, WindowWaker, wayland, x11};

/// A window; belongs to the thread that opened it, the main thread.
pub struct Window(Inner);

/// The two kinds.
enum Inner {
    /// A window of an X server.
    X11(Box<x11::X11Window>),
    /// A toplevel of a Wayland compositor.
    Wayland(Box<wayland::WaylandWindow>),
}

/// Calls the same method of whichever window there is.
macro_rules! each {
    ($window:expr, $inner:ident => $call:expr) => {
        match $window {
            Inner::X11($inner) => $call,
            Inner::Wayland($inner) => $call,
        }
    };
}

impl Window {
    /// Opens a window. Without a `backend`, Wayland is tried if the environment names a Wayland display, then X11.
    ///
    /// # Errors
    /// If no display server can show it; the message names the reason for each server that was tried.
    pub fn open(config: &WindowConfig, backend: Option<Backend>) -> Result<Self, WindowError> {
        match backend.or_else(|| config.display.as_deref().map(backend_of_display)) {
            Some(backend) => Self::open_on(config, backend),
            None => Self::open_on_environment(config),
        }
    }

    /// Opens a window on one kind of server.
    fn open_on(config: &WindowConfig, backend: Backend) -> Result<Self, WindowError> {
        Ok(Self(match backend {
            Backend::X11 => Inner::X11(Box::new(x11::X11Window::open(config)?)),
            Backend::Wayland => Inner::Wayland(Box::new(wayland::WaylandWindow::open(config)?)),
        }))
    }

    /// Opens a window on what the environment names.
    fn open_on_environment(config: &WindowConfig) -> Result<Self, WindowError> {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let has_wayland = is_set("WAYLAND_DISPLAY") || is_set("WAYLAND_SOCKET");
        match (has_wayland, is_set("DISPLAY")) {
            (false, false) => Err(WindowError::NoDisplay),
            (false, true) => Self::open_on(config, Backend::X11),
            (true, false) => Self::open_on(config, Backend::Wayland),
            (true, true) => Self::open_on(config, Backend::Wayland).or_else(|wayland| {
                tracing::warn!(error = %wayland, "no window on Wayland, trying X11");
                Self::open_on(config, Backend::X11).map_err(|x11| WindowError::NoBackend {
                    wayland: Box::new(wayland),
                    x11: Box::new(x11),
                })
            }),
        }
    }

    /// Tells which kind of display server shows the window.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match self.0 {
            Inner::X11(_) => Backend::X11,
            Inner::Wayland(_) => Backend::Wayland,
        }
    }

    /// Waits until something happens, for at most `timeout`, and appends what did to `events`.
    ///
    /// May return early with nothing, and does when a [`WindowWaker`] is rung.
    ///
    /// # Errors
    /// If the display server is gone; the window is then of no use.
    pub fn dispatch(
        &mut self,
        timeout: Option<Duration>,
        events: &mut Vec<WindowEvent>,
    ) -> Result<(), WindowError> {
        each!(&mut self.0, w => w.dispatch(timeout, events))
    }

    /// Makes a handle that ends [`Self::dispatch`] early.
    #[must_use]
    pub fn waker(&self) -> WindowWaker {
        each!(&self.0, w => w.waker())
    }

    /// The size that buffers shall have, in physical pixels.
    #[must_use]
    pub fn buffer_size(&self) -> Size {
        each!(&self.0, w => w.buffer_size())
    }

    /// Physical pixels per logical unit: what turns a `SurfacePoint` into buffer pixels. Always 1 on X11.
    #[must_use]
    pub fn scale(&self) -> f64 {
        each!(&self.0, w => w.scale())
    }

    /// Makes a handle for the render thread.
    #[must_use]
    pub fn surface(&self) -> Surface {
        Surface(match &self.0 {
            Inner::X11(w) => Kind::X11(w.link()),
            Inner::Wayland(w) => Kind::Wayland(w.shell()),
        })
    }

    /// Sets the text in the title bar.
    pub fn set_title(&mut self, title: &str) {
        each!(&mut self.0, w => w.set_title(title));
    }

    /// Covers the whole screen, or stops doing so; [`WindowEvent::FullScreenChanged`] follows.
    pub fn set_full_screen(&mut self, full_screen: bool) {
        each!(&mut self.0, w => w.set_full_screen(full_screen));
    }

    /// Tells whether the window covers the whole screen.
    #[must_use]
    pub fn is_full_screen(&self) -> bool {
        each!(&self.0, w => w.is_full_screen())
    }

    /// Asks for a size in physical pixels; takes effect when the window floats, with [`WindowEvent::Resized`].
    pub fn request_size(&mut self, buffer: Size) {
        each!(&mut self.0, w => w.request_size(buffer));
    }

    /// Holds the window to the shape of `aspect` while the user resizes it; `None` or an empty size lets go.
    pub fn set_aspect(&mut self, aspect: Option<Size>) {
        let aspect = aspect.filter(|size| !size.is_empty());
        each!(&mut self.0, w => w.set_aspect(aspect));
    }

    /// Makes the window an icon in the task bar.
    pub fn minimize(&mut self) {
        each!(&mut self.0, w => w.minimize());
    }

    /// Holds off screen blanking, or stops doing so. Returns `false` if the display server has no means to.
    pub fn set_idle_inhibited(&mut self, inhibited: bool) -> bool {
        each!(&mut self.0, w => w.set_idle_inhibited(inhibited))
    }

    /// Asks the user to look here.
    pub fn request_attention(&mut self) {
        each!(&mut self.0, w => w.request_attention());
    }

    /// Starts to take part in the desktop's clipboard; `sink` is told what happens there. Once for each window.
    ///
    /// # Errors
    /// If the display server has no clipboard that can be followed, or no thread can be started.
    pub fn clipboard(
        &mut self,
        limits: ClipboardLimits,
        sink: ClipboardSink,
    ) -> Result<Box<dyn Clipboard>, WindowError> {
        each!(&mut self.0, w => w.clipboard(limits, sink))
    }

    /// Shows or hides the local pointer while it is over the window.
    pub fn set_cursor_visible(&mut self, visible: bool) {
        each!(&mut self.0, w => w.set_cursor_visible(visible));
    }

    /// Hides the pointer, holds it in the window and reports its movements as
    /// [`RelativeMotion`](WindowEvent::RelativeMotion).
    ///
    /// [`PointerCaptured`](WindowEvent::PointerCaptured) follows, within about a second: that long it is tried while
    /// another program holds the pointer, or the window has not got the focus yet. Buttons, wheels and keys go on. The
    /// loss of the focus ends it.
    pub fn capture_pointer(&mut self) {
        each!(&mut self.0, w => w.capture_pointer());
    }

    /// Ends the capture, or the wish for one, and leaves the local pointer at `to`, where it was before for `None`.
    ///
    /// On Wayland the place is a request that the compositor may ignore.
    pub fn release_pointer(&mut self, to: Option<SurfacePoint>) {
        each!(&mut self.0, w => w.release_pointer(to));
    }

    /// Takes all keys, also those that the window manager or compositor acts on; `false` gives them back.
    ///
    /// [`KeyboardGrabbed`](WindowEvent::KeyboardGrabbed) follows, as after [`Self::capture_pointer`]; a compositor that
    /// asks its user may also grant it later. The loss of the focus ends it.
    pub fn grab_keyboard(&mut self, on: bool) {
        each!(&mut self.0, w => w.grab_keyboard(on));
    }
}

impl std::fmt::Debug for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Window({}, {:?})", self.backend(), self.buffer_size())
    }
}

/// The kind of server that a display name belongs to: X display names have a colon, Wayland sockets have not.
fn backend_of_display(name: &str) -> Backend {
    if name.contains(':') {
        Backend::X11
    } else {
        Backend::Wayland
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_tells_an_x_display_from_a_wayland_socket() {
        assert_eq!(backend_of_display(":90"), Backend::X11);
        assert_eq!(backend_of_display("host:0.1"), Backend::X11);
        assert_eq!(backend_of_display("wayland-1"), Backend::Wayland);
        assert_eq!(backend_of_display("/run/x/wayland-7"), Backend::Wayland);
    }
}
