//! The state machine.

use clock::Nanos;

use super::flow::{Fate, Flow};
use super::status::{DeviceTiming, PlaybackSettings, State, Status};
use crate::Format;
use crate::lane::{Input, Lane};
use crate::pull::Phase;

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

/// How long a sound that ended before its device asked for it is kept for that device.
const OPENING_LIMIT: Nanos = Nanos::from_millis(1_000);
/// Beyond the time that draining takes, for a device that has stopped to ask.
const DRAINING_SPARE: Nanos = Nanos::from_millis(500);
/// Looking at the time after more than this means that nothing ran meanwhile: the host slept (timing.md T9).
const SLEPT: Nanos = Nanos::from_millis(2_000);
/// How often the device's requests are looked at while no packet brings one here.
const LOOK: Nanos = Nanos::from_millis(20);

/// One playing stream: decides for each packet where its frames go and at which ratio.
///
/// Pure: every time is passed in and must not go back; frames leave through a [`Lane`]. Made once for each [`Format`];
/// starts and stops of the source with the same format go to the same `Playback`. Nothing is allocated after
/// [`Self::new`].
#[derive(Debug)]
pub struct Playback<L: Lane> {
    format: Format,
    settings: PlaybackSettings,
    flow: Flow,
    lane: Option<L>,
    state: State,
    /// The source has started and not stopped.
    is_source_on: bool,
    /// Something was written that the device has not asked for yet.
    has_waiting: bool,
    /// When the last packet came, or the state began.
    since: Nanos,
    /// When the time was looked at last.
    looked: Nanos,
    /// When draining ends in any case.
    drained_by: Nanos,
    /// Underruns of lanes that were detached.
    past_underruns: u64,
}

impl<L: Lane> Playback<L> {
    /// Makes a stopped stream.
    #[must_use]
    pub fn new(format: Format, settings: PlaybackSettings) -> Self {
        Self {
            format,
            settings,
            flow: Flow::new(format, settings),
            lane: None,
            state: State::Stopped,
            is_source_on: false,
            has_waiting: false,
            since: Nanos::ZERO,
            looked: Nanos::ZERO,
            drained_by: Nanos::ZERO,
            past_underruns: 0,
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
    /// is dropped. A stream that wants no device any more takes the lane and orders to close it.
    pub fn attach(&mut self, mut lane: L, timing: DeviceTiming, now: Nanos) {
        drop(self.detach());
        self.flow.attach(&mut lane, timing.max_period_frames);
        self.lane = Some(lane);
        self.since = now;
    }

    /// Corrects what the device promises, for one whose promise is known only after it was opened.
    pub fn set_timing(&mut self, timing: DeviceTiming) {
        self.flow.promise(timing.max_period_frames);
    }

    /// Takes the lane back: the device is lost, or was ordered to close. The source's clock stays known.
    pub fn detach(&mut self) -> Option<L> {
        let lane = self.lane.take()?;
        self.past_underruns += lane.counters().underruns;
        self.has_waiting = false;
        self.flow.loosen();
        self.state = match self.state {
            State::Stopped => State::Stopped,
            _ if self.is_source_on => State::Opening,
            _ => State::Stopped,
        };
        Some(lane)
    }

    /// The lane, if one is attached.
    #[must_use]
    pub const fn lane(&self) -> Option<&L> {
        self.lane.as_ref()
    }

    /// The source has started, or started anew.
    pub fn started(&mut self, now: Nanos) {
        self.is_source_on = true;
        self.since = now;
        self.flow.rest();
        if self.state == State::Stopped {
            self.state = State::Opening;
        }
    }

    /// A packet has come. Ignored unless the source has started, and if nothing is in it.
    pub fn packet(&mut self, packet: Packet<'_>) {
        if !self.is_source_on || packet.input.frames == 0 {
            return;
        }
        self.since = packet.arrived;
        if let Some(lane) = &mut self.lane {
            self.flow.look(lane);
        }
        let Packet {
            arrived,
            time_ms,
            input,
        } = packet;
        let fate = self
            .flow
            .packet(self.lane.as_mut(), arrived, time_ms, input);
        match (fate, &mut self.lane) {
            (Fate::Played, Some(lane)) => {
                lane.set_phase(Phase::Run);
                self.state = State::Running;
            }
            (Fate::Waiting, Some(lane)) => {
                lane.set_phase(Phase::Run);
                self.has_waiting = true;
                self.state = State::Opening;
            }
            // A source that goes on after it was given up for silent wants a device again.
            _ if self.state == State::Stopped => self.state = State::Opening,
            _ => {}
        }
    }

    /// The source has stopped: what is buffered is played, then the device is kept for a while.
    pub fn stopped(&mut self, now: Nanos) {
        if !self.is_source_on {
            return;
        }
        self.is_source_on = false;
        self.since = now;
        self.flow.rest();
        let has_sound = self.state == State::Running || self.has_waiting;
        match (self.state, &mut self.lane) {
            (State::Opening | State::Running, Some(lane)) if has_sound => {
                lane.set_phase(Phase::Drain);
                self.state = State::Draining;
                self.drained_by = now + OPENING_LIMIT;
            }
            (State::Opening, Some(_)) => self.state = State::KeepAlive,
            (State::Opening, None) => self.state = State::Stopped,
            _ => {}
        }
    }

    /// Looks at the device's requests and at the time; call it when [`Step::next`] has come, and after each event.
    pub fn tick(&mut self, now: Nanos) -> Step {
        if let Some(lane) = &mut self.lane {
            self.flow.look(lane);
        }
        if now - self.looked > SLEPT {
            // Neither source nor device could do anything meanwhile; neither is given up for that.
            self.since = now;
            self.drained_by = self.drained_by.max(now + OPENING_LIMIT);
        }
        self.looked = now;
        match self.state {
            State::Draining => self.drain(now),
            // A source that is on but sends nothing is silent all the same.
            State::Opening | State::Running | State::KeepAlive
                if now - self.since >= self.settings.keep_alive =>
            {
                self.state = State::Stopped;
                self.flow.rest();
            }
            _ => {}
        }
        let (order, next) = match (self.state, &self.lane) {
            (State::Stopped, Some(_)) => (Order::Close, None),
            (State::Stopped, None) => (Order::Keep, None),
            (_, None) => (Order::Open, None),
            (State::Opening | State::Draining, Some(_)) => (Order::Keep, Some(now + LOOK)),
            (State::Running | State::KeepAlive, Some(_)) => {
                let end = self.since + self.settings.keep_alive;
                (Order::Keep, Some(end.min(now + LOOK)))
            }
        };
        Step { order, next }
    }

    fn drain(&mut self, now: Nanos) {
        let Some(lane) = &mut self.lane else { return };
        let is_running = self.flow.is_device_running(now);
        let left = lane.position().saturating_sub(lane.read_position());
        if is_running && left > 0 {
            let left = Nanos::from_secs_f64(self.format.seconds(left as f64));
            self.drained_by = now + left + DRAINING_SPARE;
        }
        if lane.counters().is_drained || now >= self.drained_by {
            lane.set_phase(Phase::Idle);
            self.has_waiting = false;
            self.since = now;
            self.state = if is_running {
                State::KeepAlive
            } else {
                State::Stopped
            };
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
        let underruns = self.lane.as_ref().map_or(0, |l| l.counters().underruns);
        let mut status = Status {
            state: self.state,
            underruns: self.past_underruns + underruns,
            ..Status::default()
        };
        self.flow.describe(&mut status);
        status
    }
}
