use super::*;
use picture::{FrameLayout, PixelFormat, ScaleFilter, Size, ViewOptions};
use proptest::prelude::*;

fn placed(frame: (u32, u32), buffer: (u32, u32), rotation: Rotation) -> Placement {
    let layout = FrameLayout::packed(PixelFormat::Bgra8, Size::new(frame.0, frame.1));
    let view = ViewOptions {
        keep_aspect: true,
        dont_upscale: false,
        rotation,
        filter: ScaleFilter::Auto,
    };
    Placement::new(&layout, Size::new(buffer.0, buffer.1), &view)
}

fn pixel(placement: &Placement, x: f64, y: f64) -> (i32, i32) {
    let pixel = guest_pixel(placement, BufferPosition { x, y }).unwrap();
    (pixel.x, pixel.y)
}

#[test]
fn at_one_to_one_every_pixel_is_its_own() {
    let place = placed((8, 4), (8, 4), Rotation::Deg0);
    assert_eq!(pixel(&place, 0.0, 0.0), (0, 0));
    assert_eq!(pixel(&place, 7.0, 3.0), (7, 3));
    assert_eq!(pixel(&place, 4.99, 2.5), (4, 2));
}

#[test]
fn turned_pictures_reach_all_corners() {
    // The window's upper left corner, and its lower right one.
    let corners = [
        (Rotation::Deg0, (0, 0), (7, 3)),
        (Rotation::Deg90, (0, 3), (7, 0)),
        (Rotation::Deg180, (7, 3), (0, 0)),
        (Rotation::Deg270, (7, 0), (0, 3)),
    ];
    for (turn, first, last) in corners {
        let size = turn.size(Size::new(8, 4));
        let place = placed((8, 4), (size.width, size.height), turn);
        assert_eq!(pixel(&place, 0.0, 0.0), first, "{turn:?}");
        let (x, y) = (f64::from(size.width - 1), f64::from(size.height - 1));
        assert_eq!(pixel(&place, x, y), last, "{turn:?}");
    }
}

#[test]
fn last_row_and_column_of_a_reduced_picture_can_be_reached() {
    let place = placed((3840, 2160), (1920, 1080), Rotation::Deg0);
    assert_eq!(pixel(&place, 1919.0, 1079.0), (3839, 2159));
    assert_eq!(pixel(&place, 1918.0, 10.5), (3836, 21));
    let turned = placed((3840, 2160), (1080, 1920), Rotation::Deg90);
    assert_eq!(pixel(&turned, 1079.0, 1919.0), (3839, 0));
}

#[test]
fn beside_the_picture_the_nearest_pixel_counts() {
    // Bars of 100 pixels above and below.
    let place = placed((400, 200), (400, 400), Rotation::Deg0);
    assert_eq!(pixel(&place, 10.0, 99.0), (10, 0));
    assert_eq!(pixel(&place, 10.0, 301.0), (10, 199));
    assert_eq!(pixel(&place, -1e300, f64::INFINITY), (0, 199));
}

#[test]
fn without_a_picture_there_is_no_pixel() {
    for (frame, buffer) in [((0, 5), (10, 10)), ((5, 5), (0, 10))] {
        let place = placed(frame, buffer, Rotation::Deg0);
        assert_eq!(guest_pixel(&place, BufferPosition::default()), None);
    }
}

#[test]
fn no_number_is_harmless() {
    let place = placed((8, 4), (8, 4), Rotation::Deg0);
    assert_eq!(pixel(&place, f64::NAN, 2.0), (0, 2));
    assert_eq!(whole(f64::NAN), 0);
    assert_eq!(whole(f64::NEG_INFINITY), -1_000_000_000);
}

#[test]
fn outside_pixels_have_no_point_on_the_window() {
    let place = placed((8, 4), (8, 4), Rotation::Deg0);
    let point = |x, y| on_surface(&place, GuestPoint { x, y }, 1.0);
    assert_eq!(point(8, 0), None);
    assert_eq!(point(0, -1), None);
    assert_eq!(point(7, 3), Some(SurfacePoint { x: 7.5, y: 3.5 }));
    assert_eq!(on_surface(&place, GuestPoint::default(), 0.0), None);
}

fn any_turn() -> impl Strategy<Value = Rotation> {
    (0..4_u32).prop_map(Rotation::from_quarter_turns)
}

proptest! {
    /// There and back again, at any enlargement, turn and scale of the desktop.
    #[test]
    fn point_of_a_pixel_lies_on_that_pixel(
        size in (1..300_u32, 1..300_u32),
        factor in 1.0..4.0_f64,
        turn in any_turn(),
        scale in 0.5..3.0_f64,
        at in (0.0..1.0_f64, 0.0..1.0_f64),
    ) {
        let turned = turn.size(Size::new(size.0, size.1));
        let side = |side: u32| (f64::from(side) * factor).ceil() as u32 + 1;
        let place = placed(size, (side(turned.width), side(turned.height)), turn);
        let pixel = GuestPoint {
            x: whole(at.0 * f64::from(size.0)),
            y: whole(at.1 * f64::from(size.1)),
        };
        let point = on_surface(&place, pixel, scale).unwrap();
        prop_assert_eq!(guest_pixel(&place, on_buffer(point, scale)), Some(pixel));
    }

    /// The pixel is the one that `picture` says, but for the width of a physical pixel.
    #[test]
    fn pixel_is_where_the_picture_shows_it(
        size in (1..300_u32, 1..300_u32),
        buffer in (1..300_u32, 1..300_u32),
        turn in any_turn(),
        at in (0.0..1.0_f64, 0.0..1.0_f64),
    ) {
        let place = placed(size, buffer, turn);
        let target = place.target;
        let at = BufferPosition {
            x: f64::from(target.x) + at.0 * f64::from(target.width),
            y: f64::from(target.y) + at.1 * f64::from(target.height),
        };
        let exact = place.buffer_to_guest(at);
        let pixel = guest_pixel(&place, at).unwrap();
        let turned = place.turned_desktop();
        let step = (f64::from(turned.width) / f64::from(target.width))
            .max(f64::from(turned.height) / f64::from(target.height));
        let slack = 1.0 + step.max(1.0);
        prop_assert!((f64::from(pixel.x) - exact.x).abs() <= slack, "{pixel:?} {exact:?}");
        prop_assert!((f64::from(pixel.y) - exact.y).abs() <= slack, "{pixel:?} {exact:?}");
        prop_assert!((0..pixels(size.0)).contains(&pixel.x));
        prop_assert!((0..pixels(size.1)).contains(&pixel.y));
    }
}
