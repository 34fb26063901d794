//! When to look at the queues next: the whole wake-up strategy, without a clock or a system call.
//!
//! The protocol has no doorbell. A look costs about 6 µs of processor time (a timer and a switch), so looking each
//! 50 µs all the time would take a tenth of a core. Instead the reader looks each 50 µs only while a post is
//! expected, and the predictor says when that is.

use std::time::Duration;

use clock::{Nanos, PostPredictor};

/// Distance of looks while a post is expected: half of it is the typical delay.
const FINE: Nanos = Nanos::from_micros(50);
/// Most looks that one window may cost; a wide window gets wider steps.
const LOOKS_PER_WINDOW: i64 = 28;
/// Longest time without a look while posts are predicted: finds a post out of order, and feeds the validity check.
const GAP: Nanos = Nanos::from_millis(4);
/// A silence after which no post is expected any more.
const TAIL: Nanos = Nanos::from_millis(250);
/// Shortest distance of looks while there is no prediction.
const SEARCH: Nanos = Nanos::from_micros(400);
/// Distance of looks while nothing happens: a first frame waits at most this long.
const IDLE: Nanos = Nanos::from_micros(9_700);
/// How long after its last message a pointer counts as moving.
const POINTER_TAIL: Nanos = Nanos::from_millis(100);
/// No look earlier than this after the last one, whatever the options say.
const LEAST: Nanos = Nanos::from_micros(10);

/// Decides when to look next from what the looks found so far.
#[derive(Clone, Debug)]
pub(crate) struct WaitPlan {
    /// The user's own distance of looks, if set.
    fixed: Option<Nanos>,
    pointer_step: Nanos,
    predictor: PostPredictor,
    last_look: Nanos,
    last_frame: Nanos,
    /// When the pointer or the user was last seen to do something.
    last_pointer: Option<Nanos>,
}

impl WaitPlan {
    pub(crate) fn new(frame_poll: Option<Duration>, pointer_poll: Duration) -> Self {
        Self {
            fixed: frame_poll.map(|step| Nanos::from(step).max(LEAST)),
            pointer_step: Nanos::from(pointer_poll).max(LEAST),
            predictor: PostPredictor::new(),
            last_look: Nanos::ZERO,
            last_frame: Nanos::ZERO,
            last_pointer: None,
        }
    }

    /// Starts over: a session begins at `now`, and its first frame is expected soon.
    pub(crate) fn start(&mut self, now: Nanos) {
        self.predictor.reset();
        self.last_look = now;
        self.last_frame = now;
        self.last_pointer = None;
    }

    /// A look at the frame queue found nothing.
    pub(crate) const fn found_nothing(&mut self, now: Nanos) {
        self.last_look = now;
    }

    /// A look at the frame queue found a new frame.
    pub(crate) fn found_frame(&mut self, now: Nanos) {
        self.predictor.observe(self.last_look, now);
        self.last_look = now;
        self.last_frame = now;
    }

    /// A look at the pointer queue found a message.
    pub(crate) const fn found_pointer(&mut self, now: Nanos) {
        self.last_pointer = Some(now);
    }

    /// The waiting thread was rung: the user does something, and the guest will answer soon.
    pub(crate) const fn woken(&mut self, now: Nanos) {
        self.last_pointer = Some(now);
    }

    /// Tells when to look next, always after `now`.
    pub(crate) fn next_look(&self, now: Nanos) -> Nanos {
        let frame = match self.fixed {
            Some(step) => now + step,
            None => self.next_frame_look(now),
        };
        let is_moving = self.last_pointer.is_some_and(|at| now - at < POINTER_TAIL);
        let pointer = now + if is_moving { self.pointer_step } else { IDLE };
        frame.min(pointer).max(now + LEAST)
    }

    fn next_frame_look(&self, now: Nanos) -> Nanos {
        let silence = now - self.last_frame;
        // The longer nothing came, the less a little more delay matters.
        let patient = Nanos(silence.0 / 32).clamp(SEARCH, IDLE);
        if silence > TAIL {
            return now + patient;
        }
        let Some(window) = self.predictor.window(now) else {
            return now + patient;
        };
        if now >= window.start {
            let fine = Nanos((window.end - window.start).0 / LOOKS_PER_WINDOW).max(FINE);
            // Expectations that were not met before deserve less.
            return now + Nanos(fine.0.saturating_mul(1 + i64::from(window.missed))).min(GAP);
        }
        let step = if window.missed == 0 {
            GAP
        } else {
            let period = self.predictor.period().unwrap_or(GAP);
            let past = now - (window.end - period);
            Nanos(past.0 / 2).clamp(FINE, GAP)
        };
        window.start.min(now + step)
    }
}

#[cfg(test)]
mod tests;
