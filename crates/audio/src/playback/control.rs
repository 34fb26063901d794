//! The ratio: measured rates ahead, phase behind.
//!
//! Adriaensen's *Controlling adaptive resampling* closes one loop around everything: a filtered error of the delay goes
//! through a PI controller whose integral has to find the ratio of the two clocks by itself. Its bandwidth is a
//! bargain: wide enough to converge, narrow enough to keep jitter out of the pitch. Here the clocks are measured
//! instead, and the loop has only to remove what is left:
//!
//! ```text
//! ratio = 1 + limit( rate + phase )                    rate  = pace of source / pace of device − 1     (feed-forward)
//!
//!                                                     ⎧ −e / 1 s                                  while acquiring
//! e = latency − target                        phase = ⎨
//!                                                     ⎩ −e / 100 s − ∫ e / (200 s)², within 1 ppm    once locked
//! ```
//!
//! The limit is ±0.5 %, which nobody hears as a pitch, and the ratio takes at least a second to get there. While acquiring
//! the limit is what counts: an error of 100 ms is removed at full speed, and the last 5 ms in the time that the slew
//! takes to come back. Once locked, the phase may not claim more than 1 millionth: what looks like an error of some
//! tenths of a millisecond is mostly the lines' own learning in their first minutes, and to follow it would be a change of
//! pitch, if an inaudible one, that no clock has asked for. What an error has beyond 1.2 ms is pushed back within 5 s, and
//! beyond 1.8 ms the loop acquires anew; 2 ms are what may be seen from outside (timing.md 10).

use clock::{Pi, PiSettings, Slew};

/// The largest speed change there may be, and the largest change of it in a second.
pub const LARGEST_CHANGE: f64 = 0.005;
/// See [`LARGEST_CHANGE`].
pub const LARGEST_SLEW: f64 = 0.005;

/// What is asked for stays this much below [`LARGEST_CHANGE`], so that 1 + change, rounded, is never above.
const ROUNDING: f64 = 1e-12;
/// Time constant of the acquisition: full speed at 5 ms, which is as far as the slew needs to stop.
const ACQUISITION_S: f64 = 1.0;
/// Time constant of the lock.
const LOCK_S: f64 = 100.0;
/// What the lock may change the ratio by.
const LOCK_CHANGE: f64 = 1e-6;
/// Errors beyond this are pushed back in the time after it.
const PUSH_BEYOND_S: f64 = 1.2e-3;
const PUSH_S: f64 = 5.0;
/// Errors at which acquisition begins and ends, in seconds.
const ACQUIRE_ABOVE_S: f64 = 1.8e-3;
const LOCK_BELOW_S: f64 = 0.05e-3;

/// Turns the two paces and the error of the latency into the ratio.
#[derive(Clone, Debug)]
pub(super) struct Controller {
    pi: Pi,
    change: Slew,
    is_locked: bool,
}

impl Controller {
    pub(super) fn new() -> Self {
        let lock = PiSettings::critically_damped(LOCK_S, LOCK_CHANGE, LOCK_CHANGE);
        Self {
            pi: Pi::new(lock),
            change: Slew::new(0.0, LARGEST_SLEW),
            is_locked: false,
        }
    }

    /// Begins anew with the error at nothing, at the measured rate.
    pub(super) fn restart(&mut self, rate: f64) {
        self.pi.reset();
        self.change.set(limit(rate));
        self.is_locked = false;
    }

    /// The ratio for the next `dt_s` seconds.
    pub(super) fn step(&mut self, rate: f64, error_s: f64, dt_s: f64) -> f64 {
        let bound = if self.is_locked {
            ACQUIRE_ABOVE_S
        } else {
            LOCK_BELOW_S
        };
        self.is_locked = error_s.abs() < bound;
        let phase = if self.is_locked {
            let beyond_s = error_s - error_s.clamp(-PUSH_BEYOND_S, PUSH_BEYOND_S);
            self.pi.step(-error_s, 0.0, dt_s) - beyond_s / PUSH_S
        } else {
            self.pi.integral() - error_s / ACQUISITION_S
        };
        let change = limit(rate + phase);
        1.0 + self.change.step(change, dt_s)
    }

    /// The applied ratio.
    pub(super) const fn ratio(&self) -> f64 {
        1.0 + self.change.value()
    }
}

/// The nearest speed change that may be; none for what is not a number.
fn limit(change: f64) -> f64 {
    if change.is_nan() {
        return 0.0;
    }
    let most = LARGEST_CHANGE - ROUNDING;
    change.clamp(-most, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds until the error stays inside 2 ms, and the smallest error ever.
    fn settle(start_s: f64, apart: f64) -> (f64, f64) {
        let mut controller = Controller::new();
        controller.restart(apart);
        let (mut error, mut inside, mut least) = (start_s, 0.0, start_s);
        for step in 0..6_000 {
            if error.abs() > 2e-3 {
                inside = f64::from(step) * 0.01;
            }
            let ratio = controller.step(apart, error, 0.01);
            assert!((ratio - 1.0).abs() <= LARGEST_CHANGE);
            error += (ratio - 1.0 - apart) * 0.01;
            least = error.min(least);
        }
        assert!(error.abs() < LOCK_BELOW_S, "{error}");
        (inside, least)
    }

    #[test]
    fn an_offset_of_100_ms_takes_hardly_longer_than_the_limit_allows() {
        let (took, least) = settle(0.1, 0.0);
        assert!(took < 21.0, "{took}");
        assert!(least > -0.2e-3, "{least}");
        let (took, _) = settle(0.1, 500e-6);
        assert!(took < 23.0, "{took}");
        let (took, _) = settle(-0.1, 500e-6);
        assert!(took < 23.5, "{took}");
    }

    #[test]
    fn a_rate_that_was_measured_wrong_leaves_no_error_to_speak_of() {
        let mut controller = Controller::new();
        let mut error = 0.0_f64;
        for step in 0..30_000 {
            let ratio = controller.step(0.0, error, 0.01);
            error += (ratio - 1.0 - 20e-6) * 0.01;
            assert!(error.abs() < 1.4e-3, "{step}: {error}");
        }
    }

    #[test]
    fn nothing_that_comes_in_breaks_a_limit() {
        let mut controller = Controller::new();
        let mut last = 1.0;
        for value in [f64::NAN, f64::INFINITY, -1e300, 3.0, -0.01, 0.0] {
            for rate in [0.0, f64::NAN, 1.0, f64::NEG_INFINITY] {
                let ratio = controller.step(rate, value, 0.01);
                assert!((ratio - 1.0_f64).abs() <= LARGEST_CHANGE);
                assert!((ratio - last).abs() <= LARGEST_SLEW * 0.01 + 1e-15);
                last = ratio;
            }
        }
    }
}
