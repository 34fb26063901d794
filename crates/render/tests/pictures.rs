//! Pictures drawn by GLES against the slow reference.
//!
//! Tolerances: none where pixels are moved, unpacked or combined by bits; one step where light is converted
//! (kvmfr.md 4.8); two where a driver filters, since texture filters need only have 8 bits of weight.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{Frame, assert_close, bytes, layout, noise, reference, renderer};
use picture::{
    Damage, FrameLayout, GuestPoint, PixelFormat, PointerKind, PointerShape, PointerState,
    Rotation, ScaleFilter, Scene, Size, StatusText, Transfer, ViewOptions,
};
use render::{GlesRenderer, RenderOptions};

const FRAME: Size = Size::new(37, 22);

/// Draws a scene and compares; `tolerance` in steps of 255.
fn check(renderer: &mut GlesRenderer, scene: &Scene<'_>, bytes: &[u8], tolerance: u8, what: &str) {
    let layout = scene.layout.unwrap();
    renderer
        .upload(layout, &Damage::FULL, &mut Frame::new(bytes))
        .unwrap();
    renderer.draw(scene).unwrap();
    let got = renderer.read_pixels().unwrap();
    let want = reference::compose(scene, bytes, renderer.size());
    assert_close(&got, &want, tolerance, what);
}

/// Every format with every transfer it can have, and the tolerance of its conversion.
fn formats() -> Vec<(PixelFormat, Transfer, u8)> {
    vec![
        (PixelFormat::Bgra8, Transfer::Srgb, 0),
        (PixelFormat::Rgba8, Transfer::Srgb, 0),
        (PixelFormat::Rgba10, Transfer::Srgb, 0),
        (PixelFormat::Rgba10, Transfer::Pq2020, 1),
        (PixelFormat::Rgba16F, Transfer::ScRgb, 1),
        (PixelFormat::Rgba16F, Transfer::Linear, 1),
        (PixelFormat::Bgr24Packed, Transfer::Srgb, 0),
        (PixelFormat::Rgb24, Transfer::Srgb, 0),
    ]
}

fn shape(kind: PointerKind, seed: u64) -> PointerShape {
    let (width, height) = (11, 7);
    let (pitch, rows) = match kind {
        PointerKind::Monochrome => (3, 2 * height),
        _ => (4 * width + 4, height),
    };
    let mut noise = noise(seed);
    let mut data: Vec<u8> = (0..pitch * rows).map(|_| noise()).collect();
    if kind != PointerKind::Monochrome {
        // Extremes are more frequent than in noise.
        for alpha in data.iter_mut().skip(3).step_by(4) {
            *alpha = match *alpha % 3 {
                0 => 0,
                1 => 255,
                _ => *alpha,
            };
        }
    }
    PointerShape {
        kind,
        width,
        height,
        pitch_bytes: pitch,
        hot_spot: (2, 1),
        data,
    }
}

const KINDS: [PointerKind; 3] = [
    PointerKind::Colour,
    PointerKind::Monochrome,
    PointerKind::MaskedColour,
];

fn state(x: i32, y: i32) -> PointerState {
    PointerState {
        position: GuestPoint { x, y },
        is_visible: true,
    }
}

#[test]
fn every_format_at_every_rotation_matches_the_reference() {
    for no_blit in [false, true] {
        let options = RenderOptions {
            no_blit,
            ..RenderOptions::default()
        };
        let Some(mut renderer) = renderer(FRAME, &options) else {
            return;
        };
        for (format, transfer, tolerance) in formats() {
            for rotation in Rotation::ALL {
                let mut layout = layout(format, FRAME, rotation);
                layout.transfer = transfer;
                renderer.resize(layout.upright()).unwrap();
                let scene = Scene {
                    layout: Some(&layout),
                    ..Scene::default()
                };
                let what = format!("{format:?} {transfer:?} {rotation:?} no_blit {no_blit}");
                check(&mut renderer, &scene, &bytes(&layout, 1), tolerance, &what);
            }
        }
    }
}

#[test]
fn every_turn_and_scale_matches_the_reference() {
    let Some(mut renderer) = renderer(FRAME, &RenderOptions::default()) else {
        return;
    };
    // The same size, larger by a whole number, smaller, larger by a fraction, and of another shape.
    let buffers = [(37, 22), (111, 66), (30, 18), (50, 41), (90, 30)];
    for (width, height) in buffers {
        renderer.resize(Size::new(width, height)).unwrap();
        for rotation in Rotation::ALL {
            for own in [Rotation::Deg0, Rotation::Deg90, Rotation::Deg180] {
                for filter in [ScaleFilter::Auto, ScaleFilter::Nearest, ScaleFilter::Linear] {
                    for keep_aspect in [true, false] {
                        let layout = layout(PixelFormat::Bgra8, FRAME, rotation);
                        let view = ViewOptions {
                            keep_aspect,
                            rotation: own,
                            filter,
                            ..ViewOptions::default()
                        };
                        let scene = Scene {
                            layout: Some(&layout),
                            view,
                            ..Scene::default()
                        };
                        let tolerance = if filter == ScaleFilter::Nearest { 0 } else { 2 };
                        let what = format!("{width}x{height} {rotation:?} {view:?}");
                        check(&mut renderer, &scene, &bytes(&layout, 2), tolerance, &what);
                    }
                }
            }
        }
    }
}

#[test]
fn every_pointer_kind_matches_the_reference_wherever_it_is() {
    let Some(mut renderer) = renderer(FRAME, &RenderOptions::default()) else {
        return;
    };
    // Inside, across each edge, and outside.
    let places = [
        (5, 4),
        (-3, 2),
        (30, 18),
        (9, -2),
        (200, 5),
        (i32::MIN, i32::MAX),
    ];
    for dimmed in [false, true] {
        for rotation in Rotation::ALL {
            for own in Rotation::ALL {
                let layout = layout(PixelFormat::Bgra8, FRAME, rotation);
                let view = ViewOptions {
                    rotation: own,
                    ..ViewOptions::default()
                };
                renderer.resize(own.size(layout.upright())).unwrap();
                for kind in KINDS {
                    let shape = shape(kind, 3);
                    for (x, y) in places {
                        let scene = Scene {
                            layout: Some(&layout),
                            view,
                            pointer: state(x, y),
                            shape: Some(&shape),
                            dimmed,
                            ..Scene::default()
                        };
                        let what = format!("{kind:?} at {x},{y} {rotation:?} {own:?} dim {dimmed}");
                        check(&mut renderer, &scene, &bytes(&layout, 4), 0, &what);
                    }
                }
            }
        }
    }
}

#[test]
fn pointers_scale_with_the_picture() {
    let Some(mut renderer) = renderer(FRAME, &RenderOptions::default()) else {
        return;
    };
    for (width, height) in [(74, 44), (61, 40), (25, 16)] {
        renderer.resize(Size::new(width, height)).unwrap();
        for own in Rotation::ALL {
            for filter in [ScaleFilter::Nearest, ScaleFilter::Linear] {
                for kind in KINDS {
                    // XOR magnifies a filter's difference of one step to any size, so only exact pictures are compared.
                    if kind != PointerKind::Colour && filter != ScaleFilter::Nearest {
                        continue;
                    }
                    // A screen larger than the frame: the host scaled down.
                    let mut layout = layout(PixelFormat::Bgra8, FRAME, Rotation::Deg90);
                    layout.screen = Size::new(55, 33);
                    let shape = shape(kind, 5);
                    let view = ViewOptions {
                        rotation: own,
                        filter,
                        ..ViewOptions::default()
                    };
                    let scene = Scene {
                        layout: Some(&layout),
                        view,
                        pointer: state(7, 20),
                        shape: Some(&shape),
                        ..Scene::default()
                    };
                    let tolerance = if filter == ScaleFilter::Nearest { 0 } else { 3 };
                    let what = format!("{kind:?} {width}x{height} {own:?} {filter:?}");
                    check(&mut renderer, &scene, &bytes(&layout, 6), tolerance, &what);
                }
            }
        }
    }
}

/// A layout of grey ramps: each value of the list is one pixel.
fn one_row<T>(
    format: PixelFormat,
    transfer: Transfer,
    pixels: &[T],
    encode: impl Fn(&T) -> Vec<u8>,
) -> (FrameLayout, Vec<u8>) {
    let mut layout = FrameLayout::packed(format, Size::new(pixels.len() as u32, 1));
    layout.transfer = transfer;
    (layout, pixels.iter().flat_map(encode).collect())
}

fn shown(renderer: &mut GlesRenderer, layout: &FrameLayout, bytes: &[u8]) -> Vec<[u8; 3]> {
    renderer.resize(layout.frame).unwrap();
    let mut frame = Frame::new(bytes);
    renderer.upload(layout, &Damage::FULL, &mut frame).unwrap();
    let scene = Scene {
        layout: Some(layout),
        ..Scene::default()
    };
    renderer.draw(&scene).unwrap();
    let canvas = renderer.read_pixels().unwrap();
    (0..layout.frame.width)
        .map(|x| canvas.bgr(x, 0).unwrap())
        .map(|[b, g, r]| [r, g, b])
        .collect()
}

#[test]
fn conversions_give_the_values_of_the_specification() {
    let Some(mut renderer) = renderer(FRAME, &RenderOptions::default()) else {
        return;
    };
    let near = |got: &[[u8; 3]], want: &[[u8; 3]]| {
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            let off = (0..3).map(|i| got[i].abs_diff(want[i])).max();
            assert!(
                off <= Some(1),
                "got {got:?}, the specification says {want:?}"
            );
        }
    };
    let ten = |&[r, g, b]: &[u32; 3]| (r | g << 10 | b << 20).to_le_bytes().to_vec();
    let greys = |values: &[u8]| values.iter().map(|&v| [v; 3]).collect::<Vec<_>>();

    let sdr = [0, 100, 512, 1023].map(|v| [v; 3]);
    let (layout, bytes) = one_row(PixelFormat::Rgba10, Transfer::Srgb, &sdr, ten);
    near(
        &shown(&mut renderer, &layout, &bytes),
        &greys(&[0, 25, 128, 255]),
    );

    let mut pq = [0, 128, 256, 512, 593, 1023].map(|v| [v; 3]).to_vec();
    pq.extend([[512, 400, 256], [512, 0, 0]]);
    let (layout, bytes) = one_row(PixelFormat::Rgba10, Transfer::Pq2020, &pq, ten);
    let mut want = greys(&[0, 10, 44, 180, 254, 255]);
    want.extend([[214, 92, 17], [226, 0, 0]]);
    near(&shown(&mut renderer, &layout, &bytes), &want);

    // The half floats next to 0.0031308, 0.18, 0.5, 1.0, 2.0, 4.0, then -1 and NaN.
    let halves = [
        0x1a6a, 0x31c3, 0x3800, 0x3c00, 0x4000, 0x4400, 0xbc00, 0x7e00,
    ];
    let grey = |&bits: &u16| [bits; 4].iter().flat_map(|b| b.to_le_bytes()).collect();
    for (transfer, want) in [
        (Transfer::ScRgb, [4, 75, 123, 168, 230, 255, 0, 0]),
        (Transfer::Linear, [10, 118, 188, 255, 255, 255, 0, 0]),
    ] {
        let (layout, bytes) = one_row(PixelFormat::Rgba16F, transfer, &halves, grey);
        near(&shown(&mut renderer, &layout, &bytes), &greys(&want));
    }
}

#[test]
fn three_byte_pixels_are_unpacked_whatever_the_pitch() {
    let Some(mut renderer) = renderer(FRAME, &RenderOptions::default()) else {
        return;
    };
    for format in [PixelFormat::Bgr24Packed, PixelFormat::Rgb24] {
        for width in 33..37 {
            let mut layout = FrameLayout::packed(format, Size::new(width, 5));
            renderer.resize(layout.frame).unwrap();
            for padding in 0..4 {
                layout.pitch_bytes = 3 * width + padding;
                let scene = Scene {
                    layout: Some(&layout),
                    ..Scene::default()
                };
                let what = format!("{format:?} {width} wide, {padding} bytes of padding");
                check(&mut renderer, &scene, &bytes(&layout, 7), 0, &what);
            }
        }
    }
}

#[test]
fn rows_missing_from_a_truncated_frame_are_black() {
    let Some(mut renderer) = renderer(FRAME, &RenderOptions::default()) else {
        return;
    };
    for (format, transfer, tolerance) in formats() {
        // A whole frame first, so that something is there to be covered.
        for rows in [22, 13] {
            let mut layout = layout(format, FRAME, Rotation::Deg0);
            (layout.transfer, layout.rows) = (transfer, rows);
            let scene = Scene {
                layout: Some(&layout),
                ..Scene::default()
            };
            let what = format!("{format:?} {rows} rows");
            check(&mut renderer, &scene, &bytes(&layout, 8), tolerance, &what);
        }
    }
}

#[test]
fn missing_rows_are_black_however_the_picture_is_turned_scaled_and_pointed_at() {
    let sizes = [
        FRAME,
        Size::new(47, 80),
        Size::new(2 * FRAME.width, 2 * FRAME.height),
    ];
    let shape = PointerShape {
        kind: PointerKind::Colour,
        width: 12,
        height: 12,
        pitch_bytes: 48,
        hot_spot: (0, 0),
        data: [0x12, 0x80, 0xf0, 0x90].repeat(144),
    };
    for size in sizes {
        let Some(mut renderer) = renderer(size, &RenderOptions::default()) else {
            return;
        };
        for (rotation, filter) in [
            (Rotation::Deg0, ScaleFilter::Nearest),
            (Rotation::Deg90, ScaleFilter::Linear),
            (Rotation::Deg180, ScaleFilter::Nearest),
            (Rotation::Deg180, ScaleFilter::Linear),
            (Rotation::Deg270, ScaleFilter::Linear),
        ] {
            for rows in [1, 13, FRAME.height - 1] {
                let mut layout = layout(PixelFormat::Bgra8, FRAME, rotation);
                layout.rows = rows;
                let scene = Scene {
                    layout: Some(&layout),
                    view: ViewOptions {
                        filter,
                        ..ViewOptions::default()
                    },
                    pointer: PointerState {
                        is_visible: true,
                        position: GuestPoint { x: 5, y: 8 },
                    },
                    shape: Some(&shape),
                    ..Scene::default()
                };
                let what = format!("{size:?} {rotation:?} {filter:?} {rows} rows");
                let tolerance = if filter == ScaleFilter::Linear { 2 } else { 0 };
                check(&mut renderer, &scene, &bytes(&layout, 8), tolerance, &what);
            }
        }
    }
}

#[test]
fn a_scene_without_a_picture_is_black() {
    let Some(mut renderer) = renderer(FRAME, &RenderOptions::default()) else {
        return;
    };
    let layout = layout(PixelFormat::Bgra8, FRAME, Rotation::Deg0);
    let scene = Scene {
        layout: Some(&layout),
        ..Scene::default()
    };
    check(&mut renderer, &scene, &bytes(&layout, 9), 0, "a picture");
    renderer.draw(&Scene::default()).unwrap();
    let got = renderer.read_pixels().unwrap();
    let want = reference::compose(&Scene::default(), &[], FRAME);
    assert_close(&got, &want, 0, "no picture");
}

#[test]
fn the_message_is_blended_over_picture_and_bars_and_goes_again() {
    let size = Size::new(320, 200);
    let Some(mut renderer) = renderer(size, &RenderOptions::default()) else {
        return;
    };
    let layout = layout(PixelFormat::Bgra8, Size::new(100, 90), Rotation::Deg0);
    let bytes = bytes(&layout, 10);
    let text = StatusText::new(["waiting for the host", "second line"]).with_height(14.0);
    let mut scene = Scene {
        layout: Some(&layout),
        view: ViewOptions {
            filter: ScaleFilter::Nearest,
            ..ViewOptions::default()
        },
        dimmed: true,
        ..Scene::default()
    };
    let plain = reference::compose(&scene, &bytes, size);
    let mut want = plain.clone();
    let bitmap = text.rasterise(size);
    let pitch = want.pitch_bytes();
    let mut changed = 0;
    for (i, &[b, g, r, a]) in bitmap.pixels.as_chunks::<4>().0.iter().enumerate() {
        let (x, y) = (
            i % bitmap.rect.width as usize,
            i / bitmap.rect.width as usize,
        );
        let at = (y + bitmap.rect.y as usize) * pitch + (x + bitmap.rect.x as usize) * 4;
        for (i, over) in [b, g, r].into_iter().enumerate() {
            let under = &mut want.bytes_mut()[at + i];
            let alpha = f64::from(a) / 255.0;
            let mixed = f64::from(over) * alpha + f64::from(*under) * (1.0 - alpha);
            *under = mixed.round() as u8;
        }
        changed += 1;
    }
    assert!(changed > 1000, "the message is nearly empty");
    scene.status = Some(&text);
    // One step: a driver's blending is not exact.
    check_drawn(&mut renderer, &scene, &bytes, &want, 1);
    // Once more, with nothing changed: the message must not be blended twice.
    renderer.present().unwrap();
    assert!(renderer.draw(&scene).unwrap().is_unchanged());
    assert_close(&renderer.read_pixels().unwrap(), &want, 1, "drawn again");
    scene.status = None;
    check_drawn(&mut renderer, &scene, &bytes, &plain, 0);
}

fn check_drawn(
    renderer: &mut GlesRenderer,
    scene: &Scene<'_>,
    bytes: &[u8],
    want: &picture::Canvas,
    tolerance: u8,
) {
    let layout = scene.layout.unwrap();
    let mut frame = Frame::new(bytes);
    renderer.upload(layout, &Damage::FULL, &mut frame).unwrap();
    renderer.draw(scene).unwrap();
    let got = renderer.read_pixels().unwrap();
    assert_close(&got, want, tolerance, "with a message or without");
}
