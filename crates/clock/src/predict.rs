//! Predicts when a peer posts next, so that a poller can look closely then and sleep otherwise.
//!
//! Posts come at a period with jitter, some are left out, and the poller sees each only at its next look. The
//! predictor finds the period from a few posts, follows it with a [`Dll`], and keeps the spread of the recent errors
//! as the window in which the next post is expected.

use crate::{Dll, Gains, Nanos};

/// Posts that a period is found from.
const ACQUIRE: usize = 9;
/// Errors that the window is made of.
const ERRORS: usize = 64;
/// Shortest and longest period that is worth predicting.
const PERIODS: (Nanos, Nanos) = (Nanos::from_millis(2), Nanos::from_millis(110));
/// Largest deviation from a multiple of the period while one is searched: twice 1 ms of jitter, as seen in practice.
const ACQUIRE_TOLERANCE: Nanos = Nanos::from_micros(1_300);
/// Angular loop bandwidth per event: wide after the lock, then narrow.
const BANDWIDTHS: (f64, f64) = (0.2, 0.03);
/// Largest root mean square of deviations, as a share of the period: evenly spread ones would have twice that.
const LARGEST_RMS: f64 = 0.15;
/// A post that does not fit counts two, one that fits takes one back; at this many the lock is given up.
const STRANGERS: u32 = 6;
/// A silence longer than this ends the prediction; the period is remembered.
const HORIZON: Nanos = Nanos::from_millis(1_000);

/// The time in which the next post is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Nothing is expected before.
    pub start: Nanos,
    /// The middle of the expectation.
    pub expected: Nanos,
    /// Nothing of this period is expected after.
    pub end: Nanos,
    /// Expected posts that have not come since the last one that did.
    pub missed: u32,
}

/// Follows the posts of a peer; fixed memory, no allocation.
#[derive(Clone, Debug)]
pub struct PostPredictor {
    seen: [Nanos; ACQUIRE],
    seen_len: usize,
    dll: Option<Dll>,
    last: Nanos,
    updates: u32,
    strangers: u32,
    errors: [i64; ERRORS],
    errors_len: usize,
    errors_at: usize,
}

impl PostPredictor {
    /// Makes one that knows nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            seen: [Nanos::ZERO; ACQUIRE],
            seen_len: 0,
            dll: None,
            last: Nanos::ZERO,
            updates: 0,
            strangers: 0,
            errors: [0; ERRORS],
            errors_len: 0,
            errors_at: 0,
        }
    }

    /// Forgets everything.
    pub const fn reset(&mut self) {
        *self = Self::new();
    }

    /// Tells whether a period is known and followed.
    #[must_use]
    pub const fn is_locked(&self) -> bool {
        self.dll.is_some()
    }

    /// The period in use.
    #[must_use]
    pub fn period(&self) -> Option<Nanos> {
        self.dll.map(|dll| Nanos::from_secs_f64(dll.period_s()))
    }

    /// Learns that a post happened after `after`, the last look that found nothing, and not later than `by`.
    pub fn observe(&mut self, after: Nanos, by: Nanos) {
        let by = sane(by);
        let after = sane(after).min(by);
        let middle = Nanos(by.0 - (by.0 - after.0) / 2);
        self.remember(middle);
        let silence = by - self.last;
        self.last = by;
        match self.dll {
            Some(dll) if silence > HORIZON => self.restart_phase(dll, middle),
            Some(dll) => self.follow(dll, after, by),
            None => self.acquire(),
        }
    }

    /// The first window that is not over at `now`; `None` without a lock or after a long silence.
    #[must_use]
    pub fn window(&self, now: Nanos) -> Option<Window> {
        let dll = self.dll?;
        let now = sane(now);
        if now - self.last > HORIZON {
            return None;
        }
        let period = period_of(&dll);
        let (early, late) = self.spread(period);
        let over = now.0 - (dll.next().0 + late);
        let missed = if over < 0 { 0 } else { over / period + 1 };
        let expected = dll.next().0.saturating_add(missed.saturating_mul(period));
        // The prediction gets vaguer with every period that nothing was learned from.
        let vague = (missed * 4_000).min(period / 8);
        Some(Window {
            start: Nanos(expected - early - vague),
            expected: Nanos(expected),
            end: Nanos(expected + late + vague),
            missed: u32::try_from(missed).unwrap_or(u32::MAX),
        })
    }

    /// Nanoseconds before and after the expected time that the window spans.
    fn spread(&self, period: i64) -> (i64, i64) {
        let errors = self.errors.get(..self.errors_len).unwrap_or(&[]);
        let low = errors.iter().copied().min().unwrap_or(0).min(0);
        let high = errors.iter().copied().max().unwrap_or(0).max(0);
        // Few errors say little about the rest: the margin shrinks while they are collected.
        let unknown = 1_500_000 / (4 + self.errors_len as i64);
        let margin = 60_000 + (high - low) / 16 + unknown;
        let most = period / 2;
        ((margin - low).min(most), (margin + high).min(most))
    }

    fn remember(&mut self, at: Nanos) {
        if self.seen_len == ACQUIRE {
            self.seen.rotate_left(1);
            self.seen_len -= 1;
        }
        if let Some(slot) = self.seen.get_mut(self.seen_len) {
            *slot = at;
            self.seen_len += 1;
        }
    }

    fn record(&mut self, error: i64) {
        if let Some(slot) = self.errors.get_mut(self.errors_at) {
            *slot = error;
        }
        self.errors_at = (self.errors_at + 1) % ERRORS;
        self.errors_len = (self.errors_len + 1).min(ERRORS);
    }

    fn forget_errors(&mut self) {
        self.errors_len = 0;
        self.errors_at = 0;
    }

    /// A post after a long silence: the period is as good as any guess, the phase is new.
    fn restart_phase(&mut self, mut dll: Dll, at: Nanos) {
        dll = Dll::new(
            at + Nanos::from_secs_f64(dll.period_s()),
            dll.period_s(),
            dll.gains(),
        );
        self.updates = 0;
        self.strangers = 0;
        self.forget_errors();
        // Where in its jitter the one post was is unknown.
        self.record(-700_000);
        self.record(700_000);
        self.dll = Some(dll);
    }

    fn follow(&mut self, mut dll: Dll, after: Nanos, by: Nanos) {
        let period = period_of(&dll);
        let late = by.0 - (by.0 - after.0) / 2 - dll.next().0;
        let skipped = (late + period / 2).div_euclid(period);
        if skipped < 0 {
            // Two posts within one period: the second one is no news about the clock.
            return self.stranger();
        }
        dll.coast(u32::try_from(skipped).unwrap_or(u32::MAX));
        let expected = dll.next();
        // A look that came long after the post says only that it was in between.
        let is_exact = by.0 - after.0 <= 500_000;
        let at = if is_exact {
            Nanos(by.0 - (by.0 - after.0) / 2)
        } else {
            expected.clamp(after, by)
        };
        let error = at.0 - expected.0;
        let (before, behind) = self.spread(period);
        let limit = (before.max(behind) + 500_000).min(period * 7 / 20);
        if error.abs() > limit {
            return self.stranger();
        }
        self.strangers = self.strangers.saturating_sub(1);
        if is_exact || error != 0 {
            self.record(error);
            self.updates = self.updates.saturating_add(1);
        }
        dll.set_gains(gains(dll.period_s(), self.updates));
        dll.update(at);
        let errors = self.errors.get(..self.errors_len).unwrap_or(&[]);
        let is_rhythm = errors.len() < ACQUIRE || rms(errors) <= period as f64 * LARGEST_RMS;
        let fits = (PERIODS.0.0..=PERIODS.1.0).contains(&period_of(&dll));
        self.dll = (fits && is_rhythm).then_some(dll);
        if skipped > 0 {
            self.slow_down(period);
        }
    }

    /// A post that does not fit; too many of them end the lock.
    fn stranger(&mut self) {
        self.strangers += 2;
        if self.strangers >= STRANGERS {
            self.dll = None;
            self.acquire();
        }
    }

    /// Takes a longer period when none of the remembered gaps is as short as `period`.
    fn slow_down(&mut self, period: i64) {
        let Some(gaps) = self.gaps() else { return };
        if gaps.iter().all(|&gap| multiple(gap, period) > 1)
            && let Some(longer) = find_period(&gaps)
        {
            self.lock(longer, &gaps);
        }
    }

    /// The distances between the remembered posts, once there are enough.
    fn gaps(&self) -> Option<[i64; ACQUIRE - 1]> {
        let mut gaps = [0_i64; ACQUIRE - 1];
        for (gap, pair) in gaps.iter_mut().zip(self.seen.windows(2)) {
            if let [from, to] = pair {
                *gap = to.0 - from.0;
            }
        }
        (self.seen_len == ACQUIRE).then_some(gaps)
    }

    /// Looks for a period in the posts that are remembered.
    fn acquire(&mut self) {
        let Some(gaps) = self.gaps() else { return };
        if let Some(period) = find_period(&gaps) {
            self.lock(period, &gaps);
        }
    }

    fn lock(&mut self, period: i64, gaps: &[i64]) {
        // The phase is the mean over all posts, each carried forward to the next expected one.
        let first = self.seen[0].0;
        let (mut steps, mut sum) = (0_i64, 0_i64);
        for (at, gap) in self.seen[1..].iter().zip(gaps) {
            steps += multiple(*gap, period);
            sum += at.0 - first - steps * period;
        }
        let phase = first + sum / self.seen.len() as i64;
        let seconds = Nanos(period).as_secs_f64();
        self.forget_errors();
        self.record(first - phase);
        let mut steps_to = 0;
        for (index, gap) in gaps.iter().enumerate() {
            steps_to += multiple(*gap, period);
            self.record(self.seen[index + 1].0 - phase - steps_to * period);
        }
        self.updates = 0;
        self.strangers = 0;
        let next = Nanos(phase + (steps + 1) * period);
        self.dll = Some(Dll::new(next, seconds, gains(seconds, 0)));
    }
}

impl Default for PostPredictor {
    fn default() -> Self {
        Self::new()
    }
}

/// Keeps differences between any two times far from overflow.
fn sane(time: Nanos) -> Nanos {
    time.clamp(Nanos(i64::MIN / 8), Nanos(i64::MAX / 8))
}

fn rms(errors: &[i64]) -> f64 {
    let squares: f64 = errors.iter().map(|&e| (e as f64) * (e as f64)).sum();
    (squares / errors.len().max(1) as f64).sqrt()
}

fn gains(period_s: f64, updates: u32) -> Gains {
    let (wide, narrow) = BANDWIDTHS;
    let w = (wide / (1.0 + f64::from(updates) / 12.0)).max(narrow);
    Gains::new(period_s, w / (std::f64::consts::TAU * period_s))
}

fn period_of(dll: &Dll) -> i64 {
    Nanos::from_secs_f64(dll.period_s()).0.max(1)
}

/// How many periods fit into a gap, at least one.
const fn multiple(gap: i64, period: i64) -> i64 {
    let n = (gap + period / 2) / period;
    if n < 1 { 1 } else { n }
}

/// The period of which all gaps are multiples: near the middle one, or else the shortest.
fn find_period(gaps: &[i64; ACQUIRE - 1]) -> Option<i64> {
    let mut sorted = *gaps;
    sorted.sort_unstable();
    let candidates = [sorted[sorted.len() / 2], sorted[0]];
    candidates.iter().find_map(|&guess| fit(gaps, guess))
}

/// The period near `guess` of which all gaps are multiples, if there is one.
fn fit(gaps: &[i64], guess: i64) -> Option<i64> {
    let mut period = guess;
    for _ in 0..3 {
        if !(PERIODS.0.0..=PERIODS.1.0).contains(&period) {
            return None;
        }
        let steps: i64 = gaps.iter().map(|&gap| multiple(gap, period)).sum();
        let total: i64 = gaps.iter().fold(0, |sum, gap| sum.saturating_add(*gap));
        period = total / steps.max(1);
    }
    let tolerance = ACQUIRE_TOLERANCE.0.min(period * 8 / 25);
    let in_range = (PERIODS.0.0..=PERIODS.1.0).contains(&period);
    let mut off = [0_i64; ACQUIRE - 1];
    for (off, &gap) in off.iter_mut().zip(gaps) {
        *off = gap - multiple(gap, period) * period;
    }
    let is_near = off.iter().all(|off| off.abs() <= tolerance);
    (in_range && is_near && rms(&off) <= period as f64 * LARGEST_RMS).then_some(period)
}

#[cfg(test)]
mod tests;
