//! What the user sees and what the window is asked for, as a state machine: events in, commands out.
//!
//! Knows no shared memory, no window and no renderer, so every rule here is tested without any of them.

use clock::Nanos;
use picture::{
    FrameLayout, PointerShape, PointerState, Scene, Size, StatusText, TextPlace, ViewOptions,
};

/// How long the waiting text stays over the first picture, unless the user wants a quick start.
const SPLASH: Nanos = Nanos::from_millis(400);
/// A short break in the relay, as between two sessions of a restarted host, is not announced.
const ANNOUNCE_AFTER: Nanos = Nanos::from_millis(150);
/// Height of the status text in logical pixels.
const TEXT_HEIGHT: f64 = 16.0;
/// A guest may ask for attention this often and no oftener (kvmfr.md H13).
const ATTENTION_INTERVAL: Nanos = Nanos::from_millis(10_000);

/// What the user chose of what concerns the session.
#[derive(Clone, Debug)]
pub struct Preferences {
    /// How the picture is placed in the window.
    pub view: ViewOptions,
    /// The window follows the guest's resolution.
    pub auto_resize: bool,
    /// Notes about the picture are shown.
    pub alerts: bool,
    /// The waiting text goes as soon as there is a picture.
    pub quick_splash: bool,
    /// The screen stays on while the guest asks for it.
    pub auto_screensaver: bool,
    /// The window asks for attention when the guest does.
    pub request_activation: bool,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            view: ViewOptions::default(),
            auto_resize: false,
            alerts: true,
            quick_splash: false,
            auto_screensaver: false,
            request_activation: true,
        }
    }
}

/// What a complete frame says beside its pixels.
#[derive(Clone, Copy, Debug)]
pub struct FrameNotes {
    /// Its shape.
    pub layout: FrameLayout,
    /// The guest wants the screen to stay on.
    pub wants_screen_on: bool,
    /// The guest wants attention.
    pub wants_attention: bool,
    /// The memory was too small for all rows. (Healthy frames of type 5 may lack their last row.)
    pub is_truncated: bool,
    /// MiB of shared memory that would hold the picture without cutting it.
    pub recommended_mib: u64,
}

/// What the window is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowCommand {
    /// Takes this size, in buffer pixels.
    Resize(Size),
    /// Keeps the screen on, or no longer.
    KeepScreenOn(bool),
    /// Asks for the user's attention.
    DemandAttention,
}

/// What the window shows over the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Note {
    /// What is waited for.
    Waiting(String),
    /// The picture is cut at the bottom; so many MiB would hold it.
    Cut(u64),
}

/// The state of one view of a guest.
pub struct Session {
    preferences: Preferences,
    layout: Option<FrameLayout>,
    pointer: PointerState,
    shape: Option<PointerShape>,
    /// What the relay waits for, and since when there is no live picture.
    missing: Option<(String, Nanos)>,
    splash_until: Option<Nanos>,
    /// MiB that a cut picture needs.
    cut: Option<u64>,
    note: Option<Note>,
    status: Option<StatusText>,
    is_screen_kept_on: bool,
    last_attention: Option<Nanos>,
    commands: Vec<WindowCommand>,
    needs_draw: bool,
    scale: f64,
}

impl Session {
    /// Makes the state of a view that has not found a host yet.
    #[must_use]
    pub fn new(preferences: Preferences) -> Self {
        Self {
            preferences,
            layout: None,
            pointer: PointerState::default(),
            shape: None,
            missing: None,
            splash_until: None,
            cut: None,
            note: None,
            status: None,
            is_screen_kept_on: false,
            last_attention: None,
            commands: Vec::with_capacity(4),
            needs_draw: true,
            scale: 1.0,
        }
    }

    /// Takes in that the relay waits for something, which `sentence` names for the user.
    pub fn missing(&mut self, sentence: String, now: Nanos) {
        let since = self.missing.take().map_or(now, |(_, since)| since);
        self.missing = Some((sentence, since));
        self.splash_until = None;
        if self.is_screen_kept_on {
            self.keep_screen_on(false);
        }
    }

    /// Takes in a new session: the pointer of the old one is gone, its picture stays until the next one comes.
    pub fn connected(&mut self) {
        self.shape = None;
        self.pointer = PointerState::default();
        self.needs_draw = true;
    }

    /// Takes in that a complete frame is in the renderer.
    pub fn frame(&mut self, notes: &FrameNotes, now: Nanos) {
        let upright = |layout: FrameLayout| self.preferences.view.rotation.size(layout.upright());
        let before = self.layout.replace(notes.layout);
        if self.preferences.auto_resize && before.map(upright) != Some(upright(notes.layout)) {
            self.commands
                .push(WindowCommand::Resize(upright(notes.layout)));
        }
        if self.preferences.auto_screensaver && notes.wants_screen_on != self.is_screen_kept_on {
            self.keep_screen_on(notes.wants_screen_on);
        }
        if notes.wants_attention && self.preferences.request_activation {
            self.demand_attention(now);
        }
        self.cut = notes.is_truncated.then_some(notes.recommended_mib);
        let was_waiting = self.missing.take().is_some();
        if was_waiting && matches!(self.note, Some(Note::Waiting(_))) {
            let stay = if self.preferences.quick_splash {
                Nanos::ZERO
            } else {
                SPLASH
            };
            self.splash_until = Some(now + stay);
        }
        self.needs_draw = true;
    }

    /// Takes in where the pointer is and, if it is new, what it looks like.
    pub fn pointer(&mut self, state: PointerState, shape: Option<&PointerShape>) {
        self.needs_draw |= state != self.pointer || shape.is_some();
        self.pointer = state;
        if let Some(shape) = shape {
            match &mut self.shape {
                Some(kept) => kept.clone_from(shape),
                None => self.shape = Some(shape.clone()),
            }
        }
    }

    /// Takes in that the window must be drawn anew, with `scale` physical pixels for a logical one.
    pub fn window_changed(&mut self, scale: f64) {
        if self.scale.to_bits() != scale.to_bits() {
            self.scale = scale;
            self.status = self.note.as_ref().map(|note| self.text_of(note));
        }
        self.needs_draw = true;
    }

    /// Moves the notes on to `now`; returns when they change next by themselves.
    pub fn tick(&mut self, now: Nanos) -> Option<Nanos> {
        let mut next = None;
        let note = if let Some((sentence, since)) = &self.missing {
            // A picture that froze a moment ago is not worth a word yet; an empty window is, at once.
            let due = if self.layout.is_some() {
                *since + ANNOUNCE_AFTER
            } else {
                *since
            };
            if now < due {
                next = Some(due);
            }
            (now >= due).then(|| Note::Waiting(sentence.clone()))
        } else if self.splash_until.is_some_and(|until| now < until) {
            next = self.splash_until;
            return next;
        } else {
            self.cut.filter(|_| self.preferences.alerts).map(Note::Cut)
        };
        if note != self.note {
            self.status = note.as_ref().map(|note| self.text_of(note));
            self.note = note;
            self.needs_draw = true;
        }
        next
    }

    /// Tells whether the window no longer shows the state; asked once, it is taken as drawn.
    pub fn take_needs_draw(&mut self) -> bool {
        std::mem::take(&mut self.needs_draw)
    }

    /// Asks for another drawing, because the last one could not be shown.
    pub fn draw_again(&mut self) {
        self.needs_draw = true;
    }

    /// What is to be drawn.
    #[must_use]
    pub fn scene(&self) -> Scene<'_> {
        Scene {
            layout: self.layout.as_ref(),
            view: self.preferences.view,
            pointer: self.pointer,
            shape: self.shape.as_ref(),
            dimmed: matches!(self.note, Some(Note::Waiting(_))) && self.missing.is_some(),
            status: self.status.as_ref(),
        }
    }

    /// The pointer's picture.
    #[must_use]
    pub fn shape(&self) -> Option<&PointerShape> {
        self.shape.as_ref()
    }

    /// What is waited for, if anything.
    #[must_use]
    pub fn missing_link(&self) -> Option<&str> {
        self.missing.as_ref().map(|(sentence, _)| sentence.as_str())
    }

    /// What the window is asked to do since the last call.
    pub fn take_commands(&mut self) -> std::vec::Drain<'_, WindowCommand> {
        self.commands.drain(..)
    }

    fn keep_screen_on(&mut self, is_on: bool) {
        self.is_screen_kept_on = is_on;
        self.commands.push(WindowCommand::KeepScreenOn(is_on));
    }

    fn demand_attention(&mut self, now: Nanos) {
        if self
            .last_attention
            .is_none_or(|last| now - last >= ATTENTION_INTERVAL)
        {
            self.last_attention = Some(now);
            self.commands.push(WindowCommand::DemandAttention);
        }
    }

    fn text_of(&self, note: &Note) -> StatusText {
        let text = match note {
            Note::Waiting(sentence) => StatusText::new(["Looking Glass", sentence.as_str()]),
            Note::Cut(mib) => StatusText::new([
                "The picture is cut at the bottom: the shared memory is too small.".to_owned(),
                format!("Give the virtual machine {mib} MiB of shared memory."),
            ])
            .at(TextPlace::Bottom),
        };
        text.with_height((TEXT_HEIGHT * self.scale) as f32)
    }
}

#[cfg(test)]
mod tests;
