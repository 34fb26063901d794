//! The latency that is aimed at: as low as the device, the packets and the resampler allow.
//!
//! ```text
//! target = longest device period + max(habitual lateness of packets + offset, least) + resampler's delay
//! ```
//!
//! `audio:latencyOffset` is the offset, for what is not measured, and `audio:bufferLatency` the least.
//!
//! Measured from a packet's due time to its being played, less one longest period: the other of the device's two
//! buffers, which nobody can do anything about. With that much a packet that is as late as they ever are, at a device
//! that has just asked for its longest period, is just in time.

/// A rise goes this much further, so that the last tenths of the highest lateness do not make it creep for minutes.
const HEADROOM_S: f64 = 2e-3;
/// After its first seconds the target takes rises below this, if the offset covers them, at the pace below, in seconds a
/// second: the pitch stays as it is.
const LEARNING_S: f64 = 8.0;
const SMALL_RISE_S: f64 = 5e-3;
const RISE: f64 = 2e-6;
/// The target falls when it has been higher than needed by this share of itself, for so many seconds.
const SPARE_SHARE: f64 = 0.1;
const SPARE_LEAST_S: f64 = 3e-3;
const SPARE_AFTER_S: f64 = 60.0;
/// It then falls by this much each second, which nobody hears as a pitch.
const FALL: f64 = 200e-6;

/// Follows what is needed: up at once unless it is little, down late and slowly.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Target {
    seconds: f64,
    age_s: f64,
    spare_for_s: f64,
    is_falling: bool,
}

impl Target {
    /// What is aimed at, in seconds.
    pub(super) const fn seconds(&self) -> f64 {
        self.seconds
    }

    /// How fast the target moves on its own, in seconds a second.
    pub(super) const fn pace(&self) -> f64 {
        if self.is_falling { -FALL } else { 0.0 }
    }

    /// Begins with what is needed as far as is known.
    pub(super) fn begin(&mut self, needed_s: f64) {
        *self = Self {
            seconds: needed_s,
            ..Self::default()
        };
    }

    fn set(&mut self, seconds: f64) {
        self.seconds = seconds;
        self.spare_for_s = 0.0;
        self.is_falling = false;
    }

    /// Takes what is needed now, `dt_s` seconds after the last time; `offset_s` of it are for what is not measured.
    pub(super) fn follow(&mut self, needed_s: f64, offset_s: f64, dt_s: f64) {
        self.age_s += dt_s;
        let lacking_s = needed_s - self.seconds;
        if lacking_s > 0.0 {
            let is_small = self.age_s > LEARNING_S && lacking_s < SMALL_RISE_S.min(offset_s);
            return self.set(if is_small {
                self.seconds + lacking_s.min(RISE * dt_s)
            } else {
                needed_s + HEADROOM_S
            });
        }
        if self.is_falling {
            self.seconds -= FALL * dt_s;
            if self.seconds <= needed_s {
                self.set(needed_s);
            }
            return;
        }
        let spare = self.seconds - needed_s;
        if spare > SPARE_LEAST_S.max(self.seconds * SPARE_SHARE) {
            self.spare_for_s += dt_s;
            self.is_falling = self.spare_for_s >= SPARE_AFTER_S;
        } else {
            self.spare_for_s = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(target: &mut Target, needed_s: f64, seconds: u32) -> f64 {
        for _ in 0..seconds * 100 {
            target.follow(needed_s, 0.006, 0.01);
        }
        target.seconds()
    }

    #[test]
    fn it_rises_at_once_and_falls_late_and_slowly() {
        let mut target = Target::default();
        target.begin(0.02);
        assert_eq!(after(&mut target, 0.02, 1), 0.02);
        let risen = 0.05 + HEADROOM_S;
        assert_eq!(after(&mut target, 0.05, 1), risen);
        assert_eq!(after(&mut target, 0.0509, 1), risen);
        assert_eq!(after(&mut target, 0.03, 59), risen);
        assert!((after(&mut target, 0.03, 11) - (risen - 0.002)).abs() < 1e-4);
        assert_eq!(after(&mut target, 0.03, 200), 0.03);
        assert_eq!(target.pace(), 0.0);
    }

    #[test]
    fn a_small_rise_is_taken_so_slowly_that_the_ratio_does_not_show_it() {
        let mut target = Target::default();
        target.begin(0.05);
        after(&mut target, 0.05, 10);
        assert!((after(&mut target, 0.051, 100) - 0.0502).abs() < 1e-7);
        assert_eq!(after(&mut target, 0.051, 1_000), 0.051);
    }

    #[test]
    fn a_little_spare_is_left_alone() {
        let mut target = Target::default();
        target.begin(0.05);
        assert_eq!(after(&mut target, 0.046, 3_600), 0.05);
    }

    #[test]
    fn a_little_rise_that_no_offset_covers_is_taken_at_once() {
        let mut target = Target::default();
        target.begin(0.05);
        after(&mut target, 0.05, 20);
        target.follow(0.052, 0.006, 0.01);
        assert!((target.seconds() - 0.05).abs() < 1e-6);
        target.follow(0.052, 0.0, 0.01);
        assert_eq!(target.seconds(), 0.052 + HEADROOM_S);
    }
}
