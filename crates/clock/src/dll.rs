//! The delay-locked loop of second order that turns jittering event times into a smooth clock.

use crate::Nanos;

/// The two gains of a loop for one nominal period and bandwidth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gains {
    /// Share of an error that goes into the phase.
    pub b: f64,
    /// Share of an error that goes into the period.
    pub c: f64,
}

impl Gains {
    /// Computes the gains for a period in seconds and a bandwidth in hertz, with a damping of 1/√2.
    #[must_use]
    pub fn new(period_s: f64, bandwidth_hz: f64) -> Self {
        let w = std::f64::consts::TAU * bandwidth_hz * period_s;
        Self {
            b: std::f64::consts::SQRT_2 * w,
            c: w * w,
        }
    }

    /// Computes the gains for a period of `frames` at `rate` frames a second.
    #[must_use]
    pub fn for_frames(frames: u32, rate: u32, bandwidth_hz: f64) -> Self {
        Self::new(f64::from(frames) / f64::from(rate.max(1)), bandwidth_hz)
    }
}

/// A delay-locked loop: predicts the next event, and learns period and phase from each one.
///
/// Large errors are the caller's to judge: it asks [`Self::error_s`] first and seeds the loop anew if it must.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dll {
    next: Nanos,
    period_s: f64,
    gains: Gains,
}

impl Dll {
    /// Starts a loop that expects its next event at `next` and one each `period_s` seconds after that.
    #[must_use]
    pub const fn new(next: Nanos, period_s: f64, gains: Gains) -> Self {
        Self {
            next,
            period_s,
            gains,
        }
    }

    /// The predicted time of the next event.
    #[must_use]
    pub const fn next(&self) -> Nanos {
        self.next
    }

    /// The filtered period in seconds.
    #[must_use]
    pub const fn period_s(&self) -> f64 {
        self.period_s
    }

    /// The gains in use.
    #[must_use]
    pub const fn gains(&self) -> Gains {
        self.gains
    }

    /// Changes the gains; phase and period stay.
    pub const fn set_gains(&mut self, gains: Gains) {
        self.gains = gains;
    }

    /// Seconds by which an event at `now` is late against the prediction; negative if early.
    #[must_use]
    pub fn error_s(&self, now: Nanos) -> f64 {
        (now - self.next).as_secs_f64()
    }

    /// Learns from an event at `now` and returns the filtered time of that event.
    pub fn update(&mut self, now: Nanos) -> Nanos {
        let error = self.error_s(now);
        let filtered = self.next;
        self.next = filtered + Nanos::from_secs_f64(self.gains.b * error + self.period_s);
        self.period_s += self.gains.c * error;
        filtered
    }

    /// Passes over `events` expected events from which nothing is to be learned.
    pub fn coast(&mut self, events: u32) {
        self.next = self.next + Nanos::from_secs_f64(self.period_s * f64::from(events));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// timing.md 11: frames, w, b, c at 48 kHz and 0.05 Hz.
    const TABLE: [(u32, f64, f64, f64); 6] = [
        (240, 1.570_796_33e-3, 2.221_441_47e-3, 2.467_401_10e-6),
        (480, 3.141_592_65e-3, 4.442_882_94e-3, 9.869_604_40e-6),
        (512, 3.351_032_16e-3, 4.739_075_13e-3, 1.122_941_66e-5),
        (960, 6.283_185_31e-3, 8.885_765_88e-3, 3.947_841_76e-5),
        (1024, 6.702_064_33e-3, 9.478_150_27e-3, 4.491_766_63e-5),
        (2048, 1.340_412_87e-2, 1.895_630_05e-2, 1.796_706_65e-4),
    ];

    #[test]
    fn gains_equal_the_published_table() {
        for (frames, w, b, c) in TABLE {
            let gains = Gains::for_frames(frames, 48_000, 0.05);
            assert!((gains.b / b - 1.0).abs() < 1e-8, "b for {frames}");
            assert!((gains.c / c - 1.0).abs() < 1e-8, "c for {frames}");
            assert!((gains.c.sqrt() / w - 1.0).abs() < 1e-8, "w for {frames}");
        }
    }

    #[test]
    fn one_late_event_moves_the_prediction_by_the_published_step() {
        let gains = Gains::for_frames(480, 48_000, 0.05);
        let mut dll = Dll::new(Nanos::from_millis(10), 0.010, gains);
        assert_eq!(dll.update(Nanos::from_millis(15)), Nanos::from_millis(10));
        let moved = dll.next() - Nanos::from_millis(20);
        assert!((moved.0 - 22_200).abs() < 50, "moved by {moved:?}");
        let period = (dll.period_s() - 0.010) * 1e9;
        assert!((period - 49.3).abs() < 0.5, "period moved by {period} ns");
    }

    #[test]
    fn the_old_period_makes_the_next_prediction() {
        let mut dll = Dll::new(Nanos(0), 1.0, Gains { b: 0.5, c: 0.25 });
        dll.update(Nanos::from_millis(100));
        assert_eq!(dll.next(), Nanos::from_millis(1050));
        assert!((dll.period_s() - 1.025).abs() < 1e-12);
    }

    #[test]
    fn a_wrong_period_is_learned_from_exact_events() {
        let gains = Gains::new(0.01, 0.5);
        let mut dll = Dll::new(Nanos(0), 0.01, gains);
        for i in 0..2_000 {
            dll.update(Nanos(i * 10_005_000));
        }
        assert!((dll.period_s() - 0.010_005).abs() < 1e-9);
        assert!(dll.error_s(Nanos(2_000 * 10_005_000)).abs() < 1e-6);
    }

    #[test]
    fn coasting_keeps_phase_and_period() {
        let mut dll = Dll::new(Nanos::from_millis(5), 0.01, Gains::new(0.01, 0.05));
        dll.coast(3);
        assert_eq!(dll.next(), Nanos::from_millis(35));
        assert!((dll.period_s() - 0.01).abs() < 1e-15);
    }
}
