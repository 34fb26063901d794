//! The byte stream between client and agent: messages cut into pieces at any place.

use std::collections::VecDeque;

use crate::wire::{Put, Reader};

/// u32 protocol, u32 type, u64 opaque, u32 size.
const HEADER_BYTES: usize = 20;
const PROTOCOL: u32 = 1;
/// A larger piece makes the server end the session.
pub(super) const MAX_PIECE_BYTES: usize = 2048;
/// With this much unsent on MAIN, pieces wait: pongs must not wait behind a clipboard.
pub(super) const CHANNEL_QUEUE_BYTES: usize = 32 << 10;
/// How much memory is taken at once for a body whose size is only announced.
const GROW_BYTES: usize = 1 << 20;

/// What a step of the assembler gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Nothing whole yet.
    More,
    /// A whole message.
    Message { kind: u32, body: Vec<u8> },
    /// A message above its limit starts; it will be skipped.
    TooLarge { kind: u32, size: usize },
    /// This is no agent's stream.
    Nonsense,
}

/// Puts messages together.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    header: Vec<u8>,
    /// The message under way: type and size.
    current: Option<(u32, usize)>,
    body: Vec<u8>,
    /// Bytes of a refused message that are still to come.
    skip: usize,
}

impl Assembler {
    /// Takes from `data` up to the end of the next message. `limit` says how large a message of a type may be.
    pub(super) fn next(&mut self, data: &mut &[u8], limit: impl Fn(u32) -> usize) -> Piece {
        let skipped = take(data, self.skip).len();
        self.skip -= skipped;
        if self.current.is_none() {
            let missing = HEADER_BYTES - self.header.len();
            self.header.put(take(data, missing));
            if self.header.len() < HEADER_BYTES {
                return Piece::More;
            }
            let Some((kind, size)) = self.read_header() else {
                return Piece::Nonsense;
            };
            self.header.clear();
            if size > limit(kind) {
                self.skip = size;
                return Piece::TooLarge { kind, size };
            }
            self.current = Some((kind, size));
        }
        let Some((kind, size)) = self.current else {
            return Piece::More;
        };
        let missing = size - self.body.len();
        let now = take(data, missing);
        if self.body.capacity() - self.body.len() < now.len() {
            let step = missing.min(GROW_BYTES.max(self.body.len()));
            self.body.reserve_exact(step.max(now.len()));
        }
        self.body.put(now);
        if self.body.len() < size {
            return Piece::More;
        }
        self.current = None;
        let body = std::mem::take(&mut self.body);
        Piece::Message { kind, body }
    }

    fn read_header(&self) -> Option<(u32, usize)> {
        let mut reader = Reader::new(&self.header);
        if reader.u32().ok()? != PROTOCOL {
            return None;
        }
        let kind = reader.u32().ok()?;
        reader.u64().ok()?;
        Some((kind, reader.length().ok()?))
    }
}

/// Splits up to `count` bytes off the front.
fn take<'a>(data: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (now, later) = data.split_at(count.min(data.len()));
    *data = later;
    now
}

/// Messages on their way to the agent, one after the other.
#[derive(Debug)]
pub(super) struct Queue {
    /// Heads and bodies; none is empty.
    chunks: VecDeque<Vec<u8>>,
    /// How much of the first chunk is gone.
    taken: usize,
    bytes: usize,
    limit: usize,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            chunks: VecDeque::new(),
            taken: 0,
            bytes: 0,
            limit,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Whether a message with this much data fits, and leaves room for some small ones.
    pub(super) fn has_room(&self, data: usize) -> bool {
        let wanted = self.bytes.saturating_add(data);
        wanted <= self.limit.saturating_sub(super::SMALL_MESSAGE_BYTES / 2)
    }

    /// Queues a message whose body is `head` and `data`; false, and nothing queued, if the queue is full.
    pub(super) fn push(&mut self, kind: u32, head: Vec<u8>, data: Vec<u8>) -> bool {
        let size = head.len().saturating_add(data.len());
        let Ok(wire_size) = u32::try_from(size) else {
            return false;
        };
        let total = self.bytes.saturating_add(size).saturating_add(HEADER_BYTES);
        if total > self.limit {
            return false;
        }
        let mut header = Vec::with_capacity(HEADER_BYTES + head.len());
        header.put_u32(PROTOCOL);
        header.put_u32(kind);
        header.put_u64(0);
        header.put_u32(wire_size);
        header.put(&head);
        self.bytes = total;
        self.chunks.push_back(header);
        if !data.is_empty() {
            self.chunks.push_back(data);
        }
        true
    }

    /// Moves the next piece to `payload`.
    pub(super) fn take_piece(&mut self, payload: &mut Vec<u8>) {
        let mut room = MAX_PIECE_BYTES;
        while room > 0
            && let Some(chunk) = self.chunks.front()
        {
            let rest = chunk.get(self.taken..).unwrap_or_default();
            let now = rest.get(..room).unwrap_or(rest);
            payload.put(now);
            room -= now.len();
            self.bytes -= now.len();
            self.taken += now.len();
            if self.taken >= chunk.len() {
                self.taken = 0;
                self.chunks.pop_front();
            }
        }
    }
}

#[cfg(test)]
impl Assembler {
    pub(super) fn buffered(&self) -> usize {
        self.body.capacity()
    }
}
