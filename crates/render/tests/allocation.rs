//! Once pictures are running, no frame costs an allocation of ours.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Frame, bytes, layout, renderer};
use picture::{
    Damage, FrameRect, GuestPoint, PixelFormat, PointerKind, PointerShape, PointerState, Rotation,
    Scene, Size, StatusText,
};
use render::{RenderOptions, UploadPath};
use testkit::allocations::{self, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_running_picture_allocates_nothing() {
    let size = Size::new(160, 90);
    for path in [UploadPath::Staging, UploadPath::Persistent] {
        let options = RenderOptions {
            upload: Some(path),
            ..RenderOptions::default()
        };
        let Some(mut renderer) = renderer(Size::new(200, 100), &options) else {
            return;
        };
        let shape = PointerShape {
            kind: PointerKind::Colour,
            width: 8,
            height: 8,
            pitch_bytes: 32,
            hot_spot: (0, 0),
            data: vec![128; 256],
        };
        let text = StatusText::new(["a message"]);
        for format in PixelFormat::ALL {
            let layout = layout(format, size, Rotation::Deg90);
            let mut frame = Frame::new(&bytes(&layout, 1));
            frame.waits.reserve(1000);
            let mut run = |step: u32| {
                let mut damage = Damage::NONE;
                damage.add(FrameRect::new(step, 2 * step, 20, 10));
                damage.add(FrameRect::new(100, step, 5, 5));
                renderer.upload(&layout, &damage, &mut frame).unwrap();
                let scene = Scene {
                    layout: Some(&layout),
                    pointer: PointerState {
                        position: GuestPoint {
                            x: step as i32,
                            y: 3,
                        },
                        is_visible: true,
                    },
                    shape: Some(&shape),
                    status: Some(&text),
                    ..Scene::default()
                };
                renderer.draw(&scene).unwrap();
                renderer.present().unwrap();
            };
            // As often as the ring of the longest path has places.
            (0..6).for_each(&mut run);
            let more = allocations::of(|| (6..20).for_each(&mut run));
            assert_eq!(more, 0, "{path:?} {format:?}");
        }
    }
}
