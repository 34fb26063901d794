//! What a session knows, and what each message does to it.

use std::time::Instant;

use crate::{
    agent::Agent,
    audio::{Playback, Record},
    cursor::{Cursor, CursorEvent},
    display::{self, Display, DisplayEvent},
    framing::{self, ChannelError, Common, FIRST_CHANNEL_TYPE, Framing, Output},
    inputs::{Inputs, InputsMessage},
    link::{ChannelId, ChannelKind},
    main_channel::{self, Init, MainMessage, MouseMode, MouseModes},
    session::{
        events::{Event, SessionOptions},
        watchdog::Watchdog,
    },
    wire::Malformed,
};

/// Unknown message types are logged once; this many of them are remembered.
const MAX_REMEMBERED: usize = 64;

/// Where events go.
pub(super) type Sink<'s> = dyn FnMut(Event<'_>) + 's;

#[derive(Debug)]
pub(super) struct State {
    pub(super) init: Option<Init>,
    /// From the newest CHANNELS_LIST.
    pub(super) listed: Option<Vec<ChannelId>>,
    /// `listed` is new.
    pub(super) has_new_list: bool,
    mouse: Option<MouseModes>,
    wanted_mode: MouseMode,
    pub(super) inputs: Inputs,
    display: Display,
    cursor: Cursor,
    playback: Playback,
    pub(super) record: Record,
    pub(super) agent: Agent,
    pub(super) watchdog: Watchdog,
    unknown: Vec<(ChannelKind, u16)>,
}

impl State {
    pub(super) fn new(options: &SessionOptions) -> Self {
        Self {
            init: None,
            listed: None,
            has_new_list: false,
            mouse: None,
            wanted_mode: MouseMode::Relative,
            inputs: Inputs::new(options.held_buttons),
            display: Display::default(),
            cursor: Cursor::default(),
            playback: Playback::default(),
            record: Record::default(),
            agent: Agent::new(options.max_clipboard),
            watchdog: Watchdog::default(),
            unknown: Vec::new(),
        }
    }

    /// The link stands: what the channel is told first.
    pub(super) fn opened(
        &mut self,
        kind: ChannelKind,
        capabilities: u32,
        now: Instant,
        out: &mut Output,
    ) {
        match kind {
            ChannelKind::Display => {
                self.watchdog.opened(now);
                display::start(capabilities, out);
            }
            ChannelKind::Inputs => self.inputs.opened(out),
            _ => {}
        }
    }

    /// The channel is gone: nothing of what it said is true any more.
    pub(super) fn lost(&mut self, kind: ChannelKind, sink: &mut Sink<'_>) {
        match kind {
            ChannelKind::Inputs => self.inputs.lost(),
            ChannelKind::Display => {
                self.watchdog.closed();
                if std::mem::take(&mut self.display).has_picture() {
                    sink(Event::Display(DisplayEvent::Destroyed));
                }
            }
            ChannelKind::Cursor => {
                self.cursor = Cursor::default();
                sink(Event::Cursor(CursorEvent::Hidden));
            }
            ChannelKind::Playback => {
                self.playback
                    .stop(&mut |event| sink(Event::Playback(event)));
                self.playback = Playback::default();
            }
            ChannelKind::Record => {
                self.record.stop(&mut |event| sink(Event::Record(event)));
                self.record = Record::default();
            }
            ChannelKind::Main => {
                self.agent
                    .disconnected(&mut |event| sink(Event::Agent(event)));
            }
            ChannelKind::Other(_) => {}
        }
    }

    /// Handles all messages that `input` completes.
    pub(super) fn receive(
        &mut self,
        channel: ChannelKind,
        framing: &mut Framing,
        out: &mut Output,
        mut input: &[u8],
        now: Instant,
        sink: &mut Sink<'_>,
    ) -> Result<(), ChannelError> {
        if channel == ChannelKind::Display {
            self.watchdog.heard(now);
        }
        while let Some((kind, payload)) = framing.next(&mut input, out)? {
            if kind < FIRST_CHANNEL_TYPE {
                match framing::common(kind, payload, out)? {
                    Common::Done => {}
                    Common::Window(window) => framing.set_window(window),
                    Common::Notify { severity, text } => sink(Event::Notice { severity, text }),
                }
            } else if let Err(error) = self.message(channel, kind, payload, out, now, sink)? {
                tracing::debug!(?channel, kind, %error, "malformed message skipped");
            }
        }
        Ok(())
    }

    /// Handles one message. The outer error ends the channel, the inner one only this message.
    fn message(
        &mut self,
        channel: ChannelKind,
        kind: u16,
        payload: &[u8],
        out: &mut Output,
        now: Instant,
        sink: &mut Sink<'_>,
    ) -> Result<Result<(), Malformed>, ChannelError> {
        Ok(match channel {
            ChannelKind::Main => return self.main(kind, payload, out, now, sink).map(Ok),
            ChannelKind::Inputs => self.inputs_message(kind, payload, out, now, sink),
            ChannelKind::Display => {
                let mut sink = |event: DisplayEvent<'_>| sink(Event::Display(event));
                self.display.receive(kind, payload, &mut sink)
            }
            ChannelKind::Cursor => {
                let mut sink = |event| sink(Event::Cursor(event));
                self.cursor.receive(kind, payload, &mut sink)
            }
            ChannelKind::Playback => {
                let mut sink =
                    |event: crate::audio::PlaybackEvent<'_>| sink(Event::Playback(event));
                self.playback.receive(kind, payload, &mut sink)
            }
            ChannelKind::Record => {
                let mut sink = |event| sink(Event::Record(event));
                self.record.receive(kind, payload, &mut sink)
            }
            ChannelKind::Other(_) => Ok(()),
        })
    }

    fn inputs_message(
        &mut self,
        kind: u16,
        payload: &[u8],
        out: &mut Output,
        now: Instant,
        sink: &mut Sink<'_>,
    ) -> Result<(), Malformed> {
        match InputsMessage::parse(kind, payload)? {
            InputsMessage::Locks(locks) => sink(Event::Locks(locks)),
            InputsMessage::MotionAck => self.inputs.acknowledged(now, out),
            InputsMessage::Unknown => self.log_unknown(ChannelKind::Inputs, kind),
        }
        Ok(())
    }

    fn main(
        &mut self,
        kind: u16,
        payload: &[u8],
        out: &mut Output,
        now: Instant,
        sink: &mut Sink<'_>,
    ) -> Result<(), ChannelError> {
        let message = MainMessage::parse(kind, payload)
            .map_err(|error| ChannelError::Malformed { kind, error })?;
        if self.init.is_none() && !matches!(message, MainMessage::Init(_)) {
            return Err(ChannelError::BeforeInit(kind));
        }
        match message {
            MainMessage::Init(init) => self.initialised(init, out, sink),
            MainMessage::Channels(list) => {
                self.listed = Some(list);
                self.has_new_list = true;
            }
            MainMessage::Mouse(modes) => self.mouse_modes(modes, out, sink),
            MainMessage::Name(name) => sink(Event::Name(name)),
            MainMessage::Uuid(uuid) => sink(Event::Uuid(uuid)),
            MainMessage::AgentConnected(tokens) => {
                let mut sink = |event| sink(Event::Agent(event));
                self.agent.connected(tokens, out, &mut sink);
            }
            MainMessage::AgentDisconnected => {
                self.agent
                    .disconnected(&mut |event| sink(Event::Agent(event)));
            }
            MainMessage::AgentData(data) => {
                let mut sink = |event| sink(Event::Agent(event));
                self.agent.receive(data, now, out, &mut sink);
            }
            MainMessage::AgentTokens(tokens) => {
                let mut sink = |event| sink(Event::Agent(event));
                self.agent.add_tokens(tokens, out, &mut sink);
            }
            MainMessage::SwitchHost => return Err(ChannelError::Migrating),
            MainMessage::Ignored => {}
            MainMessage::Unknown => self.log_unknown(ChannelKind::Main, kind),
        }
        Ok(())
    }

    fn initialised(&mut self, init: Init, out: &mut Output, sink: &mut Sink<'_>) {
        if self.init.replace(init).is_some() {
            // A second INIT means nothing in the protocol.
            return;
        }
        main_channel::attach_channels(out);
        self.agent.set_tokens(init.agent_tokens);
        self.mouse_modes(init.mouse, out, sink);
        if init.has_agent {
            let mut sink = |event| sink(Event::Agent(event));
            self.agent
                .connected(Some(init.agent_tokens), out, &mut sink);
        }
    }

    fn mouse_modes(&mut self, modes: MouseModes, out: &mut Output, sink: &mut Sink<'_>) {
        if self.mouse.and_then(MouseModes::current) != modes.current() {
            self.inputs.forget_motion();
        }
        self.mouse = Some(modes);
        self.ask_for_mode(out);
        sink(Event::Mouse(modes));
    }

    /// Which mouse mode is in force.
    pub(super) fn mouse_mode(&self) -> Option<MouseMode> {
        self.mouse.and_then(MouseModes::current)
    }

    pub(super) fn want_mode(&mut self, mode: MouseMode, out: &mut Output) {
        self.wanted_mode = mode;
        self.ask_for_mode(out);
    }

    /// Asks for the wanted mode, or for relative mode while the wanted one is not to be had.
    fn ask_for_mode(&self, out: &mut Output) {
        let Some(modes) = self.mouse else {
            return;
        };
        let mode = match modes.supports(self.wanted_mode) {
            true => self.wanted_mode,
            false => MouseMode::Relative,
        };
        if modes.current() != Some(mode) {
            main_channel::request_mouse_mode(out, mode);
        }
    }

    /// Clamps a position to the picture, as far as its size is known.
    pub(super) fn clamp(&self, x: u32, y: u32) -> (u32, u32) {
        match self.display.size() {
            Some(size) => (
                x.min(size.width.saturating_sub(1)),
                y.min(size.height.saturating_sub(1)),
            ),
            None => (x, y),
        }
    }

    fn log_unknown(&mut self, channel: ChannelKind, kind: u16) {
        if self.unknown.len() < MAX_REMEMBERED && !self.unknown.contains(&(channel, kind)) {
            self.unknown.push((channel, kind));
            tracing::debug!(?channel, kind, "unknown message skipped");
        }
    }
}
