use super::*;
use crate::format::PixelFormat;
use proptest::prelude::*;

fn layout(width: u32, height: u32) -> FrameLayout {
    FrameLayout::packed(PixelFormat::Bgra8, Size::new(width, height))
}

fn place(layout: &FrameLayout, buffer: (u32, u32), view: ViewOptions) -> Placement {
    Placement::new(layout, Size::new(buffer.0, buffer.1), &view)
}

const VIEW: ViewOptions = ViewOptions {
    keep_aspect: true,
    dont_upscale: false,
    rotation: Rotation::Deg0,
    filter: ScaleFilter::Auto,
};

#[test]
fn picture_keeps_its_shape_between_bars() {
    let frame = layout(1920, 1080);
    let target = |w, h| place(&frame, (w, h), VIEW).target;
    assert_eq!(target(1920, 1080), BufferRect::new(0, 0, 1920, 1080));
    assert_eq!(target(1000, 1000), BufferRect::new(0, 218, 1000, 563));
    assert_eq!(target(3000, 1080), BufferRect::new(540, 0, 1920, 1080));
    assert_eq!(target(1921, 1081), BufferRect::new(0, 0, 1921, 1081));
    assert_eq!(target(1, 1), BufferRect::new(0, 0, 1, 1));
    assert!(target(0, 500).is_empty());
}

#[test]
fn without_keeping_its_shape_it_fills_the_window() {
    let view = ViewOptions {
        keep_aspect: false,
        ..VIEW
    };
    assert_eq!(
        place(&layout(1920, 1080), (1000, 1000), view).target,
        BufferRect::new(0, 0, 1000, 1000)
    );
}

#[test]
fn picture_is_not_enlarged_if_the_user_says_so() {
    for keep_aspect in [true, false] {
        let view = ViewOptions {
            dont_upscale: true,
            keep_aspect,
            ..VIEW
        };
        let large = place(&layout(800, 600), (1601, 1000), view);
        assert_eq!(large.target, BufferRect::new(400, 200, 800, 600));
        assert!(large.is_one_to_one());
        let small = place(&layout(800, 600), (400, 300), view);
        assert_eq!(small.target, BufferRect::new(0, 0, 400, 300));
    }
}

#[test]
fn filter_is_nearest_for_whole_factors_only() {
    let filter =
        |buffer, filter| place(&layout(100, 50), buffer, ViewOptions { filter, ..VIEW }).filter;
    assert_eq!(filter((100, 50), ScaleFilter::Auto), Filter::Nearest);
    assert_eq!(filter((300, 150), ScaleFilter::Auto), Filter::Nearest);
    assert_eq!(filter((150, 75), ScaleFilter::Auto), Filter::Linear);
    assert_eq!(filter((50, 25), ScaleFilter::Auto), Filter::Linear);
    assert_eq!(filter((50, 25), ScaleFilter::Nearest), Filter::Nearest);
    assert_eq!(filter((200, 100), ScaleFilter::Linear), Filter::Linear);
    assert_eq!(filter((100, 50), ScaleFilter::Linear), Filter::Nearest);
}

#[test]
fn both_turns_add_up() {
    let mut frame = layout(300, 100);
    frame.rotation = Rotation::Deg90;
    let view = ViewOptions {
        rotation: Rotation::Deg180,
        ..VIEW
    };
    let placement = place(&frame, (100, 300), view);
    assert_eq!(placement.turn, Rotation::Deg270);
    assert_eq!(placement.target, BufferRect::new(0, 0, 100, 300));
    assert_eq!(placement.desktop, Size::new(100, 300));
    // The stored top left corner is at the lower left after 270 degrees.
    assert_eq!(
        placement.frame_to_buffer(FrameRect::new(0, 0, 2, 1)),
        BufferRect::new(0, 298, 1, 2)
    );
}

#[test]
fn stored_corner_goes_where_the_turn_puts_it() {
    let corner = |rotation| {
        let buffer = rotation_size(rotation);
        let view = ViewOptions { rotation, ..VIEW };
        place(&layout(4, 3), buffer, view).frame_to_buffer(FrameRect::new(0, 0, 1, 1))
    };
    fn rotation_size(rotation: Rotation) -> (u32, u32) {
        if rotation.is_transposing() {
            (3, 4)
        } else {
            (4, 3)
        }
    }
    assert_eq!(corner(Rotation::Deg0), BufferRect::new(0, 0, 1, 1));
    assert_eq!(corner(Rotation::Deg90), BufferRect::new(2, 0, 1, 1));
    assert_eq!(corner(Rotation::Deg180), BufferRect::new(3, 2, 1, 1));
    assert_eq!(corner(Rotation::Deg270), BufferRect::new(0, 3, 1, 1));
}

#[test]
fn damage_is_rounded_outwards_including_the_filter() {
    let frame = layout(100, 100);
    let reach = |buffer, filter| {
        let placement = place(&frame, (buffer, buffer), ViewOptions { filter, ..VIEW });
        let rect = placement.frame_to_buffer(FrameRect::new(10, 0, 10, 100));
        (rect.x, rect.right())
    };
    assert_eq!(reach(200, ScaleFilter::Nearest), (20, 40));
    assert_eq!(reach(150, ScaleFilter::Nearest), (15, 30));
    assert_eq!(reach(150, ScaleFilter::Linear), (14, 31));
    assert_eq!(reach(200, ScaleFilter::Linear), (19, 41));
    assert_eq!(reach(33, ScaleFilter::Nearest), (3, 7));
}

#[test]
fn pointer_positions_are_on_the_upright_desktop() {
    // Stored 200x100, the guest's user sees 100x200.
    let mut frame = layout(200, 100);
    frame.rotation = Rotation::Deg90;
    let placement = place(&frame, (100, 200), VIEW);
    let at = GuestPoint { x: 7, y: 150 };
    assert_eq!(
        placement.pointer_rect(at, Size::new(4, 8)),
        BufferRect::new(7, 150, 4, 8)
    );
    // The client's own turn takes the pointer along.
    let view = ViewOptions {
        rotation: Rotation::Deg90,
        ..VIEW
    };
    let placement = place(&frame, (200, 100), view);
    assert_eq!(
        placement.pointer_rect(at, Size::new(4, 8)),
        BufferRect::new(200 - 150 - 8, 7, 8, 4)
    );
}

#[test]
fn pointer_is_scaled_by_the_screen_not_by_the_frame() {
    let mut frame = layout(100, 100);
    frame.screen = Size::new(200, 200);
    let placement = place(&frame, (100, 100), VIEW);
    assert!(placement.is_one_to_one());
    assert_eq!(placement.pointer_filter, Filter::Linear);
    assert_eq!(
        placement.pointer_rect(GuestPoint { x: 51, y: -10 }, Size::new(32, 32)),
        BufferRect::new(25, 0, 17, 11)
    );
    let click = placement.buffer_to_guest(BufferPosition { x: 25.5, y: 99.75 });
    assert_eq!(click, GuestPosition { x: 51.0, y: 199.5 });
}

#[test]
fn pointer_far_outside_has_no_pixels() {
    let placement = place(&layout(100, 100), (150, 150), VIEW);
    for (x, y) in [(i32::MIN, 0), (i32::MAX, i32::MAX), (0, -32), (100, 0)] {
        let rect = placement.pointer_rect(GuestPoint { x, y }, Size::new(32, 32));
        assert!(rect.is_empty(), "{x} {y} {rect:?}");
    }
}

#[test]
fn bars_do_not_belong_to_the_picture() {
    let placement = place(&layout(100, 100), (300, 100), VIEW);
    let inside = |x, y| placement.contains(BufferPosition { x, y });
    assert!(inside(100.0, 0.0) && inside(199.9, 99.9));
    assert!(!inside(99.9, 0.0) && !inside(200.0, 0.0) && !inside(150.0, 100.0));
}

proptest! {
    #[test]
    fn points_survive_the_way_there_and_back(
        (w, h, bw, bh) in (1_u32..5000, 1_u32..5000, 1_u32..5000, 1_u32..5000),
        (x, y) in (-100.0..6000.0, -100.0..6000.0),
        guest in 0_u32..4,
        own in 0_u32..4,
    ) {
        let mut frame = layout(w, h);
        frame.rotation = Rotation::from_quarter_turns(guest);
        let view = ViewOptions { rotation: Rotation::from_quarter_turns(own), ..VIEW };
        let placement = place(&frame, (bw, bh), view);
        let back = placement.buffer_to_guest(placement.guest_to_buffer(GuestPosition { x, y }));
        prop_assert!((back.x - x).abs() < 1e-6 && (back.y - y).abs() < 1e-6);
    }

    #[test]
    fn picture_is_always_inside_the_window_and_keeps_its_shape(
        (w, h, bw, bh) in (1_u32..5000, 1_u32..5000, 1_u32..5000, 1_u32..5000),
        dont_upscale in any::<bool>(),
    ) {
        let view = ViewOptions { dont_upscale, ..VIEW };
        let target = place(&layout(w, h), (bw, bh), view).target;
        prop_assert!(!target.is_empty());
        prop_assert!(BufferRect::new(0, 0, bw, bh).contains(target));
        prop_assert!(!dont_upscale || (target.width <= w && target.height <= h));
        // One side fills the window (or is 1:1), the other is off by less than one pixel.
        let exact = f64::from(target.width) * f64::from(h) / f64::from(w);
        let exact_width = f64::from(target.height) * f64::from(w) / f64::from(h);
        prop_assert!(
            (exact - f64::from(target.height)).abs() < 1.0
                || (exact_width - f64::from(target.width)).abs() < 1.0
        );
    }
}
