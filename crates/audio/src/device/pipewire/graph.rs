//! What PipeWire's graph tells in each of its cycles.

use clock::Nanos;
use pipewire::stream::Time;

use super::worker::max_frames;
use crate::Format;

/// A graph that has not cycled for longer does not tell the time any more.
const MAX_AGE: Nanos = Nanos::from_millis(500);

/// The cycle that a callback runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cycle {
    /// When its driver woke up.
    pub(super) at: Nanos,
    /// Frames, at the stream's rate, from then until what is given in this cycle is heard; or since what is taken in it
    /// was said.
    pub(super) delay: Option<u32>,
    /// Frames that the cycle took, at the stream's rate; 0 if that is not known.
    pub(super) quantum_frames: usize,
}

/// What a stream tells of its graph (`pw_time`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    at: Nanos,
    /// Seconds that a tick lasts, as a fraction.
    rate: (u32, u32),
    ticks: u64,
    /// In ticks.
    delay: i64,
    /// Frames in the library's resampler.
    buffered: u64,
}

impl From<&Time> for Report {
    fn from(time: &Time) -> Self {
        let rate = time.rate();
        Self {
            at: Nanos(time.now()),
            rate: (rate.num, rate.denom),
            ticks: time.ticks(),
            delay: time.delay(),
            buffered: time.buffered(),
        }
    }
}

impl Report {
    /// Ticks of the graph as frames of the stream; `None` if that cannot be said.
    fn to_frames(self, ticks: i64, format: Format) -> Option<u32> {
        let (num, denom) = self.rate;
        if num == 0 || denom == 0 || ticks < 0 {
            return None;
        }
        let seconds = ticks as f64 * f64::from(num) / f64::from(denom);
        // Saturates, and is refused then.
        let frames = format.frames(seconds).round() as u32;
        (frames < u32::MAX).then_some(frames)
    }

    fn delay_frames(self, format: Format) -> Option<u32> {
        let buffered = u32::try_from(self.buffered).ok()?;
        self.to_frames(self.delay, format)?.checked_add(buffered)
    }
}

/// Follows the graph's clock from one cycle to the next.
#[derive(Debug, Default)]
pub(super) struct GraphClock {
    /// Of the latest cycle.
    at: Nanos,
    ticks: u64,
    quantum_frames: usize,
}

impl GraphClock {
    /// Takes what is reported in a callback at `now`. A report with an impossible time is not used.
    pub(super) fn cycle(&mut self, report: Option<Report>, now: Nanos, format: Format) -> Cycle {
        let is_current = |report: &Report| {
            let age = now.0.checked_sub(report.at.0);
            report.at.0 > 0 && age.is_some_and(|age| (0..=MAX_AGE.0).contains(&age))
        };
        let Some(report) = report.filter(is_current) else {
            return Cycle {
                at: now,
                delay: None,
                quantum_frames: self.quantum_frames,
            };
        };
        // A second request in one cycle has the same report.
        if report.at > self.at {
            let ticks = report.ticks.checked_sub(self.ticks);
            let ticks = ticks.and_then(|ticks| i64::try_from(ticks).ok());
            let frames = ticks.and_then(|ticks| report.to_frames(ticks, format));
            let frames = frames.and_then(|frames| usize::try_from(frames).ok());
            // More than any quantum can be: the first cycle, or the first after the graph stood still.
            self.quantum_frames = frames
                .filter(|frames| *frames <= max_frames(format))
                .unwrap_or(0);
            self.ticks = report.ticks;
            self.at = report.at;
        }
        Cycle {
            at: report.at,
            delay: report.delay_frames(format),
            quantum_frames: self.quantum_frames,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format = match Format::new(2, 44_100) {
        Ok(format) => format,
        Err(_) => unreachable!(),
    };

    fn report(at_ms: i64, ticks: u64) -> Report {
        Report {
            at: Nanos::from_millis(at_ms),
            rate: (1, 48_000),
            ticks,
            delay: 480,
            buffered: 16,
        }
    }

    #[test]
    fn the_quantum_is_what_the_position_advanced_by_at_the_streams_rate() {
        let mut graph = GraphClock::default();
        let now = Nanos::from_millis(1_000);
        graph.cycle(Some(report(980, 48_000_000)), now, FORMAT);
        let cycle = graph.cycle(Some(report(1_000, 48_000_960)), now, FORMAT);
        assert_eq!(cycle.quantum_frames, 882);
        assert_eq!(cycle.at, now);
        assert_eq!(cycle.delay, Some(441 + 16));
        // Asked again in the same cycle.
        let again = graph.cycle(Some(report(1_000, 48_000_960)), now, FORMAT);
        assert_eq!(again, cycle);
    }

    #[test]
    fn a_graph_that_stood_still_has_no_quantum_until_it_has_cycled_again() {
        let mut graph = GraphClock::default();
        let cycle = |graph: &mut GraphClock, ms: i64, ticks: u64| {
            graph.cycle(Some(report(ms, ticks)), Nanos::from_millis(ms + 1), FORMAT)
        };
        assert_eq!(cycle(&mut graph, 1_000, 48_000_000).quantum_frames, 0);
        assert_eq!(cycle(&mut graph, 1_010, 48_000_480).quantum_frames, 441);
        assert_eq!(cycle(&mut graph, 9_000, 58_000_000).quantum_frames, 0);
        assert_eq!(cycle(&mut graph, 9_010, 58_000_480).quantum_frames, 441);
        // Back, which a position never goes.
        assert_eq!(cycle(&mut graph, 9_020, 480).quantum_frames, 0);
    }

    #[test]
    fn reports_that_cannot_be_are_not_used() {
        let mut graph = GraphClock::default();
        let now = Nanos::from_millis(10_000);
        let unknown = Cycle {
            at: now,
            delay: None,
            quantum_frames: 0,
        };
        assert_eq!(graph.cycle(None, now, FORMAT), unknown);
        for at_ms in [i64::MIN, -1, 0, 9_000, 10_001, i64::MAX] {
            let report = report(at_ms, 480);
            assert_eq!(graph.cycle(Some(report), now, FORMAT), unknown, "{at_ms}");
        }
        for (rate, delay, buffered) in [
            ((0, 48_000), 480, 0),
            ((1, 0), 480, 0),
            ((1, 48_000), -1, 0),
            ((1, 48_000), i64::MAX, 0),
            ((u32::MAX, 1), i64::MAX, 0),
            ((1, 48_000), 480, u64::MAX),
            ((1, 48_000), 480, u64::from(u32::MAX)),
        ] {
            let report = Report {
                rate,
                delay,
                buffered,
                ..report(10_000, 480)
            };
            assert_eq!(graph.cycle(Some(report), now, FORMAT).delay, None);
        }
    }
}
