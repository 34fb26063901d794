//! Keys: the escape key and its binds, and those that are the guest's.

use clock::Nanos;

use super::InputModel;
use crate::input::binds::{self, Deed};
use crate::input::capture::Capture;
use crate::input::escape::Released;
use crate::input::keys::{LEFT_META, RIGHT_META};
use crate::input::{Action, scancode};

impl InputModel {
    pub(super) fn key(&mut self, evdev: u32, pressed: bool, now: Nanos, actions: &mut Vec<Action>) {
        match (evdev == self.preferences.escape_key, pressed) {
            (true, true) => self.escape.press(now),
            (true, false) => {
                if self.escape.release(now) == Released::Tap {
                    self.toggle_capture(actions);
                }
            }
            (false, true) if self.escape.is_down() => {
                self.escape.combine();
                if let Some(deed) = binds::find(evdev, self.context()) {
                    self.carry_out(deed, actions);
                }
            }
            (false, true) => self.press(evdev, actions),
            // Only what was pressed in the guest is released there, so no bind's key is.
            (false, false) => self.keys.release(evdev, &mut self.out, actions),
        }
    }

    fn press(&mut self, evdev: u32, actions: &mut Vec<Action>) {
        let is_windows_key = matches!(evdev, LEFT_META | RIGHT_META);
        if is_windows_key && self.preferences.ignore_windows_keys {
            return;
        }
        if !self.is_linked {
            actions.push(Action::Reconnect);
        } else if self.may_send() {
            self.flush_pushes(actions);
            self.keys.press(evdev, &mut self.out, actions);
        }
    }

    fn carry_out(&mut self, deed: Deed, actions: &mut Vec<Action>) {
        match deed {
            Deed::App(bind) => actions.push(Action::Bind(bind)),
            Deed::ToggleInput => self.toggle_input(actions),
            Deed::Sensitivity(step) => {
                let sensitivity = self.pushes.sensitivity() + step;
                self.pushes.set_sensitivity(sensitivity);
                let sensitivity = self.pushes.sensitivity();
                actions.push(Action::Message(format!("Sensitivity: {sensitivity:+}")));
            }
            Deed::Send(evdev) => self.keys.chord(&[evdev], &mut self.out, actions),
            Deed::ControlAlt(evdev) => {
                let chord = binds::control_alt(evdev);
                self.keys.chord(&chord, &mut self.out, actions);
            }
        }
    }

    fn toggle_input(&mut self, actions: &mut Vec<Action>) {
        if self.is_on {
            self.end_capture(actions);
            self.release_held(actions);
        }
        self.is_on = !self.is_on;
        self.locks.set_due(self.is_on && self.is_focused);
        let state = if self.is_on { "on" } else { "off" };
        actions.push(Action::Message(format!("Keyboard and pointer: {state}")));
    }

    fn toggle_capture(&mut self, actions: &mut Vec<Action>) {
        match self.capture {
            Capture::Asked | Capture::On => {
                self.end_capture(actions);
                actions.push(Action::Message("The pointer is released".to_owned()));
            }
            // The display server will say when it is over.
            Capture::Ending => {}
            Capture::Off if self.is_available() => self.begin_capture(actions),
            Capture::Off => {
                let why = if !self.preferences.to_guest {
                    "spice:enable or spice:input is off".to_owned()
                } else if !self.is_on {
                    let escape = scancode::label(self.preferences.escape_key);
                    format!("it is off ({escape} + I)")
                } else {
                    "there is no SPICE connection".to_owned()
                };
                actions.push(Action::Message(format!("No input to the guest: {why}")));
            }
        }
    }
}
