//! Prints how long the software renderer takes per frame: `cargo run --release -p picture --example compose_speed`.

use std::time::Instant;

use picture::{
    Canvas, Compositor, Damage, FrameLayout, FrameRect, GuestPoint, PixelFormat, PointerKind,
    PointerShape, PointerState, Rotation, ScaleFilter, Scene, Size, Transfer, ViewOptions,
};

const FULL_HD: Size = Size::new(1920, 1080);

struct Case<'a> {
    name: &'a str,
    layout: FrameLayout,
    buffer: Size,
    view: ViewOptions,
}

/// Frames a second would allow more, but the middle of this many is steady enough.
const FRAMES: usize = 41;

fn measure(case: &Case<'_>, damage: &Damage, is_pointer_moving: bool) -> f64 {
    let shape = PointerShape {
        kind: PointerKind::Colour,
        width: 32,
        height: 32,
        pitch_bytes: 128,
        hot_spot: (0, 0),
        data: (0..4096).map(|i| (i % 256) as u8).collect(),
    };
    let mut compositor = Compositor::new();
    for (i, byte) in compositor
        .frame_store_mut(&case.layout)
        .iter_mut()
        .enumerate()
    {
        *byte = (i * 31 % 251) as u8;
    }
    let mut canvas = Canvas::new(case.buffer);
    let mut times: Vec<f64> = (0..FRAMES)
        .map(|frame| {
            let x = if is_pointer_moving {
                frame as i32 * 9
            } else {
                50
            };
            let scene = Scene {
                layout: Some(&case.layout),
                view: case.view,
                pointer: PointerState {
                    position: GuestPoint { x, y: 200 },
                    is_visible: true,
                },
                shape: Some(&shape),
                ..Scene::default()
            };
            let start = Instant::now();
            std::hint::black_box(compositor.compose(&mut canvas, &scene, damage));
            start.elapsed().as_secs_f64() * 1e3
        })
        .skip(1)
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn case(name: &str, format: PixelFormat) -> Case<'_> {
    Case {
        name,
        layout: FrameLayout::packed(format, FULL_HD),
        buffer: FULL_HD,
        view: ViewOptions::default(),
    }
}

fn main() {
    let turned = |turn| ViewOptions {
        rotation: turn,
        ..ViewOptions::default()
    };
    let nearest = ViewOptions {
        filter: ScaleFilter::Nearest,
        ..ViewOptions::default()
    };
    let mut pq = case("RGBA10 PQ 1:1", PixelFormat::Rgba10);
    pq.layout.transfer = Transfer::Pq2020;
    let mut scrgb = case("RGBA16F scRGB 1:1", PixelFormat::Rgba16F);
    scrgb.layout.transfer = Transfer::ScRgb;
    let scaled = |name, size, view| Case {
        buffer: size,
        view,
        ..case(name, PixelFormat::Bgra8)
    };
    let four_k = Case {
        layout: FrameLayout::packed(PixelFormat::Bgra8, Size::new(3840, 2160)),
        ..case("BGRA 4K to 1080p linear", PixelFormat::Bgra8)
    };
    let portrait = FULL_HD.transposed();
    let cases = [
        case("BGRA 1:1", PixelFormat::Bgra8),
        case("RGBA 1:1", PixelFormat::Rgba8),
        case("BGR packed 1:1", PixelFormat::Bgr24Packed),
        case("RGBA10 1:1", PixelFormat::Rgba10),
        pq,
        scrgb,
        scaled("BGRA turned 90", portrait, turned(Rotation::Deg90)),
        scaled("BGRA turned 180", FULL_HD, turned(Rotation::Deg180)),
        scaled("BGRA to 1280x720 nearest", Size::new(1280, 720), nearest),
        scaled(
            "BGRA to 1280x720 linear",
            Size::new(1280, 720),
            ViewOptions::default(),
        ),
        scaled(
            "BGRA to 2560x1440 linear",
            Size::new(2560, 1440),
            ViewOptions::default(),
        ),
        scaled("BGRA to 4K nearest", Size::new(3840, 2160), nearest),
        four_k,
    ];
    let mut one_percent = Damage::NONE;
    one_percent.add(FrameRect::new(700, 400, 192, 108));
    println!(
        "{:28} {:>9} {:>9} {:>9}",
        "1920x1080, ms", "full", "1 %", "pointer"
    );
    for case in &cases {
        println!(
            "{:28} {:9.3} {:9.3} {:9.3}",
            case.name,
            measure(case, &Damage::FULL, false),
            measure(case, &one_percent, false),
            measure(case, &Damage::NONE, true),
        );
    }
}
