//! The keys that are down, as far as our user was told.

use crate::WindowEvent;

/// Keys beyond `KEY_MAX` (0x2ff) of linux/input-event-codes.h do not exist.
const KEYS: usize = 768;

/// A set of evdev codes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeldKeys([u64; KEYS / 64]);

impl HeldKeys {
    /// The word and the bit of a key.
    fn bit(&mut self, evdev: u32) -> Option<(&mut u64, u64)> {
        let index = usize::try_from(evdev).ok()?;
        let word = self.0.get_mut(index / 64)?;
        Some((word, 1 << (index % 64)))
    }

    /// Takes a change of a key. What it tells is a real change: neither a repetition nor the release of a key that
    /// went down elsewhere.
    pub(crate) fn change(&mut self, evdev: u32, pressed: bool) -> Option<WindowEvent> {
        let (word, bit) = self.bit(evdev)?;
        let was_pressed = *word & bit != 0;
        if was_pressed == pressed {
            return None;
        }
        *word ^= bit;
        Some(WindowEvent::Key { evdev, pressed })
    }

    /// Forgets all keys.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The keys, lowest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + use<'_> {
        (0..).zip(&self.0).flat_map(|(at, word): (u32, &u64)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 != 0)
                .map(move |bit| at * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_press_is_told_once_and_so_is_its_release() {
        let mut held = HeldKeys::default();
        let told = |pressed| Some(WindowEvent::Key { evdev: 30, pressed });
        assert_eq!(held.change(30, false), None, "pressed elsewhere");
        assert_eq!(held.change(30, true), told(true));
        assert_eq!(held.change(30, true), None, "a repetition");
        assert_eq!(held.change(30, false), told(false));
        assert_eq!(held.change(30, false), None);
    }

    #[test]
    fn all_keys_that_exist_fit_and_others_are_nothing() {
        let mut held = HeldKeys::default();
        for evdev in [0, 63, 64, 767] {
            assert!(held.change(evdev, true).is_some());
        }
        assert_eq!(held.change(768, true), None);
        assert_eq!(held.change(u32::MAX, true), None);
        assert_eq!(held.iter().collect::<Vec<_>>(), [0, 63, 64, 767]);
        held.clear();
        assert_eq!(held.iter().next(), None);
    }
}
