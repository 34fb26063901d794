//! Notices a picture that has fallen silent (spice.md section 10, "missing or excess ACKs").

use std::time::{Duration, Instant};

/// A picture that shows nothing new for this long after a key press may be stuck.
const SILENCE: Duration = Duration::from_secs(10);
/// What comes in this time from the opening is the picture as it was, and no sign that it moves.
const START: Duration = Duration::from_secs(1);

/// Watches DISPLAY while it is open.
///
/// A server that waits for an ACK falls silent without an error; so does one whose picture no key changes. Therefore the
/// channel is opened again no more than once until something beyond the picture of its start has arrived: however much
/// is typed on a static picture, that costs one opening. And nothing is done before another channel is heard after the
/// ten seconds: a server that is stopped as a whole would not answer a new connection either, and the channel would be
/// given up.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    /// When the channel was opened; `None` while it is not.
    opened: Option<Instant>,
    /// The first key press after the last message.
    pressed: Option<Instant>,
    /// Opening again has been tried, and nothing has moved since.
    is_spent: bool,
}

impl Watchdog {
    pub(super) fn opened(&mut self, now: Instant) {
        self.opened = Some(now);
        self.pressed = None;
    }

    pub(super) fn closed(&mut self) {
        self.opened = None;
        self.pressed = None;
    }

    /// Something came on DISPLAY.
    pub(super) fn heard(&mut self, now: Instant) {
        self.pressed = None;
        let is_beyond_start = |at| now.saturating_duration_since(at) >= START;
        if self.opened.is_some_and(is_beyond_start) {
            self.is_spent = false;
        }
    }

    /// A key press was sent.
    pub(super) fn pressed(&mut self, now: Instant) {
        if self.opened.is_some() && !self.is_spent {
            self.pressed.get_or_insert(now);
        }
    }

    /// Whether the channel is to be opened again, if the server lives.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.pressed
            .is_some_and(|at| now.saturating_duration_since(at) >= SILENCE)
    }

    /// The channel is opened again because of this.
    pub(super) fn spend(&mut self) {
        self.is_spent = true;
    }
}
