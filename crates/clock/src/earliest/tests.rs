use super::*;

const SETTINGS: LineSettings = LineSettings {
    first_span_s: 0.25,
    last_span_s: 8.0,
    early_step_s: 0.005,
    late_step_after_s: 2.0,
    slope_sigma: 300e-6,
    resolution_s: 20e-6,
};

/// A small generator of even numbers from 0 to 1.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Events each 10 ms, late by 0 to `jitter` and in order, from a clock that is `ppm` slow; returns the largest error
/// of the line after `from` seconds, in seconds, and the last error of the slope.
fn follow(ppm: f64, jitter: f64, seconds: u32, from: u32, seed: u64) -> (f64, f64) {
    let mut random = Random(seed);
    let mut line = EarliestLine::new(SETTINGS);
    let (mut arrived, mut worst) = (0.0_f64, 0.0_f64);
    for event in 0..seconds * 100 {
        let x = f64::from(event) * 0.01;
        let truth = x * ppm * 1e-6;
        arrived = arrived.max(x + truth + random.next() * jitter);
        line.observe(x, arrived - x, 0.005 + jitter / 2.0);
        if event >= from * 100 {
            worst = worst.max((line.at(x) - truth).abs());
        }
    }
    (worst, line.slope() * 1e6 - ppm)
}

#[test]
fn exact_events_give_the_clock_exactly() {
    let (worst, slope) = follow(100.0, 0.0, 60, 5, 1);
    assert!(worst < 1e-5, "{worst}");
    assert!(slope.abs() < 0.5, "{slope}");
}

#[test]
fn wide_jitter_leaves_a_sharp_edge() {
    for seed in 1..6 {
        for ppm in [0.0, 20.0, -100.0, 500.0, -500.0] {
            let (worst, slope) = follow(ppm, 0.04, 600, 60, seed);
            assert!(worst < 1e-3, "{ppm} ppm, seed {seed}: {worst}");
            assert!(slope.abs() < 1.5, "{ppm} ppm, seed {seed}: {slope}");
        }
    }
}

#[test]
fn a_line_of_two_days_stays_where_it_is() {
    let (worst, slope) = follow(-20.0, 0.04, 2 * 3_600, 300, 9);
    assert!(worst < 0.5e-3, "{worst}");
    assert!(slope.abs() < 1.0, "{slope}");
}

#[test]
fn late_events_do_not_move_it() {
    let mut line = EarliestLine::new(SETTINGS);
    for event in 0..6_000 {
        let x = f64::from(event) * 0.01;
        // A hiccup of 80 ms each second.
        let late = if event % 100 >= 92 { 0.08 } else { 0.0 };
        assert_eq!(line.observe(x, late, 0.005), Moved::No);
    }
    assert!(line.at(60.0).abs() < 1e-9);
}

#[test]
fn an_early_step_is_followed_at_once_and_a_late_one_after_a_while() {
    let mut line = EarliestLine::new(SETTINGS);
    let mut moves = Vec::new();
    for event in 0..6_000 {
        let x = f64::from(event) * 0.01;
        let step = match event {
            0..2_000 => 0.0,
            2_000..4_000 => -0.1,
            _ => 0.05,
        };
        let moved = line.observe(x, step + x * 50e-6, 0.02);
        if matches!(moved, Moved::Stepped(_)) {
            moves.push((event, moved));
        }
    }
    assert_eq!(moves.len(), 2, "{moves:?}");
    assert_eq!(moves[0].0, 2_000);
    assert!((4_190..4_210).contains(&moves[1].0));
    let (Moved::Stepped(early), Moved::Stepped(late)) = (moves[0].1, moves[1].1) else {
        panic!("{moves:?}");
    };
    assert!((early + 0.1).abs() < 1e-4 && (late - 0.15).abs() < 1e-4);
    assert!((line.slope() - 50e-6).abs() < 2e-6, "{}", line.slope());
}

#[test]
fn late_events_before_and_after_a_sleep_are_not_one_run() {
    let mut line = EarliestLine::new(SETTINGS);
    for event in 0..2_000 {
        let x = f64::from(event) * 0.01;
        // The last two are late, sleep lies between them and the next, and those that slept on their way come then.
        let late = match event {
            1_996..1_998 => 0.015,
            1_998.. => 60.0,
            _ => 0.0,
        };
        assert_eq!(line.observe(x, late, 0.01), Moved::No);
    }
}

#[test]
fn what_is_expected_counts_until_the_events_know_better() {
    let mut line = EarliestLine::new(SETTINGS);
    line.expect(-200e-6, 20e-6);
    let mut random = Random(3);
    for event in 0..60_000 {
        let x = f64::from(event) * 0.01;
        line.observe(x, x * 100e-6 + random.next() * 0.02, 0.02);
        if event == 300 {
            assert!((line.slope() + 200e-6).abs() < 50e-6, "{}", line.slope());
        }
    }
    assert!((line.slope() - 100e-6).abs() < 2e-6, "{}", line.slope());
}

#[test]
fn odd_values_are_taken() {
    let mut line = EarliestLine::new(SETTINGS);
    for (x, y) in [
        (0.0, f64::NAN),
        (f64::INFINITY, 0.0),
        (1.0, 1e300),
        (1.0, -1e300),
        (1e12, 0.0),
        (1e12, 5.0),
        (2e12, 0.0),
    ] {
        line.observe(x, y, 0.01);
        assert!(line.at(3.0).is_finite() && line.slope().is_finite());
    }
}
