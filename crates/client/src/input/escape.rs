//! The escape key: tapped, held, or held down with another key.

use clock::Nanos;

/// What the release of the key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Released {
    /// It was alone, and down for a short time only.
    Tap,
    /// It has done its work.
    Nothing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Up,
    /// Down, and nothing came of it yet.
    Down { since: Nanos },
    /// Down, after another key or long enough: no tap any more.
    Used,
}

/// Follows the escape key. Whether the help is shown is told by [`Escape::shows_help`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Escape {
    delay: Nanos,
    state: State,
    help: bool,
}

impl Escape {
    pub(super) fn new(delay: Nanos) -> Self {
        Self {
            delay,
            state: State::Up,
            help: false,
        }
    }

    pub(super) fn is_down(&self) -> bool {
        self.state != State::Up
    }

    pub(super) fn shows_help(&self) -> bool {
        self.help
    }

    pub(super) fn press(&mut self, now: Nanos) {
        if !self.is_down() {
            self.state = State::Down { since: now };
        }
    }

    /// Another key went down.
    pub(super) fn combine(&mut self) {
        if self.is_down() {
            self.state = State::Used;
        }
    }

    pub(super) fn release(&mut self, now: Nanos) -> Released {
        self.tick(now);
        let state = self.state;
        self.reset();
        match state {
            State::Down { .. } => Released::Tap,
            State::Up | State::Used => Released::Nothing,
        }
    }

    /// The key is no longer followed: the keyboard is gone.
    pub(super) fn reset(&mut self) {
        self.state = State::Up;
        self.help = false;
    }

    pub(super) fn deadline(&self) -> Option<Nanos> {
        match self.state {
            State::Down { since } => Some(since + self.delay),
            State::Up | State::Used => None,
        }
    }

    pub(super) fn tick(&mut self, now: Nanos) {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            self.state = State::Used;
            self.help = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(i64) -> Nanos = Nanos::from_millis;

    fn pressed() -> Escape {
        let mut escape = Escape::new(MS(200));
        escape.press(MS(1000));
        escape
    }

    #[test]
    fn short_press_is_a_tap() {
        let mut escape = pressed();
        assert_eq!(escape.deadline(), Some(MS(1200)));
        escape.tick(MS(1199));
        assert!(!escape.shows_help());
        assert_eq!(escape.release(MS(1199)), Released::Tap);
        assert!(!escape.is_down() && escape.deadline().is_none());
    }

    #[test]
    fn long_press_shows_the_help_until_its_end_and_is_no_tap() {
        let mut escape = pressed();
        escape.tick(MS(1200));
        assert!(escape.shows_help());
        assert_eq!(escape.deadline(), None);
        assert_eq!(escape.release(MS(1300)), Released::Nothing);
        assert!(!escape.shows_help());
    }

    #[test]
    fn long_press_is_no_tap_even_if_nobody_looked_at_the_clock() {
        assert_eq!(pressed().release(MS(1200)), Released::Nothing);
    }

    #[test]
    fn press_with_another_key_is_no_tap_and_shows_no_help() {
        let mut escape = pressed();
        escape.combine();
        escape.tick(MS(5000));
        assert!(!escape.shows_help());
        assert_eq!(escape.release(MS(5000)), Released::Nothing);
    }

    #[test]
    fn repetition_does_not_start_the_time_anew() {
        let mut escape = pressed();
        escape.press(MS(1100));
        assert_eq!(escape.deadline(), Some(MS(1200)));
    }

    #[test]
    fn reset_forgets_the_key() {
        let mut escape = pressed();
        escape.tick(MS(1200));
        escape.reset();
        assert!(!escape.shows_help() && !escape.is_down());
        assert_eq!(escape.release(MS(1201)), Released::Nothing);
    }
}
