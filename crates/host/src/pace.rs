//! When the next picture may be fetched.

use clock::Nanos;

/// While the clients are busy, room is looked for at least this far apart; they cannot tell.
const ROOM_LOOK: Nanos = Nanos::from_millis(1);
/// And at most this far: a client that was killed keeps its slot for a second.
const LONGEST_ROOM_LOOK: Nanos = Nanos::from_millis(10);
/// In between, a picture comes late by this share of the time that it has waited already.
const LATENESS: i64 = 8;

/// Keeps pictures apart: by `app:throttleFPS`, and while there is no room for one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// Time between two pictures; nothing without a limit.
    interval: Nanos,
    /// When the limit allows the next one.
    next: Nanos,
    /// When to try again after one could not be had.
    retry: Nanos,
    /// Since when there has been no room.
    full_since: Option<Nanos>,
}

impl Pace {
    /// At most `fps` pictures a second; 0 is no limit.
    pub(crate) fn new(fps: u32) -> Self {
        let interval = match i64::from(fps) {
            0 => Nanos::ZERO,
            fps => Nanos(1_000_000_000 / fps),
        };
        Self {
            interval,
            ..Self::default()
        }
    }

    /// From when on the next picture may be fetched.
    pub(crate) fn image_from(&self) -> Nanos {
        self.next.max(self.retry)
    }

    /// Counts a picture that was fetched at `now`.
    ///
    /// Keeps to a schedule, so that a source of just the limit's rate loses nothing to late wake-ups; what was not
    /// used is not made up for, but by one picture.
    pub(crate) fn fetched(&mut self, now: Nanos) {
        self.next = (self.next + self.interval).max(now);
    }

    /// Takes in whether there is room for a picture at `now`; if not, looks again in a while.
    ///
    /// A live client makes room within milliseconds and is not kept waiting; one that does not is looked at ever less.
    pub(crate) fn found_room(&mut self, has_room: bool, now: Nanos) {
        if has_room {
            self.full_since = None;
            return;
        }
        let waited = now - *self.full_since.get_or_insert(now);
        let pause = Nanos(waited.0 / LATENESS);
        self.retry_at(now + pause.max(ROOM_LOOK).min(LONGEST_ROOM_LOOK));
    }

    /// Nothing before `until`.
    pub(crate) const fn retry_at(&mut self, until: Nanos) {
        self.retry = until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(i64) -> Nanos = Nanos::from_millis;

    /// Fetches whenever `pace` lets it, looking each `step` from 1 s on for a second; returns how often.
    fn fetches(pace: &mut Pace, step: Nanos) -> u32 {
        let mut count = 0;
        let mut now = MS(1_000);
        while now < MS(2_000) {
            if now >= pace.image_from() {
                pace.fetched(now);
                count += 1;
            }
            now = now + step;
        }
        count
    }

    #[test]
    fn without_a_limit_every_change_is_fetched() {
        assert_eq!(fetches(&mut Pace::new(0), MS(1)), 1_000);
    }

    #[test]
    fn the_limit_holds_however_often_something_changes() {
        for fps in [1, 30, 144] {
            let count = fetches(&mut Pace::new(fps), Nanos::from_micros(100));
            assert!((fps..=fps + 1).contains(&count), "{fps}: {count}");
        }
    }

    #[test]
    fn a_source_of_the_limits_own_rate_is_not_halved() {
        // Each picture is seen up to 2 ms late, never twice as late as the one before.
        let mut pace = Pace::new(50);
        let mut count = 0;
        for i in 0..100 {
            let now = MS(1_000 + 20 * i + [0, 2, 1][i as usize % 3]);
            if now >= pace.image_from() {
                pace.fetched(now);
                count += 1;
            }
        }
        assert!(count >= 99, "{count}");
    }

    #[test]
    fn a_pause_is_made_up_for_by_one_picture_only() {
        let mut pace = Pace::new(10);
        pace.fetched(MS(1_000));
        pace.fetched(MS(5_000));
        assert_eq!(pace.image_from(), MS(5_000));
        pace.fetched(MS(5_000));
        assert_eq!(pace.image_from(), MS(5_100));
    }

    #[test]
    fn a_failed_attempt_delays_the_next() {
        let mut pace = Pace::new(0);
        pace.retry_at(MS(1_010));
        assert_eq!(pace.image_from(), MS(1_010));
    }

    /// Looks for room from 1 s on whenever `pace` lets it, until there is some after `busy`; returns how often it looked,
    /// and how long after that it found it.
    fn looks(pace: &mut Pace, busy: Nanos) -> (u32, Nanos) {
        let start = MS(1_000);
        let mut now = start;
        let mut count = 0;
        loop {
            count += 1;
            let has_room = now >= start + busy;
            pace.found_room(has_room, now);
            if has_room {
                return (count, now - start - busy);
            }
            assert!(pace.image_from() > now, "time goes on");
            now = pace.image_from();
        }
    }

    #[test]
    fn a_killed_clients_slot_is_looked_at_ever_less() {
        let (count, _) = looks(&mut Pace::new(0), MS(1_000));
        assert!(count < 130, "{count} looks in a second");
    }

    #[test]
    fn a_live_client_that_is_slow_is_hardly_kept_waiting() {
        for busy in 1..100 {
            // What was waited for before does not count.
            let mut pace = Pace::new(0);
            looks(&mut pace, MS(1_000));
            let (_, late) = looks(&mut pace, Nanos(MS(busy).0 - 1));
            let most = MS(1).max(Nanos(MS(busy).0 / LATENESS));
            assert!(late <= most, "{late:?} after {busy} ms");
        }
    }
}
