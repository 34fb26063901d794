//! The software renderer against the naive per-pixel reference, which shares nothing with it.

use picture::pointer::PointerKind;
use picture::{
    Canvas, Compositor, Damage, FrameLayout, GuestPoint, PixelFormat, PointerShape, PointerState,
    Rotation, ScaleFilter, Scene, Size, Transfer, ViewOptions,
};
use proptest::prelude::*;

// By its path: `testkit` itself is built on `picture`, and on much that these tests do not need.
#[allow(clippy::all, reason = "linted where it belongs")]
#[path = "../../testkit/src/reference.rs"]
pub mod reference;

/// Bytes that differ from place to place; `any` values are fine for every format but half floats.
fn noise(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 24) as u8
        })
        .collect()
}

const FILTERS: [ScaleFilter; 3] = [ScaleFilter::Auto, ScaleFilter::Nearest, ScaleFilter::Linear];

const KINDS: [PointerKind; 3] = [
    PointerKind::Colour,
    PointerKind::Monochrome,
    PointerKind::MaskedColour,
];

#[derive(Clone, Debug)]
struct Case {
    layout: FrameLayout,
    is_hdr: bool,
    seed: u32,
    buffer: Size,
    view: ViewOptions,
    kind: usize,
    position: GuestPoint,
}

fn case() -> impl Strategy<Value = Case> {
    let frame = (
        0_usize..6,
        1_u32..24,
        1_u32..24,
        0_u32..40,
        0_u32..4,
        any::<bool>(),
    );
    let buffer = (1_u32..60, 1_u32..60, prop::bool::weighted(0.3));
    let view = (any::<bool>(), any::<bool>(), 0_u32..4, 0_usize..3);
    let rest = (
        0_usize..3,
        -9_i32..60,
        -9_i32..60,
        any::<u32>(),
        1_u32..3,
        0_u32..3,
    );
    (frame, buffer, view, rest).prop_map(|(frame, buffer, view, rest)| {
        let (format, width, height, padding, rotation, is_hdr) = frame;
        let (kind, x, y, seed, screen, missing) = rest;
        let mut layout = FrameLayout::packed(PixelFormat::ALL[format], Size::new(width, height));
        layout.pitch_bytes += padding * layout.format.bytes_per_pixel();
        layout.rows = height.saturating_sub(missing).max(1);
        layout.rotation = Rotation::from_quarter_turns(rotation);
        layout.screen = Size::new(width * screen, height * screen);
        layout.transfer = match layout.format {
            PixelFormat::Rgba10 if is_hdr => Transfer::Pq2020,
            PixelFormat::Rgba16F if is_hdr => Transfer::ScRgb,
            PixelFormat::Rgba16F => Transfer::Linear,
            _ => Transfer::Srgb,
        };
        let rotation = Rotation::from_quarter_turns(view.2);
        let turned = layout.rotation.then(rotation).size(layout.frame);
        let (buffer_width, buffer_height, is_native) = buffer;
        Case {
            layout,
            is_hdr,
            seed,
            buffer: if is_native {
                turned
            } else {
                Size::new(buffer_width, buffer_height)
            },
            view: ViewOptions {
                keep_aspect: view.0,
                dont_upscale: view.1,
                rotation,
                filter: FILTERS[view.3],
            },
            kind,
            position: GuestPoint { x, y },
        }
    })
}

fn shape(kind: PointerKind, seed: u32) -> PointerShape {
    let (width, height) = (9, 7);
    let (pitch_bytes, rows) = match kind {
        PointerKind::Monochrome => (4, 2 * height),
        _ => (4 * width, height),
    };
    PointerShape {
        kind,
        width,
        height,
        pitch_bytes,
        hot_spot: (0, 0),
        data: noise((pitch_bytes * rows) as usize, seed ^ 77),
    }
}

fn composed(case: &Case, bytes: &[u8], shape: &PointerShape) -> Canvas {
    let mut compositor = Compositor::new();
    compositor
        .frame_store_mut(&case.layout)
        .copy_from_slice(bytes);
    let mut canvas = Canvas::new(case.buffer);
    let scene = Scene {
        layout: Some(&case.layout),
        view: case.view,
        pointer: PointerState {
            position: case.position,
            is_visible: true,
        },
        shape: Some(shape),
        ..Scene::default()
    };
    compositor.compose(&mut canvas, &scene, &Damage::FULL);
    canvas
}

fn expected(case: &Case, bytes: &[u8], shape: &PointerShape) -> Vec<reference::Rgb> {
    let layout = &case.layout;
    let wire = |format| PixelFormat::ALL.iter().position(|f| *f == format);
    let frame = reference::Frame {
        kind: wire(layout.format).map_or(0, |i| i as u32 + 1),
        is_hdr: case.is_hdr,
        // Linear half floats without the flag exist in the older versions only.
        version: match layout.transfer {
            Transfer::Linear => 19,
            _ => 20,
        },
        width: layout.frame.width,
        height: layout.frame.height,
        rows: layout.rows,
        pitch: layout.pitch_bytes as usize,
        rotation: layout.rotation.quarter_turns(),
        screen: (layout.screen.width, layout.screen.height),
        bytes,
    };
    let pointer = reference::Pointer {
        kind: case.kind as u32,
        x: case.position.x,
        y: case.position.y,
        width: shape.width,
        rows: match shape.kind {
            PointerKind::Monochrome => 2 * shape.height,
            _ => shape.height,
        },
        pitch: shape.pitch_bytes as usize,
        bytes: &shape.data,
    };
    let view = reference::View {
        width: case.buffer.width,
        height: case.buffer.height,
        keep_aspect: case.view.keep_aspect,
        dont_upscale: case.view.dont_upscale,
        rotation: case.view.rotation.quarter_turns(),
        scale: FILTERS
            .iter()
            .position(|f| *f == case.view.filter)
            .map_or(0, |i| i as u32),
    };
    reference::compose(&frame, Some(&pointer), &view)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn picture_is_that_of_the_naive_reference(case in case()) {
        let placement = picture::Placement::new(&case.layout, case.buffer, &case.view);
        let kind = KINDS[case.kind];
        // Sums of the linear filter are rounded twice, in the picture and in a colour pointer; elsewhere every value is exact.
        let is_linear = |filter| u8::from(filter == picture::Filter::Linear);
        let mut tolerance = is_linear(placement.filter);
        if kind == PointerKind::Colour {
            tolerance += is_linear(placement.pointer_filter);
        }
        // XOR makes anything of a difference of one.
        prop_assume!(kind != PointerKind::MaskedColour || tolerance == 0);
        let bytes = noise(case.layout.data_bytes() as usize, case.seed);
        let shape = shape(kind, case.seed);
        let canvas = composed(&case, &bytes, &shape);
        let expected = expected(&case, &bytes, &shape);
        for (i, &[r, g, b]) in expected.iter().enumerate() {
            let (x, y) = (i as u32 % case.buffer.width, i as u32 / case.buffer.width);
            let seen = canvas.bgr(x, y).unwrap();
            for (seen, meant) in seen.into_iter().zip([b, g, r]) {
                prop_assert!(seen.abs_diff(meant) <= tolerance, "{x} {y}: {seen} for {meant}");
            }
        }
    }
}
