use super::*;

/// timing.md 11: seconds, then latency less target in frames and ratio less one in ppm, for a source that is 100 ppm
/// fast and starts on its target, and for one that is not and starts 4800 frames above.
const TABLE: [(usize, [(f64, f64); 2]); 7] = [
    (1, [(4.8, -0.5), (4776.1, -948.2)]),
    (10, [(43.6, -21.4), (3770.8, -2288.0)]),
    (30, [(102.9, -51.7), (2315.8, -1150.7)]),
    (60, [(152.5, -76.4), (1131.9, -562.5)]),
    (120, [(188.6, -94.4), (270.6, -134.5)]),
    (300, [(199.8, -99.9), (3.7, -1.8)]),
    (600, [(200.0, -100.0), (0.0, 0.0)]),
];

/// Latency less target, and ratio less one in ppm, after each packet of 480 frames at exact clocks.
fn simulate(ppm: f64, start: f64) -> Vec<(f64, f64)> {
    let period_s = 0.01 / (1.0 + ppm * 1e-6);
    let gains = Gains::for_frames(480, 48_000, 0.05);
    let mut control = OffsetControl::default();
    let mut latency = start;
    let mut course = Vec::new();
    for _ in 0..60_002 {
        let ratio = control.step(Some(-latency), gains, period_s);
        course.push((latency, (ratio - 1.0) * 1e6));
        latency += 480.0 * ratio - 48_000.0 * period_s;
    }
    course
}

fn assert_near(value: f64, expected: f64) {
    // Within 1 %, and within the table's own rounding.
    let tolerance = (expected.abs() * 0.01).max(0.051);
    assert!(
        (value - expected).abs() <= tolerance,
        "{value} instead of {expected}"
    );
}

#[test]
fn the_controller_takes_the_published_course() {
    for (which, (ppm, start)) in [(100.0, 0.0), (0.0, 4_800.0)].into_iter().enumerate() {
        let course = simulate(ppm, start);
        for (seconds, expected) in TABLE {
            let (latency, ratio) = course[100 * seconds];
            assert_near(latency, expected[which].0);
            assert_near(ratio, expected[which].1);
        }
    }
}

fn stereo() -> Reference {
    let mut reference = Reference::new(Format::new(2, 48_000).expect("a usual format"));
    reference.started();
    reference
}

/// Packets and requests of 480 frames each 10 ms, for so many seconds; the latency less the target at the end.
fn play(reference: &mut Reference, seconds: i64) -> f64 {
    let mut last = 0.0;
    for packet in 0..seconds * 100 {
        let now = Nanos::from_millis(1_000 + packet * 10);
        let placed = reference.packet(now, 480).expect("it plays");
        if reference.state() == ReferenceState::Run {
            let pulled = reference.pull(now, 480);
            last = placed.position - pulled.position as f64;
        }
    }
    last - reference.target_frames() as f64
}

#[test]
fn the_whole_of_it_settles_on_its_target() {
    let mut reference = stereo();
    // It starts with 50 ms buffered, the last packet among them; the other 30 come by the controller, in minutes.
    let after_10 = play(&mut reference.clone(), 10);
    assert!((-1_300.0..-1_000.0).contains(&after_10), "{after_10}");
    let after_600 = play(&mut reference, 600);
    assert!(after_600.abs() < 2.0, "{after_600}");
}

#[test]
fn a_gap_of_the_source_is_filled_with_silence_of_its_length() {
    let mut reference = stereo();
    play(&mut reference, 2);
    let late = Nanos::from_millis(1_000 + 2_000 + 500);
    let placed = reference.packet(late, 480).expect("it plays");
    let shift = placed.shift_frames;
    assert!((23_900..24_100).contains(&shift), "{shift}");
}

#[test]
fn the_ring_counts_what_is_missing_late_and_lost() {
    let mut reference = stereo();
    reference.append(3);
    let now = Nanos::from_millis(1_000);
    assert_eq!(reference.pull(now, 5).missing, 2);
    assert_eq!(
        (reference.count(), reference.append(4), reference.count()),
        (-2, 0, 2)
    );
    assert_eq!(reference.pull(now, 2).missing, 0);
    assert_eq!(reference.append(48_005), 5);
}

#[test]
fn a_stopped_stream_is_drained_and_closes() {
    let mut reference = stereo();
    play(&mut reference, 1);
    reference.stopped();
    assert_eq!(reference.packet(Nanos::from_millis(3_000), 480), None);
    let mut pulls = 0;
    while reference.state() == ReferenceState::Drain {
        reference.pull(Nanos::from_millis(2_000 + pulls * 10), 480);
        pulls += 1;
    }
    assert_eq!(reference.state(), ReferenceState::Stop);
    assert!((4..10).contains(&pulls), "{pulls}");
}
