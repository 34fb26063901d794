//! The device's clock: when each frame that is written now will be played.
//!
//! A device with two buffers asks for one whenever the other begins to play. What request k brings is therefore played
//! when what request k − 1 brought has ended:
//!
//! ```text
//! played from (k)  =  asked at (k) + frames (k − 1) / rate
//! ```
//!
//! This *playout line* stays straight when the period changes; the line of the requests themselves would step by the
//! difference. A request can be late but not early, so it is an [`EarliestLine`] over the frames that the device has
//! taken. For a device that works otherwise the line is still under all of its requests, which is the safe side.
//!
//! The device's own idea of its delay is not used: backends differ in what they count in, and a clock that wobbles is
//! worse than none.

use clock::{EarliestLine, Lateness, LineSettings, Moved, Nanos};

use crate::ticks::Tick;

/// Requests that are all late by more than this, beside their usual lateness, have seen a pause of the device.
const PAUSE_S: f64 = 5e-3;
/// A single request that is later than this has seen one too.
const LONG_PAUSE_S: f64 = 0.2;
/// A device that has not asked for so long does not run, or for three of its longest periods.
const SILENT_S: f64 = 0.2;

/// What a request says about its device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// It is as expected.
    Usual,
    /// It is longer than any that was promised or seen.
    Longer,
    /// The device was away for a while, or has just begun.
    Anew,
}

/// Follows the device by its requests.
#[derive(Clone, Debug)]
pub(super) struct DeviceClock {
    rate_hz: f64,
    line: EarliestLine,
    lateness: Lateness,
    last: Option<Tick>,
    longest: u32,
    /// Ring positions less frames taken: what was skipped ever.
    skipped: u64,
    /// Where the reader goes on by a skip that no request has shown yet.
    skip_to: u64,
}

impl DeviceClock {
    pub(super) fn new(rate_hz: u32, max_period_frames: u32) -> Self {
        Self {
            rate_hz: f64::from(rate_hz),
            line: EarliestLine::new(LineSettings {
                first_span_s: 0.25,
                last_span_s: 8.0,
                early_step_s: 1e-3,
                late_step_after_s: 0.1,
                slope_sigma: 300e-6,
                resolution_s: 20e-6,
            }),
            lateness: Lateness::new(),
            last: None,
            longest: max_period_frames,
            skipped: 0,
            skip_to: 0,
        }
    }

    /// Takes a promise that came later than the device.
    pub(super) fn promise(&mut self, max_period_frames: u32) {
        self.longest = self.longest.max(max_period_frames);
    }

    /// Learns from a request.
    pub(super) fn request(&mut self, tick: Tick) -> Request {
        if tick.frames == 0 {
            return Request::Usual;
        }
        if tick.position >= self.skip_to {
            self.skipped = tick.position.saturating_sub(tick.consumed);
        }
        let Some(last) = self.last.replace(tick) else {
            // A device may begin with a request that fills all of its buffers: that is not its period.
            self.place(tick, tick.frames);
            return Request::Anew;
        };
        let is_next = tick.consumed == last.consumed.saturating_add(u64::from(last.frames));
        let news = self.place(tick, if is_next { last.frames } else { tick.frames });
        if tick.frames > self.longest {
            self.longest = tick.frames;
            return Request::Longer;
        }
        news
    }

    fn place(&mut self, tick: Tick, playing_frames: u32) -> Request {
        let x = tick.consumed as f64 / self.rate_hz;
        let played_s = tick.at.as_secs_f64() + f64::from(playing_frames) / self.rate_hz;
        let late = played_s - x - self.line.at(x);
        if !self.line.is_empty() && late > LONG_PAUSE_S {
            self.line.restart(x, played_s - x);
            return Request::Anew;
        }
        let limit = PAUSE_S + self.lateness.habitual() / 2.0;
        let moved = self.line.observe(x, played_s - x, limit);
        self.lateness
            .observe(played_s, played_s - x - self.line.at(x));
        match moved {
            Moved::Stepped(_) => Request::Anew,
            _ => Request::Usual,
        }
    }

    /// Notes that the reader was told to go on at `to` instead of `from`.
    pub(super) fn skip(&mut self, from: u64, to: u64) {
        self.skipped = self.skipped.saturating_add(to.saturating_sub(from));
        self.skip_to = self.skip_to.max(to);
    }

    /// Whether the device asks for sound.
    pub(super) fn is_running(&self, now: Nanos) -> bool {
        let silent = SILENT_S.max(3.0 * self.longest_s());
        self.last
            .is_some_and(|last| (now - last.at).as_secs_f64() < silent)
    }

    /// Whether the device has ever asked.
    pub(super) const fn has_run(&self) -> bool {
        self.last.is_some()
    }

    /// When the ring position is played, in seconds of our clock.
    pub(super) fn played_s(&self, position: f64) -> f64 {
        let x = (position - self.skipped as f64) / self.rate_hz;
        x + self.line.at(x)
    }

    /// The ring position that is played at a time; the inverse of [`Self::played_s`].
    pub(super) fn position(&self, played_s: f64) -> f64 {
        let x = (played_s - self.line.at(0.0)) / self.pace_or_nominal();
        x * self.rate_hz + self.skipped as f64
    }

    /// The longest period that was promised or seen, in seconds.
    pub(super) fn longest_s(&self) -> f64 {
        f64::from(self.longest) / self.rate_hz
    }

    /// Frames of the latest request; 0 before the first.
    pub(super) fn period_frames(&self) -> u32 {
        self.last.map_or(0, |last| last.frames)
    }

    /// Our seconds for each second that the device plays; `None` before its first request.
    pub(super) fn pace(&self) -> Option<f64> {
        (!self.line.is_empty()).then(|| self.pace_or_nominal())
    }

    fn pace_or_nominal(&self) -> f64 {
        1.0 + self.line.slope()
    }
}
