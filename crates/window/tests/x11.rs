//! Windows on a real X server, with and without a window manager.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use picture::{BufferPoint, BufferRect, Size};
use raw_window_handle::{HasDisplayHandle, HasWindowHandle, RawDisplayHandle, RawWindowHandle};
use support::screen::Screen;
use support::shot::{fill, pattern};
use support::{SCREEN, present, pump, pump_event, pump_size, pump_until_lost, wait_for};
use window::{Backend, Window, WindowConfig, WindowError, WindowEvent};
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConfigureWindowAux, ConnectionExt as _,
    KEY_PRESS_EVENT, KEY_RELEASE_EVENT, MOTION_NOTIFY_EVENT,
};

const SIZE: Size = Size::new(400, 300);

fn config(server: &Screen) -> WindowConfig {
    WindowConfig {
        size: SIZE,
        app_id: "lg-test".to_owned(),
        display: Some(server.display()),
        ..WindowConfig::default()
    }
}

fn open(config: &WindowConfig) -> Window {
    Window::open(config, Some(Backend::X11)).expect("the window opens")
}

/// Presents a pattern of the window's size and waits until it is on the screen.
fn show(server: &Screen, window: &mut Window) {
    let mut presenter = window.surface().presenter().expect("a presenter");
    let canvas = pattern(window.buffer_size());
    wait_for("the picture", || {
        // The window manager may still be moving the window: present until it stands.
        present(
            window,
            &mut *presenter,
            &canvas,
            &[BufferRect::of_size(canvas.size())],
        );
        let id = server.find_window("lg-test");
        let (x, y, _) = server.place(id);
        server
            .shot()
            .shows(&canvas, x as u32, y as u32)
            .then_some(())
    });
}

#[test]
fn presented_pixels_are_the_pixels_on_screen() {
    let Some(server) = Screen::start() else {
        return;
    };
    let mut window = open(&config(&server));
    let mut presenter = window.surface().presenter().unwrap();
    assert_eq!(presenter.transport(), "MIT-SHM");
    let mut canvas = pattern(SIZE);
    present(&mut window, &mut *presenter, &canvas, &[]);
    // Nothing manages windows here: the window is in the middle of the screen.
    let (left, top) = (440, 210);
    wait_for("the picture", || {
        server.shot().shows(&canvas, left, top).then_some(())
    });

    // Only the damage travels: what changed elsewhere stays off the screen.
    let old = canvas.clone();
    let changed = BufferRect::new(10, 20, 30, 40);
    fill(&mut canvas, BufferRect::of_size(SIZE), [1, 2, 3]);
    present(&mut window, &mut *presenter, &canvas, &[changed]);
    let shot = wait_for("the damage", || {
        let shot = server.shot();
        (shot.at(left + 39, top + 59) == Some([1, 2, 3])).then_some(shot)
    });
    assert_eq!(shot.at(left + 10, top + 20), Some([1, 2, 3]));
    assert_eq!(shot.at(left + 9, top + 20), old.bgr(9, 20));
    assert_eq!(shot.at(left + 40, top + 59), old.bgr(40, 59));
}

#[test]
fn many_pictures_in_a_row_end_with_the_last_one() {
    let Some(server) = Screen::start() else {
        return;
    };
    let mut window = open(&config(&server));
    let mut presenter = window.surface().presenter().unwrap();
    let render = std::thread::spawn(move || {
        let mut canvas = pattern(SIZE);
        let mut busy = 0_u32;
        for step in 0..300_u32 {
            let rect = BufferRect::new((step % 390) as i32, (step % 280) as i32, 10, 20);
            fill(&mut canvas, rect, [step as u8, 0, 255]);
            while presenter.present(&canvas, &[rect]).unwrap() == window::Presented::Busy {
                busy += 1;
                std::thread::yield_now();
            }
        }
        (canvas, busy)
    });
    pump(&mut window, "the render thread", |_, _| {
        render.is_finished()
    });
    let (canvas, busy) = render.join().unwrap();
    eprintln!("busy {busy} times");
    wait_for("the last picture", || {
        server.shot().shows(&canvas, 440, 210).then_some(())
    });
}

#[test]
fn a_server_without_shared_memory_gets_the_pixels_all_the_same() {
    let Some(server) = Screen::start_with(&["-extension", "MIT-SHM"]) else {
        return;
    };
    let mut big = config(&server);
    big.size = Size::new(1200, 700);
    let mut window = open(&big);
    assert_eq!(
        window.surface().presenter().unwrap().transport(),
        "PutImage"
    );
    show(&server, &mut window);
}

#[test]
fn buffers_that_are_all_read_are_announced_when_free() {
    let Some(server) = Screen::start() else {
        return;
    };
    let mut window = open(&config(&server));
    let mut presenter = window.surface().presenter().unwrap();
    let canvas = pattern(SIZE);
    // Nothing that waits for an answer may be left to do: a grab holds up all other clients, so no segment is read.
    present(&mut window, &mut *presenter, &canvas, &[]);
    pump_event(&mut window, &WindowEvent::Focused(true));
    server.conn.grab_server().unwrap().check().unwrap();
    let mut sent = 0;
    while presenter
        .present(&canvas, &[BufferRect::of_size(SIZE)])
        .unwrap()
        == window::Presented::Done
    {
        sent += 1;
        assert!(sent < 10, "more segments than there are");
    }
    let mut events = Vec::new();
    window
        .dispatch(Some(std::time::Duration::from_millis(50)), &mut events)
        .unwrap();
    assert!(!events.contains(&WindowEvent::PresenterReady));
    server.conn.ungrab_server().unwrap().check().unwrap();
    pump_event(&mut window, &WindowEvent::PresenterReady);
    present(&mut window, &mut *presenter, &canvas, &[]);
}

#[test]
fn the_window_follows_requests_and_other_programs() {
    let Some(mut server) = Screen::start() else {
        return;
    };
    for managed in [false, true] {
        if managed && !server.manage() {
            return;
        }
        let mut window = open(&config(&server));
        show(&server, &mut window);
        window.request_size(Size::new(500, 350));
        pump_size(&mut window, Size::new(500, 350));
        show(&server, &mut window);
        // As a user's drag does.
        let id = server.find_window("lg-test");
        let wish = ConfigureWindowAux::new().width(333).height(222);
        server.conn.configure_window(id, &wish).unwrap();
        server.conn.flush().unwrap();
        pump_size(&mut window, Size::new(333, 222));
        show(&server, &mut window);
    }
}

#[test]
fn a_fixed_window_is_resized_by_the_program_only() {
    let Some(server) = Screen::start_managed() else {
        return;
    };
    let mut fixed = config(&server);
    fixed.resizable = false;
    let mut window = open(&fixed);
    let id = server.find_window("lg-test");
    window.request_size(Size::new(640, 360));
    pump_size(&mut window, Size::new(640, 360));
    let hints = server.words(
        id,
        x11rb::protocol::xproto::AtomEnum::WM_NORMAL_HINTS.into(),
    );
    assert_eq!(hints[5..9], [640, 360, 640, 360], "equal limits");
    show(&server, &mut window);
}

#[test]
fn full_screen_covers_the_screen_and_comes_back() {
    let Some(mut server) = Screen::start() else {
        return;
    };
    for managed in [false, true] {
        if managed && !server.manage() {
            return;
        }
        let mut window = open(&config(&server));
        show(&server, &mut window);
        let id = server.find_window("lg-test");
        let before = server.place(id);
        window.set_full_screen(true);
        let full = WindowEvent::FullScreenChanged(true);
        pump(&mut window, "the full screen", |w, events| {
            w.buffer_size() == SCREEN && events.contains(&full)
        });
        assert!(window.is_full_screen());
        assert_eq!(server.place(id), (0, 0, SCREEN));
        show(&server, &mut window);
        window.set_full_screen(false);
        let none = WindowEvent::FullScreenChanged(false);
        pump(&mut window, "the old size", |w, events| {
            w.buffer_size() == SIZE && events.contains(&none)
        });
        wait_for("the old place", || {
            (server.place(id) == before).then_some(())
        });
        show(&server, &mut window);
    }
}

#[test]
fn a_window_can_start_full_screen_or_maximised() {
    let Some(mut server) = Screen::start() else {
        return;
    };
    for managed in [false, true] {
        if managed && !server.manage() {
            return;
        }
        let mut full = config(&server);
        full.full_screen = true;
        let mut window = open(&full);
        pump(&mut window, "the full screen", |w, _| {
            w.buffer_size() == SCREEN && w.is_full_screen()
        });
        let mut maximised = config(&server);
        maximised.maximize = true;
        // The first window stays open: the server would give its number to the second one at once, which confuses
        // the window manager.
        let first = window;
        let mut window = open(&maximised);
        pump(&mut window, "the whole width", |w, _| {
            w.buffer_size().width >= 1270
        });
        assert!(!window.is_full_screen());
        drop(first);
    }
}

#[test]
fn a_borderless_window_has_no_frame() {
    let Some(server) = Screen::start_managed() else {
        return;
    };
    for borderless in [false, true] {
        let mut wish = config(&server);
        wish.borderless = borderless;
        let mut window = open(&wish);
        show(&server, &mut window);
        let id = server.find_window("lg-test");
        assert_eq!(server.is_framed(id), !borderless);
    }
}

#[test]
fn place_title_and_class_are_what_was_asked() {
    let Some(server) = Screen::start() else {
        return;
    };
    let mut wish = config(&server);
    wish.position = Some(BufferPoint { x: 70, y: -20 });
    wish.title = "Spiegel äöü".to_owned();
    let mut window = open(&wish);
    let id = server.find_window("lg-test");
    wait_for("the place", || {
        (server.place(id) == (70, -20, SIZE)).then_some(())
    });
    let title = server.bytes(id, server.atom("_NET_WM_NAME"));
    assert_eq!(String::from_utf8(title).unwrap(), "Spiegel äöü");
    window.set_title("other");
    wait_for("the other title", || {
        (server.bytes(id, server.atom("_NET_WM_NAME")) == b"other").then_some(())
    });
    let pid = server.words(id, server.atom("_NET_WM_PID"));
    assert_eq!(pid, [std::process::id()]);
}

#[test]
fn a_close_request_arrives() {
    let Some(mut server) = Screen::start() else {
        return;
    };
    let mut window = open(&config(&server));
    let id = server.find_window("lg-test");
    let delete = server.atom("WM_DELETE_WINDOW");
    server.send(true, id, server.atom("WM_PROTOCOLS"), [delete, 0, 0, 0, 0]);
    pump_event(&mut window, &WindowEvent::CloseRequested);
    drop(window);
    if server.manage() {
        let mut window = open(&config(&server));
        show(&server, &mut window);
        let id = server.find_window("lg-test");
        server.send(false, id, server.atom("_NET_CLOSE_WINDOW"), [0; 5]);
        pump_event(&mut window, &WindowEvent::CloseRequested);
    }
}

#[test]
fn input_arrives_as_evdev_codes_in_window_coordinates() {
    let Some(server) = Screen::start() else {
        return;
    };
    let mut window = open(&config(&server));
    pump_event(&mut window, &WindowEvent::Focused(true));
    server.fake(MOTION_NOTIFY_EVENT, 0, 10, 10);
    server.fake(MOTION_NOTIFY_EVENT, 0, 440 + 100, 210 + 50);
    let at = picture::SurfacePoint { x: 100.0, y: 50.0 };
    pump_event(&mut window, &WindowEvent::PointerEntered(at));
    for button in [1, 5, 8] {
        server.fake(BUTTON_PRESS_EVENT, button, 0, 0);
        server.fake(BUTTON_RELEASE_EVENT, button, 0, 0);
    }
    // Key code 38 is the key A of every PC keyboard.
    server.fake(KEY_PRESS_EVENT, 38, 0, 0);
    server.fake(KEY_RELEASE_EVENT, 38, 0, 0);
    server.fake(MOTION_NOTIFY_EVENT, 0, 10, 10);
    let events = pump_event(&mut window, &WindowEvent::PointerLeft);
    let button = |evdev, pressed| WindowEvent::Button { evdev, pressed };
    let key = |pressed| WindowEvent::Key { evdev: 30, pressed };
    let wheel = WindowEvent::Wheel {
        x_120: 0,
        y_120: 120,
    };
    let told: Vec<_> = events
        .into_iter()
        .filter(|e| !matches!(e, WindowEvent::PointerMoved(_) | WindowEvent::Exposed))
        .collect();
    assert_eq!(
        told,
        [
            button(window::BTN_LEFT, true),
            button(window::BTN_LEFT, false),
            wheel,
            button(window::BTN_SIDE, true),
            button(window::BTN_SIDE, false),
            key(true),
            key(false),
            WindowEvent::PointerLeft,
        ]
    );
}

#[test]
fn the_local_pointer_can_be_hidden() {
    let Some(server) = Screen::start() else {
        return;
    };
    use x11rb::protocol::xfixes::ConnectionExt as _;
    server
        .conn
        .xfixes_query_version(5, 0)
        .unwrap()
        .reply()
        .unwrap();
    let visible = || {
        let image = server
            .conn
            .xfixes_get_cursor_image()
            .unwrap()
            .reply()
            .unwrap();
        image.cursor_image.iter().any(|pixel| pixel >> 24 != 0)
    };
    // Only a cursor that somebody made has pixels to see in Xvfb.
    let mut window = open(&config(&server));
    server.fake(MOTION_NOTIFY_EVENT, 0, 440 + 100, 210 + 50);
    let shown = visible();
    window.set_cursor_visible(false);
    wait_for("a hidden pointer", || (!visible()).then_some(()));
    window.set_cursor_visible(true);
    wait_for("the pointer as before", || {
        (visible() == shown).then_some(())
    });
}

#[test]
fn attention_is_asked_for_by_urgency_and_state() {
    let Some(server) = Screen::start_managed() else {
        return;
    };
    let mut window = open(&config(&server));
    show(&server, &mut window);
    let id = server.find_window("lg-test");
    // A window that has the focus has the attention.
    let mut other = config(&server);
    other.app_id = "lg-other".to_owned();
    let mut other = open(&other);
    pump_event(&mut other, &WindowEvent::Focused(true));
    pump_event(&mut window, &WindowEvent::Focused(false));
    window.request_attention();
    let state = server.atom("_NET_WM_STATE");
    let demands = server.atom("_NET_WM_STATE_DEMANDS_ATTENTION");
    wait_for("the state", || {
        let hints = server.words(id, x11rb::protocol::xproto::AtomEnum::WM_HINTS.into());
        let urgent = hints.first().is_some_and(|flags| flags & 256 != 0);
        (urgent && server.words(id, state).contains(&demands)).then_some(())
    });
}

#[test]
fn screen_blanking_is_held_off() {
    let Some(server) = Screen::start() else {
        return;
    };
    let mut window = open(&config(&server));
    assert!(window.set_idle_inhibited(true));
    assert!(window.set_idle_inhibited(false));
    // A refused request would arrive as an error and be logged; the window must go on in any case.
    show(&server, &mut window);
}

#[test]
fn native_handles_name_the_connection_and_the_window() {
    let Some(server) = Screen::start() else {
        return;
    };
    let window = open(&config(&server));
    let surface = window.surface();
    let RawWindowHandle::Xcb(handle) = surface.window_handle().unwrap().as_raw() else {
        panic!("not an xcb window");
    };
    assert_eq!(handle.window.get(), server.find_window("lg-test"));
    assert!(handle.visual_id.is_some());
    let RawDisplayHandle::Xcb(handle) = surface.display_handle().unwrap().as_raw() else {
        panic!("not an xcb display");
    };
    assert!(handle.connection.is_some());
}

#[test]
fn a_waker_ends_the_wait_from_another_thread() {
    let Some(server) = Screen::start() else {
        return;
    };
    let mut window = open(&config(&server));
    let waker = window.waker();
    let ring = std::thread::spawn(move || waker.wake());
    ring.join().unwrap();
    let mut events = Vec::new();
    // Would wait for ever if the ring, or every event of the server, were lost.
    window.dispatch(None, &mut events).unwrap();
}

#[test]
fn a_killed_server_is_an_error_on_both_threads() {
    let Some(mut server) = Screen::start() else {
        return;
    };
    let mut window = open(&config(&server));
    let mut presenter = window.surface().presenter().unwrap();
    present(&mut window, &mut *presenter, &pattern(SIZE), &[]);
    server.kill();
    let error = pump_until_lost(&mut window);
    assert!(
        matches!(
            error,
            WindowError::Disconnected {
                backend: Backend::X11,
                ..
            }
        ),
        "{error}"
    );
    let canvas = pattern(Size::new(10, 10));
    let error = wait_for("the presenter's error", || {
        presenter.present(&canvas, &[]).err()
    });
    assert!(matches!(error, WindowError::Disconnected { .. }), "{error}");
    // None of these may panic.
    window.set_title("x");
    window.set_full_screen(true);
    window.request_size(SIZE);
    window.set_cursor_visible(false);
    window.set_idle_inhibited(true);
    window.request_attention();
}

#[test]
fn no_server_is_an_error_that_names_the_display() {
    let wish = WindowConfig {
        display: Some(":31999".to_owned()),
        ..WindowConfig::default()
    };
    let error = Window::open(&wish, None).unwrap_err();
    assert!(error.to_string().contains(":31999"), "{error}");
}

#[test]
fn a_change_of_the_monitor_is_followed_in_full_screen_without_a_manager() {
    let Some(server) = Screen::start() else {
        return;
    };
    if !testkit::has_program("xrandr", "changes of the monitor") {
        return;
    }
    let mut full = config(&server);
    full.full_screen = true;
    let mut window = open(&full);
    pump_size(&mut window, SCREEN);
    let xrandr = |arguments: &[&str]| server.run("xrandr", arguments);
    let modeline = [
        "40", "1000", "1048", "1152", "1312", "600", "603", "607", "624",
    ];
    xrandr(&[&["--newmode", "small"][..], &modeline].concat());
    xrandr(&["--addmode", "screen", "small"]);
    xrandr(&["--output", "screen", "--mode", "small"]);
    pump_event(&mut window, &WindowEvent::OutputsChanged);
    pump_size(&mut window, Size::new(1000, 600));
}
