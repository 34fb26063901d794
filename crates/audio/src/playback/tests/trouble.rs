//! What happens to a stream, and how soon it is over.

use super::world::{Plan, World};

/// A converged stream.
fn converged(plan: Plan) -> World {
    let mut world = World::started(plan);
    world.run(60.0);
    assert!(world.playback.status().is_converged);
    world
}

/// Clocks apart and jitter, as a stream usually has them.
fn usual() -> Plan {
    Plan {
        source_ppm: 30.0,
        device_ppm: -50.0,
        jitter_s: 0.01,
        ..Plan::default()
    }
}

#[test]
fn a_backlog_at_the_start_is_dropped_before_it_is_heard() {
    for opening_s in [0.02, 0.2, 0.9] {
        let mut world = World::started(Plan {
            backlog: 30,
            opening_s,
            ..usual()
        });
        world.run(opening_s + 0.5);
        let seen = world.run(30.0);
        assert!(seen.largest_change < 0.004, "{opening_s}: {seen:?}");
        assert!(seen.worst_error_ms < 6.0, "{opening_s}: {seen:?}");
        assert!(seen.bad_until_s < 10.0, "{opening_s}: {seen:?}");
    }
}

#[test]
fn an_offset_of_100_ms_is_gone_within_25_s() {
    for (source_ppm, jitter_s) in [(-500.0, 0.04), (0.0, 0.04), (0.0, 0.0), (500.0, 0.0)] {
        let mut world = converged(Plan {
            source_ppm,
            jitter_s,
            ..Plan::default()
        });
        let resyncs = world.playback.status().resyncs;
        world.extra(10);
        let seen = world.run(60.0);
        assert!(seen.worst_error_ms > 85.0, "{seen:?}");
        assert!(
            (17.0..25.0).contains(&seen.bad_until_s),
            "{source_ppm}, {jitter_s}: {seen:?}"
        );
        assert!(seen.largest_change <= 0.005);
        assert_eq!(world.playback.status().resyncs, resyncs);
        let seen = world.run(300.0);
        assert!(
            seen.worst_error_ms < 2.0 && seen.ratio_error_ppm < 5.0,
            "{seen:?}"
        );
    }
}

#[test]
fn a_pause_of_the_device_costs_no_latency() {
    for pause_s in [0.05, 0.1, 0.3, 1.0, 1.9] {
        let mut world = converged(usual());
        world.pause(pause_s);
        world.run(pause_s);
        let seen = world.run(60.0);
        assert!(seen.bad_until_s < 0.5, "{pause_s}: {seen:?}");
        let seen = world.run(200.0);
        assert!(
            seen.worst_error_ms < 2.0 && seen.ratio_error_ppm < 5.0,
            "{seen:?}"
        );
    }
}

#[test]
fn a_stall_of_the_source_is_over_half_a_second_after_its_end() {
    for jitter_s in [0.001, 0.04] {
        for stall_s in [0.03, 0.12, 1.0, 1.9, 5.0, 40.0] {
            let mut world = converged(Plan {
                jitter_s,
                ..usual()
            });
            world.stall(stall_s);
            world.run(stall_s + 0.02);
            let seen = world.run(60.0);
            // Half a second for the large ones; what the stamps only tell after half a second takes as long again.
            let within_s = if stall_s > 0.1 { 0.5 } else { 7.0 };
            assert!(
                seen.bad_until_s < within_s,
                "{jitter_s}, {stall_s}: {seen:?}"
            );
            let seen = world.run(200.0);
            assert!(
                seen.worst_error_ms < 2.0 && seen.ratio_error_ppm < 5.0,
                "{jitter_s}, {stall_s}: {seen:?}"
            );
            assert_eq!(seen.missing, 0);
        }
    }
}

#[test]
fn what_was_held_back_comes_at_once_and_nothing_changes() {
    for held_s in [0.03, 0.2, 1.0, 3.0] {
        let mut world = converged(usual());
        let target_ms = world.playback.status().target_ms;
        world.hold(held_s);
        world.run(held_s + 0.02);
        let seen = world.run(60.0);
        assert!(seen.bad_until_s < 0.5, "{held_s}: {seen:?}");
        assert!(seen.worst_error_ms < 2.0, "{held_s}: {seen:?}");
        assert!(
            (seen.target_ms - target_ms).abs() < 0.5,
            "{held_s}: {seen:?}"
        );
        let seen = world.run(200.0);
        assert!(seen.ratio_error_ppm < 5.0 && seen.missing == 0, "{seen:?}");
    }
}

#[test]
fn a_hiccup_of_eight_packets_changes_nothing() {
    let mut world = converged(usual());
    let target_ms = world.playback.status().target_ms;
    for _ in 0..5 {
        world.send(8);
        let seen = world.run(60.0);
        assert!(seen.worst_error_ms < 2.0, "{seen:?}");
        assert_eq!(seen.target_ms, target_ms);
    }
}

#[test]
fn periods_may_change_below_what_was_promised() {
    let mut world = converged(Plan {
        period: 1_024,
        max_period: 4_096,
        ..usual()
    });
    for period in [128, 4_096, 256, 2_048, 480, 4_096, 441, 128, 1_024] {
        world.plan.period = period;
        let seen = world.run(30.0);
        assert!(seen.worst_error_ms < 2.0, "{period}: {seen:?}");
        assert_eq!(seen.missing, 0, "{period}");
        assert!(seen.largest_change < 0.001, "{period}: {seen:?}");
    }
}

#[test]
fn a_period_beyond_all_seen_costs_one_resync() {
    let mut world = converged(Plan {
        period: 256,
        max_period: 256,
        ..usual()
    });
    let resyncs = world.playback.status().resyncs;
    world.plan.period = 2_048;
    let seen = world.run(60.0);
    assert_eq!(world.playback.status().resyncs, resyncs + 1);
    assert!(seen.bad_until_s < 0.5, "{seen:?}");
    world.plan.period = 256;
    world.run(10.0);
    world.plan.period = 2_048;
    let seen = world.run(60.0);
    assert_eq!(
        (seen.missing, world.playback.status().resyncs),
        (0, resyncs + 1)
    );
}

#[test]
fn a_suspended_host_begins_anew() {
    for asleep_s in [3.0, 3_600.0] {
        for device_first in [false, true] {
            let mut world = converged(usual());
            world.pause(asleep_s + if device_first { 0.0 } else { 0.3 });
            world.stall(asleep_s + if device_first { 0.3 } else { 0.0 });
            world.run(asleep_s + 0.4);
            let seen = world.run(60.0);
            assert!(seen.bad_until_s < 0.5, "{asleep_s}: {seen:?}");
            assert!(seen.largest_change < 0.002, "{asleep_s}: {seen:?}");
        }
    }
}

#[test]
fn packets_on_their_way_through_a_sleep_do_no_harm() {
    for jitter_s in [0.001, 0.02, 0.04] {
        for asleep_s in [2.5, 60.0] {
            let mut world = converged(Plan {
                jitter_s,
                ..usual()
            });
            world.send(1);
            world.sleep(asleep_s);
            world.run(0.05);
            let seen = world.run(60.0);
            assert!(seen.bad_until_s < 0.5, "{jitter_s}, {asleep_s}: {seen:?}");
            assert!(seen.largest_change < 0.002, "{asleep_s}: {seen:?}");
        }
    }
}
