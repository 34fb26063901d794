//! Something of the display server that others may hold: asked for again for a moment, then given up.

use std::time::Duration;

use clock::Nanos;

/// How long a grab is tried: longer than a window manager holds the keyboard for a key bind, shorter than a user's
/// patience.
const LIMIT: Nanos = Nanos::from_millis(1000);

/// Time between two tries.
const STEP: Nanos = Nanos::from_millis(20);

/// A grab, from the wish to the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Grab {
    /// Neither wanted nor there.
    #[default]
    Off,
    /// Asked for.
    Wanted(Attempts),
    /// In force.
    Held,
}

impl Grab {
    /// Begins to want it.
    pub(crate) fn want(now: Nanos) -> Self {
        Self::Wanted(Attempts {
            next: now,
            end: now + LIMIT,
        })
    }

    /// Tells whether it is in force.
    pub(crate) fn is_held(self) -> bool {
        self == Self::Held
    }

    /// Tells whether it is time to try.
    pub(crate) fn is_due(self, now: Nanos) -> bool {
        matches!(self, Self::Wanted(attempts) if now >= attempts.next)
    }

    /// Counts a try that failed; after the last one it is off.
    pub(crate) fn failed(&mut self, now: Nanos) {
        if let Self::Wanted(attempts) = self {
            if now < attempts.end {
                attempts.next = now + STEP;
            } else {
                *self = Self::Off;
            }
        }
    }

    /// When the next try is due.
    pub(crate) fn next(self) -> Option<Nanos> {
        match self {
            Self::Wanted(attempts) => Some(attempts.next),
            _ => None,
        }
    }
}

/// The tries that are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempts {
    next: Nanos,
    end: Nanos,
}

/// Shortens a wait so that it ends when the first of some tries is due.
pub(crate) fn wait(timeout: Option<Duration>, grabs: [Grab; 2], now: Nanos) -> Option<Duration> {
    let due = grabs.into_iter().filter_map(Grab::next).min();
    let due = due.map(|due| (due - now).to_duration());
    timeout.into_iter().chain(due).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grab_is_tried_for_a_second_and_then_given_up() {
        let start = Nanos::from_millis(500);
        let mut grab = Grab::want(start);
        assert!(grab.is_due(start));
        let (mut now, mut tries) = (start, 0);
        while let Some(next) = grab.next() {
            assert!(next >= now);
            assert!(!grab.is_due(next - Nanos(1)) || next == start);
            now = next;
            tries += 1;
            grab.failed(now);
        }
        assert_eq!(grab, Grab::Off);
        assert_eq!(now - start, LIMIT);
        assert_eq!(tries, 51);
    }

    #[test]
    fn a_wait_ends_when_the_first_try_is_due() {
        let later = Nanos::from_millis(30);
        let mut first = Grab::want(Nanos::ZERO);
        first.failed(Nanos::ZERO);
        let second = Grab::want(later);
        let long = Some(Duration::from_secs(9));
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(wait(long, [first, second], Nanos::ZERO), ms(20));
        assert_eq!(wait(None, [Grab::Off, second], Nanos::ZERO), ms(30));
        assert_eq!(wait(ms(3), [first, second], Nanos::ZERO), ms(3));
        assert_eq!(wait(long, [Grab::Off, Grab::Held], later), long);
        assert_eq!(wait(None, [Grab::Off, Grab::Held], later), None);
    }

    #[test]
    fn a_grab_that_is_held_is_not_tried() {
        let mut grab = Grab::Held;
        assert!(grab.is_held() && !grab.is_due(LIMIT));
        grab.failed(LIMIT);
        assert_eq!((grab, grab.next()), (Grab::Held, None));
    }
}
