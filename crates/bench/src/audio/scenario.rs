//! The scenarios: every pair of clocks and lateness, and everything that can happen to a stream.

use clock::Nanos;

use super::world::device::DevicePlan;
use super::world::source::SourcePlan;
use super::world::{Crystal, Happening, Schedule};
use crate::random::Random;

/// What the clocks are apart by: source against device, in millionths.
const APART_PPM: [f64; 7] = [0.0, 20.0, -20.0, 100.0, -100.0, 500.0, -500.0];
/// The largest lateness of a packet, in milliseconds.
const LATE_MS: [i64; 4] = [0, 5, 20, 40];
const SECOND: Nanos = Nanos::from_millis(1_000);

/// One world.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called; no two have the same name.
    pub name: String,
    /// Nominal frames a second of both sides.
    pub rate_hz: u32,
    /// The source.
    pub source: SourcePlan,
    /// The device.
    pub device: DevicePlan,
    /// What happens, one after the other and again.
    pub happenings: Vec<Happening>,
    /// Of everything random.
    pub seed: u64,
}

impl Scenario {
    /// A quiet world with clocks that are apart and packets that are late.
    #[must_use]
    pub fn quiet(name: impl Into<String>, rate_hz: u32, apart_ppm: f64, late_ms: i64) -> Self {
        // Both are off against the host's clock, and by exactly so much against each other.
        let device = Crystal::new(rate_hz, -0.3 * apart_ppm);
        let source = Crystal {
            rate_hz: device.rate_hz * (1.0 + apart_ppm * 1e-6),
        };
        Self {
            name: name.into(),
            rate_hz,
            source: SourcePlan {
                crystal: source,
                packet_frames: rate_hz / 100,
                jitter: Nanos::from_millis(late_ms),
                burst: 1,
                backlog: Nanos::ZERO,
                first_stamp_ms: 3_600_000,
                stamp_ppm: 0.0,
            },
            device: DevicePlan {
                crystal: device,
                period_frames: 512,
                max_period_frames: 512,
                jitter: Nanos::from_micros(500),
                opens_after: Nanos::from_millis(30),
            },
            happenings: Vec::new(),
            seed: 1,
        }
    }

    fn happens(mut self, happenings: impl Into<Vec<Happening>>) -> Self {
        self.happenings = happenings.into();
        self
    }

    fn source(mut self, change: impl FnOnce(&mut SourcePlan)) -> Self {
        change(&mut self.source);
        self
    }

    fn device(mut self, change: impl FnOnce(&mut DevicePlan)) -> Self {
        change(&mut self.device);
        self
    }

    fn period(self, frames: u32, most: u32) -> Self {
        self.device(|device| {
            device.period_frames = frames;
            device.max_period_frames = most;
        })
    }

    /// What happens when, in a run of `length` that begins at `start`.
    ///
    /// Far enough apart for each to be over, and for 120 quiet seconds after it.
    #[must_use]
    pub fn schedule(&self, start: Nanos, length: Nanos) -> Schedule {
        let every = if length.0 > 2 * 3_600 * SECOND.0 {
            900
        } else {
            200
        };
        let mut random = Random::new(self.seed ^ 0x5c4e_d01e);
        let mut schedule = Schedule::new();
        let mut at = start + Nanos::from_millis(100_000);
        for &happening in self.happenings.iter().cycle() {
            if at + Nanos::from_millis(60_000) > start + length {
                break;
            }
            let sooner = random.below(20_000_000_000);
            schedule.push((at + Nanos(sooner as i64), happening));
            at = at + Nanos::from_millis(every * 1_000);
        }
        schedule
    }
}

/// All of them.
#[must_use]
pub fn all(seed: u64) -> Vec<Scenario> {
    let mut all = clocks();
    all.extend(packets());
    all.extend(devices());
    all.extend(accidents());
    for (number, scenario) in (0..).zip(&mut all) {
        scenario.seed = seed.wrapping_mul(1_000).wrapping_add(number);
    }
    all
}

/// The clocks apart, and the packets late.
fn clocks() -> Vec<Scenario> {
    let mut all = Vec::new();
    for late in LATE_MS {
        for apart in APART_PPM {
            let name = format!("{apart:+} ppm, {late} ms late");
            all.push(Scenario::quiet(name, 48_000, apart, late));
        }
    }
    all
}

/// Packets of other sizes, in bursts, with a backlog, with other stamps.
fn packets() -> Vec<Scenario> {
    let quiet = |name: &str, apart, late| Scenario::quiet(name, 48_000, apart, late);
    let sized = |frames: u32| {
        let name = format!("packets of {frames}");
        quiet(&name, 100.0, 5).source(|source| source.packet_frames = frames)
    };
    let backlog = |apart: f64, late| {
        let name = format!("300 ms backlog, {apart:+} ppm, {late} ms late");
        quiet(&name, apart, late).source(|source| source.backlog = Nanos::from_millis(300))
    };
    vec![
        sized(240),
        sized(960),
        sized(2_048),
        Scenario::quiet("44.1 kHz", 44_100, -100.0, 20),
        quiet("bursts of 4", 100.0, 5).source(|source| source.burst = 4),
        quiet("bursts of 8", -20.0, 0).source(|source| source.burst = 8),
        quiet("hiccups of 2 to 8", 100.0, 5).happens([2, 5, 8].map(Happening::Hiccup)),
        backlog(0.0, 5),
        backlog(500.0, 40),
        quiet("stamps wrap", -100.0, 20)
            .source(|source| source.first_stamp_ms = u32::MAX - 900_000),
        quiet("stamps +50 ppm", 100.0, 20).source(|source| source.stamp_ppm = 50.0),
    ]
}

/// Devices of other periods, which change, and which come late.
fn devices() -> Vec<Scenario> {
    let quiet = |name: &str| Scenario::quiet(name, 48_000, 100.0, 20);
    let mut all: Vec<Scenario> = [128, 256, 1_024, 2_048, 4_096]
        .into_iter()
        .map(|frames| quiet(&format!("period {frames}")).period(frames, frames))
        .collect();
    let changes = [128, 4_096, 512, 2_048, 256, 1_024].map(Happening::Period);
    all.extend([
        quiet("periods 128 to 4096")
            .period(1_024, 4_096)
            .happens(changes),
        quiet("callback 5 ms late").device(|device| device.jitter = Nanos::from_millis(5)),
    ]);
    all
}

/// Stalls, pauses, sleep, offsets.
fn accidents() -> Vec<Scenario> {
    let quiet = |name: &str, apart, late| Scenario::quiet(name, 48_000, apart, late);
    let of = |what: &str, apart: f64, late| {
        let name = format!("{what}, {apart:+} ppm, {late} ms late");
        quiet(&name, apart, late)
    };
    let long = Nanos::from_millis(60_000);
    let tenth = Nanos::from_millis(100);
    vec![
        of("stalls of 1 s", 0.0, 0).happens([Happening::Stall(SECOND)]),
        of("stalls of 1 s", 100.0, 20).happens([Happening::Stall(SECOND)]),
        of("stalls of 1 s", -500.0, 40).happens([Happening::Stall(SECOND)]),
        of("packets held for 1 s", 100.0, 20).happens([Happening::Hold(SECOND)]),
        of("device pauses 100 ms", 100.0, 20).happens([Happening::Pause(tenth)]),
        of("device pauses 1 s", 100.0, 20).happens([Happening::Pause(SECOND)]),
        of("suspend for 60 s", 100.0, 20).happens([Happening::Suspend(long)]),
        of("100 ms more", 0.0, 0).happens([Happening::Extra(4_800)]),
        of("100 ms more", 500.0, 20).happens([Happening::Extra(4_800)]),
        of("100 ms more", -500.0, 20).happens([Happening::Extra(4_800)]),
        of("rests of 5 s", 100.0, 20).happens([Happening::Rest(Nanos::from_millis(5_000))]),
        of("rests of 60 s", 100.0, 20).happens([Happening::Rest(long)]),
        of("everything", 100.0, 20)
            .period(1_024, 2_048)
            .source(|source| source.backlog = Nanos::from_millis(300))
            .happens([
                Happening::Stall(SECOND),
                Happening::Period(256),
                Happening::Hold(SECOND),
                Happening::Extra(4_800),
                Happening::Suspend(long),
                Happening::Period(2_048),
                Happening::Hiccup(8),
                Happening::Rest(Nanos::from_millis(5_000)),
                Happening::Pause(SECOND),
            ]),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_scenarios_share_a_name_or_a_seed() {
        let all = all(1);
        let names: BTreeSet<_> = all.iter().map(|s| s.name.as_str()).collect();
        let seeds: BTreeSet<_> = all.iter().map(|s| s.seed).collect();
        assert_eq!((names.len(), seeds.len()), (all.len(), all.len()));
    }

    #[test]
    fn the_clocks_are_exactly_so_far_apart() {
        for scenario in all(1) {
            let ratio = scenario.source.crystal.rate_hz / scenario.device.crystal.rate_hz;
            let apart = (ratio - 1.0) * 1e6;
            assert!(APART_PPM.iter().any(|ppm| (ppm - apart).abs() < 1e-6));
        }
    }

    #[test]
    fn what_happens_is_far_apart_and_within_the_run() {
        let start = Nanos::from_millis(1_000);
        for length_s in [600, 3_600, 48 * 3_600] {
            let length = Nanos::from_millis(length_s * 1_000);
            for scenario in all(1) {
                let schedule = scenario.schedule(start, length);
                assert_eq!(schedule.is_empty(), scenario.happenings.is_empty());
                let apart = |pair: &[(Nanos, Happening)]| pair[1].0 - pair[0].0;
                assert!(
                    schedule
                        .windows(2)
                        .all(|p| apart(p) > Nanos::from_millis(170_000))
                );
                assert!(schedule.iter().all(|(at, _)| *at < start + length));
            }
        }
    }
}
