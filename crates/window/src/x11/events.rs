//! What the X server tells.

use picture::Size;
use x11rb::protocol::Event;
use x11rb::protocol::xinput::{EnterEvent, KeyEventFlags, NotifyDetail};
use x11rb::protocol::xproto::{ClientMessageEvent, ConnectionExt as _, EventMask};

use super::window::X11Window;
use super::{input, note};
use crate::WindowEvent;

impl X11Window {
    /// Handles one event; tells whether content of the window was lost.
    pub(super) fn handle(&mut self, event: &Event) -> bool {
        match event {
            Event::Expose(_) => {
                if !std::mem::replace(&mut self.is_exposed, true) {
                    self.on_first_expose();
                }
                return true;
            }
            Event::ConfigureNotify(e) if e.window == self.window => {
                self.size = Size::new(e.width.max(1).into(), e.height.max(1).into());
            }
            Event::MapNotify(e) if e.window == self.window => self.on_mapped(),
            Event::PropertyNotify(e) if e.atom == self.atoms._NET_WM_STATE => {
                self.read_states();
            }
            Event::ClientMessage(e) => self.on_client_message(e),
            Event::RandrScreenChangeNotify(_) => self.on_monitors_changed(),
            Event::XinputMotion(e) => {
                let at = input::point(e.event_x, e.event_y);
                self.pending.push(WindowEvent::PointerMoved(at));
            }
            Event::XinputButtonPress(e) => self.pending.extend(input::button(e.detail, true)),
            Event::XinputButtonRelease(e) => self.pending.extend(input::button(e.detail, false)),
            Event::XinputKeyPress(e) => {
                let repeats = u32::from(e.flags) & u32::from(KeyEventFlags::KEY_REPEAT) != 0;
                self.pending
                    .extend(input::key(e.detail, true).filter(|_| !repeats));
            }
            Event::XinputKeyRelease(e) => self.pending.extend(input::key(e.detail, false)),
            Event::XinputEnter(e) => self.on_crossing(e, true),
            Event::XinputLeave(e) => self.on_crossing(e, false),
            Event::XinputFocusIn(e) => self.on_focus(e, true),
            Event::XinputFocusOut(e) => self.on_focus(e, false),
            Event::Error(error) => {
                let kind = error.error_kind;
                tracing::warn!(?kind, request = ?error.request_name, value = error.bad_value, "X error");
            }
            _ => {}
        }
        false
    }

    /// A message of the window manager.
    fn on_client_message(&mut self, message: &ClientMessageEvent) {
        if message.type_ != self.atoms.WM_PROTOCOLS || message.format != 32 {
            return;
        }
        let data = message.data.as_data32();
        if data[0] == self.atoms.WM_DELETE_WINDOW {
            self.pending.push(WindowEvent::CloseRequested);
        } else if data[0] == self.atoms._NET_WM_PING {
            let root = self.screen.root;
            let answer = ClientMessageEvent::new(32, root, message.type_, data);
            let mask = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
            let sent = self.conn.send_event(false, root, mask, answer);
            note("answering a ping", sent.map(drop));
        }
    }

    /// The pointer came or went; grabs of others make pairs of these, which are told once.
    fn on_crossing(&mut self, event: &EnterEvent, entered: bool) {
        if event.detail == NotifyDetail::INFERIOR || self.has_pointer == entered {
            return;
        }
        self.has_pointer = entered;
        self.pending.push(if entered {
            WindowEvent::PointerEntered(input::point(event.event_x, event.event_y))
        } else {
            WindowEvent::PointerLeft
        });
    }

    /// The focus came or went.
    fn on_focus(&mut self, event: &EnterEvent, focused: bool) {
        // These tell of the pointer's window while the focus is the root window, not of the focus.
        let of_pointer = [
            NotifyDetail::POINTER,
            NotifyDetail::POINTER_ROOT,
            NotifyDetail::INFERIOR,
        ];
        if of_pointer.contains(&event.detail) || self.has_focus == focused {
            return;
        }
        self.has_focus = focused;
        if focused {
            self.set_urgent(false);
        }
        self.pending.push(WindowEvent::Focused(focused));
    }
}
