//! Judges a run by the definitions of timing.md 10, with the world's true clocks.
//!
//! A stream is in an *episode* after its start and after each thing that happens to it; the episode ends when nothing
//! bad was seen for 10 s on end, and took until the last bad thing. Outside of episodes the stream is *converged* and
//! every limit holds.

use std::collections::VecDeque;

use clock::Nanos;

use super::player::Breaks;
use super::window::RatioWindow;
use super::world::{Happening, Schedule, ns};

/// Latency may be off its target by this.
pub const TOLERANCE_MS: f64 = 2.0;
/// Nothing bad for so long ends an episode.
const QUIET_NS: f64 = 10e9;

/// Why a stream may be off its target for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// It begins.
    Start,
    /// The source or its packets did not come, or came again after a rest or sleep.
    Stall,
    /// It was moved off its target while source and device went on.
    Offset,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Start, Self::Stall, Self::Offset];

    /// Seconds in which the stream must be on its target again.
    #[must_use]
    pub const fn limit_s(self) -> f64 {
        match self {
            Self::Start | Self::Offset => 25.0,
            Self::Stall => 0.5,
        }
    }

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "convergence",
            Self::Stall => "recovery",
            Self::Offset => "offset",
        }
    }
}

/// The times in which a stream may be off its target.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Episode {
    cause: Cause,
    from_ns: f64,
    over_ns: f64,
    last_bad_ns: f64,
}

/// How long the episodes of one cause took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Recovery {
    /// Episodes.
    pub count: u32,
    /// Seconds that the longest took.
    pub worst_s: f64,
    /// When it ended, in seconds of the host's clock.
    pub worst_at_s: f64,
    /// Episodes that never ended.
    pub unended: u32,
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// The episodes, in the order of [`Cause::ALL`].
    pub recoveries: [Recovery; 3],
    /// Largest deviation from the target while converged, in milliseconds.
    pub worst_error_ms: f64,
    /// Largest error of the ratio's mean over 120 s while converged, in millionths; NaN if there were no such 120 s.
    pub ratio_error_ppm: f64,
    /// When that was, in seconds of the host's clock.
    pub ratio_error_at_s: f64,
    /// Largest |ratio - 1| ever.
    pub speed_change: f64,
    /// Fastest change of the ratio, a second.
    pub slew: f64,
    /// Requests that found too little while converged, and silence put in.
    pub underruns: u64,
    /// Sound thrown away while converged.
    pub overruns: u64,
    /// Requests that found too little in episodes.
    pub underruns_in_episodes: u64,
    /// Share of the time that was judged as converged.
    pub converged_share: f64,
    /// The mean of the deviation from the target, whatever happened, in milliseconds.
    pub mean_error_ms: f64,
    /// The mean of the targets, in milliseconds.
    pub mean_target_ms: f64,
}

impl Verdict {
    /// The episodes of a cause.
    #[must_use]
    pub fn recovery(&self, cause: Cause) -> Recovery {
        self.recoveries[cause as usize]
    }
}

/// Watches one run.
#[derive(Clone, Debug)]
pub struct Judge {
    true_ratio: f64,
    packet_ns: f64,
    coming: VecDeque<Episode>,
    episode: Option<Episode>,
    ratio: RatioWindow,
    last_ratio: Option<f64>,
    judged: [u64; 2],
    targets_ms: f64,
    errors_ms: f64,
    verdict: Verdict,
}

impl Judge {
    /// Begins to watch a stream that starts at `start`; `true_ratio` is device frames for each source frame.
    #[must_use]
    pub fn new(start: Nanos, true_ratio: f64, packet_ns: f64, schedule: &Schedule) -> Self {
        let begin = Episode {
            cause: Cause::Start,
            from_ns: ns(start),
            over_ns: ns(start),
            last_bad_ns: ns(start),
        };
        let coming = schedule.iter().filter_map(|&(at, happening)| {
            let (cause, length) = excuse(happening, packet_ns)?;
            let over_ns = ns(at) + length;
            Some(Episode {
                cause,
                from_ns: ns(at),
                over_ns,
                last_bad_ns: over_ns,
            })
        });
        Self {
            true_ratio,
            packet_ns,
            coming: coming.collect(),
            episode: Some(begin),
            ratio: RatioWindow::default(),
            last_ratio: None,
            judged: [0; 2],
            targets_ms: 0.0,
            errors_ms: 0.0,
            verdict: Verdict {
                ratio_error_ppm: f64::NAN,
                ..Verdict::default()
            },
        }
    }

    /// A packet of `frames` was resampled by `ratio`; its latency is off by `error_ms`, or it is never heard.
    pub fn packet(
        &mut self,
        now: Nanos,
        frames: u32,
        ratio: f64,
        error_ms: Option<f64>,
        target_ms: f64,
    ) {
        let is_bad = error_ms.is_none_or(|error| error.abs() > TOLERANCE_MS);
        let is_converged = self.look(now, is_bad);
        self.judged[usize::from(is_converged)] += 1;
        self.targets_ms += target_ms;
        self.errors_ms += error_ms.map_or(0.0, f64::abs);
        if is_converged {
            let error = error_ms.map_or(f64::INFINITY, f64::abs);
            self.verdict.worst_error_ms = self.verdict.worst_error_ms.max(error);
        }
        if error_ms.is_none() {
            // Nothing was resampled.
            return;
        }
        let change = (ratio - 1.0).abs();
        self.verdict.speed_change = self.verdict.speed_change.max(change);
        if let Some(last) = self.last_ratio {
            let slew = (ratio - last).abs() * 1e9 / self.packet_ns;
            self.verdict.slew = self.verdict.slew.max(slew);
        }
        self.last_ratio = Some(ratio);
        if let Some(mean) = self.ratio.add(ns(now), f64::from(frames), ratio) {
            let error = (mean / self.true_ratio - 1.0).abs() * 1e6;
            // The first one is compared with NaN.
            if self.verdict.ratio_error_ppm.is_nan() || error > self.verdict.ratio_error_ppm {
                self.verdict.ratio_error_ppm = error;
                self.verdict.ratio_error_at_s = now.as_secs_f64();
            }
        }
    }

    /// A request found `missing` frames too few.
    pub fn request(&mut self, now: Nanos, missing: u32) {
        if missing == 0 {
            return;
        }
        if self.look(now, true) {
            self.verdict.underruns += 1;
        } else {
            self.verdict.underruns_in_episodes += 1;
        }
    }

    /// Sound was thrown away, or silence put in.
    pub fn breaks(&mut self, now: Nanos, breaks: Breaks) {
        if breaks.begins_anew {
            // The ratio may start anew where the sound does.
            self.last_ratio = None;
        }
        if breaks.lost_frames == 0 && breaks.silent_frames == 0 {
            return;
        }
        if self.look(now, true) {
            self.verdict.overruns += u64::from(breaks.lost_frames > 0);
            self.verdict.underruns += u64::from(breaks.silent_frames > 0);
        }
    }

    /// Whether the stream is converged; a bad thing prolongs its episode.
    fn look(&mut self, now: Nanos, is_bad: bool) -> bool {
        let now = ns(now);
        while let Some(next) = self.coming.front().copied() {
            if next.from_ns > now {
                break;
            }
            self.coming.pop_front();
            self.close(next.from_ns);
            self.episode = Some(next);
        }
        let Some(episode) = &mut self.episode else {
            return true;
        };
        // The mean of the ratio is asked of the time after it.
        self.ratio.clear();
        if now >= episode.last_bad_ns + QUIET_NS {
            self.close(now);
            return true;
        }
        if is_bad {
            episode.last_bad_ns = episode.last_bad_ns.max(now);
        }
        false
    }

    /// Notes how an episode went that ends now, by itself or by the next one.
    fn close(&mut self, now: f64) {
        let Some(episode) = self.episode.take() else {
            return;
        };
        let recovery = &mut self.verdict.recoveries[episode.cause as usize];
        recovery.count += 1;
        if now >= episode.last_bad_ns + QUIET_NS {
            let took = (episode.last_bad_ns - episode.over_ns) / 1e9;
            if took > recovery.worst_s {
                recovery.worst_s = took;
                recovery.worst_at_s = episode.last_bad_ns / 1e9;
            }
        } else {
            recovery.unended += 1;
        }
    }

    /// Ends the run.
    #[must_use]
    pub fn finish(mut self, now: Nanos) -> Verdict {
        self.close(ns(now));
        let [apart, converged] = self.judged;
        let all = (apart + converged).max(1) as f64;
        self.verdict.converged_share = converged as f64 / all;
        self.verdict.mean_error_ms = self.errors_ms / all;
        self.verdict.mean_target_ms = self.targets_ms / all;
        self.verdict
    }
}

/// The times in which a stream may be off its target, from and until: its start, and what happens to it.
#[must_use]
pub fn excused(start: Nanos, packet_ns: f64, schedule: &Schedule) -> Vec<(Nanos, Nanos)> {
    let after = |cause: Cause, at: Nanos, length_ns: f64| {
        let limit = Nanos::from_secs_f64(length_ns / 1e9 + cause.limit_s());
        (at, at + limit)
    };
    let begin = after(Cause::Start, start, 0.0);
    let others = schedule.iter().filter_map(|&(at, happening)| {
        let (cause, length_ns) = excuse(happening, packet_ns)?;
        Some(after(cause, at, length_ns))
    });
    std::iter::once(begin).chain(others).collect()
}

/// Which limit a happening suspends, and the nanoseconds from its beginning to its end.
fn excuse(happening: Happening, packet_ns: f64) -> Option<(Cause, f64)> {
    // What happens to the source happens between two packets.
    let (cause, length) = match happening {
        Happening::Stall(length)
        | Happening::Hold(length)
        | Happening::Suspend(length)
        | Happening::Rest(length) => (Cause::Stall, ns(length) + packet_ns),
        Happening::Hiccup(packets) => (Cause::Stall, f64::from(packets + 1) * packet_ns),
        Happening::Extra(_) => (Cause::Offset, packet_ns),
        // What is too much for the speed to take back has to be left out at once.
        Happening::Pause(length) if length > Nanos::from_millis(200) => (Cause::Stall, ns(length)),
        Happening::Pause(length) => (Cause::Offset, ns(length)),
        Happening::Period(_) => return None,
    };
    Some((cause, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET_NS: f64 = 1e7;

    fn judge(schedule: &Schedule) -> Judge {
        Judge::new(Nanos::ZERO, 1.0, PACKET_NS, schedule)
    }

    /// Feeds packets of 10 ms from one second to another with an error that depends on the time.
    fn feed(judge: &mut Judge, seconds: std::ops::Range<i64>, error: impl Fn(f64) -> f64) {
        for packet in seconds.start * 100..seconds.end * 100 {
            let at = packet as f64 / 100.0;
            let now = Nanos::from_millis(packet * 10);
            judge.packet(now, 480, 1.0, Some(error(at)), 20.0);
        }
    }

    #[test]
    fn a_planted_offset_is_found_when_converged() {
        let mut judge = judge(&Vec::new());
        feed(&mut judge, 0..60, |at| if at == 40.0 { -3.5 } else { 0.5 });
        let verdict = judge.finish(Nanos::from_millis(60_000));
        assert_eq!(verdict.worst_error_ms, 3.5);
        assert_eq!(verdict.recovery(Cause::Start).worst_s, 0.0);
        assert!((verdict.mean_target_ms - 20.0).abs() < 1e-9);
    }

    #[test]
    fn convergence_is_the_last_time_outside_before_ten_quiet_seconds() {
        let mut judge = judge(&Vec::new());
        feed(&mut judge, 0..60, |at| (10.0 - at).max(0.0));
        feed(&mut judge, 60..61, |_| 9.0);
        let verdict = judge.finish(Nanos::from_millis(61_000));
        let start = verdict.recovery(Cause::Start);
        assert!((start.worst_s - 8.0).abs() < 0.02, "{start:?}");
        assert_eq!((start.count, start.unended), (1, 0));
        assert_eq!(verdict.worst_error_ms, 9.0);
    }

    #[test]
    fn a_stream_that_is_never_quiet_has_not_converged() {
        let mut judge = judge(&Vec::new());
        feed(
            &mut judge,
            0..60,
            |at| if at % 8.0 < 0.01 { 4.0 } else { 0.0 },
        );
        let verdict = judge.finish(Nanos::from_millis(60_000));
        assert_eq!(verdict.recovery(Cause::Start).unended, 1);
        assert_eq!(verdict.converged_share, 0.0);
    }

    #[test]
    fn planted_underruns_count_apart_from_a_stall() {
        let second = Nanos::from_millis(1_000);
        let mut judge = judge(&vec![(
            Nanos::from_millis(30_000),
            Happening::Stall(second),
        )]);
        feed(&mut judge, 0..25, |_| 0.0);
        judge.request(Nanos::from_millis(25_000), 17);
        feed(&mut judge, 25..30, |_| 0.0);
        judge.request(Nanos::from_millis(30_500), 480);
        judge.request(Nanos::from_millis(31_310), 480);
        feed(&mut judge, 32..50, |_| 0.0);
        let lost = Breaks {
            lost_frames: 5,
            ..Breaks::default()
        };
        judge.breaks(Nanos::from_millis(50_000), lost);
        let verdict = judge.finish(Nanos::from_millis(50_000));
        assert_eq!((verdict.underruns, verdict.overruns), (1, 1));
        assert_eq!(verdict.underruns_in_episodes, 2);
        let stall = verdict.recovery(Cause::Stall);
        assert!((stall.worst_s - 0.3).abs() < 1e-6, "{stall:?}");
    }

    #[test]
    fn a_wrong_ratio_and_its_slew_are_seen() {
        let mut judge = judge(&Vec::new());
        for packet in 0..20_000 {
            let ratio = if packet < 15_000 { 1.0 } else { 1.000_01 };
            judge.packet(Nanos::from_millis(packet * 10), 480, ratio, Some(0.0), 20.0);
        }
        let verdict = judge.finish(Nanos::from_millis(200_000));
        // 50 of 120 s with 10 millionths.
        assert!((verdict.ratio_error_ppm - 10.0 * 50.0 / 120.0).abs() < 0.1);
        assert!((verdict.slew - 1e-3).abs() < 1e-9);
        assert!((verdict.speed_change - 1e-5).abs() < 1e-12);
    }
}
