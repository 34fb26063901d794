use super::*;

/// A small generator with a fixed seed, so that every run is the same.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

const HZ: [i64; 5] = [24, 60, 75, 144, 240];

/// Posts with up to `jitter` ns of delay that does not add up.
fn post(period: i64, index: i64, jitter: i64, random: &mut Lcg) -> Nanos {
    Nanos(1_000_000_000 + index * period + random.below(jitter + 1))
}

fn see(predictor: &mut PostPredictor, at: Nanos) {
    predictor.observe(at - Nanos::from_micros(50), at);
}

fn locked(period: i64, jitter: i64, random: &mut Lcg) -> (PostPredictor, i64) {
    let mut predictor = PostPredictor::new();
    for index in 0..200 {
        see(&mut predictor, post(period, index, jitter, random));
    }
    (predictor, 200)
}

#[test]
fn steady_posts_are_predicted_to_the_microsecond() {
    for hz in HZ {
        let period = 1_000_000_000 / hz;
        let (predictor, next) = locked(period, 0, &mut Lcg(1));
        let at = post(period, next, 0, &mut Lcg(1));
        let window = predictor.window(at - Nanos::from_millis(1)).unwrap();
        let off = (window.expected - at).0 + 25_000;
        assert!(off.abs() < 1_000, "{hz} Hz: off by {off} ns");
        assert!(window.end - window.start < Nanos::from_micros(200));
    }
}

#[test]
fn jittering_posts_fall_into_a_window_little_wider_than_the_jitter() {
    for hz in HZ {
        let period = 1_000_000_000 / hz;
        let mut random = Lcg(7);
        let (mut predictor, mut next) = locked(period, 1_000_000, &mut random);
        let mut outside = 0;
        for _ in 0..2_000 {
            let at = post(period, next, 1_000_000, &mut random);
            let window = predictor.window(Nanos(1_000_000_000 + next * period - 1_000_000));
            let window = window.expect("the lock holds");
            outside += u32::from(at < window.start || at > window.end);
            assert!(window.end - window.start < Nanos::from_micros(1_700));
            see(&mut predictor, at);
            next += 1;
        }
        assert!(outside <= 10, "{hz} Hz: {outside} of 2000 outside");
    }
}

#[test]
fn the_lock_is_found_within_nine_posts() {
    for hz in HZ {
        let period = 1_000_000_000 / hz;
        let mut random = Lcg(3);
        let mut predictor = PostPredictor::new();
        for index in 0..9 {
            assert!(!predictor.is_locked());
            see(&mut predictor, post(period, index, 500_000, &mut random));
        }
        assert!(predictor.is_locked(), "{hz} Hz");
    }
}

#[test]
fn posts_left_out_do_not_end_the_lock() {
    let period = 16_666_667;
    let mut random = Lcg(5);
    let (mut predictor, next) = locked(period, 1_000_000, &mut random);
    for index in (next..next + 900).filter(|i| i % 3 != 0 && i % 7 != 0) {
        let at = post(period, index, 1_000_000, &mut random);
        let window = predictor.window(at - Nanos::from_millis(2)).unwrap();
        assert!(
            at + Nanos::from_micros(300) >= window.start
                && at <= window.end + Nanos::from_micros(300)
        );
        see(&mut predictor, at);
    }
    let period_off = predictor.period().unwrap().0 - period;
    assert!(period_off.abs() < 20_000, "off by {period_off} ns");
}

#[test]
fn half_of_the_posts_left_out_still_gives_the_short_period() {
    let mut predictor = PostPredictor::new();
    for index in [0, 2, 3, 5, 7, 8, 10, 12, 14] {
        see(&mut predictor, Nanos(index * 16_666_667));
    }
    let period = predictor.period().expect("a lock").0;
    assert!((period - 16_666_667).abs() < 1_000);
}

#[test]
fn windows_repeat_while_nothing_comes_and_count_what_is_missing() {
    let (predictor, next) = locked(10_000_000, 0, &mut Lcg(1));
    let expected = 1_000_000_000 + next * 10_000_000;
    for late in 1..20_i64 {
        let window = predictor.window(Nanos(expected + late * 10_000_000 - 2_000_000));
        let window = window.unwrap();
        assert_eq!(i64::from(window.missed), late);
        assert!((window.expected.0 - expected - late * 10_000_000).abs() < 60_000);
    }
}

#[test]
fn after_a_long_silence_nothing_is_predicted_and_one_post_is_enough_to_go_on() {
    let (mut predictor, next) = locked(10_000_000, 0, &mut Lcg(1));
    let last = 1_000_000_000 + (next - 1) * 10_000_000;
    let later = Nanos(last + 5_003_000_000);
    assert_eq!(predictor.window(later), None);
    see(&mut predictor, later);
    let window = predictor.window(later + Nanos::from_millis(1)).unwrap();
    let wanted = later + Nanos::from_millis(10);
    assert!(window.start < wanted && wanted < window.end);
}

#[test]
fn a_new_rate_is_noticed() {
    for (from, to) in [(60, 144), (144, 60), (30, 60), (240, 24)] {
        let mut random = Lcg(11);
        let (mut predictor, next) = locked(1_000_000_000 / from, 800_000, &mut random);
        let start = 1_000_000_000 + next * (1_000_000_000 / from);
        let period = 1_000_000_000 / to;
        for index in 1..40 {
            let jitter = random.below(800_000);
            see(&mut predictor, Nanos(start + index * period + jitter));
        }
        let off = predictor.period().map(|p| (p.0 - period).abs());
        assert!(
            off.is_some_and(|off| off < 200_000),
            "{from} -> {to}: {off:?}"
        );
    }
}

#[test]
fn posts_without_a_rhythm_are_not_predicted() {
    let mut random = Lcg(13);
    let mut predictor = PostPredictor::new();
    let mut at = 0;
    let mut locked = 0;
    for _ in 0..1_000 {
        at += 3_000_000 + random.below(60_000_000);
        see(&mut predictor, Nanos(at));
        locked += u32::from(predictor.is_locked());
    }
    assert!(locked < 100, "locked {locked} times of 1000");
}

#[test]
fn a_look_that_came_late_does_not_pull_the_prediction() {
    let (mut predictor, next) = locked(16_666_667, 0, &mut Lcg(1));
    for index in next..next + 100 {
        let at = Nanos(1_000_000_000 + index * 16_666_667);
        predictor.observe(at - Nanos::from_millis(6), at + Nanos::from_millis(3));
    }
    let at = Nanos(1_000_000_000 + (next + 100) * 16_666_667);
    let window = predictor.window(at - Nanos::from_millis(2)).unwrap();
    assert!((window.expected - at).0.abs() < 100_000);
}

#[test]
fn hostile_times_do_no_harm() {
    let mut random = Lcg(17);
    let mut predictor = PostPredictor::new();
    for _ in 0..20_000 {
        let wide =
            i64::try_from(random.0 >> 3).unwrap() * if random.below(2) == 0 { 1 } else { -1 };
        let at = Nanos(if random.below(4) == 0 {
            wide
        } else {
            random.below(1 << 40)
        });
        predictor.observe(Nanos(random.below(1 << 42)), at);
        let _ = predictor.window(Nanos(random.below(1 << 42)));
    }
    predictor.observe(Nanos(i64::MIN), Nanos(i64::MAX));
    predictor.observe(Nanos(i64::MAX), Nanos(i64::MIN));
    let _ = predictor.window(Nanos(i64::MIN));
}
