//! When the status is published anew.

use std::sync::Arc;

use clock::Nanos;

use super::Microphone;
use crate::playback::State;

/// The numbers are published this often while sound is played or recorded.
pub(super) const INTERVAL: Nanos = Nanos::from_millis(100);

/// What is worth publishing at once when it changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen<'a> {
    /// Of the stream that plays.
    pub state: Option<State>,
    /// Something plays or records.
    pub is_active: bool,
    /// The device that plays.
    pub device: Option<&'a Arc<str>>,
    pub microphone: &'a Microphone,
}

/// What was published, and when the next time is.
#[derive(Debug, Default)]
pub(super) struct Publishing {
    state: Option<State>,
    device: Option<Arc<str>>,
    microphone: Microphone,
    is_active: bool,
    at: Nanos,
    /// Nothing has changed for a whole interval, and nothing will by itself.
    is_settled: bool,
}

impl Publishing {
    /// Whether to publish now; then it counts as published.
    pub(super) fn is_due(&mut self, seen: &Seen<'_>, now: Nanos) -> bool {
        let published = Seen {
            state: self.state,
            is_active: self.is_active,
            device: self.device.as_ref(),
            microphone: &self.microphone,
        };
        let has_changed = *seen != published;
        if !has_changed && (self.is_settled || now < self.at) {
            return false;
        }
        if has_changed {
            (self.state, self.is_active) = (seen.state, seen.is_active);
            self.device = seen.device.cloned();
            self.microphone = seen.microphone.clone();
        }
        // What a worker tells when its device is closed comes a moment after the end, so there is one look more.
        self.is_settled = !has_changed && !seen.is_active;
        self.at = now + INTERVAL;
        true
    }

    /// When to look again.
    pub(super) fn next(&self) -> Option<Nanos> {
        (!self.is_settled).then_some(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(i64) -> Nanos = Nanos::from_millis;

    fn recording(microphone: &Microphone, is_active: bool) -> Seen<'_> {
        Seen {
            state: None,
            is_active,
            device: None,
            microphone,
        }
    }

    #[test]
    fn an_end_within_the_interval_is_published_at_once_and_once_more_after_it() {
        let mut publishing = Publishing::default();
        let open = Microphone::Open { recording: 1 };
        let running = recording(&open, true);
        assert!(publishing.is_due(&running, MS(0)));
        assert!(!publishing.is_due(&running, MS(99)));
        assert!(publishing.is_due(&running, MS(100)));
        let ended = recording(&Microphone::Closed, false);
        assert!(publishing.is_due(&ended, MS(101)));
        assert!(!publishing.is_due(&ended, MS(102)));
        assert_eq!(publishing.next(), Some(MS(201)));
        assert!(publishing.is_due(&ended, MS(201)));
        assert_eq!(publishing.next(), None);
        assert!(!publishing.is_due(&ended, MS(9_000)));
        let name = Arc::from("a device");
        let device = Some(&name);
        assert!(publishing.is_due(&Seen { device, ..ended }, MS(9_001)));
    }
}
