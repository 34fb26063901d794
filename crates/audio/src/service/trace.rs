//! `audio:debug`: what the controller decides, in the log, and no more of it than can be read.

use clock::Nanos;

use crate::playback::{State, Status};

/// A line this often while sound is played.
const INTERVAL: Nanos = Nanos::from_millis(1000);
/// Changes are told at once, but no oftener than this.
const LEAST: Nanos = Nanos::from_millis(100);

/// Remembers what was told.
#[derive(Debug, Default)]
pub(super) struct Trace {
    told: Option<(Status, Nanos)>,
}

impl Trace {
    /// The line that is due, if one is.
    pub(super) fn look(&mut self, status: &Status, now: Nanos) -> Option<String> {
        let is_due = match &self.told {
            None => true,
            Some((told, at)) => {
                // Not the period: some servers change it with each request.
                let events = |s: &Status| (s.state, s.underruns, s.overruns, s.resyncs);
                let wait = if events(told) == events(status) {
                    INTERVAL
                } else {
                    LEAST
                };
                let is_silent = matches!(status.state, State::Stopped | State::KeepAlive);
                now - *at >= wait && (wait == LEAST || !is_silent)
            }
        };
        if !is_due {
            return None;
        }
        self.told = Some((*status, now));
        Some(line(status))
    }
}

fn line(status: &Status) -> String {
    let ppm = |value: Option<f64>| value.map_or_else(|| "?".to_owned(), |ppm| format!("{ppm:+.1}"));
    let latency = status.latency_ms;
    format!(
        "{:?}: latency {} ms, target {:.2} ms, ratio {:+.1} ppm, source {} ppm, device {} ppm, jitter {:.2} ms, \
         period {} frames, {} underruns, {} overruns, {} resyncs, {} frames dropped, {} packets",
        status.state,
        latency.map_or_else(|| "?".to_owned(), |ms| format!("{ms:.2}")),
        status.target_ms,
        status.ratio_ppm,
        ppm(status.source_ppm),
        ppm(status.device_ppm),
        status.jitter_ms,
        status.period_frames,
        status.underruns,
        status.overruns,
        status.resyncs,
        status.dropped_frames,
        status.packets,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(i64) -> Nanos = Nanos::from_millis;

    #[test]
    fn a_running_stream_has_a_line_a_second_and_a_resting_one_none() {
        let mut trace = Trace::default();
        let running = Status {
            state: State::Running,
            latency_ms: Some(31.5),
            ..Status::default()
        };
        let running_at = |ms: i64| Status {
            period_frames: 513 + u32::from(ms % 2 == 0),
            ..running
        };
        let lines = (0..3000).filter(|ms| trace.look(&running_at(*ms), MS(*ms)).is_some());
        assert_eq!(lines.count(), 3);
        let resting = Status::default();
        let lines = (3000..60_000).filter(|ms| trace.look(&resting, MS(*ms)).is_some());
        assert_eq!(lines.count(), 1, "the change");
    }

    #[test]
    fn changes_are_told_at_once_and_not_in_a_flood() {
        let mut trace = Trace::default();
        let mut status = Status::default();
        let told = (0..1000).filter(|ms| {
            status.resyncs += 1;
            trace.look(&status, MS(*ms)).is_some()
        });
        assert_eq!(told.count(), 10);
    }

    #[test]
    fn the_line_has_the_figures() {
        let status = Status {
            state: State::Running,
            latency_ms: Some(31.5),
            ratio_ppm: 12.34,
            device_ppm: Some(-3.0),
            ..Status::default()
        };
        let line = line(&status);
        assert!(line.starts_with("Running: latency 31.50 ms, target 0.00 ms, ratio +12.3 ppm"));
        assert!(line.contains("source ? ppm, device -3.0 ppm"));
    }
}
