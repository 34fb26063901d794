//! The captured pointer and the grabbed keyboard: pointer-constraints, relative-pointer, keyboard-shortcuts-inhibit.

use clock::{Clock as _, MonotonicClock, Nanos};
use picture::SurfacePoint;
use smithay_client_toolkit::dispatch2::Dispatch2;
use wayland_client::globals::GlobalList;
use wayland_client::protocol::wl_pointer::WlPointer;
use wayland_client::{Connection, QueueHandle};
use wayland_protocols::wp::keyboard_shortcuts_inhibit::zv1::client::zwp_keyboard_shortcuts_inhibit_manager_v1::ZwpKeyboardShortcutsInhibitManagerV1;
use wayland_protocols::wp::keyboard_shortcuts_inhibit::zv1::client::zwp_keyboard_shortcuts_inhibitor_v1::{
    self, ZwpKeyboardShortcutsInhibitorV1,
};
use wayland_protocols::wp::pointer_constraints::zv1::client::zwp_locked_pointer_v1::{
    self, ZwpLockedPointerV1,
};
use wayland_protocols::wp::pointer_constraints::zv1::client::zwp_pointer_constraints_v1::{
    Lifetime, ZwpPointerConstraintsV1,
};
use wayland_protocols::wp::relative_pointer::zv1::client::zwp_relative_pointer_manager_v1::ZwpRelativePointerManagerV1;
use wayland_protocols::wp::relative_pointer::zv1::client::zwp_relative_pointer_v1::{
    self, ZwpRelativePointerV1,
};

use super::state::{Quiet, State};
use crate::WindowEvent;
use crate::grab::Grab;

/// A pointer that is locked, or shall be.
struct Lock {
    pointer: WlPointer,
    locked: ZwpLockedPointerV1,
    relative: ZwpRelativePointerV1,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.locked.destroy();
        self.relative.destroy();
    }
}

/// What is grabbed, and the means to.
pub(super) struct Grabs {
    constraints: Option<ZwpPointerConstraintsV1>,
    relative: Option<ZwpRelativePointerManagerV1>,
    inhibit: Option<ZwpKeyboardShortcutsInhibitManagerV1>,
    pub(super) pointer: Grab,
    lock: Option<Lock>,
    pub(super) keyboard: Grab,
    inhibitor: Option<ZwpKeyboardShortcutsInhibitorV1>,
}

impl Grabs {
    /// Looks what the compositor can do; nothing is grabbed.
    pub(super) fn new(globals: &GlobalList, queue: &QueueHandle<State>) -> Self {
        Self {
            constraints: globals.bind(queue, 1..=1, Quiet).ok(),
            relative: globals.bind(queue, 1..=1, Quiet).ok(),
            inhibit: globals.bind(queue, 1..=1, Quiet).ok(),
            pointer: Grab::Off,
            lock: None,
            keyboard: Grab::Off,
            inhibitor: None,
        }
    }

    /// Destroys what hangs on the surface.
    pub(super) fn clear(&mut self) {
        self.lock = None;
        if let Some(inhibitor) = self.inhibitor.take() {
            inhibitor.destroy();
        }
    }
}

impl State {
    /// See [`crate::Window::capture_pointer`].
    pub(super) fn capture_pointer(&mut self) {
        let missing = match (&self.grabs.constraints, &self.grabs.relative) {
            (None, _) => Some("zwp_pointer_constraints_v1"),
            (_, None) => Some("zwp_relative_pointer_manager_v1"),
            _ => None,
        };
        if let Some(missing) = missing {
            tracing::warn!("the pointer cannot be captured: the compositor lacks {missing}");
            self.pending.push(WindowEvent::PointerCaptured(false));
        } else if self.grabs.pointer.is_held() {
            self.pending.push(WindowEvent::PointerCaptured(true));
        } else {
            self.grabs.pointer = Grab::want(MonotonicClock.now());
            self.lock_pointer();
        }
    }

    /// See [`crate::Window::release_pointer`].
    pub(super) fn release_pointer(&mut self, to: Option<SurfacePoint>) {
        let was = self.grabs.pointer;
        if was == Grab::Off {
            return;
        }
        if let (Grab::Held, Some(lock), Some(to)) = (was, &self.grabs.lock, to) {
            lock.locked.set_cursor_position_hint(to.x, to.y);
            // A hint counts from the next commit on.
            self.shell.commit_hint();
        }
        self.end_capture();
    }

    /// See [`crate::Window::grab_keyboard`].
    pub(super) fn grab_keyboard(&mut self, on: bool) {
        if !on {
            self.end_keyboard_grab();
        } else if self.grabs.inhibit.is_none() {
            let missing = "zwp_keyboard_shortcuts_inhibit_manager_v1";
            tracing::warn!("the keyboard cannot be grabbed: the compositor lacks {missing}");
            self.pending.push(WindowEvent::KeyboardGrabbed(false));
        } else if self.grabs.keyboard.is_held() {
            self.pending.push(WindowEvent::KeyboardGrabbed(true));
        } else {
            self.grabs.keyboard = Grab::want(MonotonicClock.now());
            self.inhibit_shortcuts();
        }
    }

    /// Asks for the lock, if it is wanted and a pointer is over the window.
    pub(super) fn lock_pointer(&mut self) {
        let grabs = &mut self.grabs;
        if grabs.lock.is_some() || grabs.pointer.next().is_none() {
            return;
        }
        if let (Some(constraints), Some(relative), Some(pointer)) =
            (&grabs.constraints, &grabs.relative, self.seats.entered())
        {
            let (surface, queue) = (&self.shell.surface, &self.shell.queue);
            // Once only: what the compositor has ended does not come back by itself.
            let life = Lifetime::Oneshot;
            let locked = constraints.lock_pointer(surface, &pointer, None, life, queue, GrabRole);
            let relative = relative.get_relative_pointer(&pointer, queue, GrabRole);
            grabs.lock = Some(Lock {
                pointer,
                locked,
                relative,
            });
        }
    }

    /// Asks for all keys, if they are wanted and the window has the focus.
    pub(super) fn inhibit_shortcuts(&mut self) {
        let grabs = &mut self.grabs;
        if grabs.inhibitor.is_some() || grabs.keyboard.next().is_none() {
            return;
        }
        let seat = self.focus.seat(&self.seats);
        if let (Some(inhibit), Some(seat)) = (&grabs.inhibit, seat) {
            let (surface, queue) = (&self.shell.surface, &self.shell.queue);
            grabs.inhibitor = Some(inhibit.inhibit_shortcuts(surface, seat, queue, GrabRole));
        }
    }

    /// Gives up what has not been granted in time.
    pub(super) fn check_grabs(&mut self, now: Nanos) {
        if self.grabs.pointer.is_due(now) {
            self.grabs.pointer.failed(now);
            if self.grabs.pointer == Grab::Off {
                let reason = if self.grabs.lock.is_some() {
                    "the compositor does not lock it (sway wants \"seat seat0 pointer_constraint enable\")"
                } else {
                    "it is not over the window"
                };
                tracing::warn!("the pointer cannot be captured: {reason}");
                self.end_capture();
            }
        }
        if self.grabs.keyboard.is_due(now) {
            self.grabs.keyboard.failed(now);
            if self.grabs.keyboard == Grab::Off {
                let reason = if self.grabs.inhibitor.is_some() {
                    "the compositor has not agreed yet"
                } else {
                    "the window has not got the focus"
                };
                tracing::warn!("the keyboard cannot be grabbed: {reason}");
                // What was asked stays asked: the compositor's user may still be thinking.
                self.pending.push(WindowEvent::KeyboardGrabbed(false));
            }
        }
    }

    /// Ends what is in force, as when the focus is lost. What is only wanted may still come with the focus.
    pub(super) fn end_grabs(&mut self) {
        if self.grabs.pointer.is_held() {
            self.end_capture();
        }
        if self.grabs.keyboard.is_held() {
            self.end_keyboard_grab();
        } else if let Some(inhibitor) = self.grabs.inhibitor.take() {
            inhibitor.destroy();
        }
    }

    /// A pointer is about to go.
    pub(super) fn lose_pointer(&mut self, pointer: &WlPointer) {
        let lock = self.grabs.lock.as_ref();
        if lock.is_some_and(|lock| lock.pointer == *pointer) {
            self.end_capture();
        }
    }

    /// Ends the capture, or the wish for one.
    fn end_capture(&mut self) {
        self.grabs.pointer = Grab::Off;
        self.grabs.lock = None;
        self.seats.is_captured = false;
        self.seats.apply_cursor(&self.shell.conn);
        self.pending.push(WindowEvent::PointerCaptured(false));
    }

    /// Ends the grab of the keyboard, or the wish for one.
    fn end_keyboard_grab(&mut self) {
        if let Some(inhibitor) = self.grabs.inhibitor.take() {
            inhibitor.destroy();
        }
        if std::mem::take(&mut self.grabs.keyboard) != Grab::Off {
            self.pending.push(WindowEvent::KeyboardGrabbed(false));
        }
    }
}

/// User data of the objects by which something is grabbed.
struct GrabRole;

impl Dispatch2<ZwpLockedPointerV1, State> for GrabRole {
    fn event(
        &self,
        state: &mut State,
        locked: &ZwpLockedPointerV1,
        event: zwp_locked_pointer_v1::Event,
        conn: &Connection,
        _: &QueueHandle<State>,
    ) {
        let lock = state.grabs.lock.as_ref();
        if lock.is_none_or(|lock| lock.locked != *locked) {
            return;
        }
        match event {
            zwp_locked_pointer_v1::Event::Locked => {
                state.grabs.pointer = Grab::Held;
                state.seats.is_captured = true;
                state.seats.apply_cursor(conn);
                state.pending.push(WindowEvent::PointerCaptured(true));
            }
            zwp_locked_pointer_v1::Event::Unlocked => state.end_capture(),
            _ => {}
        }
    }
}

impl Dispatch2<ZwpRelativePointerV1, State> for GrabRole {
    fn event(
        &self,
        state: &mut State,
        _: &ZwpRelativePointerV1,
        event: zwp_relative_pointer_v1::Event,
        _: &Connection,
        _: &QueueHandle<State>,
    ) {
        if let zwp_relative_pointer_v1::Event::RelativeMotion {
            dx,
            dy,
            dx_unaccel,
            dy_unaccel,
            ..
        } = event
            && state.grabs.pointer.is_held()
        {
            state.pending.push(WindowEvent::RelativeMotion {
                dx,
                dy,
                raw_dx: dx_unaccel,
                raw_dy: dy_unaccel,
            });
        }
    }
}

impl Dispatch2<ZwpKeyboardShortcutsInhibitorV1, State> for GrabRole {
    fn event(
        &self,
        state: &mut State,
        inhibitor: &ZwpKeyboardShortcutsInhibitorV1,
        event: zwp_keyboard_shortcuts_inhibitor_v1::Event,
        _: &Connection,
        _: &QueueHandle<State>,
    ) {
        if state.grabs.inhibitor.as_ref() != Some(inhibitor) {
            return;
        }
        let now = match event {
            zwp_keyboard_shortcuts_inhibitor_v1::Event::Active => Grab::Held,
            zwp_keyboard_shortcuts_inhibitor_v1::Event::Inactive => Grab::Off,
            _ => return,
        };
        if std::mem::replace(&mut state.grabs.keyboard, now) != now {
            let told = WindowEvent::KeyboardGrabbed(now.is_held());
            state.pending.push(told);
        }
    }
}
