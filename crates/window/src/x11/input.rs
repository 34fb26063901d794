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

/// A key press or release.
pub(crate) fn key(keycode: u32, pressed: bool) -> Option<WindowEvent> {
    let evdev = keycode
        .checked_sub(KEYCODE_OFFSET)
        .filter(|&code| code > 0)?;
    Some(WindowEvent::Key { evdev, pressed })
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
        let pressed = true;
        assert_eq!(key(38, true), Some(WindowEvent::Key { evdev: 30, pressed }));
        assert_eq!(key(8, true), None);
        assert_eq!(key(3, true), None);
    }

    #[test]
    fn fixed_point_keeps_fractions() {
        assert_eq!(
            point(3 << 15, -(1 << 14)),
            SurfacePoint { x: 1.5, y: -0.25 }
        );
    }
}
