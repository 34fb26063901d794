//! How late events habitually come.

/// Seconds that are remembered, one slot each.
const SLOTS: usize = 32;

/// The lateness that events reach again and again.
///
/// It is the second-highest of the last 32 seconds' peaks, where neighbouring seconds count as one. One event that was
/// later than all others is an accident: to be ready for the next such one would cost its lateness in latency from
/// then on. When it happens twice in that time it is a habit and counts. So a packet that starved the device does not
/// teach by itself either.
///
/// ```
/// let mut lateness = clock::Lateness::new();
/// for second in 0..20 {
///     lateness.observe(f64::from(second), 0.012);
/// }
/// lateness.observe(20.0, 0.5);
/// assert_eq!(lateness.habitual(), 0.012);
/// ```
#[derive(Clone, Debug)]
pub struct Lateness {
    peaks: [f64; SLOTS],
    second: i64,
    seconds: u32,
}

impl Lateness {
    /// Makes one that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            peaks: [0.0; SLOTS],
            second: i64::MIN,
            seconds: 0,
        }
    }

    /// Adds an event at `x` seconds that was late by `late` seconds. `x` must not decrease.
    pub fn observe(&mut self, x: f64, late: f64) {
        if !x.is_finite() || !late.is_finite() {
            return;
        }
        let second = x.floor() as i64;
        let passed = second.saturating_sub(self.second);
        if passed > 0 {
            for slot in 0..passed.min(SLOTS as i64) {
                self.set(second - slot, 0.0);
            }
            self.second = second;
            self.seconds = self.seconds.saturating_add(1);
        }
        let index = Self::index(self.second);
        self.peaks[index] = self.peaks[index].max(late);
    }

    /// Seconds by which events habitually are late; at least 0. In the first three seconds the highest counts.
    #[must_use]
    pub fn habitual(&self) -> f64 {
        let (mut highest, mut at) = (0.0_f64, 0);
        for (index, &peak) in self.peaks.iter().enumerate() {
            if peak > highest {
                (highest, at) = (peak, index);
            }
        }
        let others = self.peaks.iter().enumerate().filter(|(index, _)| {
            let apart = index.abs_diff(at);
            apart.min(SLOTS - apart) > 1
        });
        let second = others.fold(0.0_f64, |most, (_, &peak)| most.max(peak));
        if self.seconds < 3 { highest } else { second }
    }

    /// Counts all events as later by `by` seconds: what they are compared with has turned out to be earlier.
    pub fn shift(&mut self, by: f64) {
        for peak in self.peaks.iter_mut().filter(|peak| **peak > 0.0) {
            *peak = (*peak + by).max(0.0);
        }
    }

    fn set(&mut self, second: i64, value: f64) {
        self.peaks[Self::index(second)] = value;
    }

    const fn index(second: i64) -> usize {
        second.rem_euclid(SLOTS as i64) as usize
    }
}

impl Default for Lateness {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_accident_is_not_a_habit_but_two_are() {
        let mut lateness = Lateness::new();
        for second in 0..10 {
            lateness.observe(f64::from(second), 0.01);
        }
        lateness.observe(10.2, 0.08);
        lateness.observe(10.3, 0.07);
        assert_eq!(lateness.habitual(), 0.01);
        lateness.observe(25.0, 0.06);
        assert_eq!(lateness.habitual(), 0.06);
    }

    #[test]
    fn a_habit_is_forgotten_half_a_minute_after_it_ended() {
        let mut lateness = Lateness::new();
        lateness.observe(0.0, 0.08);
        for second in 1..80 {
            lateness.observe(f64::from(second), if second < 40 { 0.05 } else { 0.02 });
            let expected = if second < 69 { 0.05 } else { 0.02 };
            assert!(
                second < 4 || lateness.habitual() == expected,
                "second {second}: {}",
                lateness.habitual()
            );
        }
    }

    #[test]
    fn the_first_second_counts_as_it_is() {
        let mut lateness = Lateness::new();
        lateness.observe(0.1, 0.02);
        lateness.observe(0.2, 0.03);
        assert_eq!(lateness.habitual(), 0.03);
    }

    #[test]
    fn an_accident_across_two_seconds_is_one() {
        let mut lateness = Lateness::new();
        for second in 0..10 {
            lateness.observe(f64::from(second), 0.01);
        }
        lateness.observe(9.99, 0.2);
        lateness.observe(10.01, 0.19);
        lateness.observe(11.0, 0.01);
        assert_eq!(lateness.habitual(), 0.01);
    }

    #[test]
    fn a_gap_of_any_length_and_odd_values_are_taken() {
        let mut lateness = Lateness::new();
        lateness.observe(-5.0, 0.03);
        lateness.observe(f64::NAN, 1.0);
        lateness.observe(0.0, f64::INFINITY);
        lateness.observe(1e300, 0.01);
        lateness.observe(0.0, 0.04);
        assert!(lateness.habitual() <= 0.04);
    }
}
