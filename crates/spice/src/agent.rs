//! The guest agent, carried by MAIN: capabilities, clipboard, file transfer (spice.md section 8).

mod capabilities;
pub mod clipboard;
mod files;
mod stream;

use std::time::{Duration, Instant};

pub use capabilities::AgentCapabilities;
pub use files::{FileId, FileStatus};

use crate::{
    agent::{
        clipboard::{ClipboardEvent, ClipboardKind, Requests, Selection},
        files::Files,
        stream::{Assembler, Piece, Queue},
    },
    framing::Output,
    main_channel,
    wire::{Malformed, Put, Reader},
};

/// Message types.
mod message {
    pub(super) const CLIPBOARD: u32 = 4;
    pub(super) const ANNOUNCE_CAPABILITIES: u32 = 6;
    pub(super) const CLIPBOARD_GRAB: u32 = 7;
    pub(super) const CLIPBOARD_REQUEST: u32 = 8;
    pub(super) const CLIPBOARD_RELEASE: u32 = 9;
    pub(super) const FILE_XFER_START: u32 = 10;
    pub(super) const FILE_XFER_STATUS: u32 = 11;
    pub(super) const FILE_XFER_DATA: u32 = 12;
    pub(super) const MAX_CLIPBOARD: u32 = 14;
}

/// Pieces that the server may send before we grant more.
const GRANTED_TOKENS: u32 = 32;
/// Tokens are given back in lots of this size.
const TOKEN_LOT: u32 = 16;
/// The most that one who asked for the clipboard waits for an answer.
const CLIPBOARD_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages other than clipboard data are small.
const SMALL_MESSAGE_BYTES: usize = 64 << 10;

/// What comes from the agent.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AgentEvent {
    /// An agent runs; what it can do is not known yet.
    Connected,
    /// What the agent can do; said as often as the agent says it, changed or not.
    Capabilities(AgentCapabilities),
    /// The agent is gone, and with it all grabs and transfers.
    Disconnected,
    /// The clipboard.
    Clipboard(ClipboardEvent),
    /// The guest answers on a file.
    File {
        /// Which.
        id: FileId,
        /// What it says.
        status: FileStatus,
    },
    /// All that was queued for the agent has been handed to the server: there is room for more of a file.
    Drained,
}

/// The agent's side of a session.
#[derive(Debug)]
pub(crate) struct Agent {
    is_connected: bool,
    /// Something made no sense; nothing more is read until the agent starts anew.
    is_broken: bool,
    capabilities: Option<AgentCapabilities>,
    /// Pieces that we may send.
    tokens: u32,
    /// Pieces that arrived and were not given back.
    consumed: u32,
    assembler: Assembler,
    queue: Queue,
    requests: Requests,
    files: Files,
    max_clipboard: usize,
    /// What the agent says is the most that it takes.
    agents_limit: usize,
    /// What was said of it already: a guest must not be able to fill our log.
    warned: Warned,
}

/// Warnings that come once a session.
#[derive(Debug, Clone, Copy, Default)]
struct Warned {
    nonsense: bool,
    dropped: bool,
}

/// Where events go.
type Sink<'s> = dyn FnMut(AgentEvent) + 's;

impl Agent {
    pub(crate) fn new(max_clipboard: usize) -> Self {
        Self {
            is_connected: false,
            is_broken: false,
            capabilities: None,
            tokens: 0,
            consumed: 0,
            assembler: Assembler::default(),
            queue: Queue::new(max_clipboard.saturating_add(SMALL_MESSAGE_BYTES)),
            requests: Requests::default(),
            files: Files::default(),
            max_clipboard,
            agents_limit: usize::MAX,
            warned: Warned::default(),
        }
    }

    /// An agent is there. `tokens` is how many pieces we may send, if the server says it.
    pub(crate) fn connected(&mut self, tokens: Option<u32>, out: &mut Output, sink: &mut Sink<'_>) {
        if self.is_connected {
            self.disconnected(sink);
        }
        *self = Self {
            is_connected: true,
            tokens: tokens.unwrap_or(self.tokens),
            warned: self.warned,
            ..Self::new(self.max_clipboard)
        };
        sink(AgentEvent::Connected);
        main_channel::agent_start(out, GRANTED_TOKENS);
        self.announce(true, out);
    }

    pub(crate) fn disconnected(&mut self, sink: &mut Sink<'_>) {
        if !self.is_connected {
            return;
        }
        let (tokens, warned) = (self.tokens, self.warned);
        if let Some(request) = self.requests.take_ours() {
            sink(AgentEvent::Clipboard(request.into_unavailable()));
        }
        *self = Self {
            tokens,
            warned,
            ..Self::new(self.max_clipboard)
        };
        sink(AgentEvent::Disconnected);
    }

    /// The server takes `tokens` more pieces.
    pub(crate) fn add_tokens(&mut self, tokens: u32, out: &mut Output, sink: &mut Sink<'_>) {
        self.tokens = self.tokens.saturating_add(tokens);
        self.pump(out, sink);
    }

    /// Sets the tokens of INIT.
    pub(crate) fn set_tokens(&mut self, tokens: u32) {
        self.tokens = tokens;
    }

    fn announce(&mut self, wants_answer: bool, out: &mut Output) {
        let body = capabilities::announcement(wants_answer);
        self.queue
            .push(message::ANNOUNCE_CAPABILITIES, body, Vec::new());
        self.send(out);
    }

    /// Takes one piece of the agent's stream.
    pub(crate) fn receive(
        &mut self,
        mut data: &[u8],
        now: Instant,
        out: &mut Output,
        sink: &mut Sink<'_>,
    ) {
        if !self.is_connected {
            return;
        }
        self.consumed += 1;
        if self.consumed >= TOKEN_LOT {
            main_channel::agent_tokens(out, self.consumed);
            self.consumed = 0;
        }
        // The data, a selection and a type.
        let largest_clipboard = self.max_clipboard.saturating_add(8);
        let limit = |kind| match kind {
            message::CLIPBOARD => largest_clipboard,
            _ => SMALL_MESSAGE_BYTES,
        };
        while !self.is_broken && !data.is_empty() {
            match self.assembler.next(&mut data, limit) {
                Piece::More => {}
                Piece::Nonsense => {
                    self.is_broken = true;
                    if !std::mem::replace(&mut self.warned.nonsense, true) {
                        tracing::warn!(
                            "the guest agent's messages make no sense; they are ignored"
                        );
                    }
                }
                Piece::TooLarge { kind, size } => {
                    if kind == message::CLIPBOARD {
                        self.refuse_incoming(size, sink);
                    }
                }
                Piece::Message { kind, body } => {
                    // A request that this was meant to answer runs into its time limit.
                    if let Err(error) = self.handle(kind, body, now, out, sink) {
                        tracing::debug!(kind, %error, "malformed agent message");
                    }
                }
            }
        }
        self.pump(out, sink);
    }

    fn has_selections(&self) -> bool {
        self.capabilities
            .is_some_and(AgentCapabilities::has_selections)
    }

    /// Data that was too large to be taken.
    fn refuse_incoming(&mut self, size: usize, sink: &mut Sink<'_>) {
        sink(AgentEvent::Clipboard(ClipboardEvent::TooLarge {
            size,
            limit: self.max_clipboard,
            is_from_guest: true,
        }));
        if let Some(request) = self.requests.take_ours() {
            sink(AgentEvent::Clipboard(request.into_unavailable()));
        }
    }

    fn handle(
        &mut self,
        kind: u32,
        body: Vec<u8>,
        now: Instant,
        out: &mut Output,
        sink: &mut Sink<'_>,
    ) -> Result<(), Malformed> {
        match kind {
            message::ANNOUNCE_CAPABILITIES => {
                let (wants_answer, capabilities) = AgentCapabilities::read(&body)?;
                if wants_answer {
                    self.announce(false, out);
                }
                self.capabilities = Some(capabilities);
                // Also if it is nothing new: who has taken the agent for gone waits for this.
                sink(AgentEvent::Capabilities(capabilities));
            }
            message::CLIPBOARD => self.clipboard_data(body, sink)?,
            message::CLIPBOARD_GRAB => {
                let (selection, types) = self.selection(&body)?;
                let Some(selection) = selection else {
                    return Ok(());
                };
                if let Some(request) = self.requests.grabbed_by_guest(selection) {
                    sink(AgentEvent::Clipboard(request.into_unavailable()));
                }
                let kinds = clipboard::read_kinds(types);
                let event = ClipboardEvent::Grabbed { selection, kinds };
                sink(AgentEvent::Clipboard(event));
            }
            message::CLIPBOARD_REQUEST => self.guest_asks(&body, now, sink)?,
            message::CLIPBOARD_RELEASE => {
                if let (Some(selection), _) = self.selection(&body)? {
                    if let Some(request) = self.requests.grabbed_by_guest(selection) {
                        sink(AgentEvent::Clipboard(request.into_unavailable()));
                    }
                    let event = ClipboardEvent::Released { selection };
                    sink(AgentEvent::Clipboard(event));
                }
            }
            message::FILE_XFER_STATUS => {
                let (id, status) = self.files.status(&body)?;
                sink(AgentEvent::File { id, status });
            }
            message::MAX_CLIPBOARD => {
                let limit = Reader::new(&body).i32()?;
                // -1 means without limit.
                self.agents_limit = usize::try_from(limit).unwrap_or(usize::MAX);
            }
            // REPLY, AUDIO_VOLUME_SYNC, GRAPHICS_DEVICE_INFO and whatever may come.
            _ => tracing::trace!(kind, "agent message ignored"),
        }
        Ok(())
    }

    /// Splits the selection off a clipboard message; `None` for one that the protocol does not have.
    fn selection<'b>(&self, body: &'b [u8]) -> Result<(Option<Selection>, &'b [u8]), Malformed> {
        let mut reader = Reader::new(body);
        let selection = match self.has_selections() {
            true => Selection::from_wire(reader.u32()?.to_le_bytes()[0]),
            false => Some(Selection::Clipboard),
        };
        Ok((selection, reader.rest()))
    }

    fn clipboard_data(&mut self, mut body: Vec<u8>, sink: &mut Sink<'_>) -> Result<(), Malformed> {
        let (selection, rest) = self.selection(&body)?;
        let kind = ClipboardKind::from_wire(Reader::new(rest).u32()?);
        let prefix = body.len() - rest.len() + 4;
        let size = body.len().saturating_sub(prefix);
        let Some(request) = self.requests.answered(selection, kind) else {
            // Late, for a request that was given up.
            return Ok(());
        };
        let event = if kind.is_none() {
            request.into_unavailable()
        } else if size > self.max_clipboard {
            sink(AgentEvent::Clipboard(ClipboardEvent::TooLarge {
                size,
                limit: self.max_clipboard,
                is_from_guest: true,
            }));
            request.into_unavailable()
        } else {
            body.drain(..prefix);
            request.into_data(body)
        };
        sink(AgentEvent::Clipboard(event));
        Ok(())
    }

    fn guest_asks(
        &mut self,
        body: &[u8],
        now: Instant,
        sink: &mut Sink<'_>,
    ) -> Result<(), Malformed> {
        let mut reader = Reader::new(body);
        let prefix = if self.has_selections() {
            reader.u32()?
        } else {
            0
        };
        let kind = ClipboardKind::from_wire(reader.u32()?);
        let selection = Selection::from_wire(prefix.to_le_bytes()[0]);
        let asked = selection.zip(kind);
        match asked.filter(|(selection, kind)| {
            let deadline = now + CLIPBOARD_TIMEOUT;
            self.requests.asked_by_guest(*selection, *kind, deadline)
        }) {
            Some((selection, kind)) => {
                let event = ClipboardEvent::Requested { selection, kind };
                sink(AgentEvent::Clipboard(event));
            }
            // Always answer: the guest's application waits.
            None => self.put_clipboard(message::CLIPBOARD, prefix, &[0], Vec::new()),
        }
        Ok(())
    }

    /// Queues a clipboard message: selection if agreed on, some u32, and data. Full: it is left out.
    fn put_clipboard(&mut self, kind: u32, selection: u32, words: &[u32], data: Vec<u8>) {
        let mut head = Vec::with_capacity(8 + words.len() * 4);
        if self.has_selections() {
            head.put_u32(selection);
        }
        words.iter().for_each(|word| head.put_u32(*word));
        if !self.queue.push(kind, head, data) && !std::mem::replace(&mut self.warned.dropped, true)
        {
            tracing::warn!(kind, "the guest agent does not read; messages are dropped");
        }
    }

    fn has_clipboard(&self) -> bool {
        self.capabilities
            .is_some_and(AgentCapabilities::has_clipboard)
    }

    /// Tells the guest that we own the selection and can serve `kinds`, best first.
    pub(crate) fn grab(
        &mut self,
        selection: Selection,
        kinds: &[ClipboardKind],
        out: &mut Output,
        sink: &mut Sink<'_>,
    ) {
        if !self.has_clipboard() || !self.serves(selection) {
            return;
        }
        self.refuse_guest();
        self.requests.grabbed_by_us(selection);
        let kinds: Vec<u32> = kinds.iter().map(|kind| kind.to_wire()).collect();
        self.put_clipboard(
            message::CLIPBOARD_GRAB,
            selection.to_wire(),
            &kinds,
            Vec::new(),
        );
        self.pump(out, sink);
    }

    /// Tells the guest that we have nothing any more.
    pub(crate) fn release(&mut self, selection: Selection, out: &mut Output, sink: &mut Sink<'_>) {
        if self.requests.released_by_us(selection) {
            self.refuse_guest();
            self.put_clipboard(
                message::CLIPBOARD_RELEASE,
                selection.to_wire(),
                &[],
                Vec::new(),
            );
            self.pump(out, sink);
        }
    }

    pub(crate) fn release_all(&mut self, out: &mut Output, sink: &mut Sink<'_>) {
        for selection in Selection::ALL {
            self.release(selection, out, sink);
        }
    }

    /// Asks the guest for what it offered. If that cannot be, the answer is "unavailable" at once.
    pub(crate) fn request(
        &mut self,
        selection: Selection,
        kind: ClipboardKind,
        now: Instant,
        out: &mut Output,
        sink: &mut Sink<'_>,
    ) {
        let can_ask = self.has_clipboard()
            && self.serves(selection)
            && self.requests.ask(selection, kind, now + CLIPBOARD_TIMEOUT);
        if !can_ask {
            let event = ClipboardEvent::Unavailable { selection, kind };
            return sink(AgentEvent::Clipboard(event));
        }
        let (request, selection) = (message::CLIPBOARD_REQUEST, selection.to_wire());
        self.put_clipboard(request, selection, &[kind.to_wire()], Vec::new());
        self.pump(out, sink);
    }

    /// Answers the guest's request; `None` when there is nothing to give. An answer nobody waits for is dropped.
    pub(crate) fn answer(
        &mut self,
        selection: Selection,
        kind: ClipboardKind,
        data: Option<Vec<u8>>,
        out: &mut Output,
        sink: &mut Sink<'_>,
    ) {
        if !self.requests.is_asked_by_guest(selection, kind) {
            return;
        }
        let limit = self.max_clipboard.min(self.agents_limit);
        match data {
            Some(data) if data.len() <= limit && self.queue.has_room(data.len()) => {
                self.requests.take_guests();
                let clipboard = message::CLIPBOARD;
                self.put_clipboard(clipboard, selection.to_wire(), &[kind.to_wire()], data);
            }
            data => {
                if let Some(data) = data {
                    sink(AgentEvent::Clipboard(ClipboardEvent::TooLarge {
                        size: data.len(),
                        limit,
                        is_from_guest: false,
                    }));
                }
                self.refuse_guest();
            }
        }
        self.pump(out, sink);
    }

    /// Without the selection prefix there is only one selection to talk about.
    fn serves(&self, selection: Selection) -> bool {
        self.has_selections() || selection == Selection::Clipboard
    }

    /// Answers the guest's request, if there is one, with nothing.
    fn refuse_guest(&mut self) {
        if let Some(selection) = self.requests.take_guests() {
            self.put_clipboard(message::CLIPBOARD, selection.to_wire(), &[0], Vec::new());
        }
    }

    /// Offers a file; the guest answers with a [`FileStatus`].
    pub(crate) fn offer_file(
        &mut self,
        id: FileId,
        name: &str,
        size: u64,
        out: &mut Output,
        sink: &mut Sink<'_>,
    ) {
        let can_send = self.is_connected
            && self
                .capabilities
                .is_none_or(AgentCapabilities::has_file_transfer);
        if !can_send || self.files.is_open(id) {
            let status = FileStatus::Disabled;
            return sink(AgentEvent::File { id, status });
        }
        let body = self.files.start(id, name, size);
        let is_sent =
            body.is_some_and(|body| self.queue.push(message::FILE_XFER_START, body, Vec::new()));
        if !is_sent {
            self.files.forget(id);
            let status = FileStatus::Disabled;
            sink(AgentEvent::File { id, status });
        }
        self.pump(out, sink);
    }

    /// Sends the next bytes of a file.
    pub(crate) fn send_file(
        &mut self,
        id: FileId,
        data: Vec<u8>,
        out: &mut Output,
        sink: &mut Sink<'_>,
    ) {
        let is_sent = self.queue.has_room(data.len())
            && self
                .files
                .data(id, data.len())
                .is_some_and(|head| self.queue.push(message::FILE_XFER_DATA, head, data));
        if !is_sent {
            let status = FileStatus::Error;
            self.cancel_file(id);
            sink(AgentEvent::File { id, status });
        }
        self.pump(out, sink);
    }

    /// Gives up a file.
    pub(crate) fn cancel_file(&mut self, id: FileId) {
        if self.files.forget(id) {
            let body = files::cancelled(id);
            self.queue.push(message::FILE_XFER_STATUS, body, Vec::new());
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.requests.deadline()
    }

    pub(crate) fn tick(&mut self, now: Instant, out: &mut Output, sink: &mut Sink<'_>) {
        if let Some(request) = self.requests.expire_ours(now) {
            sink(AgentEvent::Clipboard(request.into_unavailable()));
        }
        if self.requests.has_guest_waited(now) {
            self.refuse_guest();
        }
        self.pump(out, sink);
    }

    /// Hands queued bytes on, and says when none are left.
    pub(crate) fn pump(&mut self, out: &mut Output, sink: &mut Sink<'_>) {
        if self.send(out) {
            sink(AgentEvent::Drained);
        }
    }

    /// Sends as many pieces as tokens and the channel's queue allow; true when that emptied the queue.
    fn send(&mut self, out: &mut Output) -> bool {
        let had_any = !self.queue.is_empty();
        while self.tokens > 0
            && !self.queue.is_empty()
            && out.pending().len() < stream::CHANNEL_QUEUE_BYTES
        {
            self.tokens -= 1;
            main_channel::agent_data(out, |payload| self.queue.take_piece(payload));
        }
        had_any && self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests;
