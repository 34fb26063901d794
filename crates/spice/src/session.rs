//! A whole session: all channels of one machine, without any I/O.

mod channel;
mod commands;
mod events;
mod state;
mod watchdog;

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use rsa::rand_core::OsRng;

pub use events::{
    Broken, ChannelState, Command, DEFAULT_MAX_CLIPBOARD_BYTES, Ended, Event, SessionOptions,
};

use crate::{
    link::{ChannelId, ChannelKind, LinkError},
    session::{
        channel::{Channel, Stage},
        state::{Sink, State},
    },
};

/// Channels that close within this time of MAIN close together with it.
const TOGETHER: Duration = Duration::from_millis(100);
/// The most that passes from MAIN's link to the list of channels.
const READY_TIMEOUT: Duration = Duration::from_secs(5);
/// The most that an orderly end takes.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);
/// The kinds that are opened beside MAIN, in the order of their opening.
const SUB_CHANNELS: [ChannelKind; 5] = [
    ChannelKind::Inputs,
    ChannelKind::Display,
    ChannelKind::Cursor,
    ChannelKind::Playback,
    ChannelKind::Record,
];

/// What the transport has to do for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Connect to the server once more, for this channel; then say [`Session::connected`] or [`Session::closed`].
    Open(ChannelId),
    /// End writing to the channel's connection, but go on reading and say [`Session::closed`] when the server closes:
    /// then it has taken all that was written. Closing at once would lose it.
    ShutDown(ChannelId),
    /// Close the channel's connection, or give up making it; nothing is to be said of it any more.
    Close(ChannelId),
}

/// The state machine of a session.
///
/// The transport carries out the [`Action`]s, hands in what arrives, writes what [`Session::output`] holds, and calls
/// [`Session::tick`] at [`Session::deadline`]. Every method takes the time from the caller's clock, and calls `sink`
/// with what happened, before it returns. After [`Event::Ended`] and the last action nothing happens any more.
#[derive(Debug)]
pub struct Session {
    options: SessionOptions,
    state: State,
    channels: Vec<Channel>,
    actions: VecDeque<Action>,
    is_ready: bool,
    /// When a session that stands by half is given up.
    ready_by: Option<Instant>,
    /// When and how the session was lost, while it is yet to be seen whether all channels close.
    main_lost: Option<(Instant, Broken)>,
    /// An orderly end is under way, until then at most.
    closing: Option<Instant>,
    /// All is written, and the sub-channels have been shut down.
    is_shut_down: bool,
    ended: Option<Ended>,
}

impl Session {
    /// Starts a session: the first action opens MAIN. A password that is too long ends it at the first tick.
    pub fn new(options: SessionOptions, now: Instant) -> Self {
        let mut main = Channel::new(ChannelId::MAIN);
        main.open(now);
        Self {
            state: State::new(&options),
            options,
            channels: vec![main],
            actions: VecDeque::from([Action::Open(ChannelId::MAIN)]),
            is_ready: false,
            ready_by: None,
            main_lost: None,
            closing: None,
            is_shut_down: false,
            ended: None,
        }
    }

    /// The next thing for the transport to do.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Why the session ended, if it did.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// What waits to be written to a channel's connection.
    pub fn output(&self, id: ChannelId) -> &[u8] {
        let channel = self.channels.iter().find(|channel| channel.id == id);
        channel.map_or(&[], |channel| channel.out.pending())
    }

    /// The first `count` bytes of [`Session::output`] have been written.
    pub fn written(
        &mut self,
        id: ChannelId,
        count: usize,
        now: Instant,
        sink: &mut dyn FnMut(Event<'_>),
    ) {
        let Some((channel, state)) = self.parts(id) else {
            return;
        };
        channel.written(count, now);
        if channel.is_open() {
            // What was held back because the server did not read.
            match id.kind {
                ChannelKind::Inputs => {
                    if channel.out.pending().is_empty() {
                        state.inputs.drained();
                    }
                    state.inputs.tick(now, &mut channel.out);
                }
                ChannelKind::Main => {
                    let mut sink = |event| sink(Event::Agent(event));
                    state.agent.pump(&mut channel.out, &mut sink);
                }
                _ => {}
            }
        }
        self.after(now, sink);
    }

    /// The transport has the connection that an action asked for.
    pub fn connected(&mut self, id: ChannelId, now: Instant) {
        if let Err(error) = self.options.password.check() {
            tracing::debug!(%error, "no handshake");
            return;
        }
        let session = match id.kind {
            ChannelKind::Main => 0,
            _ => self.state.init.map_or(0, |init| init.session),
        };
        if let Some((channel, _)) = self.parts(id) {
            channel.link(session, now);
            channel.note_output(now);
        }
    }

    /// The connection was closed by the server, broke, or could not be made.
    pub fn closed(&mut self, id: ChannelId, now: Instant, sink: &mut dyn FnMut(Event<'_>)) {
        if self.ended.is_some() {
            return;
        }
        let Some(index) = self.index(id) else {
            return;
        };
        let stage = self.channels.get(index).map(|channel| &channel.stage);
        match stage {
            Some(Stage::Opening { .. }) if id.kind == ChannelKind::Main => {
                self.finish(Ended::Unreachable, sink);
            }
            Some(Stage::Linking { .. }) => self.link_failed(index, LinkError::Closed, now, sink),
            Some(Stage::Opening { .. } | Stage::Open) => self.lost(index, now, sink),
            _ => {}
        }
        self.after(now, sink);
    }

    /// Bytes arrived on a channel's connection.
    pub fn receive(
        &mut self,
        id: ChannelId,
        input: &[u8],
        now: Instant,
        sink: &mut dyn FnMut(Event<'_>),
    ) {
        if self.ended.is_some() {
            return;
        }
        self.take(id, input, now, sink);
        self.after(now, sink);
    }

    fn take(&mut self, id: ChannelId, mut input: &[u8], now: Instant, sink: &mut Sink<'_>) {
        let Some(index) = self.index(id) else {
            return;
        };
        let Some(channel) = self.channels.get_mut(index) else {
            return;
        };
        if let Stage::Linking { handshake, .. } = &mut channel.stage {
            let password = &self.options.password;
            let out = channel.out.raw();
            match handshake.receive(&mut input, password, &mut OsRng, out) {
                Err(error) => return self.link_failed(index, error, now, sink),
                Ok(None) => return,
                Ok(Some(capabilities)) => {
                    channel.stage = Stage::Open;
                    if id.kind == ChannelKind::Main {
                        self.ready_by = Some(now + READY_TIMEOUT);
                    }
                    let out = &mut channel.out;
                    self.state.opened(id.kind, capabilities.channel, now, out);
                    sink(Event::Channel {
                        kind: id.kind,
                        state: ChannelState::Open,
                    });
                }
            }
        }
        if !channel.is_open() {
            return;
        }
        let Channel { framing, out, .. } = channel;
        let result = self.state.receive(id.kind, framing, out, input, now, sink);
        match result {
            Ok(()) if id.kind == ChannelKind::Display => {}
            Ok(()) => self.look_after_display(now, sink),
            Err(error) if id.kind == ChannelKind::Main => {
                self.finish(Ended::Broken(Broken::Protocol(error)), sink);
            }
            Err(error) => {
                tracing::warn!(channel = %id, %error, "channel broken");
                self.actions.push_back(Action::Close(id));
                self.lost(index, now, sink);
            }
        }
    }

    /// Another channel has just shown that the server lives: opens DISPLAY again if it has fallen silent.
    fn look_after_display(&mut self, now: Instant, sink: &mut Sink<'_>) {
        if self.main_lost.is_some() || self.closing.is_some() || !self.state.watchdog.is_due(now) {
            return;
        }
        let Some((channel, state)) = self.open_parts(ChannelKind::Display) else {
            return;
        };
        let id = channel.id;
        tracing::debug!(channel = %id, "silent although a key was pressed; opened again");
        channel.reopen(now);
        state.watchdog.spend();
        state.lost(id.kind, sink);
        self.actions.push_back(Action::Close(id));
        sink(Event::Channel {
            kind: id.kind,
            state: ChannelState::Lost,
        });
    }

    /// When [`Session::tick`] is to be called next.
    pub fn deadline(&self) -> Option<Instant> {
        if self.ended.is_some() {
            return None;
        }
        let lost = self.main_lost.map(|(at, _)| at + TOGETHER);
        if lost.is_some() {
            // Nothing is opened or sent any more.
            return lost.into_iter().chain(self.closing).min();
        }
        let channels = self.channels.iter().filter_map(Channel::deadline);
        let inputs = self
            .channels
            .iter()
            .find(|c| c.id.kind == ChannelKind::Inputs && c.is_open());
        let others = [
            inputs.and_then(|channel| self.state.inputs.deadline(&channel.out)),
            self.state.agent.deadline(),
            self.closing,
            self.ready_by,
        ];
        channels.chain(others.into_iter().flatten()).min()
    }

    /// Does what is due. May be called at any time.
    pub fn tick(&mut self, now: Instant, sink: &mut dyn FnMut(Event<'_>)) {
        if self.ended.is_some() {
            return;
        }
        if let Err(error) = self.options.password.check() {
            return self.finish(Ended::Refused(error), sink);
        }
        if let Some((at, broken)) = self.main_lost
            && at + TOGETHER <= now
        {
            return self.finish(Ended::Broken(broken), sink);
        }
        if self.ready_by.is_some_and(|at| at <= now) {
            return self.finish(Ended::Refused(LinkError::TimedOut), sink);
        }
        if self.channels.iter().any(|channel| channel.is_stalled(now)) {
            return self.finish(Ended::Broken(Broken::WriteStalled), sink);
        }
        for index in 0..self.channels.len() {
            self.check_channel(index, now, sink);
        }
        if let Some((channel, state)) = self.open_parts(ChannelKind::Inputs) {
            state.inputs.tick(now, &mut channel.out);
        }
        if let Some((channel, state)) = self.open_parts(ChannelKind::Main) {
            let mut sink = |event| sink(Event::Agent(event));
            state.agent.tick(now, &mut channel.out, &mut sink);
        }
        self.after(now, sink);
    }

    fn check_channel(&mut self, index: usize, now: Instant, sink: &mut Sink<'_>) {
        let Some(channel) = self.channels.get_mut(index) else {
            return;
        };
        let id = channel.id;
        match &channel.stage {
            Stage::Opening { deadline } if *deadline <= now => {
                self.actions.push_back(Action::Close(id));
                match id.kind {
                    ChannelKind::Main => self.finish(Ended::Unreachable, sink),
                    _ => self.lost(index, now, sink),
                }
            }
            Stage::Linking { deadline, .. } if *deadline <= now => {
                self.link_failed(index, LinkError::TimedOut, now, sink);
            }
            Stage::Waiting { until } if *until <= now && self.main_lost.is_none() => {
                channel.open(now);
                self.actions.push_back(Action::Open(id));
            }
            _ => {}
        }
    }

    /// What may follow from anything.
    fn after(&mut self, now: Instant, sink: &mut Sink<'_>) {
        if self.ended.is_some() {
            return;
        }
        if std::mem::take(&mut self.state.has_new_list) {
            self.ready_by = None;
            if !std::mem::replace(&mut self.is_ready, true) {
                sink(Event::Ready);
            }
            self.open_and_close(now, sink);
        }
        for channel in &mut self.channels {
            channel.note_output(now);
        }
        if let Some(until) = self.closing {
            self.go_on_closing(until <= now, sink);
        }
    }

    /// The steps of an orderly end: write all, wait until the server has read it, close.
    fn go_on_closing(&mut self, is_late: bool, sink: &mut Sink<'_>) {
        let is_flushed = self.channels.iter().all(|c| c.out.pending().is_empty());
        if is_flushed && !std::mem::replace(&mut self.is_shut_down, true) {
            for channel in self.channels.iter().filter(|channel| channel.is_open()) {
                if channel.id.kind != ChannelKind::Main {
                    self.actions.push_back(Action::ShutDown(channel.id));
                }
            }
        }
        let mut subs = self
            .channels
            .iter()
            .filter(|c| c.id.kind != ChannelKind::Main);
        let is_done = self.is_shut_down && !subs.any(Channel::is_open);
        if is_late || is_done {
            self.finish(Ended::Closed, sink);
        }
    }

    fn is_wanted(&self, kind: ChannelKind) -> bool {
        match kind {
            ChannelKind::Main | ChannelKind::Inputs => true,
            ChannelKind::Display | ChannelKind::Cursor => self.options.display,
            ChannelKind::Playback => self.options.playback,
            ChannelKind::Record => self.options.record,
            ChannelKind::Other(_) => false,
        }
    }

    /// Opens the channels that are wanted and listed, and closes those that are no longer wanted.
    fn open_and_close(&mut self, now: Instant, sink: &mut Sink<'_>) {
        for kind in SUB_CHANNELS {
            let is_wanted = self.is_wanted(kind);
            let known = self.channels.iter().position(|c| c.id.kind == kind);
            let listed = self.state.listed.iter().flatten();
            let first = listed.filter(|id| id.kind == kind).min().copied();
            match (known, first) {
                (None, Some(id)) if is_wanted => {
                    let mut channel = Channel::new(id);
                    channel.open(now);
                    self.channels.push(channel);
                    self.actions.push_back(Action::Open(id));
                }
                (Some(index), _) => self.open_or_close(index, is_wanted, now, sink),
                _ => {}
            }
        }
    }

    fn open_or_close(&mut self, index: usize, is_wanted: bool, now: Instant, sink: &mut Sink<'_>) {
        let Some(channel) = self.channels.get_mut(index) else {
            return;
        };
        let id = channel.id;
        match (&channel.stage, is_wanted) {
            (Stage::Idle, true) => {
                channel.open(now);
                self.actions.push_back(Action::Open(id));
            }
            (Stage::Opening { .. } | Stage::Linking { .. } | Stage::Open, false) => {
                channel.reset(Stage::Idle);
                self.actions.push_back(Action::Close(id));
                self.state.lost(id.kind, sink);
                sink(Event::Channel {
                    kind: id.kind,
                    state: ChannelState::Closed,
                });
            }
            (Stage::Waiting { .. }, false) => channel.reset(Stage::Idle),
            _ => {}
        }
    }

    fn link_failed(&mut self, index: usize, error: LinkError, now: Instant, sink: &mut Sink<'_>) {
        let Some(channel) = self.channels.get_mut(index) else {
            return;
        };
        let id = channel.id;
        self.actions.push_back(Action::Close(id));
        match error {
            _ if id.kind == ChannelKind::Main => self.finish(Ended::Refused(error), sink),
            LinkError::BadConnectionId => {
                // Mostly another client took over while our channels opened: the rest closes, too.
                channel.reset(Stage::Idle);
                self.main_lost.get_or_insert((now, Broken::SessionGone));
                self.see_whether_all_are_lost(sink);
            }
            LinkError::TimedOut | LinkError::ServerError => self.lost(index, now, sink),
            // A machine without such a device closes without a word.
            _ => {
                tracing::debug!(channel = %id, %error, "channel not available");
                channel.reset(Stage::Unavailable);
                sink(Event::Channel {
                    kind: id.kind,
                    state: ChannelState::Unavailable,
                });
                self.see_whether_all_are_lost(sink);
            }
        }
    }

    /// The connection of a channel is gone. The transport knows, or has been told to close it.
    fn lost(&mut self, index: usize, now: Instant, sink: &mut Sink<'_>) {
        let Some(channel) = self.channels.get_mut(index) else {
            return;
        };
        let kind = channel.id.kind;
        let was_open = channel.is_open();
        channel.fail(now);
        let state = match channel.stage {
            Stage::Unavailable => ChannelState::Unavailable,
            _ => ChannelState::Lost,
        };
        if kind == ChannelKind::Main {
            channel.reset(Stage::Idle);
            self.main_lost.get_or_insert((now, Broken::MainLost));
        }
        if was_open {
            self.state.lost(kind, sink);
        }
        if was_open || state == ChannelState::Unavailable {
            sink(Event::Channel { kind, state });
        }
        self.see_whether_all_are_lost(sink);
    }

    fn see_whether_all_are_lost(&mut self, sink: &mut Sink<'_>) {
        if self.main_lost.is_some() && !self.channels.iter().any(Channel::is_active) {
            self.finish(Ended::AllChannelsLost, sink);
        }
    }

    /// Ends the session: the sub-channels close first, MAIN last.
    fn finish(&mut self, ended: Ended, sink: &mut Sink<'_>) {
        if self.ended.is_some() {
            return;
        }
        // An end that was asked for is that, whatever came in between.
        let ended = if self.closing.is_some() {
            Ended::Closed
        } else {
            ended
        };
        self.ended = Some(ended);
        self.actions
            .retain(|action| matches!(action, Action::Close(_)));
        for channel in self.channels.iter_mut().rev() {
            if channel.is_active() {
                if channel.is_open() {
                    self.state.lost(channel.id.kind, sink);
                }
                self.actions.push_back(Action::Close(channel.id));
            }
            channel.reset(Stage::Idle);
        }
        sink(Event::HeldButtons(self.state.inputs.held()));
        sink(Event::Ended(ended));
    }

    fn index(&self, id: ChannelId) -> Option<usize> {
        self.channels.iter().position(|channel| channel.id == id)
    }

    fn parts(&mut self, id: ChannelId) -> Option<(&mut Channel, &mut State)> {
        let channel = self.channels.iter_mut().find(|channel| channel.id == id)?;
        Some((channel, &mut self.state))
    }

    fn open_parts(&mut self, kind: ChannelKind) -> Option<(&mut Channel, &mut State)> {
        let mut channels = self.channels.iter_mut();
        let channel = channels.find(|channel| channel.id.kind == kind && channel.is_open())?;
        Some((channel, &mut self.state))
    }
}

#[cfg(test)]
mod tests;
