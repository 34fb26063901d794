//! What the X server tells.

use picture::Size;
use x11rb::protocol::Event;
use x11rb::protocol::xinput::{EnterEvent, KeyEventFlags, NotifyDetail, NotifyMode};
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
            Event::UnmapNotify(e) if e.window == self.window => self.end_grabs(),
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
            // A captured pointer's buttons come by the core protocol.
            Event::ButtonPress(e) => self.pending.extend(input::button(e.detail.into(), true)),
            Event::ButtonRelease(e) => self.pending.extend(input::button(e.detail.into(), false)),
            Event::XinputRawMotion(e) => self.on_raw_motion(e),
            Event::XinputHierarchy(_) => self.grabs.forget_sources(),
            Event::XinputKeyPress(e) => {
                let repeats = u32::from(e.flags) & u32::from(KeyEventFlags::KEY_REPEAT) != 0;
                if self.has_focus && !repeats {
                    self.on_key(e.detail, true);
                }
            }
            Event::XinputKeyRelease(e) => self.on_key(e.detail, false),
            Event::XkbStateNotify(e) => self.on_locks(e.locked_mods),
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

    /// A key changed.
    fn on_key(&mut self, keycode: u32, pressed: bool) {
        if let Some(evdev) = input::key(keycode) {
            self.pending.extend(self.held.change(evdev, pressed));
        }
    }

    /// Tells of the keys that were released while the events of the keyboard went to another program.
    fn sync_keys(&mut self) {
        let reply = self.conn.query_keymap().map_err(Into::into);
        let Some(keymap) = note("asking for the keys", reply.and_then(|c| c.reply())) else {
            return;
        };
        let held = self.held.iter();
        let released: Vec<u32> = held
            .filter(|&evdev| !input::is_down(&keymap.keys, evdev))
            .collect();
        for evdev in released {
            self.pending.extend(self.held.change(evdev, false));
        }
    }

    /// The focus came or went.
    fn on_focus(&mut self, event: &EnterEvent, focused: bool) {
        // A grab, ours or that of a window manager's key bind, does not move the focus.
        match event.mode {
            NotifyMode::GRAB | NotifyMode::PASSIVE_GRAB => return,
            NotifyMode::UNGRAB | NotifyMode::PASSIVE_UNGRAB => {
                if focused && self.has_focus {
                    self.sync_keys();
                }
                return;
            }
            _ => {}
        }
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
            self.tell_locks();
        } else {
            self.held.clear();
            self.end_grabs();
        }
        self.pending.push(WindowEvent::Focused(focused));
    }
}
