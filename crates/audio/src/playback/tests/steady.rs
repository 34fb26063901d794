//! What has to hold while nothing happens.

use super::world::{Plan, World};
use crate::playback::LARGEST_SLEW;

/// Converges within the time, then holds everything for ten minutes.
fn holds(plan: Plan) {
    let what = format!("{plan:?}");
    let mut world = World::started(plan);
    let start = world.run(60.0);
    assert!(
        start.bad_until_s < 25.0,
        "{what}: {} s\n{start:?}",
        start.bad_until_s
    );
    assert!(world.playback.status().is_converged, "{what}");
    let underruns = world.underruns();
    let seen = world.run(600.0);
    assert!(seen.worst_error_ms < 2.0, "{what}: {seen:?}");
    assert!(seen.ratio_error_ppm < 5.0, "{what}: {seen:?}");
    assert!(seen.largest_change <= 0.005, "{what}: {seen:?}");
    assert!(
        seen.largest_slew <= LARGEST_SLEW * 1.001,
        "{what}: {seen:?}"
    );
    assert_eq!(world.underruns(), underruns, "{what}: {seen:?}");
    assert_eq!(world.lane.0.borrow().refused, 0, "{what}");
}

#[test]
fn clocks_apart_are_held_together_whatever_the_jitter() {
    for jitter_s in [0.0, 0.005, 0.04] {
        for source_ppm in [0.0, 20.0, -20.0, 100.0, -100.0, 500.0, -500.0] {
            holds(Plan {
                source_ppm,
                jitter_s,
                seed: 3,
                ..Plan::default()
            });
        }
    }
}

#[test]
fn it_does_not_matter_whose_clock_is_wrong() {
    for (source_ppm, device_ppm, stamp_ppm) in [
        (0.0, 100.0, 0.0),
        (0.0, -500.0, 0.0),
        (20.0, 100.0, 20.0),
        (100.0, -20.0, 100.0),
        (0.0, 0.0, -60.0),
    ] {
        for jitter_s in [0.002, 0.04] {
            holds(Plan {
                source_ppm,
                device_ppm,
                stamp_ppm,
                jitter_s,
                seed: 5,
                ..Plan::default()
            });
        }
    }
}

#[test]
fn all_periods_and_packets_are_held() {
    for (period, packet, burst) in [
        (128, 480, 1),
        (256, 128, 1),
        (1_024, 1_000, 1),
        (2_048, 480, 1),
        (4_096, 480, 1),
        (512, 4_800, 1),
        (4_096, 64, 1),
    ] {
        holds(Plan {
            period,
            max_period: period,
            packet,
            burst,
            device_ppm: 50.0,
            jitter_s: 0.005,
            device_jitter_s: 0.001,
            ..Plan::default()
        });
    }
}

#[test]
fn latency_is_as_low_as_it_can_be() {
    let mut world = World::started(Plan {
        jitter_s: 0.0,
        ..Plan::default()
    });
    let seen = world.run(60.0);
    // 512 frames, 13 ms by default, the resampler.
    assert!((seen.target_ms - 24.01).abs() < 0.5, "{seen:?}");
    let mut world = World::started(Plan {
        jitter_s: 0.04,
        ..Plan::default()
    });
    let seen = world.run(60.0);
    assert!((seen.target_ms - 57.01).abs() < 3.5, "{seen:?}");
}

#[test]
fn packets_that_come_in_bunches_are_held() {
    for burst in [4, 8] {
        holds(Plan {
            burst,
            source_ppm: 20.0,
            jitter_s: 0.0,
            ..Plan::default()
        });
    }
}
