//! Drawing only what changed gives the same picture as drawing everything.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct Step {
    rects: Vec<(u32, u32, u32, u32)>,
    pointer: (i32, i32),
    shape: usize,
    is_visible: bool,
    status: bool,
    dimmed: bool,
}

fn step() -> impl Strategy<Value = Step> {
    (
        prop::collection::vec((0_u32..30, 0_u32..20, 1_u32..12, 1_u32..9), 0..4),
        (-8_i32..40, -8_i32..40),
        0_usize..3,
        any::<bool>(),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(rects, pointer, shape, is_visible, status, dimmed)| Step {
            rects,
            pointer,
            shape,
            is_visible,
            status,
            dimmed,
        })
}

fn shapes() -> [PointerShape; 3] {
    let noise: Vec<u8> = (0..7 * 5 * 4).map(|i: u32| (i * 97 % 256) as u8).collect();
    [
        shape(PointerKind::Colour, 7, 5, &noise),
        shape(PointerKind::MaskedColour, 5, 7, &noise),
        shape(PointerKind::Monochrome, 7, 5, &noise[..10]),
    ]
}

/// Changes the bytes of a rectangle of the frame.
fn scribble(compositor: &mut Compositor, layout: &FrameLayout, rect: FrameRect, seed: u8) {
    let bytes = layout.format.bytes_per_pixel() as usize;
    let pitch = layout.pitch_bytes as usize;
    let rect = rect.clamped(Size::new(layout.frame.width, layout.rows));
    let store = compositor.frame_store_mut(layout);
    for y in rect.y..rect.y + rect.height {
        let start = y as usize * pitch + rect.x as usize * bytes;
        for byte in &mut store[start..start + rect.width as usize * bytes] {
            *byte = byte.wrapping_mul(31).wrapping_add(seed);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn composing_changes_equals_composing_all(
        steps in prop::collection::vec(step(), 1..6),
        format in prop::sample::select(&PixelFormat::ALL[..]),
        (guest, own) in (0_u32..4, 0_u32..4),
        buffer in (1_u32..70, 1_u32..70),
        screen in prop::sample::select(&[(30, 20), (60, 40), (45, 30)][..]),
        filter in prop::sample::select(
            &[ScaleFilter::Auto, ScaleFilter::Nearest, ScaleFilter::Linear][..]),
        (is_native, keep_aspect, rows) in (prop::bool::weighted(0.3), any::<bool>(), 15_u32..=20),
    ) {
        let mut layout = FrameLayout::packed(format, Size::new(30, 20));
        layout.rotation = Rotation::from_quarter_turns(guest);
        layout.screen = Size::new(screen.0, screen.1);
        layout.rows = rows;
        let view = ViewOptions {
            keep_aspect,
            dont_upscale: false,
            rotation: Rotation::from_quarter_turns(own),
            filter,
        };
        let buffer = if is_native {
            layout.rotation.then(view.rotation).size(layout.frame)
        } else {
            Size::new(buffer.0, buffer.1)
        };
        let shapes = shapes();
        let text = StatusText::new(["hi"]).with_height(6.0);
        let (mut one, mut all) = (Compositor::new(), Compositor::new());
        fill(&mut one, &layout, 5);
        fill(&mut all, &layout, 5);
        let mut canvas = Canvas::new(buffer);
        for (number, step) in steps.iter().enumerate() {
            let mut damage = Damage::NONE;
            for &(x, y, width, height) in &step.rects {
                let rect = FrameRect::new(x, y, width, height);
                scribble(&mut one, &layout, rect, number as u8);
                scribble(&mut all, &layout, rect, number as u8);
                damage.add(rect);
            }
            let scene = Scene {
                layout: Some(&layout),
                view,
                pointer: PointerState { is_visible: step.is_visible, ..at(step.pointer.0, step.pointer.1) },
                shape: Some(&shapes[step.shape]),
                dimmed: step.dimmed,
                status: step.status.then_some(&text),
            };
            let before = canvas.clone();
            let dirty = one.compose(&mut canvas, &scene, &damage);
            let mut whole = Canvas::new(buffer);
            all.invalidate();
            all.compose(&mut whole, &scene, &Damage::FULL);
            prop_assert!(canvas == whole, "step {number}");
            // What changed is also told.
            let area = BufferRect::of_size(buffer);
            for rect in dirty.rects() {
                prop_assert!(area.contains(*rect));
            }
            for y in 0..buffer.height {
                for x in 0..buffer.width {
                    let pixel = BufferRect::new(x as i32, y as i32, 1, 1);
                    let is_told = dirty.rects().iter().any(|r| r.contains(pixel));
                    prop_assert!(is_told || before.bgr(x, y) == canvas.bgr(x, y));
                }
            }
        }
    }
}
