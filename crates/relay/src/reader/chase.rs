//! Following the write pointer of a frame that the host is still writing, without a clock of its own.

use clock::Nanos;

/// How long a frame is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Without any progress.
    pub(super) stall: Nanos,
    /// In all the waits of one frame together.
    pub(super) total: Nanos,
}

/// What a look at the write pointer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// All that is wanted is final.
    Ready,
    /// Look again soon.
    Waiting,
    /// The frame will not be finished.
    Lost,
}

/// Follows one frame's write pointer, which is only a hint: it may jump too far or go back (H5).
#[derive(Clone, Debug)]
pub(super) struct Chase {
    len: usize,
    last: u32,
    available: usize,
    has_turned: bool,
    is_lost: bool,
    /// Time spent in earlier waits.
    spent: Nanos,
    patience: Patience,
}

/// One wait for a number of bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    started: Nanos,
    progress: Nanos,
}

impl Chase {
    /// Starts at nothing of `len` bytes.
    pub(super) const fn new(len: usize, patience: Patience) -> Self {
        Self {
            len,
            last: 0,
            available: 0,
            has_turned: false,
            is_lost: false,
            spent: Nanos::ZERO,
            patience,
        }
    }

    /// Bytes that are final as far as is known.
    pub(super) const fn available(&self) -> usize {
        self.available
    }

    /// Tells whether the frame was given up.
    pub(super) const fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Gives the frame up.
    pub(super) const fn give_up(&mut self) {
        self.is_lost = true;
    }

    pub(super) const fn begin(now: Nanos) -> Wait {
        Wait {
            started: now,
            progress: now,
        }
    }

    /// Judges the write pointer `raw` as read at `now`, for a wait for `wanted` bytes.
    pub(super) fn look(&mut self, wait: &mut Wait, raw: u32, wanted: usize, now: Nanos) -> Look {
        if self.is_lost {
            return Look::Lost;
        }
        if raw != self.last {
            let goes_back = raw < self.last;
            if goes_back && self.has_turned {
                self.is_lost = true;
                return Look::Lost;
            }
            self.has_turned |= goes_back;
            self.last = raw;
            self.available = usize::try_from(raw).unwrap_or(usize::MAX).min(self.len);
            wait.progress = now;
        }
        if self.available >= wanted.min(self.len) {
            self.spent = self.spent + (now - wait.started);
            return Look::Ready;
        }
        let total = self.spent + (now - wait.started);
        if now - wait.progress > self.patience.stall || total > self.patience.total {
            self.is_lost = true;
            return Look::Lost;
        }
        Look::Waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        stall: Nanos::from_millis(100),
        total: Nanos::from_millis(1_000),
    };

    fn ms(ms: i64) -> Nanos {
        Nanos::from_millis(ms)
    }

    #[test]
    fn bytes_become_available_as_the_pointer_rises() {
        let mut chase = Chase::new(1_000, PATIENCE);
        let mut wait = Chase::begin(ms(0));
        assert_eq!(chase.look(&mut wait, 0, 500, ms(0)), Look::Waiting);
        assert_eq!(chase.look(&mut wait, 499, 500, ms(1)), Look::Waiting);
        assert_eq!(chase.look(&mut wait, 500, 500, ms(2)), Look::Ready);
        assert_eq!(chase.available(), 500);
    }

    #[test]
    fn a_pointer_beyond_the_data_is_clamped() {
        let mut chase = Chase::new(1_000, PATIENCE);
        let mut wait = Chase::begin(ms(0));
        assert_eq!(
            chase.look(&mut wait, u32::MAX, usize::MAX, ms(0)),
            Look::Ready
        );
        assert_eq!(chase.available(), 1_000);
    }

    #[test]
    fn no_progress_for_too_long_loses_the_frame_for_good() {
        let mut chase = Chase::new(1_000, PATIENCE);
        let mut wait = Chase::begin(ms(0));
        assert_eq!(chase.look(&mut wait, 10, 500, ms(90)), Look::Waiting);
        assert_eq!(chase.look(&mut wait, 10, 500, ms(190)), Look::Waiting);
        assert_eq!(chase.look(&mut wait, 10, 500, ms(191)), Look::Lost);
        assert_eq!(
            chase.look(&mut Chase::begin(ms(192)), 1_000, 500, ms(192)),
            Look::Lost
        );
    }

    #[test]
    fn steady_crawling_is_limited_too_over_all_waits_together() {
        let mut chase = Chase::new(1_000_000, PATIENCE);
        let mut now = 0;
        for round in 0..3 {
            let mut wait = Chase::begin(ms(now));
            let mut look = Look::Waiting;
            for step in 1..=10 {
                now += 40;
                let raw = round * 10 + step;
                look = chase.look(&mut wait, raw, (round as usize + 1) * 10, ms(now));
            }
            let expected = if round < 2 { Look::Ready } else { Look::Lost };
            assert_eq!(look, expected, "round {round}");
        }
    }

    #[test]
    fn the_pointer_may_turn_back_once() {
        let mut chase = Chase::new(1_000, PATIENCE);
        let mut wait = Chase::begin(ms(0));
        assert_eq!(chase.look(&mut wait, 400, 500, ms(90)), Look::Waiting);
        assert_eq!(chase.look(&mut wait, 300, 500, ms(180)), Look::Waiting);
        assert_eq!(chase.available(), 300);
        assert_eq!(chase.look(&mut wait, 450, 500, ms(270)), Look::Waiting);
        assert_eq!(chase.look(&mut wait, 449, 500, ms(271)), Look::Lost);
    }
}
