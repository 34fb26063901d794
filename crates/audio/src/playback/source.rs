//! The source's clock: when, by our clock, each packet was due.
//!
//! Each packet brings two times: the stamp that the server wrote on it, and its arrival. Both are compared with the
//! packet's own count, x = frames before it / nominal rate:
//!
//! ```text
//! media(x)    = stamp − x        how the source runs against the server's clock: 1 ms steps, late after a hiccup
//! arrivals(x) = arrival − x      how the source runs against our clock: late by scheduling and network
//! ```
//!
//! Neither can be early, so both are [`EarliestLine`]s. The stamps know the rate within seconds and tell at once when
//! the source itself has paused; what they cannot know is how the server's clock stands to ours. The arrivals know that
//! in the end, but take a minute or so when they jitter. So the slope of the stamps is what the arrivals' line expects, and the
//! arrivals' line alone is what latency is measured by.

use clock::{EarliestLine, Lateness, LineSettings, Moved, Nanos};

/// Stamps that go on by more milliseconds than this are a discontinuity, as are those that go back (spice.md 7.1).
const STAMP_LIMIT_MS: i32 = 2_000;
/// A packet whose stamp is late by more than this has seen a pause of the source. Hiccups of 8 packets of 10 ms stay below.
const PAUSE_S: f64 = 0.1;
/// Stamps that are all late by more than this, for half a second, have seen one too. They are 1 ms coarse.
const STAMP_STEP_S: f64 = 3e-3;
/// The same for arrivals, for two seconds, beside half of their usual lateness.
const ARRIVAL_STEP_S: f64 = 5e-3;
/// Lateness beyond this is a stall and teaches nothing about jitter.
const LARGEST_LATENESS_S: f64 = 0.2;
/// By how much the server's clock and ours usually differ, and by how much two crystals can.
const CLOCKS_SIGMA: (f64, f64) = (50e-6, 300e-6);
/// Seconds after a restart in which a sinking line is not yet news about the lateness of earlier packets.
const UNSURE_S: f64 = 5.0;

/// Shortest and longest spans of both lines, in seconds: they remember 16 s at first, 8.5 minutes in the end.
const SPANS_S: (f64, f64) = (0.25, 8.0);

/// What a packet says about its source's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum News {
    /// It goes on.
    Steady,
    /// It stands elsewhere than it did: a pause, a surplus, or a path that has become longer.
    Moved,
    /// It has nothing to do with what it was: flush and begin anew.
    Discontinuity,
}

/// Follows the source by its packets.
#[derive(Clone, Debug)]
pub(super) struct SourceClock {
    rate_hz: f64,
    media: EarliestLine,
    arrivals: EarliestLine,
    lateness: Lateness,
    /// Frames before the present packet.
    count: u64,
    /// The last stamp, and the seconds that all stamps have gone on by.
    stamp: Option<(u32, f64)>,
    /// When the arrivals' line was last put somewhere.
    placed_x: f64,
    is_resting: bool,
    latest: Nanos,
}

impl SourceClock {
    pub(super) fn new(rate_hz: u32) -> Self {
        let line = |late_step_after_s| {
            EarliestLine::new(LineSettings {
                first_span_s: SPANS_S.0,
                last_span_s: SPANS_S.1,
                early_step_s: 5e-3,
                late_step_after_s,
                slope_sigma: CLOCKS_SIGMA.1,
            })
        };
        Self {
            rate_hz: f64::from(rate_hz),
            media: line(0.5),
            arrivals: line(2.0),
            lateness: Lateness::new(),
            count: 0,
            stamp: None,
            placed_x: 0.0,
            is_resting: true,
            latest: Nanos(i64::MIN),
        }
    }

    /// The source pauses on purpose: how long is not to be learned from.
    pub(super) const fn rest(&mut self) {
        self.is_resting = true;
    }

    /// Learns from a packet that begins after [`Self::advance`]d frames.
    pub(super) fn packet(&mut self, arrived: Nanos, time_ms: u32) -> News {
        let x = self.x();
        let arrival = arrived.as_secs_f64() - x;
        let gone_ms = match self.stamp {
            Some((last, _)) => time_ms.wrapping_sub(last).cast_signed(),
            None => 0,
        };
        let stamped_s = match self.stamp {
            Some((_, seconds)) => seconds + f64::from(gone_ms) / 1e3,
            None => 0.0,
        };
        self.stamp = Some((time_ms, stamped_s));
        let stamp = stamped_s - x;
        let is_first = self.arrivals.is_empty();
        let is_broken = !(0..=STAMP_LIMIT_MS).contains(&gone_ms);
        let news = if is_first || is_broken && !self.is_resting {
            self.media.restart(x, stamp);
            self.restart(arrived);
            News::Discontinuity
        } else if self.is_resting {
            self.resume(x, stamp, arrival, is_broken);
            News::Moved
        } else {
            self.go_on(x, stamp, arrival)
        };
        self.is_resting = false;
        self.latest = arrived;
        self.learn_rate();
        news
    }

    /// Counts the frames of a packet, or of a part of one.
    pub(super) fn advance(&mut self, frames: u32) {
        self.count = self.count.saturating_add(u64::from(frames));
    }

    /// When the packet that comes now was due, in seconds of our clock.
    pub(super) fn due_s(&self) -> f64 {
        self.x() + self.arrivals.at(self.x())
    }

    /// Takes the present packet for timely, whatever was known: nothing timelier has come for too long.
    pub(super) fn restart(&mut self, arrived: Nanos) {
        let x = self.x();
        self.arrivals.restart(x, arrived.as_secs_f64() - x);
        self.placed_x = x;
    }

    /// Seconds by which packets habitually are late.
    pub(super) fn jitter_s(&self) -> f64 {
        self.lateness.habitual()
    }

    /// Our seconds for each second that the source counts; `None` before its first packet.
    pub(super) fn pace(&self) -> Option<f64> {
        (!self.arrivals.is_empty()).then(|| 1.0 + self.arrivals.slope())
    }

    fn x(&self) -> f64 {
        self.count as f64 / self.rate_hz
    }

    /// The first packet after a rest: the stamps tell when it was made, if they went on meanwhile.
    fn resume(&mut self, x: f64, stamp: f64, arrival: f64, is_broken: bool) {
        let moved = self.media.restart(x, stamp);
        self.arrivals.shift(moved);
        self.placed_x = x;
        let late = arrival - self.arrivals.at(x);
        if is_broken || !(-ARRIVAL_STEP_S..LARGEST_LATENESS_S).contains(&late) {
            self.arrivals.restart(x, arrival);
        }
    }

    fn go_on(&mut self, x: f64, stamp: f64, arrival: f64) -> News {
        let stamp_late = stamp - self.media.at(x);
        let paused = if stamp_late > PAUSE_S {
            self.media.restart(x, stamp)
        } else {
            match self.media.observe(x, stamp, STAMP_STEP_S) {
                Moved::Stepped(by) => by,
                _ => 0.0,
            }
        };
        if paused != 0.0 {
            self.arrivals.shift(paused);
            self.placed_x = x;
        }
        let limit = ARRIVAL_STEP_S + self.jitter_s() / 2.0;
        let moved = self.arrivals.observe(x, arrival, limit);
        match moved {
            Moved::Stepped(_) => self.placed_x = x,
            // The edge is earlier than thought, so all were later than thought.
            Moved::Sank(by) if x > self.placed_x + UNSURE_S => self.lateness.shift(by),
            _ => {}
        }
        let late = arrival - self.arrivals.at(x);
        if late < LARGEST_LATENESS_S {
            self.lateness.observe(arrival + x, late);
        }
        if paused != 0.0 || matches!(moved, Moved::Stepped(_)) {
            News::Moved
        } else {
            News::Steady
        }
    }

    fn learn_rate(&mut self) {
        let (usual, possible) = CLOCKS_SIGMA;
        let apart = (self.arrivals.slope() - self.media.slope()).abs();
        let clocks = if apart > 2.0 * usual { possible } else { usual };
        let sigma = self.media.slope_sigma().hypot(clocks);
        self.arrivals.expect(self.media.slope(), sigma);
    }
}
