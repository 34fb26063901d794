//! Asking the owner of the selection (ICCCM 2.4, 2.7.2).
//!
//! Each question has a window of its own, so that a late answer to one can never be taken for the answer to another.

use std::collections::VecDeque;

use clock::Nanos;
use x11rb::connection::Connection as _;
use x11rb::protocol::xfixes::{SelectionEvent, SelectionNotifyEvent as OwnerEvent};
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ConnectionExt as _, GetPropertyReply, SelectionNotifyEvent, Timestamp, Window,
};

use super::super::format::{Encoding, from_latin1};
use super::super::{ClipboardError, ClipboardEvent, ClipboardFormat};
use super::worker::{Lost, Server, Sink};

/// Targets of an owner that are looked at.
const MAX_TARGETS: usize = 1024;
/// Read from the server at once.
const PIECE_BYTES: usize = 1 << 20;
/// Windows of answered questions that are kept, because some owners still touch them afterwards, and some of those die
/// of it if they are gone.
const MAX_RETIRED: usize = 8;

/// What is known of the owner, and what it is being asked.
#[derive(Default)]
pub(super) struct Fetch {
    /// What another program offers; empty if nobody does, or we do.
    targets: Vec<Atom>,
    /// When that was, for questions about it.
    time: Timestamp,
    questions: Vec<Question>,
    retired: VecDeque<Window>,
}

/// Something that the owner is asked.
struct Question {
    window: Window,
    about: About,
    /// The owner sends its answer in pieces, and these are the first ones. `None`: it has not begun.
    pieces: Option<Vec<u8>>,
    deadline: Nanos,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    /// What it offers.
    Targets,
    /// The data.
    Data { id: u64, format: ClipboardFormat },
}

/// A property as it was read.
struct Read {
    kind: Atom,
    bits: u8,
    bytes: Vec<u8>,
}

/// Why a property could not be read.
enum Unread {
    TooLarge,
    Lost(Lost),
}

impl From<Lost> for Unread {
    fn from(error: Lost) -> Self {
        Self::Lost(error)
    }
}

impl Fetch {
    /// Asks what there is already.
    pub(super) fn look(&mut self, server: &Server, now: Nanos) -> Result<(), Lost> {
        let owner = server.conn.get_selection_owner(server.atoms.CLIPBOARD)?;
        let owner = owner.reply().ok().map(|reply| reply.owner);
        match owner.filter(|owner| *owner != x11rb::NONE) {
            Some(_) => self.ask(server, About::Targets, server.atoms.TARGETS, now),
            None => Ok(()),
        }
    }

    /// The selection has another owner.
    pub(super) fn owner_changed(
        &mut self,
        server: &Server,
        event: &OwnerEvent,
        is_ours: bool,
        now: Nanos,
        sink: Sink<'_>,
    ) -> Result<(), Lost> {
        self.targets.clear();
        self.time = event.timestamp;
        if let Some(at) = self.find(|question| question.about == About::Targets) {
            self.retire(server, at)?;
        }
        if is_ours {
            return Ok(());
        }
        if event.subtype != SelectionEvent::SET_SELECTION_OWNER {
            // The owner is dead: it answers nothing any more.
            while let Some(at) = self.find(|_| true) {
                self.end(server, at, Err(ClipboardError::Gone), sink)?;
            }
        }
        if event.owner == x11rb::NONE {
            sink(ClipboardEvent::Cleared);
            return Ok(());
        }
        self.ask(server, About::Targets, server.atoms.TARGETS, now)
    }

    /// Our user wants the data.
    pub(super) fn request(
        &mut self,
        server: &Server,
        id: u64,
        format: ClipboardFormat,
        now: Nanos,
        sink: Sink<'_>,
    ) -> Result<(), Lost> {
        let mut atoms = server.names.atoms(format);
        if let Some(target) = atoms.find(|atom| self.targets.contains(atom)) {
            return self.ask(server, About::Data { id, format }, target, now);
        }
        let data = Err(ClipboardError::Refused);
        sink(ClipboardEvent::Received { id, data });
        Ok(())
    }

    /// Our user does not want the data any more.
    pub(super) fn cancel(&mut self, server: &Server, id: u64) -> Result<(), Lost> {
        let is_it =
            |question: &Question| matches!(question.about, About::Data { id: i, .. } if i == id);
        match self.find(is_it) {
            Some(at) => self.retire(server, at),
            None => Ok(()),
        }
    }

    fn find(&self, is_it: impl Fn(&Question) -> bool) -> Option<usize> {
        self.questions.iter().position(is_it)
    }

    fn ask(&mut self, server: &Server, about: About, target: Atom, now: Nanos) -> Result<(), Lost> {
        let Ok(window) = server.conn.generate_id() else {
            // No numbers are left, or the connection is lost, which shows elsewhere: the deadline answers.
            return Ok(());
        };
        server.create_window(window)?;
        let (selection, property) = (server.atoms.CLIPBOARD, server.atoms.LOOKING_GLASS_CLIPBOARD);
        server
            .conn
            .convert_selection(window, selection, target, property, self.time)?;
        self.questions.push(Question {
            window,
            about,
            pieces: None,
            deadline: now + server.limits.patience.into(),
        });
        Ok(())
    }

    /// Forgets a question. Its window is kept for a while.
    fn retire(&mut self, server: &Server, at: usize) -> Result<(), Lost> {
        let question = self.questions.swap_remove(at);
        self.retired.push_back(question.window);
        if self.retired.len() > MAX_RETIRED
            && let Some(window) = self.retired.pop_front()
        {
            server.conn.destroy_window(window)?;
        }
        Ok(())
    }

    /// Ends a question with an answer.
    fn end(
        &mut self,
        server: &Server,
        at: usize,
        answer: Result<Read, ClipboardError>,
        sink: Sink<'_>,
    ) -> Result<(), Lost> {
        let about = self.questions.get(at).map(|question| question.about);
        self.retire(server, at)?;
        match about {
            Some(About::Data { id, format }) => {
                let data = answer.and_then(|read| decode(server, format, read));
                sink(ClipboardEvent::Received { id, data });
            }
            Some(About::Targets) => {
                self.targets = answer.map(targets).unwrap_or_default();
                let formats = server.names.formats(&self.targets);
                sink(match formats.is_empty() {
                    true => ClipboardEvent::Cleared,
                    false => ClipboardEvent::Offered(formats),
                });
            }
            None => {}
        }
        Ok(())
    }

    /// The owner says that its answer is there, or that there is none.
    pub(super) fn answered(
        &mut self,
        server: &Server,
        event: &SelectionNotifyEvent,
        sink: Sink<'_>,
    ) -> Result<(), Lost> {
        let is_it = |q: &Question| q.window == event.requestor && q.pieces.is_none();
        let Some(at) = self.find(is_it) else {
            return Ok(());
        };
        if event.property == x11rb::NONE {
            return self.end(server, at, Err(ClipboardError::Refused), sink);
        }
        let limit = self.limit(server, at);
        let answer = match read(server, event.requestor, limit) {
            Ok(Some(read)) if read.kind == server.atoms.INCR => {
                let least = words(&read.bytes).next();
                let least = least.and_then(|least| usize::try_from(least).ok());
                if least.is_none_or(|least| least <= limit) {
                    if let Some(question) = self.questions.get_mut(at) {
                        question.pieces = Some(Vec::new());
                    }
                    // To delete it is to ask for the first piece.
                    return delete(server, event.requestor);
                }
                // Left as it is: the owner waits for a while and forgets it.
                Err(ClipboardError::TooLarge)
            }
            Ok(read) => {
                delete(server, event.requestor)?;
                read.ok_or(ClipboardError::Refused)
            }
            Err(Unread::TooLarge) => {
                delete(server, event.requestor)?;
                Err(ClipboardError::TooLarge)
            }
            Err(Unread::Lost(error)) => return Err(error),
        };
        self.end(server, at, answer, sink)
    }

    /// The owner has written the next piece.
    pub(super) fn written(
        &mut self,
        server: &Server,
        window: Window,
        sink: Sink<'_>,
    ) -> Result<(), Lost> {
        let is_it = |q: &Question| q.window == window && q.pieces.is_some();
        let Some(at) = self.find(is_it) else {
            return Ok(());
        };
        let limit = self.limit(server, at);
        let Some(pieces) = self.questions.get_mut(at).and_then(|q| q.pieces.as_mut()) else {
            return Ok(());
        };
        let answer = match read(server, window, limit.saturating_sub(pieces.len())) {
            // Deleted by ourselves before, and not written anew yet.
            Ok(None) => return Ok(()),
            Ok(Some(read)) if read.bytes.is_empty() => {
                let bytes = std::mem::take(pieces);
                Ok(Read { bytes, ..read })
            }
            Ok(Some(read)) => {
                pieces.extend_from_slice(&read.bytes);
                return delete(server, window);
            }
            // Not deleted: so no further piece comes.
            Err(Unread::TooLarge) => {
                return self.end(server, at, Err(ClipboardError::TooLarge), sink);
            }
            Err(Unread::Lost(error)) => return Err(error),
        };
        delete(server, window)?;
        self.end(server, at, answer, sink)
    }

    /// The most bytes that a question may bring.
    fn limit(&self, server: &Server, at: usize) -> usize {
        match self.questions.get(at).map(|question| question.about) {
            Some(About::Data { .. }) => server.limits.max_bytes,
            _ => MAX_TARGETS * 4,
        }
    }

    /// Gives up on owners that do not answer.
    pub(super) fn expire(
        &mut self,
        server: &Server,
        now: Nanos,
        sink: Sink<'_>,
    ) -> Result<(), Lost> {
        while let Some(at) = self.find(|question| question.deadline <= now) {
            self.end(server, at, Err(ClipboardError::TimedOut), sink)?;
        }
        Ok(())
    }

    /// When [`Fetch::expire`] is due.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        let deadlines = self.questions.iter().map(|question| question.deadline);
        deadlines.min()
    }

    /// The server is gone, and the owner with it.
    pub(super) fn abandon(&mut self, sink: Sink<'_>) {
        for question in self.questions.drain(..) {
            if let About::Data { id, .. } = question.about {
                let data = Err(ClipboardError::Gone);
                sink(ClipboardEvent::Received { id, data });
            }
        }
    }
}

/// Reads the property of a question's window, at most `limit` bytes; `None` if there is none.
fn read(server: &Server, window: Window, limit: usize) -> Result<Option<Read>, Unread> {
    let first = piece(server, window, 0)?;
    let Some(first) = first.filter(|reply| reply.type_ != x11rb::NONE) else {
        return Ok(None);
    };
    let mut read = Read {
        kind: first.type_,
        bits: first.format,
        bytes: first.value,
    };
    let mut rest_bytes = first.bytes_after;
    // The size of what comes in pieces is not the size of this.
    let limit = limit.max(if read.kind == server.atoms.INCR { 4 } else { 0 });
    while rest_bytes > 0 {
        let rest = usize::try_from(rest_bytes).unwrap_or(usize::MAX);
        if read.bytes.len().saturating_add(rest) > limit {
            return Err(Unread::TooLarge);
        }
        let Some(next) = piece(server, window, read.bytes.len())? else {
            return Ok(None);
        };
        // The owner may be writing it anew: as long as each piece brings something, this ends.
        if next.type_ != read.kind || next.format != read.bits || next.value.is_empty() {
            return Ok(None);
        }
        read.bytes.extend_from_slice(&next.value);
        rest_bytes = next.bytes_after;
    }
    match read.bytes.len() > limit {
        true => Err(Unread::TooLarge),
        false => Ok(Some(read)),
    }
}

/// Reads a piece of the property, from a multiple of four bytes on.
fn piece(
    server: &Server,
    window: Window,
    from_bytes: usize,
) -> Result<Option<GetPropertyReply>, Lost> {
    let property = server.atoms.LOOKING_GLASS_CLIPBOARD;
    let from = u32::try_from(from_bytes / 4).unwrap_or(u32::MAX);
    let words = (PIECE_BYTES / 4) as u32;
    let cookie = server
        .conn
        .get_property(false, window, property, AtomEnum::ANY, from, words)?;
    match cookie.reply() {
        Ok(reply) => Ok(Some(reply)),
        Err(x11rb::errors::ReplyError::ConnectionError(error)) => Err(error),
        Err(x11rb::errors::ReplyError::X11Error(_)) => Ok(None),
    }
}

fn delete(server: &Server, window: Window) -> Result<(), Lost> {
    let property = server.atoms.LOOKING_GLASS_CLIPBOARD;
    server.conn.delete_property(window, property)?;
    Ok(())
}

/// The 32-bit words of a property.
fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let words = bytes.as_chunks::<4>().0.iter();
    words.map(|word| u32::from_ne_bytes(*word))
}

/// The targets in an answer. Its type shall be ATOM, but some owners say TARGETS.
fn targets(read: Read) -> Vec<Atom> {
    match read.bits {
        32 => words(&read.bytes).take(MAX_TARGETS).collect(),
        _ => Vec::new(),
    }
}

/// Turns an answer into data; the owner chooses the type of text.
fn decode(server: &Server, format: ClipboardFormat, read: Read) -> Result<Vec<u8>, ClipboardError> {
    if read.bits != 8 || read.kind == server.atoms.COMPOUND_TEXT {
        return Err(ClipboardError::Refused);
    }
    let is_text = format == ClipboardFormat::Text;
    let name = server.names.find(read.kind);
    if is_text && name.is_some_and(|name| name.encoding == Encoding::Latin1) {
        let text = from_latin1(&read.bytes);
        return match text.len() > server.limits.max_bytes {
            true => Err(ClipboardError::TooLarge),
            false => Ok(text),
        };
    }
    Ok(read.bytes)
}
