//! How long to wait before the next try.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LAST: Duration = Duration::from_secs(2);

/// Waiting times that double from 0.25 s to 2 s (spice.md section 10).
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next time to wait, lengthened by up to a quarter: `random` is any number, so that clients that lost their
    /// server together do not come back together.
    pub fn next_wait(&mut self, random: u32) -> Duration {
        let wait = FIRST.saturating_mul(1 << self.tries.min(3)).min(LAST);
        self.tries = self.tries.saturating_add(1);
        wait + wait.mul_f64(f64::from(random) / f64::from(u32::MAX) / 4.0)
    }

    /// Starts from the beginning: the last try was a success.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_two_seconds() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..5).map(|_| backoff.next_wait(0).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 2000]);
        assert_eq!(backoff.next_wait(u32::MAX).as_millis(), 2500);
        backoff.reset();
        assert_eq!(backoff.next_wait(0).as_millis(), 250);
    }
}
