use super::*;
use proptest::prelude::*;

fn rect() -> impl Strategy<Value = FrameRect> {
    (0_u32..40, 0_u32..40, 0_u32..16, 0_u32..16).prop_map(|(x, y, w, h)| FrameRect::new(x, y, w, h))
}

fn covers(rects: &[FrameRect], x: u32, y: u32) -> bool {
    let pixel = FrameRect::new(x, y, 1, 1);
    rects.iter().any(|r| r.contains(pixel))
}

#[test]
fn neighbours_of_one_height_become_one() {
    let mut damage = Damage::NONE;
    damage.add(FrameRect::new(0, 0, 10, 10));
    damage.add(FrameRect::new(20, 0, 10, 10));
    assert_eq!(damage.rects().len(), 2);
    damage.add(FrameRect::new(10, 0, 10, 10));
    assert_eq!(damage.rects(), [FrameRect::new(0, 0, 30, 10)]);
}

#[test]
fn rectangle_inside_another_is_swallowed_either_way() {
    let (large, small) = (FrameRect::new(0, 0, 9, 9), FrameRect::new(3, 3, 2, 2));
    for order in [[large, small], [small, large]] {
        let mut damage = Damage::NONE;
        order.into_iter().for_each(|r| damage.add(r));
        assert_eq!(damage.rects(), [large]);
    }
}

#[test]
fn far_rectangles_stay_apart() {
    let mut damage = Damage::NONE;
    damage.add(FrameRect::new(0, 0, 1, 1));
    damage.add(FrameRect::new(100, 100, 1, 1));
    damage.add(FrameRect::new(50, 50, 0, 9));
    assert_eq!(damage.area_in(Size::new(200, 200)), 2);
}

#[test]
fn everything_stays_everything() {
    let mut damage = Damage::FULL;
    damage.add(FrameRect::new(0, 0, 1, 1));
    damage.merge(&Damage::NONE);
    damage.clamp(Size::new(4, 4));
    assert!(damage.is_full() && !damage.is_none() && damage.rects().is_empty());
    let whole: Vec<_> = damage.rects_in(Size::new(4, 3)).collect();
    assert_eq!(whole, [FrameRect::new(0, 0, 4, 3)]);
    let mut other = Damage::NONE;
    other.merge(&damage);
    assert!(other.is_full());
}

#[test]
fn clamping_drops_what_is_outside_and_finds_the_whole_picture() {
    let mut damage = Damage::NONE;
    damage.add(FrameRect::new(8, 8, u32::MAX, u32::MAX));
    damage.add(FrameRect::new(0, 90, 5, 5));
    damage.clamp(Size::new(10, 10));
    assert_eq!(damage.rects(), [FrameRect::new(8, 8, 2, 2)]);
    damage.add(FrameRect::new(0, 0, 10, 12));
    damage.clamp(Size::new(10, 10));
    assert!(damage.is_full());
}

proptest! {
    #[test]
    fn nothing_added_is_ever_lost(rects in prop::collection::vec(rect(), 0..200)) {
        let mut damage = Damage::NONE;
        rects.iter().for_each(|&r| damage.add(r));
        prop_assert!(damage.rects().len() <= MAX_RECTS);
        for y in 0..56 {
            for x in 0..56 {
                prop_assert!(!covers(&rects, x, y) || covers(damage.rects(), x, y));
            }
        }
    }

    #[test]
    fn few_rectangles_cost_no_more_pixels_together_than_apart(
        rects in prop::collection::vec(rect(), 0..20),
    ) {
        let mut damage = Damage::NONE;
        rects.iter().for_each(|&r| damage.add(r));
        let apart: u64 = rects.iter().map(|r| r.area()).sum();
        prop_assert!(damage.area_in(Size::new(100, 100)) <= apart);
    }

    #[test]
    fn clamping_keeps_exactly_what_is_inside(
        rects in prop::collection::vec(rect(), 0..8),
        width in 1_u32..40,
        height in 1_u32..40,
    ) {
        let mut damage = Damage::NONE;
        rects.iter().for_each(|&r| damage.add(r));
        let before = damage.clone();
        let size = Size::new(width, height);
        damage.clamp(size);
        let after: Vec<_> = damage.rects_in(size).collect();
        for y in 0..56 {
            for x in 0..56 {
                let is_inside = x < width && y < height;
                prop_assert!(covers(&after, x, y) <= is_inside);
                prop_assert!(!(is_inside && covers(before.rects(), x, y)) || covers(&after, x, y));
            }
        }
    }
}
