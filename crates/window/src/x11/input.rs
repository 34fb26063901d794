//! From XInput2 events to ours.

use picture::SurfacePoint;
use x11rb::protocol::xinput::Fp1616;

use crate::WindowEvent;
use crate::event::{BTN_EXTRA, BTN_LEFT, BTN_MIDDLE, BTN_RIGHT, BTN_SIDE};

/// X key codes are evdev codes plus this, by convention of the evdev and libinput drivers.
const KEYCODE_OFFSET: u32 = 8;

/// A place in the window; X units are pixels.
pub(crate) fn point(x: Fp1616, y: Fp1616) -> SurfacePoint {
    SurfacePoint {
        x: f64::from(x) / 65_536.0,
        y: f64::from(y) / 65_536.0,
    }
}

/// A button press or release; a wheel click is a press of one of the buttons 4 to 7.
pub(crate) fn button(number: u32, pressed: bool) -> Option<WindowEvent> {
    let wheel = |x_120, y_120| pressed.then_some(WindowEvent::Wheel { x_120, y_120 });
    let evdev = match number {
        1 => BTN_LEFT,
        2 => BTN_MIDDLE,
        3 => BTN_RIGHT,
        4 => return wheel(0, -120),
        5 => return wheel(0, 120),
        6 => return wheel(-120, 0),
        7 => return wheel(120, 0),
        8 => BTN_SIDE,
        9 => BTN_EXTRA,
        // The drivers count on: 10 is BTN_FORWARD, the last mouse button is 0x11f.
        10..=20 => BTN_EXTRA + (number - 9),
        _ => return None,
    };
    Some(WindowEvent::Button { evdev, pressed })
}

/// A key's evdev code.
pub(crate) fn key(keycode: u32) -> Option<u32> {
    let evdev = keycode.checked_sub(KEYCODE_OFFSET);
    evdev.filter(|&code| code > 0)
}

/// Tells whether the reply to `QueryKeymap`, a bit for each key code, has a key down.
pub(crate) fn is_down(keymap: &[u8; 32], evdev: u32) -> bool {
    let code = evdev.saturating_add(KEYCODE_OFFSET);
    let byte = usize::try_from(code / 8).ok().and_then(|i| keymap.get(i));
    byte.is_some_and(|byte| byte >> (code % 8) & 1 != 0)
}

/// A place in a window as XInput 2 takes it; what does not fit is clamped.
pub(crate) const fn fixed(place: f64) -> Fp1616 {
    (place * 65_536.0).round_ties_even() as Fp1616
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x_buttons_become_evdev_buttons() {
        let code = |n| match button(n, true) {
            Some(WindowEvent::Button { evdev, .. }) => evdev,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            [1, 2, 3, 8, 9, 10].map(code),
            [0x110, 0x112, 0x111, 0x113, 0x114, 0x115]
        );
        assert_eq!(button(0, true), None);
        assert_eq!(button(21, true), None);
    }

    #[test]
    fn a_wheel_click_is_reported_once() {
        let down = WindowEvent::Wheel {
            x_120: 0,
            y_120: 120,
        };
        assert_eq!(button(5, true), Some(down));
        assert_eq!(button(5, false), None);
    }

    #[test]
    fn keycodes_below_the_offset_are_no_keys() {
        assert_eq!(key(38), Some(30));
        assert_eq!(key(8), None);
        assert_eq!(key(3), None);
    }

    #[test]
    fn a_keymap_has_the_keys_at_their_key_codes() {
        let mut keymap = [0; 32];
        keymap[38 / 8] = 1 << (38 % 8);
        assert!(is_down(&keymap, 30));
        assert!(!is_down(&keymap, 31));
        assert!(!is_down(&[0xff; 32], 248), "beyond the last key code");
        assert!(!is_down(&[0xff; 32], u32::MAX));
    }

    #[test]
    fn fixed_point_keeps_fractions() {
        assert_eq!(
            point(3 << 15, -(1 << 14)),
            SurfacePoint { x: 1.5, y: -0.25 }
        );
        assert_eq!([1.5, -0.25].map(fixed), [3 << 15, -(1 << 14)]);
        assert_eq!([1e9, f64::NAN].map(fixed), [i32::MAX, 0]);
    }
}
