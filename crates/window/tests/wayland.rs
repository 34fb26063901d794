//! Windows on real Wayland compositors: weston, and sway as an ordinary user.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::PathBuf;

use picture::{BufferRect, Canvas, Size};
use raw_window_handle::{HasDisplayHandle, HasWindowHandle, RawDisplayHandle, RawWindowHandle};
use support::screen::Screen;
use support::shot::{fill, pattern};
use support::wayland::{Desktop as _, nested_weston, sway, weston};
use support::{SCREEN, present, pump, pump_event, pump_size, pump_until_lost, wait_for};
use testkit::compositor::{Sway, Weston};
use window::{
    Backend, Presented, SoftwarePresenter, Window, WindowConfig, WindowError, WindowEvent,
};
use x11rb::protocol::xproto::{
    BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, KEY_PRESS_EVENT, KEY_RELEASE_EVENT,
    MOTION_NOTIFY_EVENT,
};

const SIZE: Size = Size::new(400, 300);

fn config(socket: PathBuf) -> WindowConfig {
    WindowConfig {
        size: SIZE,
        app_id: "lg-test".to_owned(),
        display: Some(socket.to_string_lossy().into_owned()),
        ..WindowConfig::default()
    }
}

fn open(config: &WindowConfig) -> Window {
    Window::open(config, Some(Backend::Wayland)).expect("the window opens")
}

/// A window with its presenter.
struct Shown {
    window: Window,
    presenter: Box<dyn SoftwarePresenter>,
}

impl Shown {
    fn open(config: &WindowConfig) -> Self {
        let window = open(config);
        let presenter = window.surface().presenter().expect("a presenter");
        Self { window, presenter }
    }

    fn present(&mut self, canvas: &Canvas, damage: &[BufferRect]) {
        present(&mut self.window, &mut *self.presenter, canvas, damage);
    }

    /// Presents at whatever size the window has until it has the wanted one.
    fn follow_to(&mut self, size: Size) -> Canvas {
        let what = format!("the size {size:?}");
        self.follow_until(&what, |window| window.buffer_size() == size)
    }

    /// Presents at whatever size the window has until it is as wanted.
    fn follow_until(&mut self, what: &str, done: impl Fn(&Window) -> bool) -> Canvas {
        for _ in 0..300 {
            let canvas = pattern(self.window.buffer_size());
            self.present(&canvas, &[BufferRect::of_size(canvas.size())]);
            let mut events = Vec::new();
            let step = std::time::Duration::from_millis(20);
            self.window
                .dispatch(Some(step), &mut events)
                .expect("it lives");
            if canvas.size() == self.window.buffer_size() && done(&self.window) {
                return canvas;
            }
        }
        panic!("{:?} instead of {what}", self.window);
    }

    /// Presents a pattern, and finds it on sway's output.
    fn find(&mut self, compositor: &Sway, canvas: &Canvas) -> (u32, u32) {
        wait_for("the picture", || {
            self.present(canvas, &[BufferRect::of_size(canvas.size())]);
            let mut events = Vec::new();
            let step = std::time::Duration::from_millis(20);
            self.window
                .dispatch(Some(step), &mut events)
                .expect("it lives");
            compositor.shot().find(canvas)
        })
    }
}

/// A window of its own size on sway.
fn shown_on_sway() -> Option<(Sway, Shown)> {
    let compositor = sway()?;
    let mut shown = Shown::open(&config(compositor.socket()));
    shown.follow_to(SIZE);
    Some((compositor, shown))
}

/// A full-screen window on a weston that fills an X screen: so its coordinates are those of the X server.
fn shown_on_weston(server: &Screen) -> Option<(Weston, Shown, Canvas)> {
    let compositor = nested_weston(server)?;
    let mut full = config(compositor.socket());
    full.full_screen = true;
    let mut shown = Shown::open(&full);
    let canvas = shown.follow_to(SCREEN);
    Some((compositor, shown, canvas))
}

#[test]
fn presented_pixels_are_the_pixels_on_weston() {
    let Some(server) = Screen::start() else {
        return;
    };
    // Weston's own screenshots are black on its headless backend with pixman.
    let Some((_compositor, mut shown, mut canvas)) = shown_on_weston(&server) else {
        return;
    };
    assert!(shown.window.is_full_screen());
    let rect = BufferRect::new(1200, 600, 50, 60);
    fill(&mut canvas, rect, [9, 99, 199]);
    shown.present(&canvas, &[rect]);
    // Weston draws its pointer into the picture unless it is hidden.
    shown.window.set_cursor_visible(false);
    let is_bare = |_: &Window, _: &[WindowEvent]| server.shot().shows(&canvas, 0, 0);
    pump(&mut shown.window, "the picture", is_bare);
    shown.window.set_cursor_visible(true);
    pump(&mut shown.window, "the pointer", |w, e| !is_bare(w, e));
}

#[test]
fn presented_pixels_are_the_pixels_on_sway() {
    let Some(compositor) = sway() else {
        return;
    };
    let mut shown = Shown::open(&config(compositor.socket()));
    assert_eq!(shown.presenter.transport(), "wl_shm");
    let mut canvas = shown.follow_to(SIZE);
    let (left, top) = shown.find(&compositor, &canvas);
    // A hundred small changes through all buffers: each buffer has to catch up with what the others showed.
    for step in 0..100_i32 {
        let rect = BufferRect::new(step * 3, step * 2, 7, 9);
        fill(&mut canvas, rect, [step as u8, 200, 100]);
        shown.present(&canvas, &[rect]);
        let mut events = Vec::new();
        let wait = std::time::Duration::from_millis(u64::from(step % 7 == 0));
        shown.window.dispatch(Some(wait), &mut events).unwrap();
    }
    wait_for("the last picture", || {
        compositor.shot().shows(&canvas, left, top).then_some(())
    });
}

#[test]
fn the_render_thread_presents_while_the_main_thread_dispatches() {
    let Some(compositor) = weston() else {
        return;
    };
    let mut window = open(&config(compositor.socket()));
    let mut presenter = window.surface().presenter().unwrap();
    let surface = window.surface();
    let render = std::thread::spawn(move || {
        let mut done = 0;
        for step in 0..2000_u32 {
            // Sizes that nobody asked for are the client's right, and must not end the connection.
            let size = Size::new(300 + step / 100 * 7, 200 + step / 200);
            if presenter.present(&pattern(size), &[]).unwrap() == Presented::Done {
                done += 1;
            }
            if step % 50 == 0 {
                surface.request_frame();
            }
        }
        done
    });
    let mut frames = 0;
    pump(&mut window, "the render thread", |_, _| {
        render.is_finished()
    });
    assert!(render.join().unwrap() > 20);
    // The window is alive: a frame callback still comes.
    let surface = window.surface();
    let mut presenter = surface.presenter().unwrap();
    surface.request_frame();
    present(&mut window, &mut *presenter, &pattern(SIZE), &[]);
    pump(&mut window, "a frame callback", |_, events| {
        let is_frame = |e: &&WindowEvent| matches!(e, WindowEvent::FrameDone { .. });
        frames = events.iter().filter(is_frame).count();
        frames > 0
    });
}

#[test]
fn maximised_and_full_screen_states_come_and_go_on_weston() {
    let Some(compositor) = weston() else {
        return;
    };
    // Weston ends the connection if a buffer does not fit the acknowledged maximised size.
    let mut wish = config(compositor.socket());
    wish.maximize = true;
    let mut shown = Shown::open(&wish);
    let size = shown.window.buffer_size();
    assert!(size.width >= 1270 && size.height >= 600, "{size:?}");
    for _ in 0..3 {
        // The maximised size shrinks when weston's panel has started; the full screen is the whole output always.
        shown.window.set_full_screen(true);
        let canvas = shown.follow_until("full screen", Window::is_full_screen);
        assert_eq!(canvas.size(), SCREEN);
        shown.window.set_full_screen(false);
        shown.follow_until("maximised", |w| !w.is_full_screen());
    }
}

#[test]
fn full_screen_covers_sway_and_comes_back() {
    let Some((compositor, mut shown)) = shown_on_sway() else {
        return;
    };
    shown.window.set_full_screen(true);
    let canvas = shown.follow_to(SCREEN);
    assert_eq!(shown.find(&compositor, &canvas), (0, 0));
    assert!(shown.window.is_full_screen());
    shown.window.set_full_screen(false);
    let canvas = shown.follow_to(SIZE);
    shown.find(&compositor, &canvas);
    assert!(!shown.window.is_full_screen());
}

#[test]
fn the_window_follows_requests_and_the_compositor() {
    let Some(compositor) = sway() else {
        return;
    };
    for resizable in [true, false] {
        let mut wish = config(compositor.socket());
        wish.resizable = resizable;
        let mut shown = Shown::open(&wish);
        shown.follow_to(SIZE);
        shown.window.request_size(Size::new(640, 360));
        let canvas = shown.follow_to(Size::new(640, 360));
        shown.find(&compositor, &canvas);
        if resizable {
            compositor.swaymsg("[app_id=lg-test] resize set 500 px 410 px");
            let canvas = shown.follow_to(Size::new(500, 410));
            shown.find(&compositor, &canvas);
        }
        shown.window.request_size(Size::new(333, 222));
        let canvas = shown.follow_to(Size::new(333, 222));
        shown.find(&compositor, &canvas);
    }
}

#[test]
fn buffers_have_the_physical_size_on_a_dense_output() {
    let Some((compositor, mut shown)) = shown_on_sway() else {
        return;
    };
    compositor.swaymsg("output HEADLESS-1 scale 2");
    let canvas = shown.follow_to(Size::new(800, 600));
    compositor.centre();
    assert!((shown.window.scale() - 2.0).abs() < 1e-9);
    // Found pixel by pixel: nothing was scaled on the way.
    shown.find(&compositor, &canvas);
    compositor.swaymsg("output HEADLESS-1 scale 1");
    let canvas = shown.follow_to(SIZE);
    compositor.centre();
    shown.find(&compositor, &canvas);
    // A program's size is in physical pixels.
    compositor.swaymsg("output HEADLESS-1 scale 2");
    shown.follow_to(Size::new(800, 600));
    shown.window.request_size(Size::new(640, 400));
    let canvas = shown.follow_to(Size::new(640, 400));
    compositor.centre();
    shown.find(&compositor, &canvas);
}

#[test]
fn a_close_request_arrives() {
    let Some((compositor, mut shown)) = shown_on_sway() else {
        return;
    };
    wait_for("the window in the tree", || {
        compositor.tree().contains("lg-test").then_some(())
    });
    compositor.swaymsg("[app_id=lg-test] kill");
    pump_event(&mut shown.window, &WindowEvent::CloseRequested);
}

#[test]
fn title_attention_and_inhibition_reach_sway() {
    let Some((compositor, mut shown)) = shown_on_sway() else {
        return;
    };
    shown.window.set_title("Spiegel äöü");
    wait_for("the title", || {
        compositor.tree().contains("Spiegeläöü").then_some(())
    });
    assert!(shown.window.set_idle_inhibited(true));
    wait_for("the inhibitor", || {
        compositor
            .tree()
            .contains("\"application\":\"enabled\"")
            .then_some(())
    });
    assert!(shown.window.set_idle_inhibited(false));
    // Only a window on a hidden workspace is marked urgent; an unfocused one is focused at most.
    compositor.swaymsg("workspace 2");
    shown.window.request_attention();
    let mut events = Vec::new();
    wait_for("urgency or focus", || {
        let step = std::time::Duration::from_millis(20);
        shown.window.dispatch(Some(step), &mut events).unwrap();
        compositor.tree().contains("\"urgent\":true").then_some(())
    });
}

#[test]
fn input_arrives_as_evdev_codes_in_window_coordinates() {
    let Some(server) = Screen::start() else {
        return;
    };
    let Some((_compositor, mut shown, canvas)) = shown_on_weston(&server) else {
        return;
    };
    wait_for("weston's window to show ours", || {
        shown.present(&canvas, &[BufferRect::of_size(SCREEN)]);
        let mut events = Vec::new();
        let step = std::time::Duration::from_millis(20);
        shown.window.dispatch(Some(step), &mut events).unwrap();
        (server.shot().at(600, 500) == canvas.bgr(600, 500)).then_some(())
    });
    for (x, y) in [(100, 50), (120, 60), (150, 67)] {
        server.fake(MOTION_NOTIFY_EVENT, 0, x, y);
    }
    // Weston may count from where it believes the pointer to be, so only the way is known.
    pump(&mut shown.window, "the last step", |_, events| {
        let mut moves = events.iter().rev().filter_map(|e| match e {
            WindowEvent::PointerMoved(at) => Some(*at),
            _ => None,
        });
        let (last, before) = (moves.next(), moves.next());
        last.zip(before)
            .is_some_and(|(l, b)| (l.x - b.x, l.y - b.y) == (30.0, 7.0))
    });
    for visible in [false, true] {
        shown.window.set_cursor_visible(visible);
    }
    for button in [1, 3, 5] {
        server.fake(BUTTON_PRESS_EVENT, button, 0, 0);
        server.fake(BUTTON_RELEASE_EVENT, button, 0, 0);
    }
    // Key code 38 is the key A of every PC keyboard.
    server.fake(KEY_PRESS_EVENT, 38, 0, 0);
    server.fake(KEY_RELEASE_EVENT, 38, 0, 0);
    let last = WindowEvent::Key {
        evdev: 30,
        pressed: false,
    };
    let events = pump_event(&mut shown.window, &last);
    let button = |evdev, pressed| WindowEvent::Button { evdev, pressed };
    let told: Vec<_> = events
        .into_iter()
        .filter(|e| {
            matches!(
                e,
                WindowEvent::Button { .. } | WindowEvent::Key { .. } | WindowEvent::Wheel { .. }
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            button(window::BTN_LEFT, true),
            button(window::BTN_LEFT, false),
            button(window::BTN_RIGHT, true),
            button(window::BTN_RIGHT, false),
            WindowEvent::Wheel {
                x_120: 0,
                y_120: 120
            },
            WindowEvent::Key {
                evdev: 30,
                pressed: true
            },
            last,
        ]
    );
}

#[test]
fn native_handles_name_the_display_and_the_surface() {
    let Some(compositor) = weston() else {
        return;
    };
    let window = open(&config(compositor.socket()));
    let surface = window.surface();
    drop(window);
    // The objects live for as long as the surface does.
    let handle = surface.window_handle().unwrap().as_raw();
    assert!(matches!(handle, RawWindowHandle::Wayland(_)), "{handle:?}");
    let handle = surface.display_handle().unwrap().as_raw();
    assert!(matches!(handle, RawDisplayHandle::Wayland(_)), "{handle:?}");
    surface.before_commit(SIZE);
}

#[test]
fn a_waker_ends_the_wait_from_another_thread() {
    let Some(compositor) = weston() else {
        return;
    };
    let mut window = open(&config(compositor.socket()));
    let waker = window.waker();
    pump_size(&mut window, SIZE);
    let ring = std::thread::spawn(move || waker.wake());
    ring.join().unwrap();
    let mut events = Vec::new();
    window.dispatch(None, &mut events).unwrap();
}

#[test]
fn a_killed_compositor_is_an_error_on_both_threads() {
    let Some(mut compositor) = weston() else {
        return;
    };
    let mut shown = Shown::open(&config(compositor.socket()));
    shown.follow_to(SIZE);
    compositor.process().kill();
    let error = pump_until_lost(&mut shown.window);
    let backend = Backend::Wayland;
    assert!(
        matches!(error, WindowError::Disconnected { backend: b, .. } if b == backend),
        "{error}"
    );
    let mut step = 0;
    let error = wait_for("the presenter's error", || {
        step += 1;
        shown
            .presenter
            .present(&pattern(Size::new(10 + step, 10)), &[])
            .err()
    });
    assert!(matches!(error, WindowError::Disconnected { .. }), "{error}");
    // None of these may panic.
    shown.window.set_title("x");
    shown.window.set_full_screen(true);
    shown.window.request_size(SIZE);
    shown.window.set_cursor_visible(false);
    shown.window.set_idle_inhibited(true);
    shown.window.request_attention();
}

#[test]
fn no_compositor_is_an_error_that_names_the_socket() {
    let wish = WindowConfig {
        display: Some("/nonexistent/wayland-9".to_owned()),
        ..WindowConfig::default()
    };
    let error = Window::open(&wish, None).unwrap_err();
    assert!(
        error.to_string().contains("/nonexistent/wayland-9"),
        "{error}"
    );
}
