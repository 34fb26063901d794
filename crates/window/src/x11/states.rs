//! Place, size and states of the window, with whatever manages windows here.

use picture::{BufferRect, Size};
use x11rb::connection::Connection;
use x11rb::properties::WmHints;
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConfigureWindowAux, ConnectionExt as _, EventMask, InputFocus,
    PropMode, StackMode,
};
use x11rb::wrapper::ConnectionExt as _;

use super::hints::{Wishes, motif};
use super::manager::{Manager, monitors, words};
use super::window::X11Window;
use super::{failed, lost, note};
use crate::geometry::{area_of, clamp_size};
use crate::{WindowError, WindowEvent};

impl X11Window {
    /// Sets the first state and shows the window.
    pub(super) fn start(&mut self, full_screen: bool, maximize: bool) -> Result<(), WindowError> {
        self.wants_full_screen = full_screen;
        self.wants_maximized = maximize;
        let mut states = Vec::new();
        if full_screen {
            states.push(self.atoms._NET_WM_STATE_FULLSCREEN);
        }
        if maximize {
            states.extend(self.maximized_states());
        }
        // Before the window is mapped, its states are a property that the manager reads.
        self.set_atoms(self.atoms._NET_WM_STATE, &states);
        self.set_bypass(full_screen);
        let covers = full_screen && !self.manager.supports(self.atoms._NET_WM_STATE_FULLSCREEN);
        if covers {
            // Managers look at this when a window is mapped, and not again.
            self.set_decorated(false);
        }
        let what = "showing the window";
        let shown = self.conn.map_window(self.window);
        shown
            .map_err(|e| failed(what, e))?
            .check()
            .map_err(|e| failed(what, e))?;
        if covers {
            self.cover_screen();
        } else if maximize && !self.manages_maximized() {
            self.fill_monitor();
        }
        self.conn.flush().map_err(lost)
    }

    /// Sees to what managers forget, once the window is visible.
    pub(super) fn on_mapped(&mut self) {
        if std::mem::replace(&mut self.is_mapped, true) {
            return;
        }
        if self.manager == Manager::Nobody {
            // Nobody else gives the focus to a window here.
            let focused = self.conn.set_input_focus(
                InputFocus::POINTER_ROOT,
                self.window,
                x11rb::CURRENT_TIME,
            );
            note("taking the focus", focused.map(drop));
        }
    }

    /// Repeats the first states that the manager dropped between map and first exposure.
    pub(super) fn on_first_expose(&mut self) {
        let states = self.read_states();
        if self.wants_full_screen && !self.is_full_screen {
            self.send_state(true, self.atoms._NET_WM_STATE_FULLSCREEN, 0);
        }
        let [horizontal, vertical] = self.maximized_states();
        if self.wants_maximized && !(states.contains(&horizontal) && states.contains(&vertical)) {
            self.send_state(true, horizontal, vertical);
        }
    }

    /// See [`crate::Window::set_full_screen`].
    pub(crate) fn set_full_screen(&mut self, full_screen: bool) {
        self.wants_full_screen = full_screen;
        self.set_bypass(full_screen);
        // The manager may have come or gone since the window was opened.
        self.manager = Manager::detect(&self.conn, self.screen.root, &self.atoms);
        if let Some(rect) = self.restore.filter(|_| !full_screen) {
            self.restore = None;
            self.uncover_screen(rect);
        } else if self.manager.supports(self.atoms._NET_WM_STATE_FULLSCREEN) {
            self.send_state(full_screen, self.atoms._NET_WM_STATE_FULLSCREEN, 0);
        } else if full_screen {
            self.cover_screen();
        }
        self.flush();
    }

    /// Covers the monitor that the window is on, without a manager that knows how to.
    pub(super) fn cover_screen(&mut self) {
        let here = self.place();
        let areas = monitors(&self.conn, &self.screen);
        let Some(area) = area_of(here, &areas) else {
            return;
        };
        if self.restore.is_none() {
            self.restore = Some(here);
        }
        self.set_decorated(false);
        self.place_content_at(area);
        self.set_is_full_screen(true);
    }

    /// Takes the place again that the window had before.
    fn uncover_screen(&mut self, rect: BufferRect) {
        self.set_decorated(!self.borderless);
        self.place_content_at(rect);
        self.set_is_full_screen(false);
    }

    /// Fills the monitor, for lack of a manager that can maximise.
    fn fill_monitor(&mut self) {
        let areas = monitors(&self.conn, &self.screen);
        if let Some(area) = area_of(self.place(), &areas) {
            self.place_at(area);
        }
    }

    /// Follows a change of the monitors.
    pub(super) fn on_monitors_changed(&mut self) {
        self.pending.push(WindowEvent::OutputsChanged);
        if self.restore.is_some() {
            self.cover_screen();
        }
    }

    /// Remembers and reports the full screen state.
    pub(super) fn set_is_full_screen(&mut self, is: bool) {
        if std::mem::replace(&mut self.is_full_screen, is) != is {
            self.pending.push(WindowEvent::FullScreenChanged(is));
        }
    }

    /// Where the window is on the root window.
    fn place(&self) -> BufferRect {
        let (conn, root) = (&self.conn, self.screen.root);
        let cookie = conn.translate_coordinates(self.window, root, 0, 0);
        let reply = cookie.map_err(Into::into).and_then(|c| c.reply());
        let at = note("asking for the window's place", reply);
        let (x, y) = at.map_or((0, 0), |at| (at.dst_x, at.dst_y));
        BufferRect::new(x.into(), y.into(), self.size.width, self.size.height)
    }

    /// Moves and resizes the window so that its content is at `rect`: a frame that the manager insists on (twm does) lies
    /// outside, and so beyond the edge of a screen that is covered.
    fn place_content_at(&mut self, rect: BufferRect) {
        self.wishes.places_content = true;
        self.place_at(rect);
        self.wishes.places_content = false;
    }

    /// Moves and resizes the window, and puts it on top.
    fn place_at(&mut self, rect: BufferRect) {
        self.set_limits(Size::new(rect.width, rect.height));
        let place = ConfigureWindowAux::new()
            .x(rect.x)
            .y(rect.y)
            .width(rect.width)
            .height(rect.height)
            .stack_mode(StackMode::ABOVE);
        let sent = self.conn.configure_window(self.window, &place);
        note("placing the window", sent.map(drop));
    }

    /// Tells the manager the size that a fixed window is fixed at.
    fn set_limits(&mut self, size: Size) {
        let wishes = Wishes {
            size,
            ..self.wishes
        };
        let sent = wishes
            .normal_hints()
            .set_normal_hints(&self.conn, self.window);
        note("setting the size hints", sent.map(drop));
    }

    /// See [`crate::Window::request_size`].
    pub(crate) fn request_size(&mut self, buffer: Size) {
        let size = clamp_size(buffer);
        self.wishes.size = size;
        if let Some(rect) = &mut self.restore {
            (rect.width, rect.height) = (size.width, size.height);
            return;
        }
        self.set_limits(size);
        let wish = ConfigureWindowAux::new()
            .width(size.width)
            .height(size.height);
        let sent = self.conn.configure_window(self.window, &wish);
        note("resizing the window", sent.map(drop));
        self.flush();
    }

    /// See [`crate::Window::set_aspect`].
    pub(crate) fn set_aspect(&mut self, aspect: Option<Size>) {
        if self.wishes.aspect != aspect {
            self.wishes.aspect = aspect;
            self.set_limits(self.wishes.size);
            self.flush();
        }
    }

    /// See [`crate::Window::minimize`].
    pub(crate) fn minimize(&mut self) {
        // 3 is IconicState of the ICCCM, 4.1.4.
        self.send_to_manager(self.atoms.WM_CHANGE_STATE, [3, 0, 0, 0, 0]);
        self.flush();
    }

    /// See [`crate::Window::request_attention`].
    pub(crate) fn request_attention(&mut self) {
        self.set_urgent(true);
        self.send_state(true, self.atoms._NET_WM_STATE_DEMANDS_ATTENTION, 0);
        self.flush();
    }

    /// Sets or clears the urgency flag of `WM_HINTS`.
    pub(super) fn set_urgent(&mut self, urgent: bool) {
        let hints = WmHints {
            input: Some(true),
            urgent,
            ..Default::default()
        };
        note(
            "setting the urgency",
            hints.set(&self.conn, self.window).map(drop),
        );
    }

    /// The two states that are a maximised window.
    const fn maximized_states(&self) -> [u32; 2] {
        [
            self.atoms._NET_WM_STATE_MAXIMIZED_HORZ,
            self.atoms._NET_WM_STATE_MAXIMIZED_VERT,
        ]
    }

    /// Tells whether the manager can maximise.
    fn manages_maximized(&self) -> bool {
        self.maximized_states()
            .iter()
            .all(|s| self.manager.supports(*s))
    }

    /// Reads the states that the manager gave the window.
    pub(super) fn read_states(&mut self) -> Vec<u32> {
        let states = words(
            &self.conn,
            self.window,
            self.atoms._NET_WM_STATE,
            AtomEnum::ATOM,
        );
        let states = states.unwrap_or_default();
        // Without a manager that knows it, the property is what we wrote there ourselves.
        if self.restore.is_none() && matches!(self.manager, Manager::Ewmh(_)) {
            let full = self.atoms._NET_WM_STATE_FULLSCREEN;
            self.set_is_full_screen(states.contains(&full));
        }
        states
    }

    /// Asks the manager to add or remove one or two states.
    fn send_state(&self, add: bool, first: u32, second: u32) {
        // The last word says that an ordinary program asks.
        let data = [u32::from(add), first, second, 1, 0];
        self.send_to_manager(self.atoms._NET_WM_STATE, data);
    }

    /// Sends a message about the window to the manager.
    fn send_to_manager(&self, kind: u32, data: [u32; 5]) {
        let message = ClientMessageEvent::new(32, self.window, kind, data);
        let mask = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
        let sent = self.conn.send_event(false, self.screen.root, mask, message);
        note("telling the window manager", sent.map(drop));
    }

    /// Asks a compositing manager to let the full screen window through unchanged.
    fn set_bypass(&self, bypass: bool) {
        let property = self.atoms._NET_WM_BYPASS_COMPOSITOR;
        self.set_words(property, AtomEnum::CARDINAL.into(), &[u32::from(bypass)]);
    }

    /// Asks a manager for a frame, or for none.
    fn set_decorated(&self, decorated: bool) {
        let property = self.atoms._MOTIF_WM_HINTS;
        self.set_words(property, property, &motif(decorated));
    }

    /// Sets a property that is a list of atoms.
    fn set_atoms(&self, property: u32, atoms: &[u32]) {
        self.set_words(property, AtomEnum::ATOM.into(), atoms);
    }

    /// Sets a property of 32-bit words.
    fn set_words(&self, property: u32, kind: u32, words: &[u32]) {
        let conn = &self.conn;
        let sent = conn.change_property32(PropMode::REPLACE, self.window, property, kind, words);
        note("setting a property", sent.map(drop));
    }
}
