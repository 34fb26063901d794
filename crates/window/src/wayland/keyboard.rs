//! Keys, the focus and the lock keys.

use smithay_client_toolkit::dispatch2::Dispatch2;
use wayland_client::protocol::wl_keyboard::{self, KeyState, WlKeyboard};
use wayland_client::protocol::wl_seat::WlSeat;
use wayland_client::{Connection, QueueHandle, WEnum};

use super::seat::Seats;
use super::state::State;
use crate::held::HeldKeys;
use crate::{LockKeys, WindowEvent};

/// The modifier of Caps Lock: the core protocol's Lock.
const CAPS: u32 = 1 << 1;
/// The modifier of Num Lock on every PC keyboard: Mod2.
const NUM: u32 = 1 << 4;

/// The focus of the keyboards, as far as the window has it.
#[derive(Default)]
pub(super) struct Focus {
    /// The keyboard whose focus is here.
    keyboard: Option<WlKeyboard>,
    /// Our user knows.
    is_told: bool,
    locks: LockKeys,
    held: HeldKeys,
}

impl Focus {
    /// The seat whose keyboard is on the window.
    pub(super) fn seat<'a>(&self, seats: &'a Seats) -> Option<&'a WlSeat> {
        let focused = self.keyboard.as_ref()?;
        seats.seat_of(focused)
    }
}

/// What the locked modifiers say of the lock keys; Scroll Lock has no modifier that is sure to be its own.
fn locks(locked: u32) -> LockKeys {
    LockKeys {
        caps: Some(locked & CAPS != 0),
        num: Some(locked & NUM != 0),
        scroll: None,
    }
}

impl State {
    /// Tells that the focus has come, if that is so and was not told.
    pub(super) fn tell_focus(&mut self) {
        if self.focus.keyboard.is_some() && !std::mem::replace(&mut self.focus.is_told, true) {
            self.pending.push(WindowEvent::Locks(self.focus.locks));
            self.pending.push(WindowEvent::Focused(true));
        }
    }

    /// The focus went, or the keyboard did.
    pub(super) fn lose_focus(&mut self, keyboard: &WlKeyboard) {
        if self.focus.keyboard.as_ref() != Some(keyboard) {
            return;
        }
        self.tell_focus();
        self.focus = Focus::default();
        self.end_grabs();
        self.pending.push(WindowEvent::Focused(false));
    }
}

/// User data of keyboards.
pub(super) struct KeyboardRole;

impl Dispatch2<WlKeyboard, State> for KeyboardRole {
    fn event(
        &self,
        state: &mut State,
        keyboard: &WlKeyboard,
        event: wl_keyboard::Event,
        _: &Connection,
        _: &QueueHandle<State>,
    ) {
        let seat = state.seats.seat_of(keyboard);
        state.selection.keyboard(seat, &event);
        let has_focus = state.focus.keyboard.as_ref() == Some(keyboard);
        match event {
            // The states of the lock keys come right behind; the focus is told after them.
            wl_keyboard::Event::Enter { surface, .. } if surface == state.shell.surface => {
                state.focus.keyboard.get_or_insert(keyboard.clone());
                state.inhibit_shortcuts();
            }
            wl_keyboard::Event::Leave { surface, .. } if surface == state.shell.surface => {
                state.lose_focus(keyboard);
            }
            wl_keyboard::Event::Modifiers { mods_locked, .. } if has_focus => {
                let locks = locks(mods_locked);
                let is_new = std::mem::replace(&mut state.focus.locks, locks) != locks;
                if is_new && state.focus.is_told {
                    state.pending.push(WindowEvent::Locks(locks));
                }
                state.tell_focus();
            }
            wl_keyboard::Event::Key {
                key,
                state: WEnum::Value(key_state @ (KeyState::Pressed | KeyState::Released)),
                ..
            } if has_focus => {
                state.tell_focus();
                let is_pressed = key_state == KeyState::Pressed;
                let told = state.focus.held.change(key, is_pressed);
                state.pending.extend(told);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_keys_are_the_real_modifiers_lock_and_mod2() {
        let states = |caps, num| LockKeys {
            caps: Some(caps),
            num: Some(num),
            scroll: None,
        };
        assert_eq!(locks(0), states(false, false));
        assert_eq!(locks(0b10), states(true, false));
        assert_eq!(locks(0b1_0000), states(false, true));
        assert_eq!(locks(!0b1_0010), states(false, false));
    }
}
