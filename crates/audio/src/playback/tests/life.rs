//! Starting, stopping and losing the device, in any order.

use clock::Nanos;

use super::world::{CountedLane, Plan, World};
use crate::Format;
use crate::lane::Input;
use crate::playback::{DeviceTiming, Order, Packet, Playback, PlaybackSettings, State};

fn playback() -> Playback<CountedLane> {
    Playback::new(Format::new(2, 48_000).unwrap(), PlaybackSettings::default())
}

#[test]
fn nothing_is_wanted_before_the_start_and_packets_are_ignored() {
    let mut playback = playback();
    playback.packet(Packet {
        arrived: Nanos::ZERO,
        time_ms: 0,
        input: Input::counted(480),
    });
    assert_eq!(playback.tick(Nanos::ZERO).order, Order::Keep);
    assert_eq!(playback.tick(Nanos::ZERO).next, None);
    assert_eq!(playback.status().packets, 0);
    playback.started(Nanos::ZERO);
    assert_eq!(playback.state(), State::Opening);
    assert_eq!(playback.tick(Nanos::ZERO).order, Order::Open);
}

#[test]
fn a_stream_runs_drains_is_kept_and_closes() {
    let mut world = World::started(Plan::default());
    world.run(5.0);
    assert_eq!(world.playback.state(), State::Running);
    let silent = world.lane.0.borrow().counters.silent_frames;
    world.stop();
    assert_eq!(world.playback.state(), State::Draining);
    world.run(0.3);
    assert_eq!(world.playback.state(), State::KeepAlive);
    assert_eq!(world.lane.0.borrow().counters.silent_frames, silent);
    world.run(29.5);
    assert_eq!(world.playback.state(), State::KeepAlive);
    world.run(1.0);
    assert_eq!(world.playback.state(), State::Stopped);
    assert!(world.playback.lane().is_none());
    assert_eq!(world.playback.tick(world.nanos()).next, None);
}

#[test]
fn a_resume_is_in_place_with_its_first_packet_whatever_its_size() {
    for (rest_s, packet) in [
        (0.02, 480),
        (0.5, 480),
        (5.0, 960),
        (29.0, 333),
        (3.0, 4_800),
    ] {
        let mut world = World::started(Plan::default());
        world.run(60.0);
        world.stop();
        world.run(rest_s);
        let silent = world.lane.0.borrow().counters.silent_frames;
        world.plan.packet = packet;
        world.start();
        world.run(f64::from(packet) / 48_000.0 + 0.01);
        assert_eq!(world.playback.state(), State::Running, "{rest_s}");
        let seen = world.run(30.0);
        assert!(seen.bad_until_s < 0.5, "{rest_s}, {packet}: {seen:?}");
        assert_eq!(world.lane.0.borrow().counters.silent_frames, silent);
    }
}

#[test]
fn a_sound_that_ended_before_its_device_opened_is_heard() {
    for opening_s in [0.05, 0.4, 0.95] {
        let mut world = World::started(Plan {
            opening_s,
            ..Plan::default()
        });
        world.run(0.045);
        let written = world.lane.0.borrow().write;
        assert!(written > 4 * 480);
        world.stop();
        assert_eq!(world.playback.state(), State::Draining);
        world.run(opening_s + 0.5);
        assert_eq!(world.playback.state(), State::KeepAlive, "{opening_s}");
        let lane = world.lane.0.borrow();
        assert!(lane.skips == 0 && lane.read >= written, "{opening_s}");
    }
}

#[test]
fn a_device_that_never_asks_is_given_up() {
    let mut world = World::started(Plan {
        opening_s: 1e9,
        ..Plan::default()
    });
    world.run(0.05);
    world.stop();
    world.run(1.1);
    assert_eq!(world.playback.state(), State::Stopped);
    assert!(world.playback.lane().is_none());
}

#[test]
fn a_stop_before_any_sound_leaves_nothing_to_wait_for() {
    let mut playback = playback();
    playback.started(Nanos::ZERO);
    playback.stopped(Nanos::ZERO);
    assert_eq!(playback.state(), State::Stopped);
    assert_eq!(playback.tick(Nanos::ZERO).order, Order::Keep);
    // The device comes after all.
    let timing = DeviceTiming {
        max_period_frames: 512,
    };
    playback.attach(CountedLane::default(), timing, Nanos::ZERO);
    assert_eq!(playback.tick(Nanos::ZERO).order, Order::Close);
    assert!(playback.detach().is_some() && playback.detach().is_none());
}

#[test]
fn another_device_takes_over_with_the_source_still_known() {
    let mut world = World::started(Plan {
        source_ppm: 200.0,
        jitter_s: 0.02,
        ..Plan::default()
    });
    world.run(120.0);
    let before = world.playback.status().source_ppm.unwrap();
    assert!((before - 200.0).abs() < 10.0, "{before}");
    world.lose_device();
    assert_eq!(world.playback.state(), State::Opening);
    world.plan.max_period = 1_024;
    world.plan.period = 1_024;
    world.longest = 1_024;
    world.run(0.3);
    let seen = world.run(60.0);
    assert!(seen.bad_until_s < 5.0, "{seen:?}");
    assert!((world.playback.status().source_ppm.unwrap() - 200.0).abs() < 10.0);
}

#[test]
fn a_source_that_falls_silent_without_a_stop_closes_the_device_and_comes_back() {
    let mut world = World::started(Plan::default());
    world.run(20.0);
    world.stall(100.0);
    world.run(50.0);
    assert_eq!(world.playback.state(), State::Stopped);
    world.run(50.5);
    assert_eq!(world.playback.state(), State::Running);
    let seen = world.run(30.0);
    assert!(seen.bad_until_s < 5.0, "{seen:?}");
}

#[test]
fn a_source_that_starts_and_sends_nothing_does_not_keep_the_device() {
    let mut world = World::started(Plan::default());
    world.stall(100.0);
    world.run(40.0);
    assert_eq!(world.playback.state(), State::Stopped);
    assert!(world.playback.lane().is_none());
    world.run(61.0);
    assert_eq!(world.playback.state(), State::Running);
}

#[test]
fn a_huge_packet_is_split_and_an_empty_one_ignored() {
    let mut world = World::started(Plan::default());
    world.run(1.0);
    let packets = world.playback.status().packets;
    let before = world.lane.0.borrow().input;
    for frames in [0, 48_000, 0] {
        world.playback.packet(Packet {
            arrived: world.nanos(),
            time_ms: 0,
            input: Input::counted(frames),
        });
    }
    assert_eq!(world.playback.status().packets, packets + 1);
    let taken = world.lane.0.borrow().input - before;
    assert!(taken <= 48_000.0, "{taken}");
    assert!(world.playback.status().ratio_ppm.abs() <= 5_000.0);
}

#[test]
fn a_sleep_is_not_taken_for_silence() {
    let mut world = World::started(Plan::default());
    world.run(20.0);
    world.sleep(100.0);
    assert_eq!(world.playback.tick(world.nanos()).order, Order::Keep);
    assert_eq!(world.playback.state(), State::Running);
    world.run(0.5);
    let seen = world.run(20.0);
    assert!(seen.worst_error_ms < 2.0, "{seen:?}");
}
