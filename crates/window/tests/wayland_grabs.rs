//! The captured pointer, the grabbed keyboard and the lock keys, on real Wayland compositors.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use picture::SurfacePoint;
use support::shot::pattern;
use support::wayland::{Desktop as _, weston};
use support::{SCREEN, pump, pump_event};
use testkit::compositor::Sway;
use testkit::wayland_input::WaylandInput;
use window::{Backend, LockKeys, SoftwarePresenter, Window, WindowConfig, WindowEvent};

const KEY_A: u32 = 30;
const KEY_B: u32 = 48;
const KEY_LEFTSHIFT: u32 = 42;
const KEY_CAPSLOCK: u32 = 58;
const KEY_NUMLOCK: u32 = 69;

/// A focused window that covers sway's output, so that its coordinates are those of the output, with a user before it.
struct Desk {
    // Goes first: its buffers are of a connection that ends with the window.
    _presenter: Box<dyn SoftwarePresenter>,
    window: Window,
    user: WaylandInput,
    sway: Sway,
}

impl Desk {
    fn new(configuration: &str) -> Option<Self> {
        let sway =
            Sway::start(SCREEN.width, SCREEN.height, configuration).expect("sway comes up")?;
        let user = WaylandInput::connect(&sway.socket(), SCREEN.width, SCREEN.height);
        let mut user = user.expect("a user");
        let config = WindowConfig {
            full_screen: true,
            app_id: "lg-test".to_owned(),
            display: Some(sway.socket().to_string_lossy().into_owned()),
            ..WindowConfig::default()
        };
        let mut window = Window::open(&config, Some(Backend::Wayland)).expect("the window opens");
        let mut presenter = window.surface().presenter().expect("a presenter");
        pump(&mut window, "the focus", |window, events| {
            let canvas = pattern(window.buffer_size());
            presenter.present(&canvas, &[]).expect("a picture");
            window.buffer_size() == SCREEN && events.contains(&WindowEvent::Focused(true))
        });
        user.move_to(50, 40).unwrap();
        user.move_to(100, 50).unwrap();
        let at = SurfacePoint { x: 100.0, y: 50.0 };
        pump_event(&mut window, &WindowEvent::PointerMoved(at));
        Some(Self {
            _presenter: presenter,
            window,
            user,
            sway,
        })
    }

    /// The same with the pointer, at (100, 50), captured.
    fn captured() -> Option<Self> {
        let mut desk = Self::new("seat seat0 pointer_constraint enable\nbindsym a nop")?;
        desk.window.capture_pointer();
        desk.expect(&WindowEvent::PointerCaptured(true));
        Some(desk)
    }

    /// Waits for an event, and returns all until then.
    fn expect(&mut self, event: &WindowEvent) -> Vec<WindowEvent> {
        pump_event(&mut self.window, event)
    }

    /// All events that the compositor has to tell now, and those of a key press that marks the end, which are left out.
    fn events(&mut self) -> Vec<WindowEvent> {
        self.user.tap(KEY_B).unwrap();
        let end = key(KEY_B, false);
        let mut events = self.expect(&end);
        events.retain(|e| {
            !matches!(
                e,
                WindowEvent::Key { evdev: KEY_B, .. } | WindowEvent::Exposed
            )
        });
        events
    }

    /// Takes the focus away from the window.
    fn take_focus(&mut self) -> Vec<WindowEvent> {
        self.sway.swaymsg("workspace 2");
        let mut told = self.expect(&WindowEvent::Focused(false));
        told.retain(|e| !matches!(e, WindowEvent::Exposed | WindowEvent::PointerLeft));
        told
    }

    /// Gives it to the window.
    fn give_focus(&mut self) -> Vec<WindowEvent> {
        self.sway.swaymsg("workspace 1");
        let mut told = self.expect(&WindowEvent::Focused(true));
        told.retain(|e| !matches!(e, WindowEvent::Exposed | WindowEvent::PointerEntered(_)));
        told
    }
}

fn key(evdev: u32, pressed: bool) -> WindowEvent {
    WindowEvent::Key { evdev, pressed }
}

fn locks(caps: bool, num: bool) -> WindowEvent {
    WindowEvent::Locks(LockKeys {
        caps: Some(caps),
        num: Some(num),
        scroll: None,
    })
}

#[test]
fn a_captured_pointer_stays_where_it_is_and_every_push_is_told_once() {
    let Some(mut desk) = Desk::captured() else {
        return;
    };
    let pushes = [
        (3.0, -2.0),
        (3.0, -2.0),
        (0.0, 7.5),
        (-5000.0, 0.0),
        (9000.0, 8000.0),
    ];
    for (dx, dy) in pushes {
        desk.user.move_by(dx, dy).unwrap();
    }
    let expected = pushes.map(|(dx, dy)| WindowEvent::RelativeMotion {
        dx,
        dy,
        raw_dx: dx,
        raw_dy: dy,
    });
    assert_eq!(desk.events(), expected);
    desk.window.release_pointer(None);
    assert_eq!(desk.events(), [WindowEvent::PointerCaptured(false)]);
    desk.user.move_by(1.0, 2.0).unwrap();
    let at = SurfacePoint { x: 101.0, y: 52.0 };
    assert_eq!(desk.events(), [WindowEvent::PointerMoved(at)]);
}

#[test]
fn buttons_wheel_and_keys_go_on_while_everything_is_grabbed() {
    let Some(mut desk) = Desk::captured() else {
        return;
    };
    desk.window.grab_keyboard(true);
    desk.expect(&WindowEvent::KeyboardGrabbed(true));
    for evdev in [window::BTN_LEFT, window::BTN_EXTRA] {
        desk.user.click(evdev).unwrap();
    }
    desk.user.wheel(-1).unwrap();
    desk.user.wheel(2).unwrap();
    desk.user.key(KEY_LEFTSHIFT, true).unwrap();
    desk.user.tap(KEY_A).unwrap();
    desk.user.key(KEY_LEFTSHIFT, false).unwrap();
    let button = |evdev, pressed| WindowEvent::Button { evdev, pressed };
    let wheel = |y_120| WindowEvent::Wheel { x_120: 0, y_120 };
    assert_eq!(
        desk.events(),
        [
            button(window::BTN_LEFT, true),
            button(window::BTN_LEFT, false),
            button(window::BTN_EXTRA, true),
            button(window::BTN_EXTRA, false),
            wheel(-120),
            wheel(120),
            wheel(120),
            key(KEY_LEFTSHIFT, true),
            key(KEY_A, true),
            key(KEY_A, false),
            key(KEY_LEFTSHIFT, false),
        ]
    );
}

#[test]
fn a_button_that_is_held_while_the_capture_begins_or_ends_keeps_its_release() {
    let Some(mut desk) = Desk::new("seat seat0 pointer_constraint enable") else {
        return;
    };
    let evdev = window::BTN_RIGHT;
    let button = |pressed| WindowEvent::Button { evdev, pressed };
    desk.user.button(evdev, true).unwrap();
    desk.expect(&button(true));
    desk.window.capture_pointer();
    desk.expect(&WindowEvent::PointerCaptured(true));
    desk.user.button(evdev, false).unwrap();
    desk.user.button(evdev, true).unwrap();
    assert_eq!(desk.events(), [button(false), button(true)]);
    desk.window.release_pointer(None);
    desk.expect(&WindowEvent::PointerCaptured(false));
    desk.user.button(evdev, false).unwrap();
    assert_eq!(desk.events(), [button(false)]);
}

#[test]
fn a_released_pointer_is_where_it_was_asked_to_be() {
    let Some(mut desk) = Desk::captured() else {
        return;
    };
    for (x, y) in [(300.0, 200.0), (1200.5, 600.25)] {
        desk.user.move_by(-70.0, 30.0).unwrap();
        desk.window.release_pointer(Some(SurfacePoint { x, y }));
        desk.expect(&WindowEvent::PointerCaptured(false));
        desk.events();
        desk.user.move_by(1.0, 2.0).unwrap();
        let (x, y) = (x + 1.0, y + 2.0);
        assert_eq!(
            desk.events(),
            [WindowEvent::PointerMoved(SurfacePoint { x, y })]
        );
        desk.window.capture_pointer();
        desk.expect(&WindowEvent::PointerCaptured(true));
    }
}

#[test]
fn a_grabbed_keyboard_gets_the_keys_of_the_compositor_and_gives_them_back() {
    let Some(mut desk) = Desk::new("bindsym a nop") else {
        return;
    };
    desk.user.tap(KEY_A).unwrap();
    assert_eq!(desk.events(), [], "the key bind takes the key");
    desk.window.grab_keyboard(true);
    desk.expect(&WindowEvent::KeyboardGrabbed(true));
    desk.user.tap(KEY_A).unwrap();
    assert_eq!(desk.events(), [key(KEY_A, true), key(KEY_A, false)]);
    desk.window.grab_keyboard(false);
    assert_eq!(desk.events(), [WindowEvent::KeyboardGrabbed(false)]);
    desk.user.tap(KEY_A).unwrap();
    assert_eq!(desk.events(), [], "the key bind takes the key again");
}

#[test]
fn the_loss_of_the_focus_ends_all() {
    let Some(mut desk) = Desk::captured() else {
        return;
    };
    desk.window.grab_keyboard(true);
    desk.expect(&WindowEvent::KeyboardGrabbed(true));
    desk.user.key(KEY_A, true).unwrap();
    desk.expect(&key(KEY_A, true));
    let ends = [
        WindowEvent::PointerCaptured(false),
        WindowEvent::KeyboardGrabbed(false),
        WindowEvent::Focused(false),
    ];
    assert_eq!(desk.take_focus(), ends);
    // A key that went up elsewhere has no release here.
    desk.user.key(KEY_A, false).unwrap();
    assert_eq!(
        desk.give_focus(),
        [locks(false, false), WindowEvent::Focused(true)]
    );
    desk.user.tap(KEY_A).unwrap();
    assert_eq!(desk.events(), [], "key binds are the compositor's again");
    // All can be had again.
    desk.window.capture_pointer();
    desk.expect(&WindowEvent::PointerCaptured(true));
    desk.window.grab_keyboard(true);
    desk.expect(&WindowEvent::KeyboardGrabbed(true));
}

#[test]
fn the_lock_keys_are_told_before_the_focus_and_when_they_change() {
    let Some(mut desk) = Desk::new("") else {
        return;
    };
    desk.user.tap(KEY_CAPSLOCK).unwrap();
    let mut told = desk.events();
    told.retain(|e| !matches!(e, WindowEvent::Key { .. }));
    assert_eq!(told, [locks(true, false)]);
    assert_eq!(desk.take_focus(), [WindowEvent::Focused(false)]);
    desk.user.tap(KEY_CAPSLOCK).unwrap();
    desk.user.tap(KEY_NUMLOCK).unwrap();
    assert_eq!(
        desk.give_focus(),
        [locks(false, true), WindowEvent::Focused(true)]
    );
}

#[test]
fn a_compositor_that_does_not_lock_the_pointer_refuses_in_the_end() {
    // Without a word about it sway never locks.
    let Some(mut desk) = Desk::new("") else {
        return;
    };
    desk.window.capture_pointer();
    let mut events = Vec::new();
    for _ in 0..3 {
        let step = Some(Duration::from_millis(20));
        desk.window.dispatch(step, &mut events).unwrap();
    }
    assert_eq!(events, [], "not given up at once");
    desk.expect(&WindowEvent::PointerCaptured(false));
    desk.user.move_by(1.0, 2.0).unwrap();
    let at = SurfacePoint { x: 101.0, y: 52.0 };
    assert_eq!(desk.events(), [WindowEvent::PointerMoved(at)]);
}

#[test]
fn devices_that_are_pulled_out_end_all() {
    let Some(desk) = Desk::captured() else {
        return;
    };
    let Desk {
        mut window, user, ..
    } = desk;
    window.grab_keyboard(true);
    pump_event(&mut window, &WindowEvent::KeyboardGrabbed(true));
    drop(user);
    let ends = [
        WindowEvent::PointerCaptured(false),
        WindowEvent::KeyboardGrabbed(false),
        WindowEvent::Focused(false),
    ];
    pump(&mut window, "the ends", |_, e| {
        ends.iter().all(|end| e.contains(end))
    });
}

#[test]
fn a_button_of_a_pointer_that_goes_away_is_released_before_the_pointer_leaves() {
    let Some(mut desk) = Desk::new("") else {
        return;
    };
    let evdev = window::BTN_RIGHT;
    let button = |pressed| WindowEvent::Button { evdev, pressed };
    desk.user.button(evdev, true).unwrap();
    desk.expect(&button(true));
    let Desk {
        mut window,
        user,
        sway: _sway,
        ..
    } = desk;
    drop(user);
    let events = pump_event(&mut window, &WindowEvent::PointerLeft);
    let of_pointer = events
        .iter()
        .filter(|e| matches!(e, WindowEvent::Button { .. } | WindowEvent::PointerLeft));
    let expected = [button(false), WindowEvent::PointerLeft];
    assert!(of_pointer.eq(&expected), "{events:?}");
}

#[test]
fn a_compositor_without_the_protocols_or_a_seat_refuses() {
    let Some(compositor) = weston() else {
        return;
    };
    let config = WindowConfig {
        display: Some(compositor.socket().to_string_lossy().into_owned()),
        ..WindowConfig::default()
    };
    let mut window = Window::open(&config, Some(Backend::Wayland)).expect("the window opens");
    window.grab_keyboard(true);
    pump_event(&mut window, &WindowEvent::KeyboardGrabbed(false));
    window.capture_pointer();
    pump_event(&mut window, &WindowEvent::PointerCaptured(false));
    // Nothing was taken, so there is nothing to give back, nor to tell.
    window.release_pointer(Some(SurfacePoint { x: 3.0, y: 4.0 }));
    window.grab_keyboard(false);
    let mut events = Vec::new();
    window
        .dispatch(Some(Duration::from_millis(20)), &mut events)
        .unwrap();
    let is_grab = |e: &&WindowEvent| {
        matches!(
            e,
            WindowEvent::PointerCaptured(_) | WindowEvent::KeyboardGrabbed(_)
        )
    };
    assert_eq!(events.iter().filter(is_grab).count(), 0, "{events:?}");
}
