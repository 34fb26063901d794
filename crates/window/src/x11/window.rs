//! A window on an X server.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use calloop::{EventLoop, RegistrationToken};
use picture::{BufferRect, Size};
use x11rb::connection::{Connection, RequestConnection};
use x11rb::protocol::screensaver::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{
    AtomEnum, ChangeWindowAttributesAux, ConnectionExt as _, PropMode, Screen,
};
use x11rb::wrapper::ConnectionExt as _;
use x11rb::xcb_ffi::XCBConnection;

use super::atoms::Atoms;
use super::capture::Grabs;
use super::hints::Wishes;
use super::link::Link;
use super::locks::LockMasks;
use super::manager::Manager;
use super::open::Parts;
use super::{failed, lost, note};
use crate::clipboard::{self, Clipboard, ClipboardLimits, ClipboardSink};
use crate::held::HeldKeys;
use crate::{Backend, LockKeys, WindowError, WindowEvent, WindowWaker};

/// What the event loop found.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    /// Somebody rang.
    pub(crate) is_woken: bool,
    /// The window's connection can be read.
    pub(crate) has_events: bool,
    /// The render thread's connection can be read.
    pub(crate) has_answers: bool,
}

/// A window on an X server.
pub(crate) struct X11Window {
    pub(super) conn: XCBConnection,
    /// Names the server; `None` if the environment does.
    display: Option<String>,
    pub(super) screen: Screen,
    pub(super) window: u32,
    pub(super) atoms: Atoms,
    pub(super) manager: Manager,
    pub(super) wishes: Wishes,
    pub(super) borderless: bool,
    event_loop: EventLoop<'static, Ready>,
    ready: Ready,
    link: Arc<Link>,
    draw_token: RegistrationToken,
    /// The size as the server last told it.
    pub(super) size: Size,
    /// The size as our user was last told it.
    reported: Option<Size>,
    pub(super) has_focus: bool,
    pub(super) has_pointer: bool,
    pub(super) is_mapped: bool,
    pub(super) is_exposed: bool,
    pub(super) is_full_screen: bool,
    pub(super) wants_full_screen: bool,
    pub(super) wants_maximized: bool,
    /// Where the window was before we covered the screen ourselves, without a manager's help.
    pub(super) restore: Option<BufferRect>,
    pub(super) pending: Vec<WindowEvent>,
    /// Content was lost since that was last told.
    was_exposed: bool,
    pub(super) grabs: Grabs,
    pub(super) held: HeldKeys,
    pub(super) has_locks: bool,
    pub(super) lock_masks: LockMasks,
    pub(super) locks_told: LockKeys,
    hidden_cursor: Option<u32>,
    has_screensaver: Option<bool>,
}

impl X11Window {
    /// Puts the parts together.
    pub(super) fn assemble(parts: Parts) -> Self {
        Self {
            conn: parts.conn,
            display: parts.display,
            screen: parts.screen,
            window: parts.window,
            atoms: parts.atoms,
            manager: parts.manager,
            size: parts.wishes.size,
            wishes: parts.wishes,
            borderless: parts.borderless,
            event_loop: parts.event_loop,
            ready: Ready::default(),
            link: parts.link,
            draw_token: parts.draw_token,
            reported: None,
            has_focus: false,
            has_pointer: false,
            is_mapped: false,
            is_exposed: false,
            is_full_screen: false,
            wants_full_screen: false,
            wants_maximized: false,
            restore: None,
            pending: Vec::new(),
            was_exposed: false,
            grabs: Grabs::new(parts.devices),
            held: HeldKeys::default(),
            has_locks: parts.has_locks,
            lock_masks: LockMasks::default(),
            locks_told: LockKeys::default(),
            hidden_cursor: None,
            has_screensaver: None,
        }
    }

    /// Waits for events; see [`crate::Window::dispatch`].
    pub(crate) fn dispatch(
        &mut self,
        timeout: Option<Duration>,
        events: &mut Vec<WindowEvent>,
    ) -> Result<(), WindowError> {
        let before = events.len();
        self.drain(events)?;
        // Replies that were waited for may have brought events into libxcb's own queue, where no poll sees them.
        let timeout = if events.len() > before {
            Some(Duration::ZERO)
        } else {
            timeout
        };
        let timeout = self.grabs.wait(timeout);
        self.conn.flush().map_err(lost)?;
        self.event_loop
            .dispatch(timeout, &mut self.ready)
            .map_err(|e| WindowError::disconnected(Backend::X11, e))?;
        let ready = std::mem::take(&mut self.ready);
        if ready.is_woken && self.link.is_waiting.load(Ordering::Acquire) {
            let armed = self.event_loop.handle().update(&self.draw_token);
            armed.map_err(|e| WindowError::disconnected(Backend::X11, e))?;
        }
        if ready.has_answers && self.link.is_waiting.swap(false, Ordering::AcqRel) {
            events.push(WindowEvent::PresenterReady);
        }
        self.try_grabs();
        self.drain(events)
    }

    /// Handles all events that have arrived.
    pub(super) fn take_events(&mut self) -> Result<(), WindowError> {
        while let Some(event) = self.conn.poll_for_event().map_err(lost)? {
            self.was_exposed |= self.handle(&event);
        }
        Ok(())
    }

    /// Reports all events that have arrived.
    fn drain(&mut self, events: &mut Vec<WindowEvent>) -> Result<(), WindowError> {
        self.take_events()?;
        let mut was_exposed = std::mem::take(&mut self.was_exposed);
        if self.reported != Some(self.size) {
            self.reported = Some(self.size);
            was_exposed = false;
            events.push(WindowEvent::Resized {
                buffer: self.size,
                scale: 1.0,
            });
        }
        if was_exposed {
            events.push(WindowEvent::Exposed);
        }
        events.append(&mut self.pending);
        Ok(())
    }

    /// See [`crate::Window::waker`].
    pub(crate) fn waker(&self) -> WindowWaker {
        self.link.waker.clone()
    }

    /// The render thread's side.
    pub(crate) fn link(&self) -> Arc<Link> {
        Arc::clone(&self.link)
    }

    /// See [`crate::Window::buffer_size`].
    pub(crate) const fn buffer_size(&self) -> Size {
        self.size
    }

    /// X11 knows pixels only.
    #[expect(clippy::unused_self, reason = "the same call as on Wayland")]
    pub(crate) const fn scale(&self) -> f64 {
        1.0
    }

    /// See [`crate::Window::set_title`].
    pub(crate) fn set_title(&mut self, title: &str) {
        let (window, bytes) = (self.window, title.as_bytes());
        let properties = [
            (self.atoms._NET_WM_NAME, self.atoms.UTF8_STRING),
            (AtomEnum::WM_NAME.into(), AtomEnum::STRING.into()),
        ];
        for (property, kind) in properties {
            let conn = &self.conn;
            let sent = conn.change_property8(PropMode::REPLACE, window, property, kind, bytes);
            note("setting the title", sent.map(drop));
        }
        self.flush();
    }

    /// See [`crate::Window::clipboard`].
    pub(crate) fn clipboard(
        &mut self,
        limits: ClipboardLimits,
        sink: ClipboardSink,
    ) -> Result<Box<dyn Clipboard>, WindowError> {
        clipboard::x11::start(self.display.as_deref(), limits, sink)
    }

    /// See [`crate::Window::is_full_screen`].
    pub(crate) const fn is_full_screen(&self) -> bool {
        self.is_full_screen
    }

    /// See [`crate::Window::set_idle_inhibited`].
    pub(crate) fn set_idle_inhibited(&mut self, inhibited: bool) -> bool {
        let conn = &self.conn;
        let has = *self.has_screensaver.get_or_insert_with(|| {
            let name = screensaver::X11_EXTENSION_NAME;
            let present = matches!(conn.extension_information(name), Ok(Some(_)));
            // Suspend came with version 1.1.
            let version = || conn.screensaver_query_version(1, 1).ok()?.reply().ok();
            present
                && version()
                    .is_some_and(|v| (v.server_major_version, v.server_minor_version) >= (1, 1))
        });
        if has {
            let sent = conn.screensaver_suspend(u32::from(inhibited));
            note("suspending the screen saver", sent.map(drop));
            self.flush();
        }
        has
    }

    /// See [`crate::Window::set_cursor_visible`].
    pub(crate) fn set_cursor_visible(&mut self, visible: bool) {
        let cursor = if visible {
            x11rb::NONE
        } else {
            self.hidden_cursor()
        };
        let change = ChangeWindowAttributesAux::new().cursor(cursor);
        let sent = self.conn.change_window_attributes(self.window, &change);
        note("setting the cursor", sent.map(drop));
        self.flush();
    }

    /// A cursor without a pixel; none, which is the parent's, if it cannot be made.
    pub(super) fn hidden_cursor(&mut self) -> u32 {
        if let Some(cursor) = self.hidden_cursor {
            return cursor;
        }
        match self.make_hidden_cursor() {
            Ok(cursor) => *self.hidden_cursor.insert(cursor),
            Err(error) => {
                tracing::warn!(%error, "hiding the pointer");
                x11rb::NONE
            }
        }
    }

    /// Makes a cursor without a pixel: a bitmap that is its own, empty mask.
    fn make_hidden_cursor(&self) -> Result<u32, WindowError> {
        let what = "making a cursor";
        let conn = &self.conn;
        let bitmap = conn.generate_id().map_err(|e| failed(what, e))?;
        let cursor = conn.generate_id().map_err(|e| failed(what, e))?;
        let gc = conn.generate_id().map_err(|e| failed(what, e))?;
        let clear = x11rb::protocol::xproto::CreateGCAux::new().foreground(0);
        let whole = [x11rb::protocol::xproto::Rectangle {
            x: 0,
            y: 0,
            width: 1,
            height: 1,
        }];
        let sent = (|| {
            conn.create_pixmap(1, bitmap, self.screen.root, 1, 1)?;
            conn.create_gc(gc, bitmap, &clear)?;
            conn.poly_fill_rectangle(bitmap, gc, &whole)?;
            conn.create_cursor(cursor, bitmap, bitmap, 0, 0, 0, 0, 0, 0, 0, 0)?;
            conn.free_gc(gc)?;
            conn.free_pixmap(bitmap).map(drop)
        })();
        sent.map_err(lost)?;
        Ok(cursor)
    }

    /// Sends what is queued; a lost connection shows at the next dispatch.
    pub(super) fn flush(&self) {
        note("sending", self.conn.flush());
    }
}
