//! The texts over the picture, and which of them are seen.

use clock::Nanos;
use picture::{StatusText, TextPlace};
use spice::display::Unsupported;

/// How long an alert is shown.
const ALERT: Nanos = Nanos::from_millis(2000);
/// Height of the text in logical pixels.
const TEXT_HEIGHT: f64 = 16.0;

/// What is wrong with a picture that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is cut at the bottom; so many MiB would hold it.
    Cut(u64),
    /// Something on it could not be drawn.
    Incomplete(Unsupported),
}

impl Flaw {
    fn text(self) -> Vec<String> {
        match self {
            Self::Cut(mib) => vec![
                "The picture is cut at the bottom: the shared memory is too small.".to_owned(),
                format!("Give the virtual machine {mib} MiB of shared memory."),
            ],
            Self::Incomplete(what) => {
                vec![format!("The machine's own screen is incomplete: {what}.")]
            }
        }
    }
}

/// All that there is to be read.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// What is waited for: in the middle.
    waiting: Option<String>,
    /// What the user looks up: in the middle, instead of that.
    panel: Option<Vec<String>>,
    /// What happened just now.
    alert: Option<(String, Nanos)>,
    /// What stays true for a while.
    notice: Option<String>,
    /// Who asks for the microphone, or hears it.
    microphone: Option<String>,
    /// What is wrong with the picture.
    flaw: Option<(Flaw, Vec<String>)>,
    rates: Option<String>,
    sound: Option<String>,
    is_changed: bool,
}

impl Notes {
    pub(super) fn set_waiting(&mut self, sentence: Option<&str>) {
        if self.waiting.as_deref() != sentence {
            self.waiting = sentence.map(str::to_owned);
            self.is_changed = true;
        }
    }

    pub(super) const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    pub(super) fn set_panel(&mut self, lines: Option<Vec<String>>) {
        self.is_changed |= self.panel != lines;
        self.panel = lines;
    }

    pub(super) fn set_notice(&mut self, sentence: Option<String>) {
        self.is_changed |= self.notice != sentence;
        self.notice = sentence;
    }

    pub(super) fn set_flaw(&mut self, flaw: Option<Flaw>) {
        if self.flaw.as_ref().map(|(old, _)| *old) != flaw {
            self.flaw = flaw.map(|flaw| (flaw, flaw.text()));
            self.is_changed = true;
        }
    }

    pub(super) fn set_rates(&mut self, line: Option<&str>) {
        if self.rates.as_deref() != line {
            self.rates = line.map(str::to_owned);
            self.is_changed = true;
        }
    }

    /// What the rates say of the sound.
    pub(super) fn set_sound(&mut self, line: Option<&str>) {
        if self.sound.as_deref() != line {
            self.sound = line.map(str::to_owned);
            self.is_changed = true;
        }
    }

    pub(super) fn set_microphone(&mut self, sentence: Option<String>) {
        self.is_changed |= self.microphone != sentence;
        self.microphone = sentence;
    }

    pub(super) fn alert(&mut self, text: impl Into<String>, now: Nanos) {
        self.alert = Some((text.into(), now + ALERT));
        self.is_changed = true;
    }

    /// Forgets an alert that has been read; returns when the present one goes.
    pub(super) fn tick(&mut self, now: Nanos) -> Option<Nanos> {
        if self.alert.as_ref().is_some_and(|(_, until)| now >= *until) {
            self.alert = None;
            self.is_changed = true;
        }
        self.alert.as_ref().map(|(_, until)| *until)
    }

    /// Tells whether the text must be made anew; asked once, it is taken as made.
    pub(super) fn take_is_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// The text to be shown, `scale` physical pixels being a logical one.
    ///
    /// There is one text at a time: what belongs to the lower edge goes below what is in the middle.
    pub(super) fn text(&self, scale: f64) -> Option<StatusText> {
        let mut lines: Vec<&str> = Vec::new();
        match (&self.panel, &self.waiting) {
            (Some(panel), _) => lines.extend(panel.iter().map(String::as_str)),
            (None, Some(sentence)) => lines.extend(["Looking Glass", sentence]),
            (None, None) => {}
        }
        let place = if lines.is_empty() {
            TextPlace::Bottom
        } else {
            TextPlace::Centre
        };
        // What the user looks up has columns.
        let block = self.panel.as_ref().map_or(0, Vec::len);
        if let Some((_, flaw)) = &self.flaw {
            lines.extend(flaw.iter().map(String::as_str));
        }
        lines.extend(self.notice.as_deref());
        lines.extend(self.microphone.as_deref());
        lines.extend(self.alert.as_ref().map(|(text, _)| text.as_str()));
        lines.extend(self.rates.as_deref());
        lines.extend(self.sound.as_deref());
        if lines.is_empty() {
            return None;
        }
        let height = (TEXT_HEIGHT * scale) as f32;
        let text = StatusText::new(lines).with_block(block);
        Some(text.at(place).with_height(height))
    }
}
