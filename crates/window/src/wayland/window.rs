//! A window on a Wayland compositor.

use std::sync::Arc;
use std::time::Duration;

use calloop::EventLoop;
use clock::{Clock as _, MonotonicClock};
use picture::{Size, SurfacePoint};
use smithay_client_toolkit::activation::RequestData;

use super::open::set_limits;
use super::shell::{Shell, lost};
use super::state::{Quiet, State};
use super::toplevel::OwnResize;
use crate::clipboard::{self, Clipboard, ClipboardLimits, ClipboardSink};
use crate::{WindowError, WindowEvent, WindowWaker, grab};

/// A window on a Wayland compositor.
pub(crate) struct WaylandWindow {
    pub(super) event_loop: EventLoop<'static, State>,
    pub(super) state: State,
}

impl WaylandWindow {
    /// Waits for events; see [`crate::Window::dispatch`].
    pub(crate) fn dispatch(
        &mut self,
        timeout: Option<Duration>,
        events: &mut Vec<WindowEvent>,
    ) -> Result<(), WindowError> {
        let before = events.len();
        self.state.report(events);
        let timeout = if events.len() > before {
            Some(Duration::ZERO)
        } else {
            timeout
        };
        let grabs = [self.state.grabs.pointer, self.state.grabs.keyboard];
        let timeout = grab::wait(timeout, grabs, MonotonicClock.now());
        self.event_loop
            .dispatch(timeout, &mut self.state)
            .map_err(|error| lost(&self.state.shell.conn, error))?;
        self.state.check_grabs(MonotonicClock.now());
        self.state.report(events);
        Ok(())
    }

    /// See [`crate::Window::waker`].
    pub(crate) fn waker(&self) -> WindowWaker {
        self.state.shell.waker.clone()
    }

    /// The render thread's side.
    pub(crate) fn shell(&self) -> Arc<Shell> {
        Arc::clone(&self.state.shell)
    }

    /// See [`crate::Window::buffer_size`].
    pub(crate) fn buffer_size(&self) -> Size {
        self.state.shell.tracker().target().buffer()
    }

    /// See [`crate::Window::scale`].
    pub(crate) fn scale(&self) -> f64 {
        self.state.shell.tracker().target().scale.as_f64()
    }

    /// See [`crate::Window::set_title`].
    pub(crate) fn set_title(&mut self, title: &str) {
        self.state.shell.toplevel.set_title(title.to_owned());
        self.flush();
    }

    /// See [`crate::Window::is_full_screen`].
    pub(crate) const fn is_full_screen(&self) -> bool {
        self.state.is_full_screen
    }

    /// See [`crate::Window::set_full_screen`].
    pub(crate) fn set_full_screen(&mut self, full_screen: bool) {
        if full_screen {
            self.state.shell.toplevel.set_fullscreen(None);
        } else {
            self.state.shell.toplevel.unset_fullscreen();
        }
        self.flush();
    }

    /// See [`crate::Window::request_size`].
    pub(crate) fn request_size(&mut self, buffer: Size) {
        let state = &mut self.state;
        let mut tracker = state.shell.tracker();
        let logical = tracker.target().scale.logical_size(buffer);
        if !state.is_resizable {
            set_limits(&state.shell.toplevel, state.floating, logical);
        }
        if state.is_floating && logical != tracker.target().logical {
            state.own_resize = Some(OwnResize {
                from: tracker.target().logical,
                to: logical,
                is_asked: false,
            });
            tracker.resized(logical);
        }
        state.floating = logical;
        drop(tracker);
        self.flush();
    }

    /// See [`crate::Window::set_aspect`].
    pub(crate) const fn set_aspect(&mut self, aspect: Option<Size>) {
        self.state.aspect = aspect;
    }

    /// See [`crate::Window::minimize`].
    pub(crate) fn minimize(&mut self) {
        self.state.shell.toplevel.set_minimized();
        self.flush();
    }

    /// See [`crate::Window::set_idle_inhibited`].
    pub(crate) fn set_idle_inhibited(&mut self, inhibited: bool) -> bool {
        let state = &mut self.state;
        let Some(manager) = &state.idle_manager else {
            return false;
        };
        if inhibited && state.idle_inhibitor.is_none() {
            let shell = &state.shell;
            let inhibitor = manager.create_inhibitor(&shell.surface, &shell.queue, Quiet);
            state.idle_inhibitor = Some(inhibitor);
        } else if !inhibited && let Some(inhibitor) = state.idle_inhibitor.take() {
            inhibitor.destroy();
        }
        self.flush();
        true
    }

    /// See [`crate::Window::request_attention`].
    pub(crate) fn request_attention(&mut self) {
        let shell = &self.state.shell;
        if let Some(activation) = &self.state.activation {
            let request = RequestData {
                app_id: None,
                seat_and_serial: None,
                surface: Some(shell.surface.clone()),
                udata: (),
            };
            activation.request_token(&shell.queue, request);
        }
        self.flush();
    }

    /// See [`crate::Window::clipboard`].
    pub(crate) fn clipboard(
        &mut self,
        limits: ClipboardLimits,
        sink: ClipboardSink,
    ) -> Result<Box<dyn Clipboard>, WindowError> {
        let state = &mut self.state;
        let (conn, queue) = (&state.shell.conn, &state.shell.queue);
        let (registry, seats) = (&state.registry, state.seat_state.seats());
        let selection = &mut state.selection;
        let clipboard =
            clipboard::wayland::start(conn, queue, registry, seats, selection, limits, sink)?;
        self.flush();
        Ok(clipboard)
    }

    /// See [`crate::Window::set_cursor_visible`].
    pub(crate) fn set_cursor_visible(&mut self, visible: bool) {
        self.state.seats.cursor_visible = visible;
        self.state.seats.apply_cursor(&self.state.shell.conn);
        self.flush();
    }

    /// See [`crate::Window::capture_pointer`].
    pub(crate) fn capture_pointer(&mut self) {
        self.state.capture_pointer();
        self.flush();
    }

    /// See [`crate::Window::release_pointer`].
    pub(crate) fn release_pointer(&mut self, to: Option<SurfacePoint>) {
        self.state.release_pointer(to);
        self.flush();
    }

    /// See [`crate::Window::grab_keyboard`].
    pub(crate) fn grab_keyboard(&mut self, on: bool) {
        self.state.grab_keyboard(on);
        self.flush();
    }

    /// Sends what is queued; a lost connection shows at the next dispatch.
    fn flush(&self) {
        if let Err(error) = self.state.shell.flush() {
            tracing::warn!(%error, "sending");
        }
    }
}

impl Drop for WaylandWindow {
    fn drop(&mut self) {
        // The surface lives on in the render thread's handles; what hangs on it and is ours goes now.
        if let Some(inhibitor) = self.state.idle_inhibitor.take() {
            inhibitor.destroy();
        }
        self.state.grabs.clear();
        self.flush();
    }
}
