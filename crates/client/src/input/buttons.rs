//! Which mouse buttons are down: on the desk, and in the guest.

use spice::inputs::MouseButton;
use window::{BTN_EXTRA, BTN_LEFT, BTN_MIDDLE, BTN_RIGHT, BTN_SIDE};

const ALL: [u32; 5] = [BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA];

/// The buttons, one bit each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Buttons {
    physical: u8,
    sent: u8,
}

impl Buttons {
    /// A button went down; gives it if the guest is to know of it and does not yet.
    pub(super) fn press(&mut self, evdev: u32, to_guest: bool) -> Option<MouseButton> {
        let (button, bit) = known(evdev)?;
        self.physical |= bit;
        let is_new = to_guest && self.sent & bit == 0;
        is_new.then(|| {
            self.sent |= bit;
            button
        })
    }

    /// A button went up; gives it if the guest thinks that it is down.
    pub(super) fn release(&mut self, evdev: u32) -> Option<MouseButton> {
        let (button, bit) = known(evdev)?;
        self.physical &= !bit;
        let was_sent = self.sent & bit != 0;
        was_sent.then(|| {
            self.sent &= !bit;
            button
        })
    }

    /// The user holds a button down, whoever got it.
    pub(super) fn are_held(self) -> bool {
        self.physical != 0
    }

    /// A button is down in the guest.
    pub(super) fn are_sent(self) -> bool {
        self.sent != 0
    }

    /// Takes out one of the buttons that are down in the guest, to be released there.
    pub(super) fn pop_sent(&mut self) -> Option<MouseButton> {
        let sent = |(_, bit): &(MouseButton, u8)| self.sent & bit != 0;
        let (button, bit) = ALL.into_iter().filter_map(known).find(sent)?;
        self.sent &= !bit;
        Some(button)
    }

    /// The guest's side has released all.
    pub(super) fn forget_sent(&mut self) {
        self.sent = 0;
    }

    /// Releases may no longer be told.
    pub(super) fn forget_held(&mut self) {
        self.physical = 0;
    }
}

fn known(evdev: u32) -> Option<(MouseButton, u8)> {
    Some(match evdev {
        BTN_LEFT => (MouseButton::Left, 1),
        BTN_RIGHT => (MouseButton::Right, 1 << 1),
        BTN_MIDDLE => (MouseButton::Middle, 1 << 2),
        BTN_SIDE => (MouseButton::Side, 1 << 3),
        BTN_EXTRA => (MouseButton::Extra, 1 << 4),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_buttons_are_known() {
        let mut buttons = Buttons::default();
        let pressed = [BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA]
            .map(|button| buttons.press(button, true));
        assert_eq!(
            pressed,
            [
                Some(MouseButton::Left),
                Some(MouseButton::Right),
                Some(MouseButton::Middle),
                Some(MouseButton::Side),
                Some(MouseButton::Extra)
            ]
        );
        assert_eq!(buttons.press(0x115, true), None);
        assert_eq!(buttons.release(0x115), None);
    }

    #[test]
    fn button_that_was_not_sent_is_not_released() {
        let mut buttons = Buttons::default();
        assert_eq!(buttons.press(BTN_LEFT, false), None);
        assert!(buttons.are_held() && !buttons.are_sent());
        assert_eq!(buttons.release(BTN_LEFT), None);
        assert!(!buttons.are_held());
    }

    #[test]
    fn every_button_that_was_sent_is_taken_out_once() {
        let mut buttons = Buttons::default();
        for button in ALL {
            buttons.press(button, button != BTN_MIDDLE);
        }
        let taken: Vec<_> = std::iter::from_fn(|| buttons.pop_sent()).collect();
        let others = [BTN_LEFT, BTN_RIGHT, BTN_SIDE, BTN_EXTRA];
        let others: Vec<_> = others.into_iter().filter_map(known).collect();
        assert!(taken.iter().eq(others.iter().map(|(button, _)| button)));
        assert!(!buttons.are_sent() && buttons.are_held());
    }

    #[test]
    fn button_is_pressed_and_released_once() {
        let mut buttons = Buttons::default();
        assert_eq!(buttons.press(BTN_LEFT, true), Some(MouseButton::Left));
        assert_eq!(buttons.press(BTN_LEFT, true), None);
        assert_eq!(buttons.release(BTN_LEFT), Some(MouseButton::Left));
        assert_eq!(buttons.release(BTN_LEFT), None);
    }
}
