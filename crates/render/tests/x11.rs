//! Drawing on real X11 windows, compared by what the server shows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::x11::Window;
use common::{Frame, assert_close, bytes, layout, reference};
use picture::{
    BufferRect, Damage, FrameRect, GuestPoint, PixelFormat, PointerKind, PointerShape,
    PointerState, Rotation, Scene, Size,
};
use render::{GlesRenderer, RenderError, RenderOptions};
use testkit::x_server::XServer;

const SCREEN: Size = Size::new(640, 480);
const FRAME: Size = Size::new(320, 200);

/// A server, a window on it and a renderer for that; nothing, with a loud word, where one of them cannot be had.
fn opened(options: &RenderOptions) -> Option<(XServer, Window, GlesRenderer)> {
    let server = XServer::start(SCREEN.width, SCREEN.height).unwrap()?;
    let window = Window::open(&server, FRAME);
    match GlesRenderer::for_window(window.clone(), FRAME, options) {
        Ok(renderer) => Some((server, window, renderer)),
        Err(error @ (RenderError::Library { .. } | RenderError::Platform { .. })) => {
            testkit::skip("EGL on X11", &error.to_string());
            None
        }
        Err(error) => panic!("{error:?}"),
    }
}

fn shape() -> PointerShape {
    PointerShape {
        kind: PointerKind::Monochrome,
        width: 8,
        height: 8,
        pitch_bytes: 1,
        hot_spot: (0, 0),
        data: [[0xf0; 8], [0x3c; 8]].concat(),
    }
}

/// Presents frames of which only a part changes, with a pointer that moves, and looks at the window each time.
fn show(options: &RenderOptions) {
    let Some((_server, window, mut renderer)) = opened(options) else {
        return;
    };
    let layout = layout(PixelFormat::Bgra8, FRAME, Rotation::Deg0);
    let (shape, mut picture) = (shape(), bytes(&layout, 1));
    let mut damage = Damage::FULL;
    for step in 0..6_u32 {
        let mut frame = Frame::new(&picture);
        renderer.upload(&layout, &damage, &mut frame).unwrap();
        let scene = Scene {
            layout: Some(&layout),
            pointer: PointerState {
                position: GuestPoint {
                    x: 40 * step as i32,
                    y: 90,
                },
                is_visible: step != 4,
            },
            shape: Some(&shape),
            ..Scene::default()
        };
        renderer.draw(&scene).unwrap();
        renderer.present().unwrap();
        let want = reference::compose(&scene, &picture, FRAME);
        let what = format!("step {step} with {options:?}");
        assert_close(&window.screenshot(FRAME), &want, 0, &what);
        let rect = FrameRect::new(30 * step, 20 * step, 25, 31);
        for y in rect.y..rect.y + rect.height {
            let start = (y * layout.pitch_bytes + 4 * rect.x) as usize;
            picture[start..][..4 * rect.width as usize].fill(40 * step as u8);
        }
        damage = Damage::NONE;
        damage.add(rect);
    }
}

#[test]
fn the_window_shows_what_was_presented() {
    show(&RenderOptions::default());
}

#[test]
fn the_window_shows_what_was_presented_without_relying_on_old_buffers() {
    show(&RenderOptions {
        no_buffer_age: true,
        no_swap_damage: true,
        double_buffer: true,
        vsync: true,
        debug: true,
        ..RenderOptions::default()
    });
}

#[test]
fn a_resized_window_is_drawn_whole_at_its_new_size() {
    let Some((_server, window, mut renderer)) = opened(&RenderOptions::default()) else {
        return;
    };
    let layout = layout(PixelFormat::Rgb24, FRAME, Rotation::Deg180);
    let picture = bytes(&layout, 2);
    let mut frame = Frame::new(&picture);
    renderer.upload(&layout, &Damage::FULL, &mut frame).unwrap();
    let scene = Scene {
        layout: Some(&layout),
        ..Scene::default()
    };
    for size in [FRAME, Size::new(640, 401), Size::new(321, 200), FRAME] {
        window.resize(size);
        renderer.resize(size).unwrap();
        // The driver hears of the new size with the second picture at the latest.
        for _ in 0..2 {
            let drawn = renderer.draw(&scene).unwrap();
            renderer.present().unwrap();
            renderer.invalidate();
            assert_eq!(drawn.damage.rects(), [BufferRect::of_size(size)]);
        }
        let want = reference::compose(&scene, &picture, size);
        assert_close(&window.screenshot(size), &want, 2, &format!("{size:?}"));
    }
}

#[test]
fn a_window_that_goes_away_is_no_panic() {
    let Some((_server, window, mut renderer)) = opened(&RenderOptions::default()) else {
        return;
    };
    let scene = Scene::default();
    renderer.draw(&scene).unwrap();
    renderer.present().unwrap();
    window.destroy();
    // Drivers notice late or never; all that is asked is that the program goes on.
    let outcome = (0..5).try_for_each(|_| {
        renderer.invalidate();
        renderer.draw(&scene)?;
        renderer.present()
    });
    if let Err(error) = outcome {
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn a_server_that_goes_away_is_an_error_and_no_hang() {
    let Some((server, _window, mut renderer)) = opened(&RenderOptions::default()) else {
        return;
    };
    let scene = Scene::default();
    renderer.draw(&scene).unwrap();
    renderer.present().unwrap();
    drop(server);
    renderer.invalidate();
    let outcome = renderer.draw(&scene);
    assert!(
        matches!(outcome, Err(RenderError::DisplayLost)),
        "{outcome:?}"
    );
    let outcome = renderer.present();
    assert!(
        matches!(outcome, Err(RenderError::DisplayLost)),
        "{outcome:?}"
    );
}
