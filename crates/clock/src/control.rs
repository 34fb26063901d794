//! A proportional-integral controller that knows its limits, and a limit of slew.

/// The gains and limits of a [`Pi`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PiSettings {
    /// Output for each unit of error.
    pub kp: f64,
    /// Output that is gained each second for each unit of error.
    pub ki: f64,
    /// The output stays within ± this.
    pub limit: f64,
    /// The integral's part of the output stays within ± this.
    pub integral_limit: f64,
}

impl PiSettings {
    /// The gains of a loop that is critically damped (both poles at −1/(2·`time_s`)) when the output is the speed at which
    /// the error shrinks: kp = 1/τ, ki = 1/(4·τ²).
    #[must_use]
    pub fn critically_damped(time_s: f64, limit: f64, integral_limit: f64) -> Self {
        let kp = time_s.recip();
        Self {
            kp,
            ki: kp * kp / 4.0,
            limit,
            integral_limit,
        }
    }
}

/// A proportional-integral controller with feed-forward, output limits and anti-wind-up.
///
/// ```text
/// u = clamp( f + kp·e + i , ±limit )          i' = ki·e     unless u is limited and e would push it further
/// ```
///
/// f is the part of the output that is known without the error. While the output is at its limit the integral does not
/// grow in that direction, so it has nothing to unlearn afterwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pi {
    settings: PiSettings,
    integral: f64,
}

impl Pi {
    /// Makes one whose integral is empty.
    #[must_use]
    pub const fn new(settings: PiSettings) -> Self {
        Self {
            settings,
            integral: 0.0,
        }
    }

    /// Takes an error that stood for `dt_s` seconds and gives the output. An error that is not finite changes nothing.
    pub fn step(&mut self, error: f64, feed_forward: f64, dt_s: f64) -> f64 {
        let s = self.settings;
        let error = if error.is_finite() { error } else { 0.0 };
        let forward = if feed_forward.is_finite() {
            feed_forward
        } else {
            0.0
        };
        let wanted = forward + s.kp * error + self.integral;
        let is_limited = wanted.abs() >= s.limit && wanted * error > 0.0;
        if !is_limited && dt_s > 0.0 && dt_s.is_finite() {
            self.integral =
                (self.integral + s.ki * error * dt_s).clamp(-s.integral_limit, s.integral_limit);
        }
        (forward + s.kp * error + self.integral).clamp(-s.limit, s.limit)
    }

    /// The integral's part of the output.
    #[must_use]
    pub const fn integral(&self) -> f64 {
        self.integral
    }

    /// Empties the integral.
    pub const fn reset(&mut self) {
        self.integral = 0.0;
    }
}

/// A value that changes at a limited pace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slew {
    value: f64,
    per_second: f64,
}

impl Slew {
    /// Makes one that starts at `value` and changes by at most `per_second` in a second.
    #[must_use]
    pub const fn new(value: f64, per_second: f64) -> Self {
        Self { value, per_second }
    }

    /// The value.
    #[must_use]
    pub const fn value(&self) -> f64 {
        self.value
    }

    /// Goes towards `wanted` for `dt_s` seconds and returns the value then. What is not finite changes nothing.
    pub fn step(&mut self, wanted: f64, dt_s: f64) -> f64 {
        let most = self.per_second * dt_s.clamp(0.0, 1.0);
        if wanted.is_finite() && most.is_finite() {
            self.value += (wanted - self.value).clamp(-most, most);
        }
        self.value
    }

    /// Puts the value there at once.
    pub const fn set(&mut self, value: f64) {
        self.value = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error that shrinks at the pace of the output, against a disturbance.
    fn settle(pi: &mut Pi, start: f64, disturbance: f64, seconds: u32) -> (f64, f64) {
        let (mut error, mut undershoot) = (start, 0.0_f64);
        for _ in 0..seconds * 100 {
            error -= (pi.step(error, 0.0, 0.01) - disturbance) * 0.01;
            undershoot = undershoot.min(error);
        }
        (error, undershoot)
    }

    #[test]
    fn a_steady_disturbance_leaves_no_error() {
        let mut pi = Pi::new(PiSettings::critically_damped(10.0, 0.005, 0.001));
        let (error, _) = settle(&mut pi, 0.0, 100e-6, 300);
        assert!(error.abs() < 1e-6, "{error}");
        assert!((pi.integral() - 100e-6).abs() < 1e-7);
    }

    #[test]
    fn a_long_way_at_the_limit_winds_nothing_up() {
        let mut pi = Pi::new(PiSettings::critically_damped(1.0, 0.005, 0.005));
        let (error, undershoot) = settle(&mut pi, 0.1, 0.0, 60);
        assert!(error.abs() < 1e-5, "{error}");
        // Without the condition the integral would overshoot by most of the 100 ms.
        assert!(undershoot > -0.002, "{undershoot}");
    }

    #[test]
    fn the_output_keeps_its_limits_whatever_comes_in() {
        let mut pi = Pi::new(PiSettings::critically_damped(1.0, 0.005, 0.001));
        for error in [1e300, f64::INFINITY, f64::NAN, -1e300, 1.0, -1.0] {
            for forward in [0.0, f64::NAN, 1e9, -1e9] {
                let output = pi.step(error, forward, 0.01);
                assert!(output.abs() <= 0.005, "{output}");
                assert!(pi.integral().abs() <= 0.001);
            }
        }
    }

    #[test]
    fn the_slew_limit_holds_and_the_goal_is_reached() {
        let mut slew = Slew::new(0.0, 0.005);
        assert!((slew.step(0.004, 0.1) - 0.000_5).abs() < 1e-12);
        for _ in 0..7 {
            slew.step(0.004, 0.1);
        }
        assert!((slew.value() - 0.004).abs() < 1e-12);
        slew.step(f64::NAN, 0.1);
        slew.step(1.0, f64::NAN);
        assert!((slew.value() - 0.004).abs() < 1e-12);
    }
}
