use super::*;
use proptest::prelude::*;

const MS: fn(i64) -> Nanos = Nanos::from_millis;

fn pushes(sensitivity: i32, smoothing: bool, raw: bool) -> Pushes {
    Pushes::new(&Preferences {
        sensitivity,
        smoothing,
        raw,
        ..Preferences::default()
    })
}

/// One accelerated push at 0 ms; the raw one is twice as long.
fn push(pushes: &mut Pushes, dx: f64, dy: f64) -> (i32, i32) {
    way(pushes.push((dx, dy), (2.0 * dx, 2.0 * dy), Rotation::Deg0, MS(0)))
}

fn way(motion: Option<Command>) -> (i32, i32) {
    match motion {
        None => (0, 0),
        Some(Command::Motion { dx, dy }) => (dx, dy),
        Some(other) => panic!("{other:?}"),
    }
}

#[test]
fn each_step_of_sensitivity_is_a_tenth() {
    for (sensitivity, expected) in [(-9, 10), (-1, 90), (0, 100), (1, 110), (9, 190)] {
        let mut pushes = pushes(sensitivity, false, false);
        assert_eq!(push(&mut pushes, 100.0, -100.0), (expected, -expected));
    }
    assert_eq!(pushes(50, false, false).sensitivity(), 9);
    assert_eq!(pushes(-50, false, false).sensitivity(), -9);
}

#[test]
fn raw_pushes_are_as_the_device_says() {
    assert_eq!(push(&mut pushes(0, true, true), 3.0, 0.0), (6, 0));
    assert_eq!(push(&mut pushes(0, false, false), 3.0, 0.0), (3, 0));
}

#[test]
fn small_push_is_averaged_with_the_one_before() {
    let mut pushes = pushes(0, true, false);
    assert_eq!(push(&mut pushes, 4.0, -2.0), (2, -1));
    assert_eq!(push(&mut pushes, 2.0, -4.0), (3, -3));
    assert_eq!(way(pushes.flush(Rotation::Deg0)), (1, -2));
    assert_eq!(way(pushes.flush(Rotation::Deg0)), (0, 0));
}

#[test]
fn large_push_takes_the_rest_of_the_small_one_along() {
    let mut pushes = pushes(0, true, false);
    assert_eq!(push(&mut pushes, 4.0, 0.0), (2, 0));
    assert_eq!(push(&mut pushes, 5.0, 0.0), (7, 0));
    assert_eq!(pushes.deadline(), None);
}

#[test]
fn rest_of_a_small_push_is_due_soon() {
    let mut pushes = pushes(0, true, false);
    assert_eq!(pushes.deadline(), None);
    push(&mut pushes, 4.0, 0.0);
    assert_eq!(pushes.deadline(), Some(MS(20)));
    pushes.flush(Rotation::Deg0);
    assert_eq!(pushes.deadline(), None);
}

#[test]
fn smallest_way_to_and_fro_moves_nothing() {
    let mut pushes = pushes(0, false, false);
    for dx in [0.25, -0.5, 0.25, 0.25, -0.25] {
        assert_eq!(push(&mut pushes, dx, -dx), (0, 0));
    }
}

#[test]
fn pushes_are_turned_with_the_picture() {
    let turned = [
        (Rotation::Deg0, (10, 20)),
        (Rotation::Deg90, (20, -10)),
        (Rotation::Deg180, (-10, -20)),
        (Rotation::Deg270, (-20, 10)),
    ];
    for (turn, expected) in turned {
        let mut pushes = pushes(0, false, false);
        let motion = pushes.push((10.0, 20.0), (0.0, 0.0), turn, MS(0));
        assert_eq!(way(motion), expected, "{turn:?}");
    }
}

#[test]
fn absurd_pushes_are_bounded() {
    let mut pushes = pushes(9, true, false);
    assert_eq!(push(&mut pushes, f64::NAN, f64::INFINITY), (0, 0));
    assert_eq!(push(&mut pushes, 1e300, -1e300), (190_000, -190_000));
}

proptest! {
    /// However a way is cut into pushes, the guest's pointer goes exactly that way.
    #[test]
    fn way_does_not_depend_on_how_it_is_cut(
        // Wayland and XInput count in 256ths and finer binary fractions.
        parts in prop::collection::vec((-3000..3000_i32, -3000..3000_i32), 1..60),
        sensitivity in -9..=9_i32,
        turn in 0..4_u32,
        smoothing: bool,
    ) {
        let turn = Rotation::from_quarter_turns(turn);
        let mut pushes = pushes(sensitivity, smoothing, false);
        let mut sum = (0, 0);
        let mut add = |(x, y): (i32, i32)| {
            sum.0 += x;
            sum.1 += y;
        };
        for (x, y) in &parts {
            let part = (f64::from(*x) / 256.0, f64::from(*y) / 256.0);
            add(way(pushes.push(part, (0.0, 0.0), turn, MS(0))));
        }
        add(way(pushes.flush(turn)));

        let total = parts.iter().fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        let (dx, dy) = place::turned_back(turn, (f64::from(total.0), f64::from(total.1)));
        // In integers: 256ths times tenths, rounded to the nearest whole pixel.
        let rounded = |way: f64| {
            let way = way as i64 * i64::from(10 + sensitivity);
            (way + 1280).div_euclid(2560) as i32
        };
        prop_assert_eq!(sum, (rounded(dx), rounded(dy)));
    }
}
