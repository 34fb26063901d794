use clock::Nanos;
use testkit::tone::{Oscillator, breaks, channel, fit, sounding};

use super::*;

fn stereo() -> (SampleLane, Pull) {
    let format = Format::new(2, 48_000).expect("a usual format");
    SampleLane::new(format, 48_000).expect("a lane")
}

#[test]
fn a_tone_goes_from_the_packets_to_the_device() {
    let (mut lane, mut pull) = stereo();
    let frequency = 997.0 / 48_000.0;
    let mut tone = Oscillator::new(frequency, 0.5);
    let mut heard = Vec::new();
    lane.set_phase(Phase::Run);
    lane.jump(512);
    for _ in 0..100 {
        let mut packet = Vec::new();
        tone.write_s16le(480, 2, &mut packet);
        let before = lane.position();
        let appended = lane.write(Input::sampled(&packet, 2), 1.002);
        assert_eq!(lane.position() - before, appended);
        let mut out = [0.0; 2 * 480];
        pull.pull(&mut out, Nanos(0));
        heard.extend_from_slice(&out);
    }
    // All that was sent is heard to its end.
    lane.set_phase(Phase::Drain);
    while !lane.counters().is_drained {
        let mut out = [0.0; 2 * 480];
        pull.pull(&mut out, Nanos(0));
        heard.extend_from_slice(&out);
    }
    let right = channel(&heard, 2, 1);
    let range = sounding(&right, 0.5);
    assert!(range.len().abs_diff(48_096) <= 70, "{range:?}");
    let inner = &right[range.start + 100..range.end - 100];
    assert_eq!(breaks(inner, frequency, 0.5), []);
    // 16 bits, at half of their range.
    let noise = fit(inner, frequency / 1.002).noise_db();
    assert!((-93.5..-91.0).contains(&noise), "{noise} dB");
    assert_eq!(lane.counters().underruns, 0);
}

#[test]
fn what_finds_no_room_is_not_counted() {
    let format = Format::new(1, 48_000).expect("a usual format");
    let (mut lane, mut pull) = SampleLane::new(format, 1_000).expect("a lane");
    assert_eq!(lane.capacity(), 1_024);
    let appended = lane.write(Input::sampled(&[1; 4_000], 1), 1.0);
    assert_eq!((appended, lane.position()), (1_024, 1_024));
    assert_eq!(lane.write(Input::sampled(&[1; 40], 1), 1.0), 0);
    pull.pull(&mut [0.0; 10], Nanos(0));
    assert_eq!(lane.write(Input::sampled(&[1; 40], 1), 1.0), 10);
}

#[test]
fn frames_without_samples_are_silence() {
    let (mut lane, mut pull) = stereo();
    lane.set_phase(Phase::Run);
    let appended = lane.write(Input::counted(10_000), 1.0);
    assert!((9_990..=10_000).contains(&appended), "{appended}");
    let mut out = [1.0; 2 * 9_990];
    pull.pull(&mut out, Nanos(0));
    assert!(out.iter().all(|&sample| sample == 0.0));
}

#[test]
fn a_packet_that_tells_more_frames_than_it_has_is_taken_for_what_it_has() {
    let (mut lane, _pull) = stereo();
    let input = Input {
        frames: u32::MAX,
        samples: Some(&[1; 4 * 100 + 3]),
    };
    let appended = lane.write(input, 1.0);
    assert!((95..=100).contains(&appended), "{appended}");
}

#[test]
fn a_skip_counts_for_the_reader_as_soon_as_it_is_asked_for() {
    let (mut lane, mut pull) = stereo();
    lane.write(Input::counted(1_000), 1.0);
    lane.skip_reader(600);
    assert_eq!(lane.read_position(), 600);
    pull.pass(100, Nanos(7));
    assert_eq!(lane.read_position(), 700);
    let tick = lane.next_tick().expect("a request");
    assert_eq!((tick.position, tick.consumed, tick.at), (600, 0, Nanos(7)));
}
