//! What the main thread and the view tell each other.

use clock::Nanos;
use picture::{GuestPoint, Size};

use crate::session::WindowCommand;

/// What the main thread tells the view.
#[derive(Clone, Debug, PartialEq)]
pub enum ViewCommand {
    /// The window has this size now, in buffer pixels, and this scale.
    Resized(Size, f64),
    /// The window's content was lost.
    Exposed,
    /// The display server has a buffer again.
    Ready,
    /// The picture is turned by a quarter, clockwise.
    Rotate,
    /// The relayed video is switched off, or on again.
    ToggleVideo,
    /// How many pictures come and are shown is to be seen, or no longer.
    ToggleRates,
    /// A text for two seconds.
    Message(String),
    /// Lines in the middle of the window, until others, or none, are given.
    Panel(Option<Vec<String>>),
    /// A sentence that stays until another, or none, is given.
    Notice(Option<String>),
    /// Who asks for the microphone or hears it: a sentence that stays until another, or none, is given.
    Microphone(Option<String>),
    /// The host is to put the guest's pointer there; answered by [`ViewReport::PointerSet`].
    SetPointer(GuestPoint),
    /// The program ends.
    Quit,
}

/// What the view tells the main thread.
#[derive(Debug)]
pub enum ViewReport {
    /// The window is asked for something.
    Window(WindowCommand),
    /// The channels of the machine's own screen are to be opened, or closed. False until told otherwise; stays true for
    /// a SPICE session that is made later.
    WantConsole(bool),
    /// [`crate::guest_view::SharedGuestView`] has changed in more than the pointer's place.
    ViewChanged,
    /// What became of the last [`ViewCommand::SetPointer`].
    PointerSet(bool),
    /// A host's session began, or ended. False until told otherwise.
    HostAlive(bool),
    /// The view has ended because it could not go on.
    Failed(anyhow::Error),
}

/// Keeps a guest that begins session after session from filling the log.
#[derive(Debug, Default)]
pub struct LogRation {
    left: u32,
    last: Nanos,
}

impl LogRation {
    /// Messages at once, and after that one each [`Self::INTERVAL`].
    const BURST: u32 = 8;
    const INTERVAL: Nanos = Nanos::from_millis(2000);

    /// Tells whether a message may be logged at `now`, and counts it.
    pub fn allows(&mut self, now: Nanos) -> bool {
        let earned = (now - self.last).0 / Self::INTERVAL.0;
        if earned > 0 {
            self.last = now;
            self.left = u32::try_from(earned).map_or(Self::BURST, |e| {
                (self.left.saturating_add(e)).min(Self::BURST)
            });
        }
        let is_allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_cannot_fill_the_log() {
        let mut ration = LogRation::default();
        let hour = Nanos::from_millis(3_600_000);
        let mut logged = |from: Nanos, count: i64| {
            (0..count)
                .filter(|i| ration.allows(from + Nanos::from_millis(*i)))
                .count()
        };
        assert_eq!(logged(hour, 1000), 8, "a burst");
        assert_eq!(logged(hour + Nanos::from_millis(3000), 1000), 1);
        assert_eq!(logged(hour + hour, 1000), 8, "rested");
    }
}
