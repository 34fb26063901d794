//! A device that nobody hears: it takes frames by the clock, so that a guest plays on while there is no sound server.
//!
//! Without it the guest's own sound would go on into nothing all the same, but everything here that looks at a stream, its
//! states, its latency and its figures, would need a second way for "no device".

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, Thread};

use clock::{Clock, MonotonicClock, Nanos};

use super::{
    Backend, CaptureDevice, CaptureRequest, DeviceError, DeviceTiming, Events, PlaybackDevice,
    PlaybackRequest,
};
use crate::{Format, Pull, Push};

/// Frames of the longest period.
const MAX_PERIOD_FRAMES: u32 = 8192;

/// Periods that are made up for after the thread did not run for a while; what is beyond is skipped, as by a sound card
/// that has run dry.
const MAX_LATE_PERIODS: u64 = 4;

/// The backend of such devices. Opening one fails only if there is no thread to be had.
pub struct Null {
    clock: Arc<dyn Clock>,
}

impl Null {
    /// Devices that run by the clock of this machine.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Arc::new(MonotonicClock))
    }

    /// Devices that run by `clock`; they look at it at least every 100 ms of real time.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }

    /// Starts a thread that calls `period` once for each period.
    fn start(
        &self,
        format: Format,
        period_frames: u32,
        mut period: impl FnMut(Nanos, usize) + Send + 'static,
    ) -> Result<Paced, DeviceError> {
        let clock = Arc::clone(&self.clock);
        let period_frames = period_frames.clamp(1, MAX_PERIOD_FRAMES);
        let closing = Arc::new(AtomicBool::new(false));
        let is_closing = Arc::clone(&closing);
        let run = move || {
            let mut pace = Pace::new(format, period_frames, clock.now());
            // Acquire pairs with the owner's release.
            while !is_closing.load(Ordering::Acquire) {
                for _ in 0..pace.due(clock.now()) {
                    period(clock.now(), period_frames as usize);
                }
                let left = (pace.next() - clock.now()).to_duration();
                std::thread::park_timeout(left.min(std::time::Duration::from_millis(100)));
            }
        };
        let thread = std::thread::Builder::new()
            .name("audio-null".to_owned())
            .spawn(run)
            .map_err(DeviceError::Thread)?;
        Ok(Paced {
            closing,
            wake: thread.thread().clone(),
            thread: Some(thread),
            period_frames,
        })
    }
}

impl Default for Null {
    fn default() -> Self {
        Self::new()
    }
}

impl Backend for Null {
    fn name(&self) -> &'static str {
        "null"
    }

    fn open_playback(
        &mut self,
        request: &PlaybackRequest,
        mut pull: Pull,
        _events: Events,
    ) -> Result<Box<dyn PlaybackDevice>, DeviceError> {
        let period_frames = request.period_frames.clamp(1, MAX_PERIOD_FRAMES);
        let mut piece = vec![0.0; period_frames as usize * request.format.channels()];
        let paced = self.start(request.format, period_frames, move |now, _| {
            pull.pull(&mut piece, now);
        })?;
        Ok(Box::new(paced))
    }

    fn open_capture(
        &mut self,
        request: &CaptureRequest,
        mut push: Push,
        _events: Events,
    ) -> Result<Box<dyn CaptureDevice>, DeviceError> {
        let period_frames = request.period_frames.clamp(1, MAX_PERIOD_FRAMES);
        let silence = vec![0.0; period_frames as usize * request.format.channels()];
        let paced = self.start(request.format, period_frames, move |_, _| {
            push.push(&silence);
        })?;
        Ok(Box::new(paced))
    }
}

/// An open device of either direction.
struct Paced {
    /// The owner sets it, once; release, paired with the thread's acquire.
    closing: Arc<AtomicBool>,
    wake: Thread,
    thread: Option<JoinHandle<()>>,
    period_frames: u32,
}

impl Drop for Paced {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Release);
        self.wake.unpark();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What both are called.
const DESCRIPTION: &str = "none (nobody hears it)";

impl PlaybackDevice for Paced {
    fn timing(&self) -> DeviceTiming {
        DeviceTiming {
            max_period_frames: self.period_frames,
        }
    }

    fn set_volume(&mut self, _levels: &[f32], _mute: bool) {}

    fn latency(&self) -> Option<Nanos> {
        Some(Nanos::ZERO)
    }

    fn description(&self) -> String {
        DESCRIPTION.to_owned()
    }

    fn is_stand_in(&self) -> bool {
        true
    }
}

impl CaptureDevice for Paced {
    fn set_volume(&mut self, _levels: &[f32], _mute: bool) {}

    fn description(&self) -> String {
        DESCRIPTION.to_owned()
    }

    fn is_stand_in(&self) -> bool {
        true
    }
}

/// Which periods are due.
#[derive(Debug)]
struct Pace {
    format: Format,
    period_frames: u32,
    /// When the count of periods began.
    start: Nanos,
    /// Periods since.
    periods: u64,
}

impl Pace {
    const fn new(format: Format, period_frames: u32, now: Nanos) -> Self {
        Self {
            format,
            period_frames,
            start: now,
            periods: 0,
        }
    }

    /// When the next period is due. Counted from the start, so that no rounding adds up.
    fn next(&self) -> Nanos {
        let ns = u128::from(self.periods) * u128::from(self.period_frames) * 1_000_000_000;
        let ns = ns.div_ceil(u128::from(self.format.rate_hz()));
        self.start + Nanos(i64::try_from(ns).unwrap_or(i64::MAX))
    }

    /// Periods that are due now; they count as done.
    fn due(&mut self, now: Nanos) -> u64 {
        if now < self.next() {
            return 0;
        }
        // Not negative, as the next period is not before the start.
        let ns = u128::from((now - self.start).0.unsigned_abs());
        let frames = ns * u128::from(self.format.rate_hz()) / 1_000_000_000;
        let passed = frames / u128::from(self.period_frames) + 1;
        let due = u64::try_from(passed).map_or(u64::MAX, |passed| passed - self.periods);
        if due > MAX_LATE_PERIODS {
            self.start = now;
            self.periods = 1;
            return 1;
        }
        self.periods += due;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        Pace::new(Format::new(2, 48_000).unwrap(), 480, Nanos::ZERO)
    }

    #[test]
    fn a_period_is_due_each_ten_milliseconds_for_days() {
        let mut pace = pace();
        assert_eq!(pace.due(Nanos::ZERO), 1);
        for period in 1..1_000 {
            let at = Nanos::from_millis(10 * period);
            assert_eq!(pace.due(at - Nanos(1_000)), 0, "{period}");
            assert_eq!(pace.due(at), 1, "{period}");
        }
        let mut pace = self::pace();
        pace.periods = 100 * 86_400 * 30;
        assert_eq!(pace.next(), Nanos::from_millis(1000 * 86_400 * 30));
    }

    #[test]
    fn a_thread_that_comes_late_makes_up_for_it() {
        let mut pace = pace();
        assert_eq!(pace.due(Nanos::from_millis(25)), 3);
        assert_eq!(pace.next(), Nanos::from_millis(30));
    }

    #[test]
    fn after_a_sleep_the_count_begins_anew() {
        let mut pace = pace();
        assert_eq!(pace.due(Nanos::ZERO), 1);
        let later = Nanos::from_millis(3_600_000);
        assert_eq!(pace.due(later), 1);
        assert_eq!(pace.next(), later + Nanos::from_millis(10));
    }
}
