//! The pointer: its buttons and wheel, and the capture.

use clock::Nanos;
use picture::SurfacePoint;
use spice::Command;

use super::InputModel;
use crate::input::capture::Capture;
use crate::input::{Action, place, scancode};

impl InputModel {
    pub(super) fn pointer_at(&mut self, point: SurfacePoint) {
        // In capture the local pointer is anywhere.
        let is_free = matches!(self.capture, Capture::Off | Capture::Asked);
        if is_free && point.x.is_finite() && point.y.is_finite() {
            self.local = Some(point);
            self.is_over = true;
        }
    }

    pub(super) fn button(&mut self, evdev: u32, pressed: bool, actions: &mut Vec<Action>) {
        let is_guests = self.has_pointer();
        let button = match pressed {
            true => self.buttons.press(evdev, is_guests),
            false => self.buttons.release(evdev),
        };
        if pressed && !self.is_linked {
            actions.push(Action::Reconnect);
        } else if let Some(button) = button {
            self.flush_pushes(actions);
            let is_pressed = pressed;
            self.out
                .pointer(Command::Button { button, is_pressed }, actions);
        }
    }

    pub(super) fn turn_wheel(&mut self, y_120: i32, actions: &mut Vec<Action>) {
        if !self.has_pointer() {
            self.wheel.reset();
            return;
        }
        self.flush_pushes(actions);
        for wheel in self.wheel.add(y_120) {
            self.out.pointer(Command::Wheel(wheel), actions);
        }
    }

    /// The user's pointer is the guest's at the moment.
    fn has_pointer(&self) -> bool {
        self.may_send() && (self.capture == Capture::On || self.follow.is_in())
    }

    pub(super) fn pushed(
        &mut self,
        accelerated: (f64, f64),
        raw: (f64, f64),
        now: Nanos,
        actions: &mut Vec<Action>,
    ) {
        if self.capture != Capture::On || !self.surroundings(now).is_relative {
            return;
        }
        if let Some(motion) = self.pushes.push(accelerated, raw, self.turn(), now) {
            self.out.pointer(motion, actions);
        }
    }

    /// Sends what smoothing has kept back, so that what follows is in the right place.
    pub(super) fn flush_pushes(&mut self, actions: &mut Vec<Action>) {
        let motion = self.pushes.flush(self.turn());
        if let (Some(motion), true) = (motion, self.may_send()) {
            self.out.pointer(motion, actions);
        }
    }

    pub(super) fn begin_capture(&mut self, actions: &mut Vec<Action>) {
        self.due.at_start = false;
        self.due.at_focus = false;
        self.capture = Capture::Asked;
        // What was clicked before belongs to before.
        self.out.open(actions);
        actions.push(Action::CapturePointer);
    }

    /// Ends the capture from our side, and leaves the local pointer where the guest's is.
    pub(super) fn end_capture(&mut self, actions: &mut Vec<Action>) {
        if !matches!(self.capture, Capture::Asked | Capture::On) {
            return;
        }
        self.flush_pushes(actions);
        self.release_held(actions);
        if self.capture == Capture::On {
            let guests = self.view.placement.zip(self.view.pointer);
            self.left_at = guests.and_then(|(placement, pointer)| {
                place::on_surface(&placement, pointer, self.scale)
            });
        }
        self.capture = Capture::Ending;
        actions.push(Action::ReleasePointer(self.left_at));
    }

    /// The display server tells whose the pointer is now.
    pub(super) fn pointer_captured(&mut self, is_on: bool, actions: &mut Vec<Action>) {
        let state = if is_on { "captured" } else { "free" };
        tracing::debug!("the pointer is {state}");
        match (is_on, self.capture) {
            (true, Capture::Asked) => {
                self.capture = Capture::On;
                self.local = None;
                self.is_over = false;
                self.left_at = None;
                self.pushes.reset();
                self.wheel.reset();
                let escape = scancode::label(self.preferences.escape_key);
                let message = format!("The pointer is captured; {escape} releases it");
                actions.push(Action::Message(message));
            }
            // The user no longer wants it.
            (true, Capture::Off) => actions.push(Action::ReleasePointer(None)),
            (true, Capture::On | Capture::Ending) | (false, Capture::Off) => {}
            (false, Capture::Asked) => {
                self.capture = Capture::Off;
                let message = if self.is_over {
                    "The display server does not let the pointer be captured"
                } else {
                    "The pointer is not over the picture: move it there first"
                };
                actions.push(Action::Message(message.to_owned()));
            }
            (false, Capture::On) => {
                self.release_held(actions);
                self.capture = Capture::Off;
            }
            (false, Capture::Ending) => {
                self.capture = Capture::Off;
                // Nothing tells that it is there before it moves.
                self.local = self.left_at.take();
                self.is_over = self.local.is_some();
            }
        }
    }
}
