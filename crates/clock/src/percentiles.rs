//! Percentiles of a stream of durations in fixed memory.

use crate::Nanos;

/// Each power of two is split into this many bins, so a value is known to 1/64 of itself, 1.6 %.
const BINS_PER_OCTAVE: u64 = 64;
/// Values below this many nanoseconds have a bin each.
const LINEAR: u64 = BINS_PER_OCTAVE;
/// Octaves above the linear part: up to 2^42 ns, more than an hour.
const OCTAVES: u64 = 36;
const BINS: usize = (LINEAR + OCTAVES * BINS_PER_OCTAVE) as usize;

/// Counts durations in bins of equal relative width and answers with percentiles.
///
/// All memory (about 9 KiB) is taken by [`Self::new`]; adding and asking never allocate. An answer is at most 1.6 %
/// above the true value, never below it; negative durations count as zero.
#[derive(Clone, Debug)]
pub struct Percentiles {
    bins: Box<[u32]>,
    count: u64,
    sum_ns: u128,
    min_ns: u64,
    max_ns: u64,
}

impl Percentiles {
    /// Makes an empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bins: vec![0; BINS].into_boxed_slice(),
            count: 0,
            sum_ns: 0,
            min_ns: u64::MAX,
            max_ns: 0,
        }
    }

    /// Adds one duration.
    pub fn add(&mut self, value: Nanos) {
        let ns = u64::try_from(value.0).unwrap_or(0);
        if let Some(bin) = self.bins.get_mut(bin_of(ns)) {
            *bin = bin.saturating_add(1);
        }
        self.count += 1;
        self.sum_ns += u128::from(ns);
        self.min_ns = self.min_ns.min(ns);
        self.max_ns = self.max_ns.max(ns);
    }

    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        self.bins.fill(0);
        self.count = 0;
        self.sum_ns = 0;
        self.min_ns = u64::MAX;
        self.max_ns = 0;
    }

    /// Durations added so far.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The smallest value that at least `percent` of the durations do not exceed; `None` if there are none.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<Nanos> {
        if self.count == 0 {
            return None;
        }
        let share = (percent / 100.0).clamp(0.0, 1.0);
        let rank = ((share * self.count as f64).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        for (index, &bin) in self.bins.iter().enumerate() {
            seen += u64::from(bin);
            if seen >= rank {
                // The last bin has no upper end.
                let top = if index == BINS - 1 {
                    self.max_ns
                } else {
                    top_of(index)
                };
                return Some(nanos(top.clamp(self.min_ns, self.max_ns)));
            }
        }
        Some(nanos(self.max_ns))
    }

    /// The half-way value.
    #[must_use]
    pub fn median(&self) -> Option<Nanos> {
        self.percentile(50.0)
    }

    /// The smallest duration, exactly.
    #[must_use]
    pub fn min(&self) -> Option<Nanos> {
        (self.count > 0).then(|| nanos(self.min_ns))
    }

    /// The largest duration, exactly.
    #[must_use]
    pub fn max(&self) -> Option<Nanos> {
        (self.count > 0).then(|| nanos(self.max_ns))
    }

    /// The mean, exactly but for rounding.
    #[must_use]
    pub fn mean(&self) -> Option<Nanos> {
        let mean = self.sum_ns.checked_div(u128::from(self.count))?;
        Some(nanos(u64::try_from(mean).unwrap_or(u64::MAX)))
    }
}

impl Default for Percentiles {
    fn default() -> Self {
        Self::new()
    }
}

fn nanos(ns: u64) -> Nanos {
    Nanos(i64::try_from(ns).unwrap_or(i64::MAX))
}

/// The bin of a value; the last one takes everything above its range.
fn bin_of(ns: u64) -> usize {
    if ns < LINEAR {
        return ns as usize;
    }
    let octave = u64::from(ns.ilog2()) - u64::from(LINEAR.ilog2());
    let within = (ns >> octave) - BINS_PER_OCTAVE;
    let bin = LINEAR + octave * BINS_PER_OCTAVE + within;
    usize::try_from(bin).unwrap_or(BINS).min(BINS - 1)
}

/// The largest value of a bin.
fn top_of(bin: usize) -> u64 {
    let bin = bin as u64;
    if bin < LINEAR {
        return bin;
    }
    let octave = (bin - LINEAR) / BINS_PER_OCTAVE;
    let within = (bin - LINEAR) % BINS_PER_OCTAVE;
    ((BINS_PER_OCTAVE + within + 1) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_has_no_percentile() {
        let p = Percentiles::new();
        assert_eq!(p.median(), None);
        assert_eq!(p.mean(), None);
        assert_eq!(p.min(), None);
        assert_eq!(p.max(), None);
    }

    #[test]
    fn small_values_are_exact() {
        let mut p = Percentiles::new();
        (1..=60).for_each(|ns| p.add(Nanos(ns)));
        assert_eq!(p.median(), Some(Nanos(30)));
        assert_eq!(p.percentile(0.0), Some(Nanos(1)));
        assert_eq!(p.percentile(99.0), Some(Nanos(60)));
        assert_eq!(p.mean(), Some(Nanos(30)));
    }

    #[test]
    fn every_answer_is_within_the_stated_error() {
        for exponent in 0..42 {
            for value in [1_u64 << exponent, (1 << exponent) + 1, (3 << exponent) / 2] {
                let top = top_of(bin_of(value));
                assert!(
                    top >= value && top <= value + value / 64,
                    "{value} -> {top}"
                );
            }
        }
    }

    #[test]
    fn percentiles_of_an_even_spread_are_where_they_belong() {
        let mut p = Percentiles::new();
        (1..=10_000).for_each(|us| p.add(Nanos::from_micros(us)));
        for percent in [1.0, 50.0, 90.0, 99.0, 99.9] {
            let exact = percent * 100_000.0;
            let got = p.percentile(percent).unwrap().0 as f64;
            assert!(got >= exact && got <= exact * 1.016, "{percent}: {got}");
        }
        assert_eq!(p.percentile(100.0), Some(Nanos::from_micros(10_000)));
    }

    #[test]
    fn negative_and_huge_values_stay_inside() {
        let mut p = Percentiles::new();
        p.add(Nanos(-5));
        p.add(Nanos(i64::MAX));
        assert_eq!(p.min(), Some(Nanos::ZERO));
        assert_eq!(p.max(), Some(Nanos(i64::MAX)));
        assert_eq!(p.percentile(100.0), Some(Nanos(i64::MAX)));
    }

    #[test]
    fn clearing_starts_over() {
        let mut p = Percentiles::new();
        p.add(Nanos(1_000));
        p.clear();
        p.add(Nanos(7));
        assert_eq!((p.count(), p.max()), (1, Some(Nanos(7))));
    }
}
