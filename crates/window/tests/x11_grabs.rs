//! The captured pointer, the grabbed keyboard and the lock keys, on a real X server.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use picture::{BufferPoint, Size, SurfacePoint};
use support::screen::Screen;
use support::{pump, pump_event, wait_for};
use testkit::x_input::XInput;
use window::{Backend, LockKeys, Window, WindowConfig, WindowEvent};
use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xfixes::ConnectionExt as _;
use x11rb::protocol::xinput::{self, ConnectionExt as _};
use x11rb::protocol::xkb::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{
    ChangeWindowAttributesAux, ConnectionExt as _, EventMask, GrabMode, GrabStatus, InputFocus,
    ModMask,
};
use x11rb::rust_connection::RustConnection;

const SIZE: Size = Size::new(400, 300);
/// Where the window's content begins on the screen.
const PLACE: (i16, i16) = (440, 210);
const KEY_A: u32 = 30;
const KEY_B: u32 = 48;
const KEY_CAPSLOCK: u32 = 58;

/// A focused window with a user before it.
struct Desk {
    window: Window,
    user: XInput,
    server: Screen,
}

impl Desk {
    fn new() -> Option<Self> {
        let server = Screen::start()?;
        let user = XInput::connect(&server.display()).expect("a user");
        user.move_to(5, 5).unwrap();
        let config = WindowConfig {
            size: SIZE,
            app_id: "lg-test".to_owned(),
            position: Some(BufferPoint {
                x: PLACE.0.into(),
                y: PLACE.1.into(),
            }),
            display: Some(server.display()),
            ..WindowConfig::default()
        };
        let mut window = Window::open(&config, Some(Backend::X11)).expect("the window opens");
        pump_event(&mut window, &WindowEvent::Focused(true));
        Some(Self {
            window,
            user,
            server,
        })
    }

    /// The same with the pointer in the window, at (100, 50), captured.
    fn captured() -> Option<Self> {
        let mut desk = Self::new()?;
        desk.user.move_to(PLACE.0 + 100, PLACE.1 + 50).unwrap();
        desk.window.capture_pointer();
        desk.expect(&WindowEvent::PointerCaptured(true));
        Some(desk)
    }

    /// Waits for an event, and returns all until then.
    fn expect(&mut self, event: &WindowEvent) -> Vec<WindowEvent> {
        pump_event(&mut self.window, event)
    }

    /// All events that the server has to tell now, and those of a key press that marks the end, which are left out.
    fn events(&mut self) -> Vec<WindowEvent> {
        self.user.tap(KEY_B).unwrap();
        let pressed = false;
        let end = WindowEvent::Key {
            evdev: KEY_B,
            pressed,
        };
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
    fn take_focus(&self) {
        let conn = self.user.connection();
        let (none, time) = (InputFocus::POINTER_ROOT, x11rb::CURRENT_TIME);
        let sent = conn.set_input_focus(none, self.user.root(), time);
        sent.unwrap().check().unwrap();
    }

    /// Gives it to the window.
    fn give_focus(&self) {
        let id = self.server.find_window("lg-test");
        let conn = self.user.connection();
        let sent = conn.set_input_focus(InputFocus::POINTER_ROOT, id, x11rb::CURRENT_TIME);
        sent.unwrap().check().unwrap();
    }
}

fn relative(dx: f64, dy: f64) -> WindowEvent {
    WindowEvent::RelativeMotion {
        dx,
        dy,
        raw_dx: dx,
        raw_dy: dy,
    }
}

fn key(evdev: u32, pressed: bool) -> WindowEvent {
    WindowEvent::Key { evdev, pressed }
}

/// Another program, which holds all keys.
fn grab_keys(conn: &RustConnection, window: u32) -> GrabStatus {
    let mode = GrabMode::ASYNC;
    let grab = conn.grab_keyboard(false, window, x11rb::CURRENT_TIME, mode, mode);
    grab.unwrap().reply().unwrap().status
}

/// Another program, which holds the pointer.
fn grab_pointer(conn: &RustConnection, window: u32) -> GrabStatus {
    let (mode, none) = (GrabMode::ASYNC, x11rb::NONE);
    let mask = EventMask::NO_EVENT;
    let grab = conn.grab_pointer(
        false,
        window,
        mask,
        mode,
        mode,
        none,
        none,
        x11rb::CURRENT_TIME,
    );
    grab.unwrap().reply().unwrap().status
}

#[test]
fn a_captured_pointer_stays_in_the_window_and_every_push_is_told_once() {
    let Some(mut desk) = Desk::captured() else {
        return;
    };
    let pushes = [
        (3, -2),
        (3, -2),
        (0, 7),
        (-5000, 0),
        (0, -5000),
        (9000, 8000),
        (1, 1),
    ];
    for (dx, dy) in pushes {
        desk.user.move_by(dx, dy).unwrap();
        let (x, y) = desk.user.pointer().unwrap();
        assert!((PLACE.0..PLACE.0 + 400).contains(&x), "{x}");
        assert!((PLACE.1..PLACE.1 + 300).contains(&y), "{y}");
    }
    let told = desk.events();
    let expected: Vec<_> = pushes
        .iter()
        .map(|&(dx, dy)| relative(dx.into(), dy.into()))
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn buttons_wheel_and_keys_go_on_while_everything_is_grabbed() {
    let Some(mut desk) = Desk::captured() else {
        return;
    };
    desk.window.grab_keyboard(true);
    desk.expect(&WindowEvent::KeyboardGrabbed(true));
    for evdev in [window::BTN_LEFT, window::BTN_RIGHT, window::BTN_EXTRA] {
        desk.user.click(evdev).unwrap();
    }
    desk.user.wheel(-1).unwrap();
    desk.user.wheel(2).unwrap();
    desk.user.tap(KEY_A).unwrap();
    let told = desk.events();
    let button = |evdev, pressed| WindowEvent::Button { evdev, pressed };
    let wheel = |y_120| WindowEvent::Wheel { x_120: 0, y_120 };
    assert_eq!(
        told,
        [
            button(window::BTN_LEFT, true),
            button(window::BTN_LEFT, false),
            button(window::BTN_RIGHT, true),
            button(window::BTN_RIGHT, false),
            button(window::BTN_EXTRA, true),
            button(window::BTN_EXTRA, false),
            wheel(-120),
            wheel(120),
            wheel(120),
            key(KEY_A, true),
            key(KEY_A, false),
        ]
    );
}

#[test]
fn a_button_that_is_held_while_the_capture_begins_or_ends_keeps_its_release() {
    let Some(mut desk) = Desk::new() else {
        return;
    };
    desk.user.move_to(PLACE.0 + 100, PLACE.1 + 50).unwrap();
    let evdev = window::BTN_RIGHT;
    let button = |pressed| WindowEvent::Button { evdev, pressed };
    desk.user.button(evdev, true).unwrap();
    desk.expect(&button(true));
    desk.window.capture_pointer();
    desk.expect(&WindowEvent::PointerCaptured(true));
    desk.user.move_by(1, 1).unwrap();
    desk.user.button(evdev, false).unwrap();
    desk.user.move_by(2, 2).unwrap();
    desk.user.button(evdev, true).unwrap();
    let told = [
        relative(1.0, 1.0),
        button(false),
        relative(2.0, 2.0),
        button(true),
    ];
    assert_eq!(desk.events(), told);
    desk.window.release_pointer(None);
    desk.events();
    desk.user.button(evdev, false).unwrap();
    assert_eq!(desk.events(), [button(false)]);
}

#[test]
fn the_local_pointer_is_hidden_while_it_is_captured() {
    let Some(mut desk) = Desk::new() else {
        return;
    };
    // Of the server's own pointer there is no picture; 68 is the left arrow of the font.
    let conn = desk.user.connection();
    conn.xfixes_query_version(5, 0).unwrap().reply().unwrap();
    let (font, cursor) = (conn.generate_id().unwrap(), conn.generate_id().unwrap());
    conn.open_font(font, b"cursor").unwrap();
    let made = conn.create_glyph_cursor(cursor, font, font, 68, 69, 0, 0, 0, !0, !0, !0);
    made.unwrap().check().unwrap();
    let aux = ChangeWindowAttributesAux::new().cursor(cursor);
    conn.change_window_attributes(desk.user.root(), &aux)
        .unwrap();
    desk.user.move_to(PLACE.0 + 100, PLACE.1 + 50).unwrap();
    let is_visible = |user: &XInput| {
        let image = user.connection().xfixes_get_cursor_image().unwrap();
        let image = image.reply().unwrap().cursor_image;
        image.iter().any(|pixel| pixel >> 24 != 0)
    };
    assert!(is_visible(&desk.user));
    desk.window.capture_pointer();
    desk.expect(&WindowEvent::PointerCaptured(true));
    assert!(!is_visible(&desk.user));
    desk.window.release_pointer(None);
    wait_for("the pointer", || is_visible(&desk.user).then_some(()));
}

#[test]
fn a_window_manager_that_gives_the_focus_to_another_window_ends_the_capture() {
    let Some(mut desk) = Desk::new() else {
        return;
    };
    if !desk.server.manage() {
        return;
    }
    let managed = |app_id: &str| WindowConfig {
        size: SIZE,
        app_id: app_id.to_owned(),
        display: Some(desk.server.display()),
        ..WindowConfig::default()
    };
    let mut first = Window::open(&managed("lg-first"), Some(Backend::X11)).unwrap();
    pump_event(&mut first, &WindowEvent::Focused(true));
    first.capture_pointer();
    first.grab_keyboard(true);
    let both = [
        WindowEvent::PointerCaptured(true),
        WindowEvent::KeyboardGrabbed(true),
    ];
    pump(&mut first, "both", |_, e| {
        both.iter().all(|b| e.contains(b))
    });
    desk.user.move_by(5, 6).unwrap();
    pump_event(&mut first, &relative(5.0, 6.0));
    let second = Window::open(&managed("lg-second"), Some(Backend::X11)).unwrap();
    let told = pump_event(&mut first, &WindowEvent::Focused(false));
    for end in [
        WindowEvent::PointerCaptured(false),
        WindowEvent::KeyboardGrabbed(false),
    ] {
        assert!(told.contains(&end), "{told:?}");
    }
    drop(second);
}

#[test]
fn a_released_pointer_is_where_it_was_asked_to_be() {
    let Some(mut desk) = Desk::captured() else {
        return;
    };
    desk.user.move_by(150, 90).unwrap();
    desk.window
        .release_pointer(Some(SurfacePoint { x: 320.0, y: 240.0 }));
    desk.expect(&WindowEvent::PointerCaptured(false));
    wait_for("the place", || {
        (desk.user.pointer().unwrap() == (PLACE.0 + 320, PLACE.1 + 240)).then_some(())
    });
    // From now on places are told, and the pointer is free.
    desk.events();
    desk.user.move_by(1, 2).unwrap();
    let at = SurfacePoint { x: 321.0, y: 242.0 };
    assert_eq!(desk.events(), [WindowEvent::PointerMoved(at)]);
    desk.user.move_to(5, 6).unwrap();
    desk.expect(&WindowEvent::PointerLeft);
    assert_eq!(desk.user.pointer().unwrap(), (5, 6));

    // Without a wish it is where it was when captured; outside the window is a place too.
    desk.user.move_to(PLACE.0 + 7, PLACE.1 + 8).unwrap();
    desk.window.capture_pointer();
    desk.expect(&WindowEvent::PointerCaptured(true));
    desk.user.move_by(100, 100).unwrap();
    desk.window.release_pointer(None);
    wait_for("the old place", || {
        (desk.user.pointer().unwrap() == (PLACE.0 + 7, PLACE.1 + 8)).then_some(())
    });
    desk.window.capture_pointer();
    desk.expect(&WindowEvent::PointerCaptured(true));
    desk.window
        .release_pointer(Some(SurfacePoint { x: -10.0, y: 50.0 }));
    wait_for("a place outside", || {
        (desk.user.pointer().unwrap() == (PLACE.0 - 10, PLACE.1 + 50)).then_some(())
    });
    desk.expect(&WindowEvent::PointerLeft);
}

#[test]
fn a_grabbed_keyboard_gets_the_keys_of_others_and_gives_them_back() {
    let Some(mut desk) = Desk::new() else {
        return;
    };
    // A window manager's key bind.
    let (any, mode) = (ModMask::ANY, GrabMode::ASYNC);
    let (conn, root) = (desk.user.connection(), desk.user.root());
    let bind = conn.grab_key(false, root, any, (KEY_A + 8) as u8, mode, mode);
    bind.unwrap().check().unwrap();
    desk.user.tap(KEY_A).unwrap();
    assert_eq!(desk.events(), [], "the key bind takes the key");
    desk.window.grab_keyboard(true);
    desk.expect(&WindowEvent::KeyboardGrabbed(true));
    desk.user.tap(KEY_A).unwrap();
    assert_eq!(desk.events(), [key(KEY_A, true), key(KEY_A, false)]);
    desk.window.grab_keyboard(false);
    assert_eq!(desk.events(), [WindowEvent::KeyboardGrabbed(false)]);
    // The server may serve the user's connection first, although the window's request was sent before.
    wait_for("the keyboard", || {
        desk.user.is_keyboard_free().unwrap().then_some(())
    });
    desk.user.tap(KEY_A).unwrap();
    assert_eq!(desk.events(), [], "the key bind takes the key again");
}

#[test]
fn the_grab_of_another_program_is_waited_out() {
    let Some(mut desk) = Desk::new() else {
        return;
    };
    let root = desk.user.root();
    assert_eq!(grab_keys(desk.user.connection(), root), GrabStatus::SUCCESS);
    assert_eq!(
        grab_pointer(desk.user.connection(), root),
        GrabStatus::SUCCESS
    );
    desk.window.capture_pointer();
    desk.window.grab_keyboard(true);
    let mut events = Vec::new();
    for _ in 0..3 {
        let step = Some(Duration::from_millis(20));
        desk.window.dispatch(step, &mut events).unwrap();
    }
    assert_eq!(events, [], "neither taken nor given up");
    let conn = desk.user.connection();
    conn.ungrab_keyboard(x11rb::CURRENT_TIME).unwrap();
    conn.ungrab_pointer(x11rb::CURRENT_TIME).unwrap();
    conn.flush().unwrap();
    let both = [
        WindowEvent::PointerCaptured(true),
        WindowEvent::KeyboardGrabbed(true),
    ];
    pump(&mut desk.window, "both", |_, e| {
        both.iter().all(|b| e.contains(b))
    });
}

#[test]
fn a_grab_that_another_program_keeps_is_refused_in_the_end() {
    let Some(mut desk) = Desk::new() else {
        return;
    };
    let root = desk.user.root();
    assert_eq!(grab_keys(desk.user.connection(), root), GrabStatus::SUCCESS);
    assert_eq!(
        grab_pointer(desk.user.connection(), root),
        GrabStatus::SUCCESS
    );
    desk.window.capture_pointer();
    desk.window.grab_keyboard(true);
    let refused = [
        WindowEvent::PointerCaptured(false),
        WindowEvent::KeyboardGrabbed(false),
    ];
    let told = pump(&mut desk.window, "both", |_, e| e.len() >= 2);
    assert_eq!(told, refused);
    // Nothing is tried any more when the other one lets go.
    let conn = desk.user.connection();
    conn.ungrab_keyboard(x11rb::CURRENT_TIME)
        .unwrap()
        .check()
        .unwrap();
    conn.ungrab_pointer(x11rb::CURRENT_TIME)
        .unwrap()
        .check()
        .unwrap();
    assert_eq!(desk.events(), []);
    assert_eq!(
        grab_pointer(desk.user.connection(), root),
        GrabStatus::SUCCESS
    );
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
    desk.take_focus();
    let told = desk.expect(&WindowEvent::Focused(false));
    let ends = [
        WindowEvent::PointerCaptured(false),
        WindowEvent::KeyboardGrabbed(false),
        WindowEvent::Focused(false),
    ];
    assert_eq!(told, ends);
    let root = desk.user.root();
    wait_for("free devices", || {
        let keys = grab_keys(desk.user.connection(), root);
        let pointer = grab_pointer(desk.user.connection(), root);
        ([keys, pointer] == [GrabStatus::SUCCESS; 2]).then_some(())
    });
    // A key that went up elsewhere has no release here, and keys are told again with the focus only.
    desk.user.key(KEY_A, false).unwrap();
    let conn = desk.user.connection();
    conn.ungrab_keyboard(x11rb::CURRENT_TIME)
        .unwrap()
        .check()
        .unwrap();
    conn.ungrab_pointer(x11rb::CURRENT_TIME)
        .unwrap()
        .check()
        .unwrap();
    desk.user.move_to(PLACE.0 + 9, PLACE.1 + 9).unwrap();
    desk.user.tap(KEY_A).unwrap();
    desk.give_focus();
    let told = desk.expect(&WindowEvent::Focused(true));
    let keys = told.iter().filter(|e| matches!(e, WindowEvent::Key { .. }));
    assert_eq!(keys.count(), 0, "{told:?}");
}

#[test]
fn a_window_without_the_focus_takes_nothing_until_it_has_it() {
    let Some(mut desk) = Desk::new() else {
        return;
    };
    desk.take_focus();
    desk.expect(&WindowEvent::Focused(false));
    desk.window.capture_pointer();
    desk.window.grab_keyboard(true);
    let told = pump(&mut desk.window, "the refusals", |_, e| e.len() >= 2);
    let refused = [
        WindowEvent::PointerCaptured(false),
        WindowEvent::KeyboardGrabbed(false),
    ];
    assert_eq!(told, refused);
    // As by a click into the window, of which the program hears before it gets the focus.
    desk.window.capture_pointer();
    desk.give_focus();
    let told = desk.expect(&WindowEvent::PointerCaptured(true));
    assert!(told.contains(&WindowEvent::Focused(true)), "{told:?}");
}

#[test]
fn a_hidden_window_lets_the_pointer_go() {
    let Some(mut desk) = Desk::captured() else {
        return;
    };
    let id = desk.server.find_window("lg-test");
    desk.user
        .connection()
        .unmap_window(id)
        .unwrap()
        .check()
        .unwrap();
    desk.expect(&WindowEvent::PointerCaptured(false));
}

#[test]
fn a_key_bind_of_the_window_manager_neither_ends_the_capture_nor_leaves_a_key_down() {
    let Some(mut desk) = Desk::captured() else {
        return;
    };
    desk.user.key(KEY_A, true).unwrap();
    desk.expect(&key(KEY_A, true));
    let root = desk.user.root();
    assert_eq!(grab_keys(desk.user.connection(), root), GrabStatus::SUCCESS);
    // The manager sees this release; the window hears of it when it gets the keys back.
    desk.user.key(KEY_A, false).unwrap();
    let conn = desk.user.connection();
    conn.ungrab_keyboard(x11rb::CURRENT_TIME)
        .unwrap()
        .check()
        .unwrap();
    assert_eq!(desk.events(), [key(KEY_A, false)]);
    desk.user.move_by(2, 3).unwrap();
    assert_eq!(desk.events(), [relative(2.0, 3.0)], "still captured");
}

#[test]
fn a_held_key_is_told_once() {
    let Some(mut desk) = Desk::new() else {
        return;
    };
    // Somebody else who listens hears the server's repetitions.
    let (listener, _) = RustConnection::connect(Some(&desk.server.display())).unwrap();
    listener
        .xinput_xi_query_version(2, 2)
        .unwrap()
        .reply()
        .unwrap();
    let mask = xinput::EventMask {
        deviceid: xinput::Device::ALL_MASTER.into(),
        mask: vec![xinput::XIEventMask::KEY_PRESS],
    };
    let id = desk.server.find_window("lg-test");
    let selected = listener.xinput_xi_select_events(id, &[mask]).unwrap();
    selected.check().unwrap();
    desk.server.run("xset", &["r", "rate", "20", "100"]);
    desk.user.key(KEY_A, true).unwrap();
    let mut presses = 0;
    let mut told = pump(&mut desk.window, "repetitions", |_, _| {
        while let Some(event) = listener.poll_for_event().unwrap() {
            presses += u32::from(matches!(event, Event::XinputKeyPress(_)));
        }
        presses > 5
    });
    told.retain(|e| matches!(e, WindowEvent::Key { .. }));
    assert_eq!(told, [key(KEY_A, true)]);
    desk.user.key(KEY_A, false).unwrap();
    assert_eq!(desk.events(), [key(KEY_A, false)]);
}

#[test]
fn the_lock_keys_are_told_before_the_focus_and_when_they_change() {
    let Some(mut desk) = Desk::new() else {
        return;
    };
    let locks = |caps, num| {
        WindowEvent::Locks(LockKeys {
            caps: Some(caps),
            num: Some(num),
            scroll: None,
        })
    };
    desk.user.tap(KEY_CAPSLOCK).unwrap();
    let mut told = desk.events();
    told.retain(|e| !matches!(e, WindowEvent::Key { .. }));
    assert_eq!(told, [locks(true, false)]);
    desk.take_focus();
    desk.expect(&WindowEvent::Focused(false));
    // Elsewhere both change.
    let conn = desk.user.connection();
    conn.xkb_use_extension(1, 0).unwrap().reply().unwrap();
    let (both, num) = (ModMask::LOCK | ModMask::M2, ModMask::M2);
    let none = ModMask::default();
    let group = xkb::Group::M1;
    let keyboard = xkb::ID::USE_CORE_KBD.into();
    let sent = conn.xkb_latch_lock_state(keyboard, both, num, false, group, none, false, 0);
    sent.unwrap().check().unwrap();
    desk.give_focus();
    let told = desk.expect(&WindowEvent::Focused(true));
    assert_eq!(told, [locks(false, true), WindowEvent::Focused(true)]);
}

#[test]
fn a_closed_window_leaves_the_pointer_free() {
    let Some(desk) = Desk::captured() else {
        return;
    };
    drop(desk.window);
    let (conn, root) = (desk.user.connection(), desk.user.root());
    wait_for("a free pointer", || {
        (grab_pointer(conn, root) == GrabStatus::SUCCESS).then_some(())
    });
}
