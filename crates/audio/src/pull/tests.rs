use super::*;

fn mono() -> (Feed, Pull) {
    stream(Format::new(1, 48_000).expect("a usual format"), 64)
}

fn pull(pull: &mut Pull, frames: usize) -> Vec<f32> {
    let mut out = vec![-1.0; frames];
    pull.pull(&mut out, Nanos(0));
    out
}

#[test]
fn each_request_is_a_tick_with_both_positions() {
    let (mut feed, mut device) = mono();
    feed.writer.write(&[1.0; 32]);
    feed.set_phase(Phase::Run);
    device.pull(&mut [0.0; 4], Nanos(100));
    feed.writer.skip_reader(10);
    device.pull(&mut [0.0; 6], Nanos(200));
    device.pull(&mut [], Nanos(300));
    let first = Tick {
        at: Nanos(100),
        frames: 4,
        consumed: 0,
        position: 0,
    };
    let second = Tick {
        at: Nanos(200),
        frames: 6,
        consumed: 4,
        position: 10,
    };
    assert_eq!(feed.next_tick(), Some(first));
    assert_eq!(feed.next_tick(), Some(second));
    assert_eq!(feed.next_tick(), None);
    assert_eq!(feed.counters().pulls, 2);
}

#[test]
fn idle_is_silence_and_time_goes_on() {
    let (mut feed, mut device) = mono();
    feed.writer.write(&[1.0; 8]);
    assert_eq!(pull(&mut device, 4), [0.0; 4]);
    assert_eq!(pull(&mut device, 8), [0.0; 8]);
    assert_eq!(feed.writer.read_position(), 12);
    let counters = feed.counters();
    assert_eq!((counters.underruns, counters.silent_frames), (0, 0));
}

#[test]
fn an_episode_of_starvation_is_one_underrun() {
    let (mut feed, mut device) = mono();
    feed.set_phase(Phase::Run);
    pull(&mut device, 4);
    assert_eq!(feed.counters().underruns, 0, "nothing has played yet");
    feed.writer.jump(feed.writer.read_position());
    feed.writer.write(&[1.0; 6]);
    pull(&mut device, 4);
    for _ in 0..3 {
        pull(&mut device, 4);
    }
    let counters = feed.counters();
    assert_eq!((counters.underruns, counters.silent_frames), (1, 10));
    feed.writer.jump(feed.writer.read_position());
    feed.writer.write(&[1.0; 4]);
    pull(&mut device, 4);
    assert_eq!(feed.counters().underruns, 1);
    pull(&mut device, 4);
    assert_eq!(feed.counters().underruns, 2);
}

#[test]
fn a_drain_ends_with_the_last_frame_and_is_not_an_underrun() {
    let (mut feed, mut device) = mono();
    feed.set_phase(Phase::Run);
    feed.writer.write(&[1.0; 8]);
    pull(&mut device, 4);
    feed.set_phase(Phase::Drain);
    assert!(!feed.counters().is_acknowledged);
    feed.writer.write(&[1.0; 2]);
    assert_eq!(pull(&mut device, 4), [1.0; 4]);
    assert!(feed.counters().is_acknowledged && !feed.counters().is_drained);
    assert_eq!(pull(&mut device, 2), [1.0; 2]);
    assert!(feed.counters().is_drained);
    assert_eq!(pull(&mut device, 2), [0.0; 2]);
    let counters = feed.counters();
    assert!(counters.is_drained && counters.underruns == 0);
}

#[test]
fn an_earlier_drain_is_not_taken_for_this_one() {
    let (mut feed, mut device) = mono();
    feed.set_phase(Phase::Drain);
    pull(&mut device, 4);
    assert!(feed.counters().is_drained);
    feed.set_phase(Phase::Run);
    assert!(!feed.counters().is_drained);
    feed.set_phase(Phase::Drain);
    assert!(!feed.counters().is_drained);
    assert_eq!(feed.counters().phase, Phase::Drain);
    pull(&mut device, 4);
    assert!(feed.counters().is_drained);
}

#[test]
fn passing_counts_as_pulling_does() {
    let (mut feed, mut device) = mono();
    let (mut other_feed, mut other_device) = mono();
    let both = [
        (&mut feed, &mut device),
        (&mut other_feed, &mut other_device),
    ];
    let mut seen = Vec::new();
    for (index, (feed, device)) in both.into_iter().enumerate() {
        feed.set_phase(Phase::Run);
        feed.writer.write(&[1.0; 10]);
        for request in [4, 0, 4, 4, 4] {
            if index == 0 {
                device.pull(&mut vec![0.0; request], Nanos(1));
            } else {
                device.pass(request, Nanos(1));
            }
        }
        let ticks: Vec<Tick> = std::iter::from_fn(|| feed.next_tick()).collect();
        seen.push((ticks, feed.counters()));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].1.underruns, 1);
}
