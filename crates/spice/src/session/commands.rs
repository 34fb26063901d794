//! From commands to the messages of the channels they concern.

use std::time::Instant;

use super::{CLOSE_TIMEOUT, Command, Event, Session, state::Sink};
use crate::{inputs::Inputs, link::ChannelKind, main_channel::MouseMode};

impl Session {
    /// Tells the session to do something. What cannot be done now, as the channel is not open, is dropped, and so is
    /// all that comes after [`Command::Close`].
    pub fn command(&mut self, command: Command, now: Instant, sink: &mut dyn FnMut(Event<'_>)) {
        if self.ended.is_some() || self.closing.is_some() {
            return;
        }
        match command {
            Command::ShowDisplay(is_shown) => {
                self.options.display = is_shown;
                self.open_and_close(now, sink);
            }
            Command::Close => {
                self.release(now, sink);
                self.closing.get_or_insert(now + CLOSE_TIMEOUT);
            }
            Command::Record { time_ms, samples } => {
                if let Some((channel, state)) = self.open_parts(ChannelKind::Record) {
                    state.record.send(time_ms, &samples, &mut channel.out);
                }
            }
            Command::UseMouse(mode) => {
                if let Some((channel, state)) = self.open_parts(ChannelKind::Main) {
                    state.want_mode(mode, &mut channel.out);
                }
            }
            command @ (Command::Key { .. }
            | Command::Motion { .. }
            | Command::Position { .. }
            | Command::Button { .. }
            | Command::Wheel(_)
            | Command::ReleaseAll
            | Command::SetLocks(_)) => self.input(command, now),
            command => self.agent_command(command, now, sink),
        }
        self.after(now, sink);
    }

    fn input(&mut self, command: Command, now: Instant) {
        let Some((channel, state)) = self.open_parts(ChannelKind::Inputs) else {
            return;
        };
        let out = &mut channel.out;
        let mode = state.mouse_mode();
        match command {
            Command::Key { key, is_pressed } => {
                let is_new = state.inputs.key(key, is_pressed, now, out);
                if is_new && is_pressed {
                    state.watchdog.pressed(now);
                }
            }
            Command::Motion { dx, dy } if mode == Some(MouseMode::Relative) => {
                state.inputs.motion(dx, dy, now, out);
            }
            Command::Position { x, y } if mode == Some(MouseMode::Absolute) => {
                let (x, y) = state.clamp(x, y);
                state.inputs.position(x, y, 0, now, out);
            }
            Command::Button { button, is_pressed } => {
                state.inputs.button(button, is_pressed, now, out);
            }
            Command::Wheel(wheel) => state.inputs.wheel(wheel, now, out),
            Command::ReleaseAll => state.inputs.release_all(now, out),
            Command::SetLocks(locks) => Inputs::set_locks(locks, out),
            _ => {}
        }
    }

    fn agent_command(&mut self, command: Command, now: Instant, sink: &mut Sink<'_>) {
        let Some((channel, state)) = self.open_parts(ChannelKind::Main) else {
            return;
        };
        let (agent, out) = (&mut state.agent, &mut channel.out);
        let sink = &mut |event| sink(Event::Agent(event));
        match command {
            Command::GrabClipboard { selection, kinds } => {
                agent.grab(selection, &kinds, out, sink);
            }
            Command::ReleaseClipboard(selection) => agent.release(selection, out, sink),
            Command::RequestClipboard { selection, kind } => {
                agent.request(selection, kind, now, out, sink);
            }
            Command::AnswerClipboard {
                selection,
                kind,
                data,
            } => agent.answer(selection, kind, data, out, sink),
            Command::OfferFile { id, name, size } => {
                agent.offer_file(id, &name, size, out, sink);
            }
            Command::SendFile { id, data } => agent.send_file(id, data, out, sink),
            Command::CancelFile(id) => {
                agent.cancel_file(id);
                agent.pump(out, sink);
            }
            _ => {}
        }
    }

    /// Keys, buttons and clipboard, before an orderly end.
    fn release(&mut self, now: Instant, sink: &mut Sink<'_>) {
        if let Some((channel, state)) = self.open_parts(ChannelKind::Inputs) {
            state.inputs.release_all(now, &mut channel.out);
        }
        if let Some((channel, state)) = self.open_parts(ChannelKind::Main) {
            let mut sink = |event| sink(Event::Agent(event));
            state.agent.release_all(&mut channel.out, &mut sink);
        }
    }
}
