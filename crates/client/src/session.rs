//! What the user sees and what the window is asked for, as a state machine: events in, commands out.
//!
//! Knows no shared memory, no window and no renderer, so every rule here is tested without any of them.

mod notes;
mod rates;
mod source;

use std::sync::Arc;

use clock::Nanos;
use picture::{
    FrameLayout, GuestPoint, Placement, PointerShape, PointerState, Rotation, Scene, Size,
    StatusText, ViewOptions,
};
use spice::display::Unsupported;

use crate::console::Look;
use crate::guest_view::{GuestView, PictureSource};
use notes::{Flaw, Notes};
use rates::Rates;
use source::Sources;

pub use source::ConsolePolicy;

/// How long the waiting text stays over the first picture, unless the user wants a quick start.
const SPLASH: Nanos = Nanos::from_millis(400);
/// A short break in the relay, as between two sessions of a restarted host, is not announced.
const ANNOUNCE_AFTER: Nanos = Nanos::from_millis(150);
/// The machine's own screen may take this long to come when the user switches the video off.
const OFF_ANNOUNCE_AFTER: Nanos = Nanos::from_millis(1000);
/// What is said where the console's picture should be, unless SPICE knows better.
const NO_CONSOLE: &str = "Waiting for the virtual machine's own screen.";
const VIDEO_OFF: &str = "The video is off; the key that switched it off switches it on.";
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
    /// A pointer that only moves is drawn at once, and not with the next picture.
    pub mouse_redraw: bool,
    /// When the machine's own screen is shown; [`ConsolePolicy::Off`] where there is no SPICE.
    pub console: ConsolePolicy,
    /// There is shared memory to read frames from.
    pub has_relay: bool,
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
            mouse_redraw: true,
            console: ConsolePolicy::Off,
            has_relay: true,
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

/// What the host says about itself, as far as others need it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// It can put the guest's pointer where it is told.
    pub can_set_pointer: bool,
    /// The guest runs Linux.
    pub is_linux: bool,
    /// The machine's UUID in the order of its text.
    pub uuid: Option<[u8; 16]>,
}

/// What others are asked to do, or told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The window is to do something.
    Window(WindowCommand),
    /// The channels of the machine's own screen are to be opened, or closed.
    WantConsole(bool),
    /// A host's session began, or ended.
    HostAlive(bool),
}

/// Why there is no live picture.
#[derive(Clone, Copy, Debug)]
enum Cause {
    /// The host.
    Relay,
    /// SPICE.
    Console,
    /// The user.
    VideoOff,
}

/// A pointer as it was heard of last.
struct Pointer<S> {
    state: PointerState,
    shape: Option<S>,
}

impl<S> Default for Pointer<S> {
    fn default() -> Self {
        Self {
            state: PointerState::default(),
            shape: None,
        }
    }
}

/// The state of one view of a guest.
pub struct Session {
    preferences: Preferences,
    sources: Sources,
    /// That of the picture shown.
    layout: Option<FrameLayout>,
    relayed: Pointer<PointerShape>,
    console: Pointer<Arc<PointerShape>>,
    facts: HostFacts,
    /// What the relay waits for, and since when there is no live picture.
    missing: Option<(String, Nanos)>,
    console_missing: Option<Arc<str>>,
    /// What the console lacks.
    incomplete: Option<Unsupported>,
    splash_until: Option<Nanos>,
    notes: Notes,
    rates: Rates,
    status: Option<StatusText>,
    is_dimmed: bool,
    is_screen_kept_on: bool,
    last_attention: Option<Nanos>,
    /// The size that the window was asked to take.
    followed: Option<Size>,
    requests: Vec<Request>,
    needs_draw: bool,
    /// The next drawing shows nothing new but the rates.
    is_drawn_for_rates: bool,
    buffer: Size,
    scale: f64,
}

impl Session {
    /// Makes the state of a view that has found neither host nor console yet.
    #[must_use]
    pub fn new(preferences: Preferences) -> Self {
        Self {
            sources: Sources::new(preferences.console, preferences.has_relay),
            preferences,
            layout: None,
            relayed: Pointer::default(),
            console: Pointer::default(),
            facts: HostFacts::default(),
            missing: None,
            console_missing: None,
            incomplete: None,
            splash_until: None,
            notes: Notes::default(),
            rates: Rates::default(),
            status: None,
            is_dimmed: false,
            is_screen_kept_on: false,
            last_attention: None,
            followed: None,
            requests: Vec::with_capacity(8),
            needs_draw: true,
            is_drawn_for_rates: false,
            buffer: Size::default(),
            scale: 1.0,
        }
    }

    /// Takes in that the relay waits for something, which `sentence` names for the user; `is_alive` if that is only
    /// the first frame of a session.
    pub fn missing(&mut self, sentence: String, is_alive: bool, now: Nanos) {
        let since = self.missing.take().map_or(now, |(_, since)| since);
        self.missing = Some((sentence, since));
        self.sources.missing(is_alive, now);
        if !is_alive && self.facts.can_set_pointer {
            self.facts.can_set_pointer = false;
            // Nothing to be seen of it, but others read it from what is drawn.
            self.needs_draw = true;
        }
        self.splash_until = None;
        if self.is_screen_kept_on {
            self.keep_screen_on(false);
        }
    }

    /// Takes in a new session: the pointer of the old one is gone, its picture stays until the next one comes.
    pub fn connected(&mut self, facts: HostFacts) {
        self.facts = facts;
        self.relayed = Pointer::default();
        self.sources.connected();
        self.needs_draw = true;
    }

    /// Takes in that a complete frame is in the renderer.
    pub fn frame(&mut self, notes: &FrameNotes, now: Nanos) {
        self.sources.frame(now);
        self.picture(notes.layout);
        if self.preferences.auto_screensaver && notes.wants_screen_on != self.is_screen_kept_on {
            self.keep_screen_on(notes.wants_screen_on);
        }
        if notes.wants_attention && self.preferences.request_activation {
            self.demand_attention(now);
        }
        self.tell_flaw(
            notes
                .is_truncated
                .then_some(Flaw::Cut(notes.recommended_mib)),
        );
        let was_waiting = self.missing.take().is_some();
        if was_waiting && self.notes.is_waiting() {
            let stay = if self.preferences.quick_splash {
                Nanos::ZERO
            } else {
                SPLASH
            };
            self.splash_until = Some(now + stay);
        }
        self.is_dimmed = false;
    }

    /// Takes in where the pointer is and, if it is new, what it looks like.
    pub fn pointer(&mut self, state: PointerState, shape: Option<&PointerShape>) {
        let is_seen = self.sources.shown() != PictureSource::Console;
        let is_worth_it = self.preferences.mouse_redraw || shape.is_some();
        self.needs_draw |=
            is_seen && is_worth_it && (state != self.relayed.state || shape.is_some());
        self.relayed.state = state;
        if let Some(shape) = shape {
            match &mut self.relayed.shape {
                Some(kept) => kept.clone_from(shape),
                None => self.relayed.shape = Some(shape.clone()),
            }
        }
    }

    /// Takes in what there is of the console. What is to be drawn of it says [`Self::wanted_surface`].
    pub fn console(&mut self, look: &Look, now: Nanos) {
        self.sources.console(look.surface, now);
        let is_same_shape = match (&self.console.shape, &look.shape) {
            (Some(old), Some(new)) => Arc::ptr_eq(old, new),
            (old, new) => old.is_none() && new.is_none(),
        };
        let is_seen = self.sources.shown() == PictureSource::Console;
        self.needs_draw |= is_seen && (look.pointer != self.console.state || !is_same_shape);
        self.console.state = look.pointer;
        if !is_same_shape {
            self.console.shape.clone_from(&look.shape);
        }
        if self.console_missing != look.missing {
            self.console_missing.clone_from(&look.missing);
        }
        self.incomplete = look.surface.and_then(|surface| surface.incomplete);
    }

    /// The surface of the console that is to be in the renderer now.
    #[must_use]
    pub fn wanted_surface(&self, now: Nanos) -> Option<u32> {
        self.sources.wanted_surface(now)
    }

    /// Takes in that surface `serial` of the console is in the renderer, as it is now.
    pub fn console_shown(&mut self, serial: u32, layout: FrameLayout, now: Nanos) {
        let before = self.sources.shown();
        self.sources.console_shown(serial);
        self.picture(layout);
        self.splash_until = None;
        if before == PictureSource::Relay && self.sources.wants_frames() && self.preferences.alerts
        {
            let text = "The host does not answer: this is the machine's own screen.";
            self.notes.alert(text, now);
        }
    }

    /// Takes in that the console's picture cannot be shown.
    pub fn console_failed(&mut self, error: &str, now: Nanos) {
        let text = format!("The machine's own screen cannot be shown: {error}");
        self.notes.alert(text, now);
    }

    /// A picture came into the renderer.
    fn picture(&mut self, layout: FrameLayout) {
        self.layout = Some(layout);
        self.follow_size();
        self.rates.received();
        self.needs_draw = true;
    }

    fn follow_size(&mut self) {
        let Some(layout) = self.layout.filter(|_| self.preferences.auto_resize) else {
            return;
        };
        let size = self.preferences.view.rotation.size(layout.upright());
        if self.followed.replace(size) != Some(size) {
            self.requests
                .push(Request::Window(WindowCommand::Resize(size)));
        }
    }

    /// Tells whether relayed frames are to be read at all.
    #[must_use]
    pub fn wants_frames(&self) -> bool {
        self.sources.wants_frames()
    }

    /// Turns the picture by a quarter clockwise.
    pub fn rotate(&mut self) {
        let rotation = &mut self.preferences.view.rotation;
        *rotation = rotation.then(Rotation::Deg90);
        self.follow_size();
        self.needs_draw = true;
    }

    /// Switches the relayed video off, or on again, and says so.
    pub fn toggle_video(&mut self, now: Nanos) {
        let text = self.sources.toggle_video(now);
        self.notes.alert(text, now);
    }

    /// Shows, or no longer, how many pictures a second come and are drawn.
    pub fn toggle_rates(&mut self, now: Nanos) {
        self.rates.toggle(now);
    }

    /// Shows a text for two seconds.
    pub fn message(&mut self, text: String, now: Nanos) {
        self.notes.alert(text, now);
    }

    /// Shows lines in the middle until others, or none, are given.
    pub fn panel(&mut self, lines: Option<Vec<String>>) {
        self.notes.set_panel(lines);
    }

    /// Shows a sentence until another, or none, is given.
    pub fn notice(&mut self, sentence: Option<String>) {
        self.notes.set_notice(sentence);
    }

    /// Takes in that the window must be drawn anew: `buffer` physical pixels, `scale` of them for a logical one.
    pub fn window_changed(&mut self, buffer: Size, scale: f64) {
        self.buffer = buffer;
        if self.scale.to_bits() != scale.to_bits() {
            self.scale = scale;
            self.status = self.notes.text(scale);
        }
        self.needs_draw = true;
    }

    /// Shows who asks for the microphone or hears it, until another sentence, or none, is given.
    pub fn microphone(&mut self, sentence: Option<String>) {
        self.notes.set_microphone(sentence);
    }

    /// The rates are shown and renewed now: the sound's belong to them.
    #[must_use]
    pub fn wants_sound_figures(&self, now: Nanos) -> bool {
        self.rates.is_due(now)
    }

    /// Takes the figures of the sound; shown with the rates.
    pub fn sound_figures(&mut self, line: Option<String>) {
        self.rates.set_sound(line);
    }

    /// Moves texts and wishes on to `now`; returns when they change next by themselves.
    pub fn tick(&mut self, now: Nanos) -> Option<Nanos> {
        let splash = self.splash_until.filter(|until| now < *until);
        let mut waiting = splash;
        if splash.is_none() {
            self.splash_until = None;
            waiting = self.update_waiting(now);
        }
        if self.sources.shown() == PictureSource::Console {
            self.tell_flaw(self.incomplete.map(Flaw::Incomplete));
        }
        let alert = self.notes.tick(now);
        let is_rates_only = self.rates.tick(now) && !self.needs_draw;
        self.notes.set_rates(self.rates.line());
        self.notes.set_sound(self.rates.sound());
        if self.notes.take_is_changed() {
            self.is_drawn_for_rates = is_rates_only;
            self.status = self.notes.text(self.scale);
            self.needs_draw = true;
        }
        let wishes = self.sources.wishes(now);
        let wishes = [
            wishes.host.map(Request::HostAlive),
            wishes.console.map(Request::WantConsole),
        ];
        self.requests.extend(wishes.into_iter().flatten());
        let others = [
            waiting,
            alert,
            self.rates.deadline(),
            self.sources.deadline(now),
        ];
        others.into_iter().flatten().min()
    }

    /// Says what is wrong with the picture that is shown, if the user wants to know.
    fn tell_flaw(&mut self, flaw: Option<Flaw>) {
        self.notes
            .set_flaw(flaw.filter(|_| self.preferences.alerts));
    }

    /// Says what is waited for, if it is worth a word; returns when it will be.
    fn update_waiting(&mut self, now: Nanos) -> Option<Nanos> {
        let cause = self.cause();
        let sentence = match cause.filter(|(_, due)| now >= *due) {
            None => None,
            Some((Cause::Relay, _)) => self.missing.as_ref().map(|(sentence, _)| sentence.as_str()),
            Some((Cause::Console, _)) => self.console_missing.as_deref().or(Some(NO_CONSOLE)),
            Some((Cause::VideoOff, _)) => Some(VIDEO_OFF),
        };
        let is_dimmed = sentence.is_some();
        self.notes.set_waiting(sentence);
        self.needs_draw |= is_dimmed != self.is_dimmed;
        self.is_dimmed = is_dimmed;
        cause.map(|(_, due)| due).filter(|due| now < *due)
    }

    /// Why there is no live picture, and from when on that is to be said.
    fn cause(&self) -> Option<(Cause, Nanos)> {
        if self.sources.shown() == PictureSource::Console {
            return self
                .sources
                .console_lost_at()
                .map(|at| (Cause::Console, at));
        }
        if self.sources.has_console_only() {
            return Some((Cause::Console, Nanos::ZERO));
        }
        if let Some((_, since)) = &self.missing {
            // A picture that froze a moment ago is not worth a word yet; an empty window is, at once.
            let wait = if self.layout.is_some() {
                ANNOUNCE_AFTER
            } else {
                Nanos::ZERO
            };
            return Some((Cause::Relay, *since + wait));
        }
        let wait = match self.preferences.console {
            ConsolePolicy::Off => Nanos::ZERO,
            _ => OFF_ANNOUNCE_AFTER,
        };
        let since = self.sources.video_off_since()?;
        Some((Cause::VideoOff, since + wait))
    }

    /// Tells whether the window no longer shows the state; asked once, it is taken as drawn.
    pub fn take_needs_draw(&mut self) -> bool {
        std::mem::take(&mut self.needs_draw)
    }

    /// Asks for another drawing, because the last one could not be shown.
    pub fn draw_again(&mut self) {
        self.needs_draw = true;
    }

    /// Takes in that the scene was drawn and shown.
    pub fn drawn(&mut self) {
        if !std::mem::take(&mut self.is_drawn_for_rates) {
            self.rates.shown();
        }
    }

    /// What is to be drawn.
    #[must_use]
    pub fn scene(&self) -> Scene<'_> {
        let (pointer, shape) = self.seen_pointer();
        Scene {
            layout: self.layout.as_ref(),
            view: self.preferences.view,
            pointer,
            shape,
            dimmed: self.is_dimmed,
            status: self.status.as_ref(),
        }
    }

    /// The pointer of the picture that is shown.
    fn seen_pointer(&self) -> (PointerState, Option<&PointerShape>) {
        match self.sources.shown() {
            PictureSource::Console => (self.console.state, self.console.shape.as_deref()),
            _ => (self.relayed.state, self.relayed.shape.as_ref()),
        }
    }

    /// What the window shows, as the input needs to know it.
    #[must_use]
    pub fn guest_view(&self) -> GuestView {
        let view = &self.preferences.view;
        let placement = |layout| Placement::new(layout, self.buffer, view);
        let (pointer, shape) = self.seen_pointer();
        let inside = shape.map_or((0, 0), |shape| shape.hot_spot);
        GuestView {
            source: self.sources.shown(),
            placement: self.layout.as_ref().map(placement),
            pointer: pointer.is_visible.then(|| GuestPoint {
                x: pointer.position.x.saturating_add_unsigned(inside.0),
                y: pointer.position.y.saturating_add_unsigned(inside.1),
            }),
            can_set_pointer: self.facts.can_set_pointer,
            is_linux: self.facts.is_linux,
            uuid: self.facts.uuid,
        }
    }

    /// The picture of the pointer that is shown.
    #[must_use]
    pub fn shape(&self) -> Option<&PointerShape> {
        self.seen_pointer().1
    }

    /// What the relay waits for, if anything.
    #[must_use]
    pub fn missing_link(&self) -> Option<&str> {
        self.missing.as_ref().map(|(sentence, _)| sentence.as_str())
    }

    /// What others are asked to do since the last call.
    pub fn take_requests(&mut self) -> std::vec::Drain<'_, Request> {
        self.requests.drain(..)
    }

    fn keep_screen_on(&mut self, is_on: bool) {
        self.is_screen_kept_on = is_on;
        self.requests
            .push(Request::Window(WindowCommand::KeepScreenOn(is_on)));
    }

    fn demand_attention(&mut self, now: Nanos) {
        if self
            .last_attention
            .is_none_or(|last| now - last >= ATTENTION_INTERVAL)
        {
            self.last_attention = Some(now);
            self.requests
                .push(Request::Window(WindowCommand::DemandAttention));
        }
    }
}

#[cfg(test)]
mod tests;
