use super::*;
use crate::audio::player::{Beliefs, Breaks};

/// Plays without any control: so many frames are buffered at first, and the ratio stays.
struct Plain {
    ahead: u64,
    written: u64,
    read: u64,
    is_open: bool,
    ratio: f64,
    owed: f64,
}

impl Plain {
    const fn new(ahead: u64, ratio: f64) -> Self {
        Self {
            ahead,
            written: 0,
            read: 0,
            is_open: false,
            ratio,
            owed: 0.0,
        }
    }
}

impl Player for Plain {
    fn started(&mut self, _: Nanos) {
        self.is_open = true;
    }
    fn stopped(&mut self, _: Nanos) {}
    fn packet(&mut self, packet: &Packet, _: Nanos) -> Placed {
        let content = self.written as f64 + self.owed;
        let made = self.owed + f64::from(packet.frames) * self.ratio;
        self.owed = made.fract();
        self.written += made as u64;
        Placed {
            content: Some(content),
            ratio: self.ratio,
        }
    }
    fn wants_device(&self) -> bool {
        self.is_open
    }
    fn opened(&mut self, _: Nanos, _: u32) {}
    fn closed(&mut self, _: Nanos) {}
    fn request(&mut self, request: &Request) -> Served {
        if self.read == 0 {
            // As if so many frames were there already.
            self.written = self.ahead;
        }
        let position = self.read;
        self.read += u64::from(request.frames);
        let missing = self.read.saturating_sub(self.written.max(position));
        Served {
            position,
            missing: missing as u32,
        }
    }
    fn deadline(&self) -> Option<Nanos> {
        None
    }
    fn wake(&mut self, _: Nanos) {}
    fn target_s(&self) -> f64 {
        0.050
    }
    fn beliefs(&self) -> Beliefs {
        Beliefs::default()
    }
    fn reference(&self) -> Reference {
        Reference::Earliest
    }
    fn take_breaks(&mut self) -> Breaks {
        Breaks::default()
    }
}

fn play(scenario: &Scenario, ahead: u64, ratio: f64, seconds: i64) -> Outcome<Plain> {
    let length = Nanos::from_millis(seconds * 1_000);
    run(scenario, Plain::new(ahead, ratio), length, true)
}

fn exact(scenario: &Scenario) -> f64 {
    scenario.device.crystal.rate_hz / scenario.source.crystal.rate_hz
}

#[test]
fn the_exact_ratio_holds_the_latency_for_an_hour() {
    for (apart, late) in [(0.0, 0), (500.0, 40), (-500.0, 5)] {
        let scenario = Scenario::quiet("test", 48_000, apart, late);
        let outcome = play(&scenario, 2_400, exact(&scenario), 3_600);
        let first = outcome.trace[1_000].error_ms;
        let last = outcome.trace.last().unwrap().error_ms;
        assert!((first - last).abs() < 0.05, "{first} {last}");
        assert!(outcome.verdict.underruns == 0);
    }
}

#[test]
fn clocks_apart_shift_the_latency_by_what_they_are_apart() {
    let scenario = Scenario::quiet("test", 48_000, 100.0, 0);
    let outcome = play(&scenario, 2_400, 1.0, 1_100);
    let at = |second: f64| {
        let point = outcome.trace.iter().find(|p| p.at_s >= second);
        point.unwrap().error_ms
    };
    assert!((at(1_050.0) - at(50.0) - 100.0).abs() < 0.05);
}

#[test]
fn latency_counts_from_a_timely_packet_to_the_request_that_takes_it() {
    // The first request at 1030 ms finds 2400 frames; the packets of 1000, 1010 and 1020 ms were overwritten by that, and
    // the one of 1030 or 1040 ms is the first to lie behind them.
    let scenario = Scenario::quiet("test", 48_000, 0.0, 0);
    let outcome = play(&scenario, 2_400, 1.0, 60);
    let error = outcome.trace.last().unwrap().error_ms;
    assert!((-10.001..=0.001).contains(&error), "{error}");
}

#[test]
fn too_small_a_buffer_is_seen_as_underruns() {
    let scenario = Scenario::quiet("test", 48_000, 0.0, 20);
    let few = play(&scenario, 480, 1.0, 600).verdict;
    assert!(few.underruns + few.underruns_in_episodes > 100);
    let many = play(&scenario, 3_400, 1.0, 600).verdict;
    assert_eq!(many.underruns + many.underruns_in_episodes, 0);
}

#[test]
fn a_planted_offset_moves_the_latency_by_itself() {
    let mut scenario = Scenario::quiet("test", 48_000, 0.0, 0);
    scenario.happenings = vec![Happening::Extra(4_800)];
    let outcome = play(&scenario, 2_400, 1.0, 190);
    let (first, last) = (outcome.trace[5_000], *outcome.trace.last().unwrap());
    assert!((last.error_ms - first.error_ms - 100.0).abs() < 0.01);
    scenario.happenings = vec![Happening::Pause(Nanos::from_millis(100))];
    let outcome = play(&scenario, 2_400, 1.0, 190);
    let (first, last) = (outcome.trace[5_000], *outcome.trace.last().unwrap());
    assert!((last.error_ms - first.error_ms - 100.0).abs() < 0.01);
}

#[test]
fn periods_that_change_within_the_promise_leave_the_latency_alone() {
    let mut scenario = Scenario::quiet("test", 48_000, 0.0, 0);
    scenario.device.max_period_frames = 4_096;
    scenario.happenings = [4_096, 128].map(Happening::Period).to_vec();
    let outcome = play(&scenario, 24_000, 1.0, 600);
    let first = outcome.trace[5_000].error_ms;
    let changes = outcome.trace[5_000..]
        .iter()
        .map(|p| (p.error_ms - first).abs());
    assert!(changes.fold(0.0, f64::max) < 0.05);
}

#[test]
fn one_seed_gives_one_run() {
    let scenario = Scenario::quiet("test", 48_000, 20.0, 40);
    let (a, b) = (
        play(&scenario, 4_000, 1.0, 60),
        play(&scenario, 4_000, 1.0, 60),
    );
    assert_eq!(a.trace, b.trace);
}
