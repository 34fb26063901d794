//! The state machine.

use clock::Nanos;

use super::status::{DeviceTiming, PlaybackSettings, State, Status};
use crate::Format;
use crate::lane::{Input, Lane};

/// A packet of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// When it arrived, on the clock of [`clock::MonotonicClock`].
    pub arrived: Nanos,
    /// The source's own time stamp: milliseconds, wraps at 2³², says when the packet was made (SPICE `time`).
    pub time_ms: u32,
    /// Its frames.
    pub input: Input<'a>,
}

/// What the owner of the device has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Nothing.
    Keep,
    /// Open a device and [`Playback::attach`] a lane to it. Said at each step until that happens; how long to wait
    /// after a failure is the owner's choice.
    Open,
    /// [`Playback::detach`] the lane and close its device. Said at each step until that happens.
    Close,
}

/// The answer to "what now".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What to do about the device.
    pub order: Order,
    /// When to ask again at the latest, if nothing comes before.
    pub next: Option<Nanos>,
}

/// One playing stream: decides for each packet where its frames go and at which ratio.
///
/// Pure: every time is passed in and must not go back; frames leave through a [`Lane`]. Made once for each [`Format`];
/// starts and stops of the source with the same format go to the same `Playback`. Nothing is allocated after
/// [`Self::new`].
#[derive(Debug)]
pub struct Playback<L: Lane> {
    format: Format,
    settings: PlaybackSettings,
    lane: Option<L>,
    state: State,
}

impl<L: Lane> Playback<L> {
    /// Makes a stopped stream.
    #[must_use]
    pub const fn new(format: Format, settings: PlaybackSettings) -> Self {
        Self {
            format,
            settings,
            lane: None,
            state: State::Stopped,
        }
    }

    /// The shape of the stream.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// The settings it was made with.
    #[must_use]
    pub const fn settings(&self) -> PlaybackSettings {
        self.settings
    }

    /// Gives the stream a lane to an opened device, or to one that is about to open: its first tick tells.
    ///
    /// Attaching the lane before the device is open keeps what comes in the meantime. A lane that was attached before
    /// is replaced.
    pub fn attach(&mut self, lane: L, _timing: DeviceTiming, _now: Nanos) {
        self.lane = Some(lane);
    }

    /// Corrects what the device promises, for one whose promise is known only after it was opened.
    pub fn set_timing(&mut self, _timing: DeviceTiming) {}

    /// Takes the lane back: the device is lost, or was ordered to close. The source's clock stays known.
    pub fn detach(&mut self) -> Option<L> {
        self.lane.take()
    }

    /// The lane, if one is attached.
    #[must_use]
    pub const fn lane(&self) -> Option<&L> {
        self.lane.as_ref()
    }

    /// The source has started, or started anew.
    pub fn started(&mut self, _now: Nanos) {
        self.state = State::Opening;
    }

    /// A packet has come. Ignored unless the source has started.
    pub fn packet(&mut self, _packet: Packet<'_>) {}

    /// The source has stopped: what is buffered is played, then the device is kept for a while.
    pub fn stopped(&mut self, _now: Nanos) {
        self.state = State::Stopped;
    }

    /// Looks at the device's requests and at the time; call it when [`Step::next`] has come, and after each event.
    pub fn tick(&mut self, _now: Nanos) -> Step {
        Step {
            order: Order::Keep,
            next: None,
        }
    }

    /// Where the stream is in its life.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// The numbers of the stream.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            state: self.state,
            ..Status::default()
        }
    }
}
