//! What PipeWire's graph tells in each of its cycles.

use clock::Nanos;
use pipewire::stream::Time;

use crate::Format;

/// A graph that has not cycled for longer does not tell the time any more.
const MAX_AGE: Nanos = Nanos::from_millis(500);

/// What a stream tells of its graph (`pw_time`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    at: Nanos,
    /// Seconds that a tick lasts, as a fraction.
    rate: (u32, u32),
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
            delay: time.delay(),
            buffered: time.buffered(),
        }
    }
}

/// The cycle that a callback runs in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cycle {
    /// When its driver woke up.
    pub(super) at: Nanos,
    /// Frames, at the stream's rate, from then until what is given in this cycle is heard; or since what is taken in it
    /// was said.
    pub(super) delay: Option<u32>,
}

impl Cycle {
    /// Takes what is reported in a callback at `now`; a report that cannot be true is as good as none.
    pub(super) fn new(report: Option<Report>, now: Nanos, format: Format) -> Self {
        let is_current = |report: &Report| {
            let age = now.0.checked_sub(report.at.0);
            report.at.0 > 0 && age.is_some_and(|age| (0..=MAX_AGE.0).contains(&age))
        };
        let report = report.filter(is_current);
        Self {
            at: report.map_or(now, |report| report.at),
            delay: report.and_then(|report| report.delay_frames(format)),
        }
    }
}

impl Report {
    fn delay_frames(self, format: Format) -> Option<u32> {
        let (num, denom) = self.rate;
        if num == 0 || denom == 0 || self.delay < 0 {
            return None;
        }
        let seconds = self.delay as f64 * f64::from(num) / f64::from(denom);
        // Saturates, and is refused then.
        let frames = format.frames(seconds).round() as u32;
        let buffered = u32::try_from(self.buffered).ok()?;
        frames
            .checked_add(buffered)
            .filter(|frames| *frames < u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format = match Format::new(2, 44_100) {
        Ok(format) => format,
        Err(_) => unreachable!(),
    };
    const NOW: Nanos = Nanos::from_millis(10_000);
    const REPORT: Report = Report {
        at: Nanos::from_millis(9_999),
        rate: (1, 48_000),
        delay: 480,
        buffered: 16,
    };

    fn of(report: Option<Report>) -> (Nanos, Option<u32>) {
        let cycle = Cycle::new(report, NOW, FORMAT);
        (cycle.at, cycle.delay)
    }

    #[test]
    fn time_and_delay_are_those_of_the_graph_in_frames_of_the_stream() {
        assert_eq!(of(Some(REPORT)), (REPORT.at, Some(441 + 16)));
    }

    #[test]
    fn reports_that_cannot_be_are_not_used() {
        assert_eq!(of(None), (NOW, None));
        for at_ms in [i64::MIN, -1, 0, 9_000, 10_001, i64::MAX] {
            let at = Nanos::from_millis(at_ms);
            assert_eq!(of(Some(Report { at, ..REPORT })), (NOW, None), "{at_ms}");
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
                ..REPORT
            };
            assert_eq!(of(Some(report)).1, None, "{report:?}");
        }
    }
}
