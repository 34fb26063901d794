//! Pipes to those who paste, and from those who copied.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use clock::Nanos;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use rustix::io::Errno;

use super::super::format::{Encoding, Name, from_latin1, to_latin1};
use super::super::{ClipboardError, ClipboardEvent, ClipboardLimits, MAX_SERVED};

/// Read at once: what a pipe holds.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces of one pipe before the others get their turn.
const PIECES_IN_A_ROW: usize = 16;

/// Where events go.
pub(super) type Sink<'s> = &'s mut dyn FnMut(ClipboardEvent);

/// All open pipes.
pub(super) struct Pipes {
    limits: ClipboardLimits,
    incoming: Vec<Incoming>,
    outgoing: Vec<Outgoing>,
    last_id: u64,
    buffer: Vec<u8>,
}

/// From an owner.
struct Incoming {
    id: u64,
    name: &'static Name,
    pipe: OwnedFd,
    bytes: Vec<u8>,
    deadline: Nanos,
}

/// To one who pastes.
struct Outgoing {
    id: u64,
    name: &'static Name,
    pipe: OwnedFd,
    /// `None` until our user supplies it.
    data: Option<Arc<[u8]>>,
    sent_bytes: usize,
    deadline: Nanos,
    /// No piece that is taken puts the deadline off any further.
    end: Nanos,
}

impl Pipes {
    pub(super) fn new(limits: ClipboardLimits) -> Self {
        Self {
            limits,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            last_id: 0,
            buffer: vec![0; PIECE_BYTES],
        }
    }

    /// Reads what an owner writes; the pipe does not block.
    pub(super) fn read(&mut self, id: u64, name: &'static Name, pipe: OwnedFd, now: Nanos) {
        self.incoming.push(Incoming {
            id,
            name,
            pipe,
            bytes: Vec::new(),
            deadline: now + self.limits.patience.into(),
        });
    }

    /// Forgets a request.
    pub(super) fn cancel(&mut self, id: u64) {
        self.incoming.retain(|incoming| incoming.id != id);
    }

    /// Somebody pastes. Refused by closing the pipe if there are too many, or it could block the thread.
    pub(super) fn serve(&mut self, name: &'static Name, pipe: OwnedFd, now: Nanos, sink: Sink<'_>) {
        if self.outgoing.len() >= MAX_SERVED {
            return;
        }
        if let Err(error) = unblock(&pipe) {
            tracing::debug!(%error, "who pastes has no usable pipe");
            return;
        }
        self.last_id += 1;
        self.outgoing.push(Outgoing {
            id: self.last_id,
            name,
            pipe,
            data: None,
            sent_bytes: 0,
            deadline: now + self.limits.patience.into(),
            end: now + self.limits.patience.into(),
        });
        sink(ClipboardEvent::Wanted {
            id: self.last_id,
            format: name.format,
        });
    }

    /// Our user supplies the data, or has none.
    pub(super) fn supply(&mut self, id: u64, data: Option<Arc<[u8]>>, now: Nanos) {
        let is_it = |outgoing: &Outgoing| outgoing.id == id && outgoing.data.is_none();
        let Some(at) = self.outgoing.iter().position(is_it) else {
            return;
        };
        let mut outgoing = self.outgoing.remove(at);
        let Some(data) = data else {
            return;
        };
        let data = match outgoing.name.encoding {
            Encoding::Latin1 => to_latin1(&data),
            Encoding::Plain | Encoding::Any => data,
        };
        let held = self.outgoing.iter().filter_map(|other| other.data.as_ref());
        if !self.limits.has_room(held, &data) {
            tracing::debug!("too much is held for others who paste");
            return;
        }
        outgoing.end = now + self.limits.reading(data.len());
        outgoing.deadline = now + self.limits.patience.into();
        outgoing.data = Some(data);
        self.outgoing.push(outgoing);
    }

    /// What is to be waited for, in the order that [`Pipes::turn`] expects.
    pub(super) fn watch<'p>(&'p self, fds: &mut Vec<PollFd<'p>>) {
        for incoming in &self.incoming {
            fds.push(PollFd::new(&incoming.pipe, PollFlags::IN));
        }
        for outgoing in &self.outgoing {
            // Without data the end of the reader is all there is to know; that is always told.
            let flags = match outgoing.data {
                Some(_) => PollFlags::OUT,
                None => PollFlags::empty(),
            };
            fds.push(PollFd::new(&outgoing.pipe, flags));
        }
    }

    /// Reads and writes where something happened: `ready` has one value for each descriptor of [`Pipes::watch`].
    pub(super) fn turn(&mut self, ready: &[PollFlags], now: Nanos, sink: Sink<'_>) {
        let limits = self.limits;
        let mut ready = ready.iter().copied();
        let mut is_ready = || !ready.next().unwrap_or(PollFlags::empty()).is_empty();
        let buffer = &mut self.buffer;
        self.incoming.retain_mut(|incoming| {
            if !is_ready() {
                return true;
            }
            match incoming.turn(buffer, limits.max_bytes) {
                None => true,
                Some(data) => {
                    let id = incoming.id;
                    sink(ClipboardEvent::Received { id, data });
                    false
                }
            }
        });
        self.outgoing.retain_mut(|outgoing| {
            if !is_ready() {
                return true;
            }
            let is_open = outgoing.turn(now + limits.patience.into());
            if !is_open && outgoing.data.is_none() {
                sink(ClipboardEvent::WantedNoMore { id: outgoing.id });
            }
            is_open
        });
    }

    /// Gives up on those who are too slow.
    pub(super) fn expire(&mut self, now: Nanos, sink: Sink<'_>) {
        self.incoming.retain(|incoming| {
            let is_late = incoming.deadline <= now;
            if is_late {
                let (id, data) = (incoming.id, Err(ClipboardError::TimedOut));
                sink(ClipboardEvent::Received { id, data });
            }
            !is_late
        });
        self.outgoing.retain(|outgoing| {
            let is_late = outgoing.deadline <= now;
            if is_late && outgoing.data.is_none() {
                sink(ClipboardEvent::WantedNoMore { id: outgoing.id });
            }
            !is_late
        });
    }

    /// When [`Pipes::expire`] is due.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        let incoming = self.incoming.iter().map(|incoming| incoming.deadline);
        let outgoing = self.outgoing.iter().map(|outgoing| outgoing.deadline);
        incoming.chain(outgoing).min()
    }
}

impl Incoming {
    /// Reads what is there; the answer, when all of it is.
    fn turn(
        &mut self,
        buffer: &mut [u8],
        max_bytes: usize,
    ) -> Option<Result<Vec<u8>, ClipboardError>> {
        for _ in 0..PIECES_IN_A_ROW {
            match rustix::io::read(&self.pipe, &mut *buffer) {
                Ok(0) => return Some(self.finish(max_bytes)),
                Ok(count) if self.bytes.len().saturating_add(count) > max_bytes => {
                    return Some(Err(ClipboardError::TooLarge));
                }
                Ok(count) => self
                    .bytes
                    .extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(Errno::AGAIN) => return None,
                Err(Errno::INTR) => {}
                Err(_) => return Some(Err(ClipboardError::Gone)),
            }
        }
        None
    }

    fn finish(&mut self, max_bytes: usize) -> Result<Vec<u8>, ClipboardError> {
        let bytes = std::mem::take(&mut self.bytes);
        let bytes = match self.name.encoding {
            Encoding::Latin1 => from_latin1(&bytes),
            Encoding::Plain | Encoding::Any => bytes,
        };
        match bytes.len() {
            // An owner has no other way to say no.
            0 => Err(ClipboardError::Refused),
            size if size > max_bytes => Err(ClipboardError::TooLarge),
            _ => Ok(bytes),
        }
    }
}

impl Outgoing {
    /// Writes what fits; false when there is no more to do.
    fn turn(&mut self, deadline: Nanos) -> bool {
        let Some(data) = &self.data else {
            // The reader is gone.
            return false;
        };
        for _ in 0..PIECES_IN_A_ROW {
            let rest = data.get(self.sent_bytes..).unwrap_or_default();
            if rest.is_empty() {
                return false;
            }
            match rustix::io::write(&self.pipe, rest) {
                Ok(count) => {
                    self.sent_bytes = self.sent_bytes.saturating_add(count);
                    self.deadline = deadline.min(self.end);
                }
                Err(Errno::AGAIN) => return true,
                Err(Errno::INTR) => {}
                // The reader is gone.
                Err(_) => return false,
            }
        }
        true
    }
}

/// Makes sure that writing cannot block: anything but a pipe or a socket might all the same.
fn unblock(pipe: impl AsFd) -> std::io::Result<()> {
    match FileType::from_raw_mode(fstat(&pipe)?.st_mode) {
        FileType::Fifo | FileType::Socket => {}
        _ => return Err(std::io::ErrorKind::InvalidInput.into()),
    }
    let flags = fcntl_getfl(&pipe)?;
    fcntl_setfl(&pipe, flags | OFlags::NONBLOCK)?;
    Ok(())
}

#[cfg(test)]
mod tests;
