//! When a device is opened, closed, and opened again: the rules for one direction, without any device.

use clock::Nanos;

/// The first wait after a device could not be opened or was lost; each further one is twice as long.
const FIRST_WAIT: Nanos = Nanos::from_millis(100);
/// The longest wait.
const LONGEST_WAIT: Nanos = Nanos::from_millis(2000);
/// A device that lasted this long was a good one: what comes after it begins with the first wait.
const GOOD: Nanos = Nanos::from_millis(5000);

/// What is to be done with a device. Each has a number of its own: what is said of an earlier one means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Open it.
    Open(u64),
    /// Close it, or give up opening it.
    Close(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    /// Not before then.
    Waiting(Nanos),
    Opening(u64),
    Open {
        number: u64,
        since: Nanos,
    },
}

/// The life of the devices of one direction, of which there is one at a time.
#[derive(Debug)]
pub(super) struct Life {
    state: State,
    wait: Nanos,
    last: u64,
}

impl Default for Life {
    fn default() -> Self {
        Self {
            state: State::Closed,
            wait: FIRST_WAIT,
            last: 0,
        }
    }
}

impl Life {
    /// The next thing to do; asked until there is nothing.
    pub(super) fn step(&mut self, is_wanted: bool, now: Nanos) -> Option<Deed> {
        match self.state {
            State::Closed | State::Waiting(_) if !is_wanted => {
                self.state = State::Closed;
                self.wait = FIRST_WAIT;
                None
            }
            State::Waiting(at) if now < at => None,
            State::Closed | State::Waiting(_) => {
                self.last += 1;
                self.state = State::Opening(self.last);
                Some(Deed::Open(self.last))
            }
            State::Opening(number) | State::Open { number, .. } if !is_wanted => {
                self.state = State::Closed;
                Some(Deed::Close(number))
            }
            State::Opening(_) | State::Open { .. } => None,
        }
    }

    /// When [`Self::step`] has something to do by itself.
    pub(super) const fn deadline(&self) -> Option<Nanos> {
        match self.state {
            State::Waiting(at) => Some(at),
            _ => None,
        }
    }

    /// It has been opened. False if nobody waits for it any more: it is to be closed.
    pub(super) fn opened(&mut self, number: u64, now: Nanos) -> bool {
        let is_awaited = self.state == State::Opening(number);
        if is_awaited {
            self.state = State::Open { number, since: now };
        }
        is_awaited
    }

    /// It could not be opened, or is of no use any more. False if that concerns nobody.
    pub(super) fn lost(&mut self, number: u64, now: Nanos) -> bool {
        let lasted = match self.state {
            State::Opening(present) if present == number => Nanos::ZERO,
            State::Open {
                number: present,
                since,
            } if present == number => now - since,
            _ => return false,
        };
        if lasted >= GOOD {
            self.wait = FIRST_WAIT;
        }
        self.state = State::Waiting(now + self.wait);
        self.wait = (self.wait + self.wait).min(LONGEST_WAIT);
        true
    }

    /// Whether that one is open.
    pub(super) fn is_open(&self, number: u64) -> bool {
        matches!(self.state, State::Open { number: present, .. } if present == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(i64) -> Nanos = Nanos::from_millis;

    #[test]
    fn a_device_is_opened_while_it_is_wanted_and_closed_after() {
        let mut life = Life::default();
        assert_eq!(life.step(false, MS(0)), None);
        assert_eq!(life.step(true, MS(0)), Some(Deed::Open(1)));
        assert_eq!(life.step(true, MS(0)), None);
        assert!(life.opened(1, MS(5)) && life.is_open(1));
        assert_eq!(life.step(true, MS(6)), None);
        assert_eq!(life.step(false, MS(7)), Some(Deed::Close(1)));
        assert_eq!(life.step(false, MS(7)), None);
        assert_eq!(life.step(true, MS(8)), Some(Deed::Open(2)));
    }

    #[test]
    fn waits_grow_to_two_seconds_and_begin_anew_when_nothing_is_wanted() {
        let mut life = Life::default();
        let mut now = MS(0);
        let mut waits = vec![];
        for number in 1..=7 {
            assert_eq!(life.step(true, now), Some(Deed::Open(number)));
            assert!(life.lost(number, now));
            let at = life.deadline().unwrap();
            assert_eq!(life.step(true, at - Nanos(1)), None);
            waits.push((at - now).as_millis());
            now = at;
        }
        assert_eq!(waits, [100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(life.step(false, now), None);
        assert_eq!(life.step(true, now), Some(Deed::Open(8)), "at once");
        life.lost(8, now);
        assert_eq!(life.deadline(), Some(now + FIRST_WAIT));
    }

    #[test]
    fn a_device_that_lasted_is_replaced_after_the_first_wait() {
        let mut life = Life::default();
        for number in 1..=3 {
            life.step(true, MS(100_000));
            assert!(life.lost(number, MS(0)));
        }
        assert_eq!(life.step(true, MS(100_000)), Some(Deed::Open(4)));
        assert!(life.opened(4, MS(100_000)));
        assert!(life.lost(4, MS(105_000)));
        assert_eq!(life.deadline(), Some(MS(105_100)));
    }

    #[test]
    fn what_is_said_of_an_earlier_device_means_nothing() {
        let mut life = Life::default();
        life.step(true, MS(0));
        assert_eq!(life.step(false, MS(1)), Some(Deed::Close(1)), "given up");
        assert!(!life.opened(1, MS(2)), "comes too late");
        life.step(true, MS(3));
        assert!(!life.lost(1, MS(4)));
        assert!(life.opened(2, MS(5)));
        assert!(!life.lost(1, MS(6)) && life.is_open(2));
    }
}
