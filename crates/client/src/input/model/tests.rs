//! The model against a guest that remembers what was done to it.

use std::collections::HashSet;

use picture::{FrameLayout, GuestPoint, PixelFormat, ScaleFilter, Size, ViewOptions};
use spice::inputs::{Locks, MouseButton, Scancode, Wheel};
use window::{BTN_LEFT, LockKeys};

use super::*;
use crate::input::Bind;

mod binds;
mod capture;
mod keyboard;
mod links;
mod pointer;
mod properties;

const MS: fn(i64) -> Nanos = Nanos::from_millis;

// From linux/input-event-codes.h.
const A: u32 = 30;
const F: u32 = 33;
const I: u32 = 23;
const SHIFT: u32 = 42;
const ESCAPE: u32 = 70;

fn code(evdev: u32) -> Scancode {
    scancode::of(evdev).unwrap()
}

/// A guest behind a SPICE server, as the `spice` crate serves it.
#[derive(Debug, Default)]
struct Guest {
    keys: HashSet<Scancode>,
    buttons: HashSet<MouseButton>,
    wheel: i32,
    pointer: (i32, i32),
    locks: Vec<Locks>,
    /// Releases of what was not down.
    faults: usize,
}

impl Guest {
    fn take(&mut self, command: &Command) {
        match command {
            Command::Key { key, is_pressed } => {
                let is_new = match is_pressed {
                    true => self.keys.insert(*key),
                    false => self.keys.remove(key),
                };
                self.faults += usize::from(!is_new);
            }
            Command::Button { button, is_pressed } => {
                let is_new = match is_pressed {
                    true => self.buttons.insert(*button),
                    false => self.buttons.remove(button),
                };
                self.faults += usize::from(!is_new);
            }
            Command::Motion { dx, dy } => {
                self.pointer.0 += dx;
                self.pointer.1 += dy;
                self.faults += usize::from(*dx == 0 && *dy == 0);
            }
            Command::Position { x, y } => {
                self.pointer = (i32::try_from(*x).unwrap(), i32::try_from(*y).unwrap());
            }
            Command::Wheel(Wheel::Up) => self.wheel -= 1,
            Command::Wheel(Wheel::Down) => self.wheel += 1,
            Command::ReleaseAll => self.release(),
            Command::SetLocks(locks) => {
                self.faults += self.keys.len();
                self.locks.push(*locks);
            }
            Command::UseMouse(_) => {}
            other => panic!("not the input's to send: {other:?}"),
        }
    }

    fn release(&mut self) {
        self.keys.clear();
        self.buttons.clear();
    }

    fn has_anything_down(&self) -> bool {
        !self.keys.is_empty() || !self.buttons.is_empty()
    }
}

/// A model, and what is around it.
struct Desk {
    model: InputModel,
    view: GuestView,
    scale: f64,
    now: Nanos,
    guest: Guest,
    actions: Vec<Action>,
}

impl Desk {
    /// With a session and the focus, and a guest of 1000x500 pixels in the middle of a window of 1000x1000.
    fn new(preferences: Preferences) -> Self {
        let mut desk = Self::bare(preferences);
        desk.spice(SpiceInput::Ready);
        desk.spice(SpiceInput::Locks(Locks::default()));
        desk.event(WindowEvent::Focused(true));
        desk.view(|view| {
            view.source = PictureSource::Relay;
            view.placement = Some(placed(Size::new(1000, 500), Rotation::Deg0));
            view.pointer = Some(GuestPoint { x: 0, y: 0 });
        });
        desk.actions.clear();
        desk
    }

    fn bare(preferences: Preferences) -> Self {
        Self {
            model: InputModel::new(preferences),
            view: GuestView::default(),
            scale: 1.0,
            now: MS(1000),
            guest: Guest::default(),
            actions: Vec::new(),
        }
    }

    /// Gives the new actions to the guest, and keeps those that are not the session's.
    fn took(&mut self, actions: Vec<Action>) {
        for action in &actions {
            if let Action::Spice(command) = action {
                self.guest.take(command);
            }
        }
        self.actions.extend(actions);
    }

    fn event(&mut self, event: WindowEvent) {
        let mut actions = Vec::new();
        self.model
            .window_event(&event, &self.view, self.scale, self.now, &mut actions);
        self.took(actions);
    }

    fn spice(&mut self, event: SpiceInput) {
        if matches!(event, SpiceInput::Ready | SpiceInput::Lost) {
            self.guest.release();
        }
        let mut actions = Vec::new();
        self.model
            .spice_event(event, &self.view, self.now, &mut actions);
        self.took(actions);
    }

    fn view(&mut self, change: impl FnOnce(&mut GuestView)) {
        change(&mut self.view);
        let mut actions = Vec::new();
        self.model.view_changed(&self.view, self.now, &mut actions);
        self.took(actions);
    }

    fn wait(&mut self, ms: i64) -> Option<Nanos> {
        self.now = self.now + MS(ms);
        let mut actions = Vec::new();
        let deadline = self.model.tick(&self.view, self.now, &mut actions);
        self.took(actions);
        deadline
    }

    fn realigned(&mut self, is_there: bool) {
        let mut actions = Vec::new();
        self.model
            .realigned(is_there, &self.view, self.now, &mut actions);
        self.took(actions);
    }

    fn release_all(&mut self) {
        let mut actions = Vec::new();
        self.model.release_all(&mut actions);
        self.took(actions);
    }

    fn key(&mut self, evdev: u32, pressed: bool) {
        self.event(WindowEvent::Key { evdev, pressed });
    }

    fn press(&mut self, evdev: u32) {
        self.key(evdev, true);
    }

    fn release(&mut self, evdev: u32) {
        self.key(evdev, false);
    }

    fn tap(&mut self, evdev: u32) {
        self.press(evdev);
        self.release(evdev);
    }

    /// Escape and another key, both released again.
    fn bind(&mut self, evdev: u32) {
        self.press(ESCAPE);
        self.tap(evdev);
        self.release(ESCAPE);
    }

    fn move_to(&mut self, x: f64, y: f64) {
        self.event(WindowEvent::PointerMoved(SurfacePoint { x, y }));
    }

    fn button(&mut self, evdev: u32, pressed: bool) {
        self.event(WindowEvent::Button { evdev, pressed });
    }

    fn push(&mut self, dx: f64, dy: f64) {
        self.event(WindowEvent::RelativeMotion {
            dx,
            dy,
            raw_dx: dx,
            raw_dy: dy,
        });
    }

    /// Taps the escape key, and has the display server grant the capture.
    fn capture(&mut self) {
        self.tap(ESCAPE);
        self.event(WindowEvent::PointerCaptured(true));
    }

    /// The actions so far, once.
    fn done(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// The commands to the session so far, once.
    fn sent(&mut self) -> Vec<Command> {
        let command = |action| match action {
            Action::Spice(command) => Some(command),
            _ => None,
        };
        self.done().into_iter().filter_map(command).collect()
    }

    fn messages(&mut self) -> Vec<String> {
        let message = |action| match action {
            Action::Message(text) => Some(text),
            _ => None,
        };
        self.done().into_iter().filter_map(message).collect()
    }
}

fn placed(desktop: Size, rotation: Rotation) -> Placement {
    placed_in(desktop, Size::new(1000, 1000), rotation)
}

fn placed_in(desktop: Size, buffer: Size, rotation: Rotation) -> Placement {
    let layout = FrameLayout::packed(PixelFormat::Bgra8, desktop);
    let view = ViewOptions {
        keep_aspect: true,
        dont_upscale: false,
        rotation,
        filter: ScaleFilter::Auto,
    };
    Placement::new(&layout, buffer, &view)
}

fn key(evdev: u32, is_pressed: bool) -> Command {
    Command::Key {
        key: code(evdev),
        is_pressed,
    }
}

fn click(is_pressed: bool) -> Command {
    Command::Button {
        button: MouseButton::Left,
        is_pressed,
    }
}

fn motion(dx: i32, dy: i32) -> Command {
    Command::Motion { dx, dy }
}

fn all_locks(is_on: bool) -> LockKeys {
    LockKeys {
        caps: Some(is_on),
        num: Some(is_on),
        scroll: Some(is_on),
    }
}
