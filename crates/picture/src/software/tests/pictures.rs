//! Pictures worked out by hand.

use super::*;

const ROWS: [&str; 2] = ["abc", "def"];

fn compose(rows: &[&str], buffer: (u32, u32), view: ViewOptions) -> Vec<String> {
    let mut compositor = Compositor::new();
    let layout = letters(&mut compositor, rows);
    let mut canvas = Canvas::new(Size::new(buffer.0, buffer.1));
    let scene = Scene {
        layout: Some(&layout),
        view,
        ..Scene::default()
    };
    compositor.compose(&mut canvas, &scene, &Damage::FULL);
    read(&canvas)
}

fn turned(rotation: Rotation) -> ViewOptions {
    ViewOptions {
        rotation,
        ..ViewOptions::default()
    }
}

#[test]
fn picture_is_turned_clockwise() {
    assert_eq!(
        compose(&ROWS, (3, 2), turned(Rotation::Deg0)),
        ["abc", "def"]
    );
    assert_eq!(
        compose(&ROWS, (2, 3), turned(Rotation::Deg90)),
        ["da", "eb", "fc"]
    );
    assert_eq!(
        compose(&ROWS, (3, 2), turned(Rotation::Deg180)),
        ["fed", "cba"]
    );
    assert_eq!(
        compose(&ROWS, (2, 3), turned(Rotation::Deg270)),
        ["cf", "be", "ad"]
    );
}

#[test]
fn picture_is_letterboxed_and_doubled() {
    assert_eq!(
        compose(&ROWS, (6, 6), ViewOptions::default()),
        ["......", "aabbcc", "aabbcc", "ddeeff", "ddeeff", "......"]
    );
    assert_eq!(
        compose(&ROWS, (8, 4), turned(Rotation::Deg180)),
        [".ffeedd.", ".ffeedd.", ".ccbbaa.", ".ccbbaa."]
    );
    assert_eq!(
        compose(&ROWS, (4, 8), turned(Rotation::Deg90)),
        [
            "....", "ddaa", "ddaa", "eebb", "eebb", "ffcc", "ffcc", "...."
        ]
    );
}

#[test]
fn nearest_takes_the_pixel_under_the_centre() {
    let view = ViewOptions {
        filter: ScaleFilter::Nearest,
        keep_aspect: false,
        ..ViewOptions::default()
    };
    // Centres at 1/4 .. 7/4 and so on: 4 pixels of 3 show a, b, b, c (0.375, 1.125, 1.875, 2.625).
    assert_eq!(compose(&["abc"], (4, 1), view), ["abbc"]);
    assert_eq!(compose(&["abcdef"], (3, 1), view), ["bdf"]);
}

#[test]
fn linear_lies_between_the_pixels_and_repeats_the_edge() {
    let mut compositor = Compositor::new();
    let layout = FrameLayout::packed(PixelFormat::Bgra8, Size::new(2, 1));
    compositor
        .frame_store_mut(&layout)
        .copy_from_slice(&[0, 100, 200, 0, 80, 0, 200, 0]);
    let mut canvas = Canvas::new(Size::new(4, 2));
    let scene = Scene {
        layout: Some(&layout),
        view: ViewOptions {
            filter: ScaleFilter::Linear,
            ..ViewOptions::default()
        },
        ..Scene::default()
    };
    compositor.compose(&mut canvas, &scene, &Damage::FULL);
    for y in 0..2 {
        let row: Vec<_> = (0..4).map(|x| canvas.bgr(x, y).unwrap()).collect();
        assert_eq!(
            row,
            [[0, 100, 200], [20, 75, 200], [60, 25, 200], [80, 0, 200]]
        );
    }
}

#[test]
fn every_format_is_converted() {
    let mut pixels: Vec<(PixelFormat, Vec<u8>)> = vec![
        (PixelFormat::Bgra8, vec![30, 20, 10, 9]),
        (PixelFormat::Rgba8, vec![10, 20, 30, 9]),
        (PixelFormat::Rgb24, vec![10, 20, 30]),
        (PixelFormat::Bgr24Packed, vec![30, 20, 10]),
    ];
    // 40, 80 and 120 of 1023 are 10, 20 and 30 of 255.
    let word: u32 = 40 | 80 << 10 | 120 << 20;
    pixels.push((PixelFormat::Rgba10, word.to_le_bytes().to_vec()));
    let half = |v: f64| crate::convert::half_from_f64(v / 255.0).to_le_bytes();
    let halves = [half(10.0), half(20.0), half(30.0), half(0.0)];
    pixels.push((PixelFormat::Rgba16F, halves.concat()));
    for (format, pixel) in pixels {
        for turn in Rotation::ALL {
            let layout = FrameLayout::packed(format, Size::new(3, 2));
            let bytes = pixel.repeat(6);
            let mut compositor = Compositor::new();
            compositor.frame_store_mut(&layout).copy_from_slice(&bytes);
            let mut canvas = Canvas::new(turn.size(Size::new(3, 2)));
            let scene = Scene {
                layout: Some(&layout),
                view: turned(turn),
                ..Scene::default()
            };
            compositor.compose(&mut canvas, &scene, &Damage::FULL);
            for i in 0..6 {
                let width = canvas.size().width;
                assert_eq!(
                    canvas.bgr(i % width, i / width),
                    Some([30, 20, 10]),
                    "{format:?} {turn:?}"
                );
            }
        }
    }
}

#[test]
fn missing_rows_are_black_in_every_turn() {
    for turn in Rotation::ALL {
        let mut compositor = Compositor::new();
        let mut layout = FrameLayout::packed(PixelFormat::Bgra8, Size::new(2, 3));
        layout.rows = 1;
        compositor.frame_store_mut(&layout).fill(b'x');
        let mut canvas = Canvas::new(turn.size(layout.frame));
        let scene = Scene {
            layout: Some(&layout),
            view: turned(turn),
            ..Scene::default()
        };
        compositor.compose(&mut canvas, &scene, &Damage::FULL);
        let expected: &[&str] = match turn {
            Rotation::Deg0 => &["xx", "..", ".."],
            Rotation::Deg90 => &["..x", "..x"],
            Rotation::Deg180 => &["..", "..", "xx"],
            Rotation::Deg270 => &["x..", "x.."],
        };
        assert_eq!(read(&canvas), expected);
    }
}

/// Draws a pointer over a row of one colour, the client's own turn included.
fn over(under: u8, shape: &PointerShape, state: PointerState, rotation: Rotation) -> Vec<[u8; 3]> {
    let mut compositor = Compositor::new();
    let layout = FrameLayout::packed(PixelFormat::Bgra8, Size::new(4, 1));
    compositor.frame_store_mut(&layout).fill(under);
    let mut canvas = Canvas::new(rotation.size(layout.frame));
    let scene = Scene {
        layout: Some(&layout),
        view: turned(rotation),
        shape: Some(shape),
        pointer: state,
        ..Scene::default()
    };
    compositor.compose(&mut canvas, &scene, &Damage::FULL);
    let (pixels, _) = canvas.bytes().as_chunks::<4>();
    pixels.iter().map(|&[b, g, r, _]| [b, g, r]).collect()
}

#[test]
fn monochrome_pointer_has_its_four_results() {
    let shape = shape(PointerKind::Monochrome, 4, 1, &[0b0011_0000, 0b0101_0000]);
    let black_white_unchanged_inverted = [[0; 3], [255; 3], [100; 3], [155; 3]];
    assert_eq!(
        over(100, &shape, at(0, 0), Rotation::Deg0),
        black_white_unchanged_inverted
    );
    let mut reversed = black_white_unchanged_inverted;
    reversed.reverse();
    assert_eq!(over(100, &shape, at(0, 0), Rotation::Deg180), reversed);
    assert_eq!(over(100, &shape, at(0, 0), Rotation::Deg270), reversed);
}

#[test]
fn masked_pointer_replaces_or_inverts() {
    let data = [1, 2, 3, 0, 255, 255, 255, 255, 0, 0, 0, 7, 0x0f, 0, 0, 1];
    let shape = shape(PointerKind::MaskedColour, 4, 1, &data);
    assert_eq!(
        over(0x55, &shape, at(0, 0), Rotation::Deg0),
        [[1, 2, 3], [0xaa; 3], [0x55; 3], [0x5a, 0x55, 0x55]]
    );
}

#[test]
fn colour_pointer_is_blended_as_straight_alpha_rounded() {
    let data = [
        200, 100, 50, 255, 200, 100, 50, 0, 200, 100, 50, 128, 0, 0, 0, 1,
    ];
    let shape = shape(PointerKind::Colour, 4, 1, &data);
    // (200*128 + 10*127 + 127) / 255 = 105, (100*128 + 1397) / 255 = 55, (6400 + 1397) / 255 = 30.
    assert_eq!(
        over(10, &shape, at(0, 0), Rotation::Deg0),
        [[200, 100, 50], [10; 3], [105, 55, 30], [10; 3]]
    );
}

#[test]
fn pointer_is_clipped_to_the_picture() {
    let shape = shape(PointerKind::Colour, 2, 1, &[7, 7, 7, 255, 9, 9, 9, 255]);
    let x = |x, y| over(0, &shape, at(x, y), Rotation::Deg0);
    assert_eq!(x(-1, 0), [[9; 3], [0; 3], [0; 3], [0; 3]]);
    assert_eq!(x(3, 0), [[0; 3], [0; 3], [0; 3], [7; 3]]);
    assert_eq!(x(0, 1), [[0; 3]; 4]);
    let hidden = PointerState {
        is_visible: false,
        ..at(0, 0)
    };
    assert_eq!(over(0, &shape, hidden, Rotation::Deg0), [[0; 3]; 4]);
}

#[test]
fn pointer_grows_with_the_picture_and_shrinks_with_the_screen() {
    let mut compositor = Compositor::new();
    let mut layout = letters(&mut compositor, &["....", "...."]);
    let shape = shape(
        PointerKind::MaskedColour,
        2,
        1,
        &[b'a', 0, 0, 0, b'b', 0, 0, 0],
    );
    let mut draw = |layout: &FrameLayout, state| {
        let mut canvas = Canvas::new(Size::new(8, 4));
        let scene = Scene {
            layout: Some(layout),
            shape: Some(&shape),
            pointer: state,
            ..Scene::default()
        };
        compositor.frame_store_mut(layout).fill(b'.');
        compositor.invalidate();
        compositor.compose(&mut canvas, &scene, &Damage::FULL);
        read(&canvas)
    };
    assert_eq!(
        draw(&layout, at(1, 1)),
        ["........", "........", "..aabb..", "..aabb.."]
    );
    // The screen is 8x4: pointer pixels are window pixels now.
    layout.screen = Size::new(8, 4);
    assert_eq!(
        draw(&layout, at(1, 1)),
        ["........", ".ab.....", "........", "........"]
    );
}

#[test]
fn hidden_colours_of_an_enlarged_pointer_do_not_shine_through() {
    let mut compositor = Compositor::new();
    let layout = FrameLayout::packed(PixelFormat::Bgra8, Size::new(2, 1));
    compositor.frame_store_mut(&layout).fill(0);
    // Opaque red beside green of no alpha.
    let data = [0, 0, 255, 255, 0, 255, 0, 0];
    let shape = shape(PointerKind::Colour, 2, 1, &data);
    let scene = Scene {
        layout: Some(&layout),
        view: ViewOptions {
            filter: ScaleFilter::Linear,
            ..ViewOptions::default()
        },
        shape: Some(&shape),
        pointer: at(0, 0),
        ..Scene::default()
    };
    let mut canvas = Canvas::new(Size::new(4, 2));
    compositor.compose(&mut canvas, &scene, &Damage::FULL);
    let row: Vec<_> = (0..4).map(|x| canvas.bgr(x, 1).unwrap()).collect();
    // Alpha 1, 3/4, 1/4, 0.
    assert_eq!(row, [[0, 0, 255], [0, 0, 191], [0, 0, 64], [0; 3]]);
}

#[test]
fn dimming_halves_the_picture_but_not_the_message() {
    let mut compositor = Compositor::new();
    let layout = FrameLayout::packed(PixelFormat::Bgra8, Size::new(200, 100));
    compositor.frame_store_mut(&layout).fill(201);
    let mut canvas = Canvas::new(layout.frame);
    let text = StatusText::new(["hello"]);
    let scene = Scene {
        layout: Some(&layout),
        dimmed: true,
        status: Some(&text),
        ..Scene::default()
    };
    let whole = compositor.compose(&mut canvas, &scene, &Damage::NONE);
    assert_eq!(whole.rects(), [BufferRect::new(0, 0, 200, 100)]);
    assert_eq!(canvas.bgr(0, 0), Some([100; 3]));
    let brightest = canvas.bytes().iter().max();
    assert!(brightest > Some(&220));
    // Without the message and undimmed, the picture is back.
    let plain = Scene {
        dimmed: false,
        status: None,
        ..scene
    };
    compositor.compose(&mut canvas, &plain, &Damage::NONE);
    assert!(is_all(&canvas, 201));
}

#[test]
fn only_what_changed_is_drawn() {
    let mut compositor = Compositor::new();
    let layout = FrameLayout::packed(PixelFormat::Bgra8, Size::new(100, 100));
    fill(&mut compositor, &layout, 0);
    let mut canvas = Canvas::new(layout.frame);
    let shape = shape(PointerKind::Colour, 10, 10, &[128; 400]);
    let scene = |x| Scene {
        layout: Some(&layout),
        shape: Some(&shape),
        pointer: at(x, 20),
        ..Scene::default()
    };
    let mut draw = |x, damage: &Damage| compositor.compose(&mut canvas, &scene(x), damage);
    assert_eq!(draw(5, &Damage::NONE).area(), 10_000);
    assert!(draw(5, &Damage::NONE).is_none());
    assert_eq!(
        draw(50, &Damage::NONE).rects(),
        [
            BufferRect::new(5, 20, 10, 10),
            BufferRect::new(50, 20, 10, 10)
        ]
    );
    let mut damage = Damage::NONE;
    damage.add(FrameRect::new(90, 90, 30, 30));
    assert_eq!(draw(50, &damage).rects(), [BufferRect::new(90, 90, 10, 10)]);
}

#[test]
fn without_a_picture_there_is_black_and_the_message() {
    let mut compositor = Compositor::new();
    let mut canvas = Canvas::new(Size::new(200, 100));
    canvas.bytes_mut().fill(77);
    let text = StatusText::new(["hello"]);
    let scene = Scene {
        status: Some(&text),
        ..Scene::default()
    };
    compositor.compose(&mut canvas, &scene, &Damage::NONE);
    assert_eq!(canvas.bgr(0, 0), Some([0; 3]));
    assert!(canvas.bytes().iter().any(|&b| b > 200));
    // A layout without its pixels shows black, too.
    let layout = FrameLayout::packed(PixelFormat::Bgra8, Size::new(200, 100));
    let scene = Scene {
        layout: Some(&layout),
        ..Scene::default()
    };
    compositor.compose(&mut canvas, &scene, &Damage::FULL);
    assert!(is_all(&canvas, 0));
}

#[test]
fn screenshot_is_upright_and_has_the_pointer() {
    let mut layout = FrameLayout::packed(PixelFormat::Bgra8, Size::new(3, 2));
    layout.rotation = Rotation::Deg90;
    let bytes: Vec<u8> = b"abcdef".iter().flat_map(|&b| [b, 1, 2, 3]).collect();
    let shape = shape(PointerKind::MaskedColour, 1, 1, &[9, 9, 9, 0]);
    let image = screenshot(&layout, &bytes, Some((&shape, at(1, 2))));
    assert_eq!(image.size(), Size::new(2, 3));
    assert_eq!(image.rgb(0, 0), Some([2, 1, b'd']));
    assert_eq!(image.rgb(1, 0), Some([2, 1, b'a']));
    assert_eq!(image.rgb(1, 2), Some([9, 9, 9]));
    assert_eq!(screenshot(&layout, &[], None).rgb(0, 0), Some([0, 0, 0]));
}

/// Tells whether every pixel is opaque and has this value in all three channels.
fn is_all(canvas: &Canvas, value: u8) -> bool {
    canvas
        .bytes()
        .chunks_exact(4)
        .all(|pixel| pixel == [value, value, value, 0xff])
}
