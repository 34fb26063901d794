//! Keys, pointer and wheel take no memory from the heap once the model runs.

use client::guest_view::{GuestView, PictureSource};
use client::input::{Action, InputModel, Preferences, SpiceInput};
use clock::Nanos;
use picture::{FrameLayout, GuestPoint, PixelFormat, Placement, ScaleFilter, Size};
use picture::{Rotation, SurfacePoint, ViewOptions};
use testkit::allocations::{self, Counting};
use window::{BTN_LEFT, WindowEvent};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn view() -> GuestView {
    let layout = FrameLayout::packed(PixelFormat::Bgra8, Size::new(1920, 1080));
    let options = ViewOptions {
        keep_aspect: true,
        dont_upscale: false,
        rotation: Rotation::Deg90,
        filter: ScaleFilter::Auto,
    };
    GuestView {
        source: PictureSource::Relay,
        placement: Some(Placement::new(&layout, Size::new(1000, 1000), &options)),
        pointer: Some(GuestPoint { x: 5, y: 5 }),
        can_set_pointer: true,
        ..GuestView::default()
    }
}

/// A turn of everything that happens often: in and out of the picture, a click, a wheel, keys.
fn round(number: u32) -> impl Iterator<Item = WindowEvent> {
    let at = |x: f64, y| WindowEvent::PointerMoved(SurfacePoint { x, y });
    let push = WindowEvent::RelativeMotion {
        dx: 1.5,
        dy: -1.5,
        raw_dx: 1.0,
        raw_dy: -1.0,
    };
    let button = |pressed| WindowEvent::Button {
        evdev: BTN_LEFT,
        pressed,
    };
    let key = |evdev, pressed| WindowEvent::Key { evdev, pressed };
    let wheel = WindowEvent::Wheel {
        x_120: 0,
        y_120: 240,
    };
    // All keys before the escape key.
    let other = 2 + number % 60;
    [
        at(500.0, 500.0),
        button(true),
        at(501.0 + f64::from(number % 10), 500.0),
        button(false),
        wheel,
        key(42, true),
        key(other, true),
        push,
        key(other, false),
        key(42, false),
        at(5.0, 5.0),
    ]
    .into_iter()
}

#[test]
fn events_take_nothing_from_the_heap() {
    let view = view();
    for is_captured in [false, true] {
        let mut actions: Vec<Action> = Vec::with_capacity(64);
        let mut input = InputModel::new(Preferences::default());
        input.spice_event(SpiceInput::Ready, &view, Nanos::ZERO, &mut actions);
        let start = [
            WindowEvent::Focused(true),
            WindowEvent::Key {
                evdev: 70,
                pressed: true,
            },
            WindowEvent::Key {
                evdev: 70,
                pressed: false,
            },
            WindowEvent::PointerCaptured(is_captured),
        ];
        for event in start {
            input.window_event(&event, &view, 1.0, Nanos::ZERO, &mut actions);
        }
        let mut count = 0;
        let spent = allocations::of(|| {
            for number in 0..1000 {
                let now = Nanos::from_millis(i64::from(number) * 400);
                for event in round(number) {
                    actions.clear();
                    input.window_event(&event, &view, 1.25, now, &mut actions);
                    input.tick(&view, now, &mut actions);
                    count += actions.len();
                }
                actions.clear();
                input.realigned(number % 2 == 0, &view, now, &mut actions);
                count += actions.len();
            }
        });
        assert!(count > 5000, "only {count} actions");
        assert_eq!(spent, 0, "captured: {is_captured}");
    }
}
