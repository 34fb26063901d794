//! The keys that are down in the guest, and the codes that the model knows by name.

use spice::Command;
use spice::inputs::Scancode;

use super::outbox::Outbox;
use super::{Action, scancode};

// From linux/input-event-codes.h.
pub(super) const LEFT_CTRL: u32 = 29;
pub(super) const LEFT_ALT: u32 = 56;
pub(super) const CAPS_LOCK: u32 = 58;
pub(super) const NUM_LOCK: u32 = 69;
pub(super) const SCROLL_LOCK: u32 = 70;
pub(super) const LEFT_META: u32 = 125;
pub(super) const RIGHT_META: u32 = 126;

/// More keys than there are.
const MOST: usize = 256;

/// The keys that were pressed in the guest and not yet released.
#[derive(Debug)]
pub(super) struct HeldKeys(Vec<Scancode>);

impl HeldKeys {
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(MOST))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets all: the guest's side has released them.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn press(&mut self, evdev: u32, out: &mut Outbox, actions: &mut Vec<Action>) {
        let Some(key) = scancode::of(evdev) else {
            return;
        };
        if self.0.len() < MOST && !self.0.contains(&key) {
            self.0.push(key);
            send(key, true, out, actions);
        }
    }

    /// Releases a key if it was pressed in the guest.
    pub(super) fn release(&mut self, evdev: u32, out: &mut Outbox, actions: &mut Vec<Action>) {
        let held = scancode::of(evdev).and_then(|key| self.0.iter().position(|held| *held == key));
        if let Some(held) = held {
            let key = self.0.remove(held);
            send(key, false, out, actions);
        }
    }

    pub(super) fn release_all(&mut self, out: &mut Outbox, actions: &mut Vec<Action>) {
        while let Some(key) = self.0.pop() {
            send(key, false, out, actions);
        }
    }

    /// Presses keys in order and releases them in reverse; those that the user holds anyway stay down.
    pub(super) fn chord(&self, evdev: &[u32], out: &mut Outbox, actions: &mut Vec<Action>) {
        let keys = || {
            let keys = evdev.iter().filter_map(|evdev| scancode::of(*evdev));
            keys.filter(|key| !self.0.contains(key))
        };
        for key in keys() {
            send(key, true, out, actions);
        }
        for key in keys().rev() {
            send(key, false, out, actions);
        }
    }
}

fn send(key: Scancode, is_pressed: bool, out: &mut Outbox, actions: &mut Vec<Action>) {
    out.key(Command::Key { key, is_pressed }, actions);
}
