//! How many pictures a second come and are shown, for the user.

use clock::Nanos;

/// How often the figures are renewed.
const INTERVAL: Nanos = Nanos::from_millis(1000);

/// Counts while the user wants to see it.
#[derive(Debug, Default)]
pub(super) struct Rates {
    since: Option<Nanos>,
    received: u32,
    shown: u32,
    line: String,
    sound: Option<String>,
    is_sound_new: bool,
}

impl Rates {
    /// Switches the display of rates.
    pub(super) fn toggle(&mut self, now: Nanos) {
        if self.since.take().is_none() {
            *self = Self {
                since: Some(now),
                line: "Counting the pictures ...".to_owned(),
                ..Self::default()
            };
        }
    }

    /// Counts a picture that came.
    pub(super) fn received(&mut self) {
        self.received = self.received.saturating_add(1);
    }

    /// Counts a drawing.
    pub(super) fn shown(&mut self) {
        self.shown = self.shown.saturating_add(1);
    }

    /// What is to be shown.
    pub(super) fn line(&self) -> Option<&str> {
        self.since.map(|_| self.line.as_str())
    }

    /// What is to be shown of the sound.
    pub(super) fn sound(&self) -> Option<&str> {
        self.since.and(self.sound.as_deref())
    }

    /// Takes the line of the sound, for [`Self::is_due`].
    pub(super) fn set_sound(&mut self, line: Option<String>) {
        self.is_sound_new |= self.sound != line;
        self.sound = line;
    }

    /// The figures are renewed now.
    pub(super) fn is_due(&self, now: Nanos) -> bool {
        self.deadline().is_some_and(|at| now >= at)
    }

    /// Renews the line if it is time; tells whether it did.
    pub(super) fn tick(&mut self, now: Nanos) -> bool {
        let Some(since) = self.since.filter(|since| now >= *since + INTERVAL) else {
            return false;
        };
        let seconds = (now - since).as_secs_f64();
        let rate = |count: u32| f64::from(count) / seconds;
        let line = format!(
            "{:.1} pictures/s shown, {:.1} received",
            rate(self.shown),
            rate(self.received)
        );
        let is_new = line != self.line || std::mem::take(&mut self.is_sound_new);
        self.line = line;
        (self.received, self.shown) = (0, 0);
        self.since = Some(now);
        is_new
    }

    /// When the line is renewed.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        self.since.map(|since| since + INTERVAL)
    }
}
