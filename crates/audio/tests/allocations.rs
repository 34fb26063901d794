//! Once a stream runs, its sound takes no memory: least of all in the device's callbacks.
#![cfg(not(loom))]

use audio::{Format, Input, Lane as _, Phase, Resampler, SampleLane, capture};
use clock::Nanos;
use testkit::allocations::{self, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn stereo() -> Format {
    Format::new(2, 48_000).expect("a usual format")
}

#[test]
fn pulling_does_not_allocate_whatever_the_stream_does() {
    let (mut lane, mut pull) = SampleLane::new(stereo(), 4_096).expect("a lane");
    let mut out = vec![0.0; 2 * 2_048];
    // Playing, starving, overrun, skipping, draining, idle, with periods that change.
    let phases = [Phase::Idle, Phase::Run, Phase::Drain, Phase::Run];
    let mut taken = 0;
    for round in 0..400 {
        lane.set_phase(phases[round / 10 % phases.len()]);
        if round % 3 != 0 {
            lane.write(Input::counted(1_024), 1.001);
        }
        if round % 17 == 0 {
            lane.skip_reader(lane.position());
            lane.jump(lane.position() + 100);
        }
        let samples = 2 * (1 + round * 37 % 2_048);
        taken += allocations::of(|| pull.pull(&mut out[..samples], Nanos(0)));
        taken += allocations::of(|| pull.pass(samples, Nanos(0)));
        if round % 50 == 0 {
            while lane.next_tick().is_some() {}
        }
    }
    assert_eq!(taken, 0);
    let counters = lane.counters();
    assert!(
        counters.underruns > 0 && lane.missed_ticks() > 0,
        "{counters:?}"
    );
}

#[test]
fn pushing_does_not_allocate_whether_it_is_taken_or_not() {
    let (mut push, mut capture) = capture(stereo(), 4_096);
    let samples = [0.25; 2 * 480];
    let mut out = [0.0; 2 * 480];
    let taken = allocations::of(|| {
        for round in 0..100 {
            push.push(&samples);
            if round > 50 {
                capture.take(&mut out);
                capture.discard(480);
            }
        }
    });
    assert_eq!(taken, 0);
    assert!(capture.dropped() > 0);
}

#[test]
fn resampling_does_not_allocate_for_packets_and_ratios_of_any_kind() {
    let mut resampler = Resampler::new(stereo(), 4_800).expect("a resampler");
    let input = vec![0.25; 2 * 6_000];
    let mut frames = 0;
    let taken = allocations::of(|| {
        for round in 0..300 {
            let ratio = 1.0 + 0.005 * f64::from(round).sin();
            let samples = 2 * (round as usize * 613 % 6_000);
            resampler.process(&input[..samples], ratio, &mut |piece| {
                frames += piece.len() / 2;
            });
            if round % 100 == 0 {
                resampler.process(&input, f64::NAN, &mut |piece| frames += piece.len() / 2);
                resampler.reset();
            }
        }
    });
    assert_eq!(taken, 0);
    assert!(frames > 500_000, "{frames}");
}

#[test]
fn a_packet_goes_into_the_ring_without_allocating() {
    let (mut lane, mut pull) = SampleLane::new(stereo(), 48_000).expect("a lane");
    let packet = [7; 4 * 480];
    let mut appended = 0;
    let taken = allocations::of(|| {
        lane.set_phase(Phase::Run);
        for _ in 0..200 {
            appended += lane.write(Input::sampled(&packet, 2), 0.999);
            pull.pass(480, Nanos(0));
            lane.next_tick();
            lane.counters();
        }
        lane.set_phase(Phase::Drain);
    });
    assert_eq!(taken, 0);
    assert!(appended > 95_000, "{appended}");
}
