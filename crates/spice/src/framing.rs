//! Messages of one linked connection: mini headers, the ACK window, PING (spice.md sections 1.7 and 2).

use crate::wire::{Malformed, Put, Reader, foreign_text};

/// u16 type and u32 size.
const HEADER_BYTES: usize = 6;
/// Payload buffers above this are given back after use: enough for raw frames of 2560x1440, which may come often.
const KEEP_BYTES: usize = 16 << 20;
/// How much memory is taken at once for a payload whose size is only announced.
const GROW_BYTES: usize = 1 << 20;
/// Text of a NOTIFY longer than this is cut.
const MAX_NOTIFY_BYTES: usize = 1024;

/// Server to client, on every channel.
mod from_server {
    pub(super) const MIGRATE: u16 = 1;
    pub(super) const SET_ACK: u16 = 3;
    pub(super) const PING: u16 = 4;
    pub(super) const DISCONNECTING: u16 = 6;
    pub(super) const NOTIFY: u16 = 7;
}

/// Client to server, on every channel.
mod from_client {
    pub(super) const ACK_SYNC: u16 = 1;
    pub(super) const ACK: u16 = 2;
    pub(super) const PONG: u16 = 3;
}

/// Message types below this mean the same on each channel.
pub(crate) const FIRST_CHANNEL_TYPE: u16 = 101;

/// Bytes on their way to the server. Filled at one end, drained at the other, never a shift of the rest.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    sent: usize,
}

impl Output {
    /// What waits to be written.
    pub(crate) fn pending(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// Forgets the first `count` waiting bytes: they have been written.
    pub(crate) fn advance(&mut self, count: usize) {
        self.sent = self.bytes.len().min(self.sent.saturating_add(count));
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
        } else if self.sent > 64 << 10 {
            // Move the rest down now and then, so that a queue that is never quite empty does not grow for ever.
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// For bytes that are no message: the handshake.
    pub(crate) fn raw(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Appends one message; `payload` writes what follows the header.
    pub(crate) fn message(&mut self, kind: u16, payload: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.put_u16(kind);
        let size_at = self.bytes.len();
        self.bytes.put_u32(0);
        let start = self.bytes.len();
        payload(&mut self.bytes);
        // Payloads are ours and far below 4 GiB.
        let size = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        if let Some(field) = self.bytes.get_mut(size_at..start) {
            field.copy_from_slice(&size.to_le_bytes());
        }
    }
}

/// Why a channel cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// A message is larger than anything that belongs on the channel.
    #[error("a message of type {kind} announces {size} bytes, the channel's limit is {limit}")]
    TooLarge {
        /// The message's type.
        kind: u16,
        /// What it announces.
        size: u32,
        /// What the channel allows.
        limit: usize,
    },
    /// A message that the channel's state hangs on is malformed.
    #[error("a message of type {kind} is malformed: {error}")]
    Malformed {
        /// The message's type.
        kind: u16,
        /// What is wrong with it.
        error: Malformed,
    },
    /// The server said that it closes this channel.
    #[error("the server closes the channel, reason {0}")]
    Disconnecting(u32),
    /// The server wants the session to move to another server, which this crate does not do.
    #[error("the server migrates the session")]
    Migrating,
    /// The first message of MAIN was not INIT.
    #[error("a message of type {0} came before the session's INIT")]
    BeforeInit(u16),
}

/// The rule of spice.md 2.1: one ACK for each `window` messages, no more and no less.
#[derive(Debug, Default)]
struct AckWindow {
    window: u32,
    count: u32,
}

/// Cuts a connection's bytes into messages.
#[derive(Debug)]
pub(crate) struct Framing {
    limit: usize,
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    /// The message under way: type and size.
    current: Option<(u16, usize)>,
    payload: Vec<u8>,
    /// `payload` was handed out and is to be emptied.
    is_used: bool,
    ack: AckWindow,
}

impl Framing {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            header: [0; HEADER_BYTES],
            header_bytes: 0,
            current: None,
            payload: Vec::new(),
            is_used: false,
            ack: AckWindow::default(),
        }
    }

    /// Returns the next whole message and advances `input`; `None` when more bytes are needed.
    ///
    /// A message that lies whole in `input` is not copied. The ACK goes to `out` as soon as the header is read.
    pub(crate) fn next<'s, 'i: 's>(
        &'s mut self,
        input: &mut &'i [u8],
        out: &mut Output,
    ) -> Result<Option<(u16, &'s [u8])>, ChannelError> {
        if self.is_used {
            self.is_used = false;
            self.payload.clear();
            self.payload.shrink_to(KEEP_BYTES);
        }
        let (kind, size) = match self.current {
            Some(current) => current,
            None => match self.read_header(input, out)? {
                Some(current) => current,
                None => return Ok(None),
            },
        };
        if self.payload.is_empty()
            && let Some((payload, rest)) = input.split_at_checked(size)
        {
            self.current = None;
            *input = rest;
            return Ok(Some((kind, payload)));
        }
        let missing = size.saturating_sub(self.payload.len());
        let (now, later) = input.split_at(missing.min(input.len()));
        if self.payload.capacity() - self.payload.len() < now.len() {
            self.payload.reserve_exact(
                now.len()
                    .max(missing.min(GROW_BYTES.max(self.payload.len()))),
            );
        }
        self.payload.extend_from_slice(now);
        *input = later;
        if self.payload.len() < size {
            return Ok(None);
        }
        self.current = None;
        self.is_used = true;
        Ok(Some((kind, &self.payload)))
    }

    fn read_header(
        &mut self,
        input: &mut &[u8],
        out: &mut Output,
    ) -> Result<Option<(u16, usize)>, ChannelError> {
        let missing = HEADER_BYTES - self.header_bytes;
        let (now, later) = input.split_at(missing.min(input.len()));
        let free = self.header.iter_mut().skip(self.header_bytes);
        free.zip(now).for_each(|(to, from)| *to = *from);
        self.header_bytes += now.len();
        *input = later;
        if self.header_bytes < HEADER_BYTES {
            return Ok(None);
        }
        self.header_bytes = 0;
        let [kind_low, kind_high, size @ ..] = self.header;
        let kind = u16::from_le_bytes([kind_low, kind_high]);
        let announced = u32::from_le_bytes(size);
        let size = usize::try_from(announced).unwrap_or(usize::MAX);
        if size > self.limit {
            return Err(ChannelError::TooLarge {
                kind,
                size: announced,
                limit: self.limit,
            });
        }
        self.current = Some((kind, size));
        self.count(kind, out);
        Ok(self.current)
    }

    fn count(&mut self, kind: u16, out: &mut Output) {
        if self.ack.window == 0 || kind == from_server::SET_ACK {
            return;
        }
        self.ack.count += 1;
        if self.ack.count >= self.ack.window {
            self.ack.count = 0;
            out.message(from_client::ACK, |_| {});
        }
    }

    /// Sets the window, as SET_ACK says.
    pub(crate) fn set_window(&mut self, window: u32) {
        self.ack = AckWindow { window, count: 0 };
    }
}

/// What a message common to all channels asks for, beyond the answer that [`common`] wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Common {
    /// Nothing more to do.
    Done,
    /// The acknowledgement window changes.
    Window(u32),
    /// The server has something to say.
    Notify { severity: u32, text: String },
}

/// Handles a message with a type below [`FIRST_CHANNEL_TYPE`].
pub(crate) fn common(kind: u16, payload: &[u8], out: &mut Output) -> Result<Common, ChannelError> {
    read_common(kind, payload, out).map_err(|error| ChannelError::Malformed { kind, error })?
}

fn read_common(
    kind: u16,
    payload: &[u8],
    out: &mut Output,
) -> Result<Result<Common, ChannelError>, Malformed> {
    let mut reader = Reader::new(payload);
    Ok(Ok(match kind {
        from_server::SET_ACK => {
            let generation = reader.u32()?;
            let window = reader.u32()?;
            out.message(from_client::ACK_SYNC, |p| p.put_u32(generation));
            Common::Window(window)
        }
        from_server::PING => {
            // The filler is not sent back.
            let id_and_time = reader.take(12)?;
            out.message(from_client::PONG, |p| p.put(id_and_time));
            Common::Done
        }
        from_server::NOTIFY => {
            reader.u64()?;
            let severity = reader.u32()?;
            reader.u32()?;
            reader.u32()?;
            let length = reader.length()?;
            let text = reader.take(length.min(reader.rest().len()))?;
            Common::Notify {
                severity,
                text: foreign_text(text, MAX_NOTIFY_BYTES),
            }
        }
        from_server::DISCONNECTING => {
            reader.u64()?;
            return Ok(Err(ChannelError::Disconnecting(reader.u32()?)));
        }
        from_server::MIGRATE => return Ok(Err(ChannelError::Migrating)),
        // MIGRATE_DATA, WAIT_FOR_CHANNELS, LIST and whatever may come.
        _ => Common::Done,
    }))
}

#[cfg(test)]
mod tests;
