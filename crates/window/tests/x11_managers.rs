//! The shape of a window under real window managers: kept while the user resizes it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use picture::{BufferPoint, Size};
use support::screen::Screen;
use support::{SCREEN, pump, wait_for};
use testkit::window_manager::WindowManager;
use testkit::x_input::XInput;
use window::{Backend, Window, WindowConfig};

const SIZE: Size = Size::new(480, 270);
const SHAPE: Size = Size::new(16, 9);

/// What has not changed for so long has come to rest.
const CALM: Duration = Duration::from_millis(300);

/// Resizes the window by hand and returns its new size.
fn drag(server: &Screen, manager: WindowManager, window: &mut Window, by: (i16, i16)) -> Size {
    let user = XInput::connect(&server.display()).expect("a user");
    let (x, y, before) = server.place(server.find_window("lg-test"));
    let size = (before.width as i16, before.height as i16);
    let dragged = manager.drag_corner(&user, (x as i16, y as i16), size, by);
    dragged.expect("the server lives");
    // Some managers resize it while the user drags: the last size is meant.
    let (mut last, mut since) = (before, Instant::now());
    let what = format!("another size from {manager:?}");
    pump(window, &what, |window, _| {
        if window.buffer_size() != last {
            (last, since) = (window.buffer_size(), Instant::now());
        }
        last != before && since.elapsed() > CALM
    });
    last
}

/// How many rows a window lacks of its shape, or has too many.
fn rows_off(size: Size) -> u32 {
    let meant = (size.width * SHAPE.height + SHAPE.width / 2) / SHAPE.width;
    meant.abs_diff(size.height)
}

/// A managed screen and a window on it.
fn open(manager: WindowManager) -> Option<(Screen, Window)> {
    let mut server = Screen::start()?;
    if !server.manage_by(manager) {
        return None;
    }
    let config = WindowConfig {
        size: SIZE,
        app_id: "lg-test".to_owned(),
        position: Some(BufferPoint { x: 100, y: 80 }),
        display: Some(server.display()),
        ..WindowConfig::default()
    };
    let mut window = Window::open(&config, Some(Backend::X11)).expect("the window opens");
    let id = server.find_window("lg-test");
    let (state, mut last, mut since) = (server.atom("WM_STATE"), None, Instant::now());
    let what = format!("{manager:?} to manage the window");
    pump(&mut window, &what, |_, _| {
        let place = Some(server.place(id));
        if std::mem::replace(&mut last, place) != place {
            since = Instant::now();
        }
        !server.words(id, state).is_empty() && since.elapsed() > CALM
    });
    Some((server, window))
}

#[test]
fn the_user_keeps_the_shape_while_it_is_demanded_and_no_longer() {
    for manager in WindowManager::ALL {
        let Some((server, mut window)) = open(manager) else {
            continue;
        };
        let free = drag(&server, manager, &mut window, (150, 10));
        assert!(rows_off(free) > 20, "{manager:?} made it {free:?}");
        window.set_aspect(Some(SHAPE));
        for by in [(50, 10), (-30, 60)] {
            let size = drag(&server, manager, &mut window, by);
            assert!(rows_off(size) <= 1, "{manager:?} made it {size:?}");
        }
        // mwm never forgets a shape that it was told.
        if manager != WindowManager::Mwm {
            window.set_aspect(None);
            let free = drag(&server, manager, &mut window, (150, 10));
            assert!(rows_off(free) > 20, "{manager:?} made it {free:?}");
        }
    }
}

#[test]
fn full_screen_comes_and_goes_and_leaves_the_window_where_it_was() {
    for manager in WindowManager::ALL {
        let Some((server, mut window)) = open(manager) else {
            continue;
        };
        // mwm keeps the frame of a window that was mapped with one, keeps all of it on the screen, and takes every place
        // for the frame's.
        let is_stubborn = manager == WindowManager::Mwm;
        let covers = |(x, y, size): (i32, i32, Size)| {
            let Size { width, height } = size;
            let is_nearly = x < 10 && y < 30 && width + 20 > 1280 && height + 40 > 720;
            (x, y, size) == (0, 0, SCREEN) || (is_stubborn && is_nearly)
        };
        let id = server.find_window("lg-test");
        let before = server.place(id);
        for _ in 0..2 {
            window.set_full_screen(true);
            wait_for(&format!("a full screen from {manager:?}"), || {
                covers(server.place(id)).then_some(())
            });
            pump(&mut window, "to be told", |window, _| {
                window.is_full_screen()
            });
            window.set_full_screen(false);
            wait_for(&format!("the place before it from {manager:?}"), || {
                let now = server.place(id);
                (now == before || (is_stubborn && now.2 == SIZE)).then_some(())
            });
            pump(&mut window, "to be told", |window, _| {
                !window.is_full_screen()
            });
        }
    }
}
