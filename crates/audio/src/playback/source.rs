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
//! Neither can be early, so both are [`EarliestLine`]s. Latency is measured by the arrivals' line alone, whose edge is
//! exact. Its slope takes a minute to find if packets jitter much. The stamps know the rate within seconds, though
//! only by the server's clock, and tell at once when the source itself has paused. The edge of the *latest* packets is
//! often sharper than that of the earliest, since one late packet holds up those behind it. So three slopes are weighed
//! by their uncertainties: the stamps', to within what two computers' clocks differ by; the latest edge's; the earliest
//! edge's. And when the stamps' line steps, the arrivals' line steps with it.

use clock::{EarliestLine, Lateness, LineSettings, Moved, Nanos};

/// Stamps that go on by more milliseconds than this are a discontinuity, as are those that go back (spice.md 7.1).
const STAMP_LIMIT_MS: i32 = 2_000;
/// A packet whose stamp is late by more than this has seen a pause of the source. Hiccups of 8 packets of 10 ms stay below.
const PAUSE_S: f64 = 0.1;
/// Stamps that are all late by more than this, for half a second, have seen one too. They are 1 ms coarse.
const STAMP_STEP_S: f64 = 3e-3;
/// The same for arrivals, for two seconds, beside half of their usual lateness.
const ARRIVAL_STEP_S: f64 = 5e-3;
/// What a stamp may be early by, since it has no fractions.
const STAMP_S: f64 = 1e-3;
/// Lateness beyond this is a stall and teaches nothing about jitter.
const LARGEST_LATENESS_S: f64 = 0.2;
/// Packets that are later than usual by more than this are accidents, and say nothing about the edge of the latest.
const USUAL_LATE_S: f64 = 5e-3;
/// By how much two crystals can differ, and by how much the clocks of two computers, which are usually one, do.
const CRYSTALS_SIGMA: f64 = 300e-6;
const COMPUTERS_SIGMA: f64 = 100e-6;
/// Seconds after a restart in which a sinking line is not yet news about the lateness of earlier packets.
const UNSURE_S: f64 = 5.0;

/// Shortest and longest spans of all lines, in seconds: they remember 16 s at first, 8.5 minutes in the end.
const SPANS_S: (f64, f64) = (0.25, 8.0);

/// Follows the source by its packets.
#[derive(Clone, Debug)]
pub(super) struct SourceClock {
    rate_hz: f64,
    media: EarliestLine,
    arrivals: EarliestLine,
    /// The line of the latest arrivals, upside down.
    latest: EarliestLine,
    lateness: Lateness,
    /// Frames before the present packet.
    count: u64,
    /// The last stamp, and the seconds that all stamps have gone on by.
    stamp: Option<(u32, f64)>,
    /// When a line was last put somewhere.
    placed_x: f64,
    is_resting: bool,
}

impl SourceClock {
    pub(super) fn new(rate_hz: u32) -> Self {
        let line = |early_step_s, late_step_after_s, resolution_s| {
            EarliestLine::new(LineSettings {
                first_span_s: SPANS_S.0,
                last_span_s: SPANS_S.1,
                early_step_s,
                late_step_after_s,
                slope_sigma: CRYSTALS_SIGMA,
                resolution_s,
            })
        };
        Self {
            rate_hz: f64::from(rate_hz),
            media: line(2.0 * STAMP_S, 0.5, STAMP_S / 2.0),
            arrivals: line(1e-3, 2.0, 20e-6),
            latest: line(f64::INFINITY, f64::INFINITY, 20e-6),
            lateness: Lateness::new(),
            count: 0,
            stamp: None,
            placed_x: 0.0,
            is_resting: true,
        }
    }

    /// The source pauses on purpose: how long is not to be learned from.
    pub(super) const fn rest(&mut self) {
        self.is_resting = true;
    }

    /// Learns from a packet that begins after the frames counted so far. False if it has nothing to do with what was
    /// before: flush and begin anew.
    pub(super) fn packet(&mut self, arrived: Nanos, time_ms: u32) -> bool {
        let x = self.x();
        let arrival = arrived.as_secs_f64();
        let is_first = self.stamp.is_none();
        let (last_ms, last_s) = self.stamp.unwrap_or((time_ms, 0.0));
        let gone_ms = time_ms.wrapping_sub(last_ms).cast_signed();
        let stamp = last_s + f64::from(gone_ms) / 1e3;
        self.stamp = Some((time_ms, stamp));
        let goes_on = (0..=STAMP_LIMIT_MS).contains(&gone_ms) || self.is_resting && gone_ms > 0;
        if is_first {
            self.media.restart(x, stamp - x);
            self.restart(arrived);
        } else if self.is_resting || !goes_on {
            self.resume(x, stamp, arrived);
        } else {
            self.go_on(x, stamp, arrival);
        }
        self.is_resting = false;
        self.learn_rate();
        goes_on && !is_first
    }

    /// Counts the frames of a packet, or of a part of one.
    pub(super) fn advance(&mut self, frames: u32) {
        self.count = self.count.saturating_add(u64::from(frames));
    }

    /// When the packet that comes now was due, in seconds of our clock.
    pub(super) fn due_s(&self) -> f64 {
        let x = self.x();
        x + self.line(x)
    }

    /// By how much later than its count says a packet is due.
    fn line(&self, x: f64) -> f64 {
        self.arrivals.at(x)
    }

    /// Takes the present packet for timely, whatever was known: nothing timelier has come for too long.
    pub(super) fn restart(&mut self, arrived: Nanos) {
        let x = self.x();
        self.put(x, arrived.as_secs_f64() - x);
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

    /// The first packet after a rest or a discontinuity: the stamps tell when it was made, if they went on meanwhile.
    fn resume(&mut self, x: f64, stamp: f64, arrived: Nanos) {
        let moved = self.media.restart(x, stamp - x);
        self.step(x, moved);
        let late = arrived.as_secs_f64() - x - self.line(x);
        if !(-ARRIVAL_STEP_S..LARGEST_LATENESS_S).contains(&late) {
            self.restart(arrived);
        }
    }

    /// Moves the arrivals' line with that of the stamps. One stamp is at most a millisecond above their line and never
    /// below it, so this is rather too late, which the next timely packet tells, than too early, which none would.
    fn step(&mut self, x: f64, by: f64) {
        let to = self.arrivals.at(x) + by;
        self.put(x, to);
    }

    /// Puts the arrivals' line somewhere.
    fn put(&mut self, x: f64, to: f64) {
        self.arrivals.restart(x, to);
        self.latest.restart(x, -to);
        self.placed_x = x;
    }

    fn go_on(&mut self, x: f64, stamp: f64, arrival: f64) {
        let paused = if stamp - x - self.media.at(x) > PAUSE_S {
            self.media.restart(x, stamp - x)
        } else if let Moved::Stepped(by) = self.media.observe(x, stamp - x, STAMP_STEP_S) {
            by
        } else {
            0.0
        };
        if paused != 0.0 {
            self.step(x, paused);
        }
        let before = self.line(x);
        let limit = ARRIVAL_STEP_S + self.jitter_s() / 2.0;
        if let Moved::Stepped(_) = self.arrivals.observe(x, arrival - x, limit) {
            self.put(x, self.arrivals.at(x));
        }
        if x > self.placed_x + UNSURE_S {
            // When the edge is earlier than thought, all were later than thought.
            self.lateness.shift(before - self.line(x));
        }
        let late = arrival - x - self.line(x);
        if late < LARGEST_LATENESS_S {
            self.lateness.observe(arrival, late);
        }
        if late < self.jitter_s() + USUAL_LATE_S {
            self.latest.observe(x, x - arrival, f64::INFINITY);
        }
    }

    /// Tells the arrivals' line what the stamps' slope is worth: less, once both have turned out to disagree.
    fn learn_rate(&mut self) {
        let slope = self.media.slope();
        let is_apart = (self.arrivals.slope() - slope).abs() > 2.0 * COMPUTERS_SIGMA;
        let clocks = if is_apart {
            CRYSTALS_SIGMA
        } else {
            COMPUTERS_SIGMA
        };
        let sigma = self.media.slope_sigma().hypot(clocks);
        self.latest.expect(-slope, sigma);
        self.arrivals
            .expect(-self.latest.slope(), self.latest.slope_sigma());
    }
}
