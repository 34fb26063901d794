//! The model itself: what it is told, and what follows from it.

use clock::Nanos;
use picture::{Placement, Rotation, SurfacePoint};
use spice::{Command, MouseMode, MouseModes};
use window::WindowEvent;

use super::binds::{self, Context};
use super::buttons::Buttons;
use super::capture::{Capture, Pushes};
use super::escape::Escape;
use super::follow::{Follow, Surroundings};
use super::keys::HeldKeys;
use super::locks::LockSync;
use super::outbox::Outbox;
use super::wheel::WheelSum;
use super::{Action, Preferences, SpiceInput, place, scancode};
use crate::guest_view::{GuestView, PictureSource};

mod keyboard;
mod pointer;

/// What the outside was told last, so that it is told changes only.
#[derive(Debug, Default)]
struct Told {
    shows_pointer: Option<bool>,
    grabs_keyboard: bool,
    /// Not known of a session before it was told: it may be one that was told before its inputs were lost.
    is_absolute: Option<bool>,
    help: Option<Context>,
}

/// When a capture begins by itself.
#[derive(Debug)]
struct Due {
    /// `spice:captureOnStart`: once.
    at_start: bool,
    /// `input:captureOnFocus`: each time.
    at_focus: bool,
}

/// What the user's keys and pointer do. See the [module](super).
#[derive(Debug)]
pub struct InputModel {
    preferences: Preferences,
    view: GuestView,
    scale: f64,
    /// A session stands.
    is_linked: bool,
    modes: Option<MouseModes>,
    /// The guest can record.
    can_record: bool,
    /// Key I.
    is_on: bool,
    is_focused: bool,
    keys: HeldKeys,
    escape: Escape,
    locks: LockSync,
    buttons: Buttons,
    wheel: WheelSum,
    /// Where the local pointer is, or was last.
    local: Option<SurfacePoint>,
    is_over: bool,
    follow: Follow,
    capture: Capture,
    /// Where the local pointer is left when the capture has ended.
    left_at: Option<SurfacePoint>,
    pushes: Pushes,
    out: Outbox,
    due: Due,
    told: Told,
}

impl InputModel {
    /// Makes the model of a client without window, picture and session so far.
    #[must_use]
    pub fn new(preferences: Preferences) -> Self {
        scancode::prepare();
        Self {
            view: GuestView::default(),
            scale: 1.0,
            is_linked: false,
            modes: None,
            can_record: false,
            is_on: true,
            is_focused: false,
            keys: HeldKeys::new(),
            escape: Escape::new(preferences.help_delay),
            locks: LockSync::default(),
            buttons: Buttons::default(),
            wheel: WheelSum::default(),
            local: None,
            is_over: false,
            follow: Follow::default(),
            capture: Capture::Off,
            left_at: None,
            pushes: Pushes::new(&preferences),
            out: Outbox::new(),
            due: Due {
                at_start: preferences.capture_on_start,
                at_focus: false,
            },
            told: Told::default(),
            preferences,
        }
    }

    /// Takes what happened to the window, in its order; `scale` is physical pixels per logical unit.
    ///
    /// Actions are appended, to be carried out in order. The caller keeps the vector, so that nothing is allocated.
    pub fn window_event(
        &mut self,
        event: &WindowEvent,
        view: &GuestView,
        scale: f64,
        now: Nanos,
        actions: &mut Vec<Action>,
    ) {
        self.view = *view;
        self.scale = scale;
        match *event {
            WindowEvent::Focused(true) => self.focus_came(actions),
            WindowEvent::Focused(false) => self.focus_went(actions),
            WindowEvent::Locks(locks) => self.locks.set_local(locks),
            WindowEvent::Key { evdev, pressed } => self.key(evdev, pressed, now, actions),
            WindowEvent::PointerEntered(point) | WindowEvent::PointerMoved(point) => {
                self.pointer_at(point);
            }
            WindowEvent::PointerLeft => self.is_over = false,
            WindowEvent::Button { evdev, pressed } => {
                // The button belongs to the place where the pointer is now.
                self.settle(now, actions);
                self.button(evdev, pressed, actions);
            }
            WindowEvent::Wheel { y_120, .. } => self.turn_wheel(y_120, actions),
            WindowEvent::PointerCaptured(is_on) => self.pointer_captured(is_on, actions),
            // Granted late: the user no longer wants it.
            WindowEvent::KeyboardGrabbed(true) if !self.told.grabs_keyboard => {
                actions.push(Action::GrabKeyboard(false));
            }
            WindowEvent::RelativeMotion {
                dx,
                dy,
                raw_dx,
                raw_dy,
            } => self.pushed((dx, dy), (raw_dx, raw_dy), now, actions),
            _ => {}
        }
        self.settle(now, actions);
    }

    /// Takes the state of the view after it has changed: another source, another placement.
    pub fn view_changed(&mut self, view: &GuestView, now: Nanos, actions: &mut Vec<Action>) {
        self.view = *view;
        self.settle(now, actions);
    }

    /// Does what is due, and says when there is something to do again if nothing else happens.
    pub fn tick(
        &mut self,
        view: &GuestView,
        now: Nanos,
        actions: &mut Vec<Action>,
    ) -> Option<Nanos> {
        self.view = *view;
        self.escape.tick(now);
        if let Some(target) = self.out.late(now) {
            tracing::debug!("the host did not say in time that the pointer is set");
            Follow::correct(&self.surroundings(now), target, actions);
            self.out.open(actions);
        }
        if self.pushes.deadline().is_some_and(|at| now >= at) {
            self.flush_pushes(actions);
        }
        self.settle(now, actions);
        let deadlines = [
            self.escape.deadline(),
            self.out.deadline(),
            self.pushes.deadline(),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// Takes what became of the last [`Action::SetPointer`]: the guest's pointer is there (`true`), or could not be put
    /// there.
    pub fn realigned(
        &mut self,
        is_there: bool,
        view: &GuestView,
        now: Nanos,
        actions: &mut Vec<Action>,
    ) {
        self.view = *view;
        if let Some(target) = self.out.target() {
            if !is_there {
                Follow::correct(&self.surroundings(now), target, actions);
            }
            self.out.open(actions);
        }
        self.settle(now, actions);
    }

    /// Takes what happened to the SPICE session.
    pub fn spice_event(
        &mut self,
        event: SpiceInput,
        view: &GuestView,
        now: Nanos,
        actions: &mut Vec<Action>,
    ) {
        self.view = *view;
        match event {
            SpiceInput::Ready => {
                self.session_gone(actions);
                self.is_linked = true;
                self.locks.set_due(self.is_focused);
            }
            SpiceInput::Lost => {
                self.session_gone(actions);
                self.end_capture(actions);
            }
            SpiceInput::Mouse(modes) => {
                tracing::debug!("mouse mode: {:?}", modes.current());
                self.modes = Some(modes);
            }
            SpiceInput::Locks(locks) => self.locks.set_guest(Some(locks)),
            SpiceInput::Record(can_record) => self.can_record = can_record,
        }
        self.settle(now, actions);
    }

    /// Releases everything: keys and buttons in the guest, the pointer, the keyboard, the escape key. For the end of the
    /// program or of the session, and for whatever takes the keyboard over.
    pub fn release_all(&mut self, actions: &mut Vec<Action>) {
        self.release_held(actions);
        self.end_capture(actions);
        self.escape.reset();
        if self.told.help.take().is_some() {
            actions.push(Action::Help(None));
        }
        if std::mem::take(&mut self.told.grabs_keyboard) {
            actions.push(Action::GrabKeyboard(false));
        }
    }

    /// A session is there that takes input, and the user has not switched it off.
    fn is_available(&self) -> bool {
        self.is_linked && self.preferences.to_guest && self.is_on
    }

    /// Keys, buttons and motion may go to the guest.
    fn may_send(&self) -> bool {
        self.is_available() && (!self.preferences.capture_only || self.capture == Capture::On)
    }

    /// The guest's keys and buttons go up, if any are down.
    fn release_held(&mut self, actions: &mut Vec<Action>) {
        let is_missed = self.out.clear();
        if (is_missed || !self.keys.is_empty() || self.buttons.are_sent()) && self.is_linked {
            actions.push(Action::Spice(Command::ReleaseAll));
        }
        self.keys.clear();
        self.buttons.forget_sent();
    }

    /// What was pressed in the session went with it.
    fn session_gone(&mut self, actions: &mut Vec<Action>) {
        self.is_linked = false;
        self.release_held(actions);
        self.modes = None;
        self.told.is_absolute = None;
        self.locks.set_guest(None);
    }

    fn focus_came(&mut self, actions: &mut Vec<Action>) {
        if self.is_focused {
            return;
        }
        tracing::debug!("the window has the focus");
        self.is_focused = true;
        // Those still down were left so when the focus went, and nobody tells whether they still are.
        self.keys.release_all(&mut self.out, actions);
        self.locks.set_due(true);
        self.due.at_focus = self.preferences.capture_on_focus;
    }

    fn focus_went(&mut self, actions: &mut Vec<Action>) {
        tracing::debug!("the window has lost the focus");
        let was_captured = self.capture != Capture::Off;
        self.is_focused = false;
        self.due.at_focus = false;
        self.locks.set_due(false);
        self.escape.reset();
        self.buttons.forget_held();
        // The window ends the capture by itself; a grab of the keyboard that is still tried could come with the next
        // focus, so that one is ended as ever.
        self.capture = Capture::Off;
        self.left_at = None;
        if self.preferences.release_on_focus_loss || was_captured {
            self.release_held(actions);
        } else {
            // The option is about keys. A button's release may never be told.
            while let Some(button) = self.buttons.pop_sent() {
                let is_pressed = false;
                self.out
                    .pointer(Command::Button { button, is_pressed }, actions);
            }
        }
    }

    /// Does what follows from the state as it is now; nothing if it is as before.
    fn settle(&mut self, now: Nanos, actions: &mut Vec<Action>) {
        self.settle_capture(actions);
        self.settle_mode(actions);
        self.follow_pointer(now, actions);
        self.settle_locks(actions);
        self.settle_grab(actions);
        self.settle_local_pointer(actions);
        self.settle_help(actions);
    }

    fn settle_capture(&mut self, actions: &mut Vec<Action>) {
        let is_due =
            self.due.at_focus || self.due.at_start && self.view.source != PictureSource::Nothing;
        if is_due && self.is_focused && self.is_available() && self.capture == Capture::Off {
            self.begin_capture(actions);
        }
    }

    /// Positions are asked for while the machine's own screen is shown, where they need no alignment.
    fn settle_mode(&mut self, actions: &mut Vec<Action>) {
        let (true, Some(modes)) = (self.is_linked, self.modes) else {
            return;
        };
        let is_wanted = self.view.source == PictureSource::Console
            && self.capture == Capture::Off
            && self.may_send()
            && modes.supports(MouseMode::Absolute);
        if self.told.is_absolute != Some(is_wanted) {
            self.told.is_absolute = Some(is_wanted);
            let mode = if is_wanted {
                MouseMode::Absolute
            } else {
                MouseMode::Relative
            };
            actions.push(Action::Spice(Command::UseMouse(mode)));
        }
    }

    fn settle_locks(&mut self, actions: &mut Vec<Action>) {
        if self.may_send()
            && self.keys.is_empty()
            && let Some(locks) = self.locks.take(self.preferences.escape_key)
        {
            // Behind releases that wait behind a click.
            self.out.key(Command::SetLocks(locks), actions);
        }
    }

    fn settle_grab(&mut self, actions: &mut Vec<Action>) {
        let in_capture = matches!(self.capture, Capture::Asked | Capture::On);
        let is_wanted = self.is_focused
            && self.is_available()
            && (self.preferences.grab_keyboard_on_focus
                || self.preferences.grab_keyboard && in_capture);
        if is_wanted != self.told.grabs_keyboard {
            self.told.grabs_keyboard = is_wanted;
            actions.push(Action::GrabKeyboard(is_wanted));
        }
    }

    fn settle_local_pointer(&mut self, actions: &mut Vec<Action>) {
        let is_hidden = self.preferences.hide_cursor
            && !self.preferences.always_show_cursor
            && (self.follow.is_in() || self.capture != Capture::Off);
        if self.told.shows_pointer != Some(!is_hidden) {
            self.told.shows_pointer = Some(!is_hidden);
            actions.push(Action::ShowLocalPointer(!is_hidden));
        }
    }

    fn settle_help(&mut self, actions: &mut Vec<Action>) {
        let context = self.escape.shows_help().then(|| self.context());
        if context != self.told.help {
            self.told.help = context;
            let lines = context.map(|context| binds::help(self.preferences.escape_key, context));
            actions.push(Action::Help(lines));
        }
    }

    fn context(&self) -> Context {
        Context {
            has_input: self.is_linked && self.preferences.to_guest,
            is_on: self.is_on,
            is_linux: self.view.is_linux,
            can_record: self.can_record,
        }
    }

    fn surroundings(&self, now: Nanos) -> Surroundings {
        let current = self.modes.and_then(MouseModes::current);
        let is_absolute =
            self.told.is_absolute == Some(true) && current == Some(MouseMode::Absolute);
        Surroundings {
            view: self.view,
            local: self.local.map(|point| place::on_buffer(point, self.scale)),
            is_over: self.is_over,
            is_allowed: self.may_send() && self.capture == Capture::Off,
            has_buttons: self.buttons.are_held(),
            is_absolute,
            is_relative: !is_absolute && current != Some(MouseMode::Absolute),
            is_scaled: self.preferences.scale_cursor,
            now,
        }
    }

    fn follow_pointer(&mut self, now: Nanos, actions: &mut Vec<Action>) {
        let around = self.surroundings(now);
        self.follow.update(&around, &mut self.out, actions);
    }

    /// The turn from the guest's desktop to the window.
    fn turn(&self) -> Rotation {
        let own_turn = |placement: Placement| placement.own_turn;
        self.view.placement.map(own_turn).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
